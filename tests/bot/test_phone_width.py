"""Every message on a phone: forty characters a line, no number torn apart, tables that keep their columns."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.bot.golden import FOLDER
from tests.servers.telegram_html import plain_text

WIDTH = 40
UNITS = r"(?:USD[TC]?|BTC|ETH|min|h|s|d|UTC|contracts)"
_AMOUNT = re.compile(rf"[-+−]?[0-9][0-9,.:]*(?:%|x)?(?: {UNITS}\b)?")
_TABLE = re.compile(r"<(code|pre)>(.*?)</\1>", re.DOTALL)


def message(path: Path) -> str:
    return path.read_text(encoding="utf-8").partition("\n---\n")[0]


def wrapped(line: str) -> list[str]:
    """The line as a phone breaks it: at spaces, and inside a word only if it is longer than the line."""
    rows, row = [], ""
    for word in line.split(" "):
        if row and len(row) + 1 + len(word) > WIDTH:
            rows.append(row)
            row = word
        else:
            row = f"{row} {word}" if row else word
        while len(row) > WIDTH:
            rows.append(row[:WIDTH])
            row = row[WIDTH:]
    return [*rows, row]


def torn(line: str) -> list[str]:
    """The numbers of a line that do not stand whole, with their unit, on one row."""
    missing = Counter(_AMOUNT.findall(line)) - Counter(_AMOUNT.findall("\n".join(wrapped(line))))
    return [*missing.elements()]


def test_the_test_itself_sees_a_torn_number() -> None:
    assert torn("this line is so long that here 1,402 USDT is torn") == ["1,402 USDT"]
    assert torn("x" * 38 + "1234") == ["1234"]
    assert torn("Equity 1,402 USDT") == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.html")), ids=lambda path: path.stem)
def test_no_number_is_torn_and_no_table_is_too_wide(path: Path) -> None:
    html = message(path)
    assert [number for line in plain_text(html).split("\n") for number in torn(line)] == []
    wide = [row for table in _TABLE.finditer(html) for row in plain_text(table[2]).split("\n") if len(row) > WIDTH]
    assert wide == []
