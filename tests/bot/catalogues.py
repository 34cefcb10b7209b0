"""What is to be translated, as it stands in the code, and what the catalogues make of it.

After a change of texts: `python -m tests.bot.catalogues` brings every catalogue up to date (new texts are added with
nothing in them, those gone are dropped) and lists what is not translated yet.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

import marginbot
from marginbot.bot.language import DOMAIN, ENGLISH, LANGUAGES, SAID
from marginbot.domain.errors import MarginbotError
from tests.bot.elsewhere import said_elsewhere

PACKAGE = Path(marginbot.__file__).parent
KEYWORDS = {"_": 1, "later": 1, "plural": 2}  # how many texts each takes
TRANSLATED = sorted(set(LANGUAGES) - {ENGLISH})
Id = str | tuple[str, ...]


def wanted() -> set[Id]:
    """Every text of the code: those marked in it, what each kind of error advises, and what other layers say."""
    found = {each for path in PACKAGE.rglob("*.py") for each in marked(path.read_text(encoding="utf-8"))}
    return (found | {kind.advice for kind in errors(MarginbotError)} | said_elsewhere()) - {""}


def marked(source: str) -> Iterator[Id]:
    """What is marked in a module, and what an error is raised with for people; also inside of f-strings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _advised(node)
        if not isinstance(node, ast.Call) or (name := ast.unparse(node.func)) not in KEYWORDS:
            continue
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if len(texts) >= KEYWORDS[name]:
            yield texts[0] if KEYWORDS[name] == 1 else tuple(texts[: KEYWORDS[name]])


def _advised(call: ast.Call) -> Iterator[str]:
    """The advice of an error, where it is a text without anything put in."""
    for keyword in call.keywords:
        if keyword.arg == "advice" and isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str):
            yield keyword.value.value


def errors(kind: type[MarginbotError]) -> Iterator[type[MarginbotError]]:
    """A kind of error and all kinds of it in the tree of the domain."""
    if kind.__module__ == MarginbotError.__module__:
        yield kind
    for each in kind.__subclasses__():
        yield from errors(each)


def path_of(language: str) -> Path:
    return PACKAGE / "locale" / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def catalogue(language: str) -> Catalog:
    if not path_of(language).exists():
        return Catalog(locale=language, domain=DOMAIN)
    return read_po(BytesIO(path_of(language).read_bytes()), locale=language, domain=DOMAIN)


def messages(language: str) -> dict[Id, Message]:
    return {_id(message): message for message in catalogue(language) if message.id}


def _id(message: Message) -> Id:
    return message.id if isinstance(message.id, str) else tuple(message.id)


def strings(message: Message) -> list[str]:
    """The translations: one, or one for each plural form."""
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def update(language: str, translations: dict[Id, str | tuple[str, ...]] | None = None) -> list[Id]:
    """Write the catalogue anew with what the code wants; what it does not translate."""
    before = messages(language)
    after = Catalog(
        locale=language, domain=DOMAIN, project="marginbot", fuzzy=False, header_comment=f"# {LANGUAGES[language]}."
    )
    missing: list[Id] = []
    said = said_elsewhere()
    for wants in sorted(wanted(), key=str):
        told = (translations or {}).get(wants) or (before[wants].string if wants in before else "")
        empty = "" if isinstance(wants, str) else ("",) * after.num_plurals
        after.add(wants, told or empty, auto_comments=[SAID] if wants in said else [])
        if not told or (not isinstance(told, str) and not all(told)):
            missing.append(wants)
    written = BytesIO()
    write_po(written, after, width=100, no_location=True, sort_output=True)
    steady = b"\n".join(
        line
        for line in written.getvalue().split(b"\n")
        if not line.startswith((b'"POT-Creation-Date', b'"PO-Revision-Date', b'"Last-Translator', b'"Generated-By'))
    )
    path_of(language).parent.mkdir(parents=True, exist_ok=True)
    path_of(language).write_bytes(steady)
    return missing


if __name__ == "__main__":
    for each in TRANSLATED:
        for text in update(each):
            print(each, text)  # noqa: T201
