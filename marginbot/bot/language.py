"""The language of whoever reads: texts are written in English, and looked up here at the moment they are rendered.

Catalogues are gettext's, one .po file a language in `marginbot/locale`, compiled in memory when they are first needed.
`_` and `plural` give a text in the reader's language; `later` marks a constant that `_` looks up where it is used.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

log = logging.getLogger(__name__)

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "es": "Español", "ru": "Русский", "tr": "Türkçe", "zh": "中文"}
DOMAIN = "marginbot"
SAID = "said elsewhere"  # the comment on texts that other layers say, see `said`

_LANGUAGE: ContextVar[str] = ContextVar("reader's language", default=ENGLISH)


def _(message: str, /, **values: object) -> str:
    """A text in the reader's language, its named placeholders filled with `values`."""
    return filled(_compiled(_LANGUAGE.get()).gettext(message), message, values) if message else ""


def plural(one: str, many: str, n: int, /, **values: object) -> str:
    """The same for a text that depends on a number, which is the placeholder `{n}`."""
    found = _compiled(_LANGUAGE.get()).ngettext(one, many, n)
    return filled(found, one if n == 1 else many, {"n": n, **values})


def later(message: str) -> str:
    """A constant that is text for people: it goes into the catalogues, and stays English until `_` looks it up."""
    return message


def language() -> str:
    """The reader's language."""
    return _LANGUAGE.get()


def supported(code: str | None) -> str | None:
    """`zh-hans` → `zh`; None for a language that there is no catalogue of."""
    name = (code or "").replace("_", "-").partition("-")[0].lower()
    return name if name in LANGUAGES else None


def best(*codes: str | None) -> str:
    """The first of these languages that is supported, else English."""
    return next((found for code in codes if (found := supported(code)) is not None), ENGLISH)


@contextmanager
def read_in_language(code: str | None) -> Iterator[None]:
    """What is rendered inside is read by somebody of this language."""
    before = _LANGUAGE.set(best(code))
    try:
        yield
    finally:
        _LANGUAGE.reset(before)


def read_from_now_on_in_language(code: str | None) -> None:
    """The same for the rest of this task and all that it starts."""
    _LANGUAGE.set(best(code))


def load() -> None:
    """Compile all catalogues now, so that no message waits for it."""
    for code in LANGUAGES:
        _compiled(code)


def looked_up(code: str, message: str) -> str | None:
    """A text in a language; None where that has none."""
    found = _compiled(code).gettext(message)
    return None if found == message else found


@cache
def catalogue(code: str) -> Catalog:
    """The texts of a language other than English, with their comments."""
    source = files("marginbot") / "locale" / code / "LC_MESSAGES" / f"{DOMAIN}.po"
    return read_po(BytesIO(source.read_bytes()), locale=code, domain=DOMAIN)


@cache
def _compiled(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalogue(code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def filled(template: str, original: str, values: dict[str, object]) -> str:
    """A broken translation costs nobody a message: then the English text is shown."""
    if not values:
        return template
    try:
        return template.format(**values)
    except (AttributeError, LookupError, ValueError):
        log.error("a translation into %s does not fit its text: %s", language(), original)
        return original.format(**values)
