"""Telegram's HTML: what it accepts, what it refuses, and the text that remains."""

import re
from html import unescape
from typing import NoReturn

SUPPORTED = frozenset(
    {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "span", "tg-spoiler"}
    | {"a", "code", "pre", "blockquote", "tg-emoji"}
)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);")
_START = re.compile(r"<([^\s>/][^\s>]*)")
_END = re.compile(r"</([^\s>]*)\s*>")
_ATTRIBUTE = re.compile(r"\s+([^\s=>]+)(?:\s*=\s*(\"[^\"]*\"|'[^']*'|[A-Za-z0-9.\-]+))?")


class MarkupError(ValueError):
    """What Telegram says after "can't parse entities: "."""


def plain_text(html: str) -> str:
    """The text a reader sees, or MarkupError where Telegram would refuse the markup."""
    return _Parser(html).run().strip()


class _Parser:
    def __init__(self, html: str) -> None:
        self._html = html
        self._at = 0
        self._open: list[str] = []
        self._text: list[str] = []

    def run(self) -> str:
        while self._at < len(self._html):
            if self._html[self._at] != "<":
                self._take_text()
            elif self._html.startswith("</", self._at):
                self._take_end()
            else:
                self._take_start()
        if self._open:
            raise MarkupError(f'Can\'t find end tag corresponding to start tag "{self._open[-1]}"')
        return "".join(self._text)

    def _take_text(self) -> None:
        until = self._html.find("<", self._at)
        until = len(self._html) if until < 0 else until
        self._text.append(_ENTITY.sub(lambda found: unescape(found[0]), self._html[self._at : until]))
        self._at = until

    def _take_start(self) -> None:
        start = _START.match(self._html, self._at)
        tag = start[1].lower() if start else ""
        if tag not in SUPPORTED:
            self._fail(f'Unsupported start tag "{tag}"')
        attributes, end = self._attributes(self._at + len(tag) + 1)
        if self._html[end : end + 1] != ">":
            self._fail("Unclosed start tag")
        self._check_attributes(tag, attributes)
        self._open.append(tag)
        self._at = end + 1

    def _attributes(self, at: int) -> tuple[dict[str, str | None], int]:
        attributes: dict[str, str | None] = {}
        while found := _ATTRIBUTE.match(self._html, at):
            attributes[found[1].lower()] = found[2].strip("\"'") if found[2] else None
            at = found.end()
        while self._html[at : at + 1].isspace():
            at += 1
        return attributes, at

    def _check_attributes(self, tag: str, attributes: dict[str, str | None]) -> None:
        if tag == "span" and attributes.get("class") != "tg-spoiler":
            self._fail('Tag "span" must have class "tg-spoiler"')
        if tag == "tg-emoji" and not attributes.get("emoji-id"):
            self._fail('Tag "tg-emoji" must have attribute "emoji-id"')
        bare = [name for name, value in attributes.items() if value is None]
        if bare and (tag, bare) != ("blockquote", ["expandable"]):
            self._fail(f'Expected equal sign in declaration of an attribute of the tag "{tag}"')

    def _take_end(self) -> None:
        end = _END.match(self._html, self._at)
        if not end:
            self._fail("Unclosed end tag")
        if not self._open:
            self._fail("Unexpected end tag")
        expected, found = self._open.pop(), end[1].lower()
        if found not in ("", expected):
            self._fail("Unmatched end tag", f', expected "</{expected}>", found "</{found}>"')
        self._at = end.end()

    def _fail(self, problem: str, detail: str = "") -> NoReturn:
        offset = len(self._html[: self._at].encode())
        raise MarkupError(f"{problem} at byte offset {offset}{detail}")
