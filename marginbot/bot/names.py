"""Sides, margin modes, pools and days as the reader calls them: stored as words of English, shown in their language."""

from __future__ import annotations

from datetime import datetime

from babel.dates import format_date

from marginbot.bot.language import ENGLISH, _, language, later

SIDES = {"long": later("long"), "short": later("short"), "buy": later("buy"), "sell": later("sell")}
_DAYS = ("d MMM", "d MMM y")
_DAYS_OF_ASIA = ("M月d日", "y年M月d日")
_MONTH = "LLL y"
_MONTH_OF_ASIA = "y年M月"
STABLECOINS = later("stablecoins")  # where an exchange does not tell which
POOLS = {"cross": later("cross"), "isolated": later("isolated"), "portfolio": later("portfolio")}
MODES = POOLS | {
    "unified": later("unified"),
    "classic": later("classic"),
    "new": later("new"),
    "single-asset": later("single-asset"),
    "multi-assets": later("multi-assets"),
    "multi-currency": later("multi-currency"),
    "single-currency": later("single-currency"),
    "multi-collateral": later("multi-collateral"),
    "coin-margined": later("coin-margined"),
    "one-way": later("one-way"),
    "net": later("one-way"),
    "hedge": later("hedge"),
    "futures": later("futures"),
    "spot": later("spot"),
    "collateral": later("collateral"),
    "spot margin": later("spot margin"),
    "standard margin": later("standard margin"),
    "portfolio margin": later("portfolio margin"),
    "smart cross margin": later("smart cross margin"),
    "cross and isolated": later("cross and isolated"),
    "per dex": later("per dex"),
    "per dex, abstracted": later("per dex, abstracted"),
}


def side(word: str) -> str:
    """`long` as the reader's exchange calls it."""
    return _(SIDES.get(word.lower(), word))


def position(described: str) -> str:
    """`long 0.5 BTC/USDT:USDT`: its first word is a side."""
    word, blank, rest = described.partition(" ")
    return f"{side(word)}{blank}{rest}"


def mode(told: str) -> str:
    """`single-asset/one-way`, part by part; what has no word here stays as the exchange has it."""
    if language() == ENGLISH:
        return told
    return "/".join(_(MODES.get(part, part)) for part in told.split("/"))


def pool(name: str) -> str:
    """`isolated:BTC/USDT:USDT:long`: the mode in front and the side at the end."""
    head, colon, rest = name.partition(":")
    market, second, last = rest.rpartition(":")
    if last in ("long", "short"):
        rest = f"{market}{second}{side(last)}"
    return f"{_(POOLS.get(head, head))}{colon and ' '}{rest}"


def day(at: datetime, *, year: bool = False) -> str:
    """`9 Oct` or `9 Oct 2025`, in Chinese `10月9日`."""
    form = _DAYS_OF_ASIA if language() == "zh" else _DAYS
    return _formatted(at, form[1] if year else form[0])


def month(at: datetime) -> str:
    """`Oct 2025`."""
    return _formatted(at, _MONTH_OF_ASIA if language() == "zh" else _MONTH)


def _formatted(at: datetime, form: str) -> str:
    return str(format_date(at, form, locale=language()))
