"""Telegram HTML as a whole: cutting it into messages, and showing it elsewhere.

Every renderer here and beside keeps its tags within a line, so a text may be cut at any line's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

from rich.markup import escape as rich_escape

from marginbot.bot.figures import text

LIMIT = 4096  # Telegram's; we count the markup in, in UTF-16 units, and so stay below it
CAPTION_LIMIT = 1024

_TAG = re.compile(r"</?(blockquote|b|i|code|a)(?:\s[^>]*)?>")
_RICH = {"b": "bold", "i": "italic", "code": "cyan", "a": "underline", "blockquote": "dim"}


def length(html: str) -> int:
    """Size as Telegram counts it."""
    return len(html.encode("utf-16-le")) // 2


def pages(html: str, limit: int = LIMIT) -> list[str]:
    """Messages of at most `limit`: cut between accounts where possible, else between lines, never in markup."""
    found: list[str] = []
    for block in html.split("\n\n"):
        for piece, glue in _pieces(block, limit):
            if found and length(found[-1]) + length(glue) + length(piece) <= limit:
                found[-1] += glue + piece
            else:
                found.append(piece)
    return [page for page in found if page.strip()]


def _pieces(block: str, limit: int) -> Iterator[tuple[str, str]]:
    """The block whole, or its lines if it is too long, each with what joins it to the text before."""
    if length(block) <= limit:
        yield block, "\n\n"
        return
    for number, line in enumerate(block.split("\n")):
        yield line if length(line) <= limit else _shortened(line, limit), "\n" if number else "\n\n"


def _shortened(line: str, limit: int) -> str:
    """A monstrous line without its markup: escaping makes at most five characters of one."""
    return text(to_plain(line), limit // 10)


def to_plain(html: str) -> str:
    """The text a reader sees."""
    return unescape(_TAG.sub("", html))


def to_rich(html: str) -> str:
    """The same message in the markup of the `rich` library, for a terminal."""
    parts: list[str] = []
    at = 0
    for tag in _TAG.finditer(html):
        parts.append(rich_escape(unescape(html[at : tag.start()])))
        parts.append(f"[{'/' if tag[0].startswith('</') else ''}{_RICH[tag[1]]}]")
        at = tag.end()
    return "".join([*parts, rich_escape(unescape(html[at:]))])
