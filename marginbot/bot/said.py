"""What venues, the domain and the use cases say, in the reader's language.

They know no languages: they say English sentences with values in them, which are stored and printed as they are. The
catalogues hold these sentences as templates (marked `SAID`), and here a sentence is recognised by its template when it
is shown. What is not recognised stays English.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from marginbot.bot import names
from marginbot.bot.language import ENGLISH, SAID, catalogue, filled, language, looked_up

# In front of what is said, as in "cross:USDT: no price of ADA" or "{pool}: no price of {asset}".
SUBJECT = re.compile(r"^(?:\{\w+\}|cross|portfolio|isolated)(?::(?:\{\w+\}))?: ")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SENTENCES = re.compile(r"(?<=[.!?]) +(?=\S)")


def said(sentence: str) -> str:
    """The sentence in the reader's language, as far as it is known there."""
    return sentence if language() == ENGLISH or not sentence else _said(sentence, language())


@lru_cache(maxsize=4096)
def _said(sentence: str, code: str) -> str:
    return _found(sentence, code) or _about_somebody(sentence, code) or _in_parts(sentence, code)


def _found(sentence: str, code: str) -> str | None:
    """By the whole of it: word for word, or as one of the templates; the one with most words of its own first."""
    if (exact := looked_up(code, sentence)) is not None:
        return exact
    for pattern, template, slots in _templates(code):
        if (match := pattern.fullmatch(sentence)) is not None:
            values = [_value(name, value, code) for name, value in zip(slots, match.groups(), strict=True)]
            return filled(template, sentence, dict(zip(slots, values, strict=True)))
    return None


def _value(name: str, value: str, code: str) -> str:
    """A value that is a sentence itself, or a side; names of coins and accounts, which have no blanks, stay."""
    if name.startswith("side"):
        return looked_up(code, value) or value
    return _said(value, code) if " " in value else value


def _about_somebody(sentence: str, code: str) -> str | None:
    """`BTC/USDT:USDT: its value is not known`: a name in front stays, there may be two."""
    subject, colon, rest = sentence.partition(": ")
    told = (_found(rest, code) or _about_somebody(rest, code)) if colon else None
    return None if told is None else f"{_subject(subject, code)}: {told}"


def _subject(subject: str, code: str) -> str:
    if subject.partition(":")[0] in names.POOLS:
        return names.pool(subject)
    return looked_up(code, subject) or subject


def _in_parts(sentence: str, code: str) -> str:
    """Sentence by sentence, or with a clause at the end of it that is known by itself."""
    sentences = _SENTENCES.split(sentence)
    if len(sentences) > 1:
        return " ".join(_said(one, code) for one in sentences)
    head, comma, tail = sentence.rpartition(", ")
    if comma and (clause := looked_up(code, tail)) is not None and (told := _said(head, code)) != head:
        return f"{told}, {clause}"
    return sentence


@cache
def _templates(code: str) -> tuple[tuple[re.Pattern[str], str, tuple[str, ...]], ...]:
    """Pattern, translation and names of the values of every sentence with values in it."""
    texts = [
        (str(message.id), str(message.string))
        for message in catalogue(code)
        if message.id and SAID in message.auto_comments and _PLACEHOLDER.search(str(message.id))
    ]
    texts.sort(key=lambda text: -len(_PLACEHOLDER.sub("", text[0])))
    return tuple((_pattern(text), told, tuple(_PLACEHOLDER.findall(text))) for text, told in texts)


def _pattern(template: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(template)
    return re.compile("".join(_slot(piece) if at % 2 else re.escape(piece) for at, piece in enumerate(pieces)))


def _slot(name: str) -> str:
    """Any value; a venue's name has no colon in it, what stands before one is a subject of its own."""
    return "([^:]+?)" if name.startswith("venue") else "(.+?)"
