"""Numbers and words for people. Unknown is said in words; it never looks like zero."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import cache
from html import escape, unescape

from marginbot.bot import names
from marginbot.bot.language import _, language, later
from marginbot.domain.breach import LEAST, Odds, outlook
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.margin import Pool, PoolState
from marginbot.domain.report import PoolReport
from marginbot.domain.room import MARKET, STABLE, WITH_VOLATILITY

# Told apart by their shape alone: a check, a diamond, a triangle, a disc, a lamp, a square.
SYMBOLS = {
    Grade.OK: "✅",
    Grade.NOTICE: "🔸",
    Grade.WARNING: "⚠️",
    Grade.CRITICAL: "🔴",
    Grade.EMERGENCY: "🚨",
    Grade.DEFICIT: "🆘",
}
BLIND = "❔"
NOT_KNOWN = later("not known")
WITH_RISING = later(" + volatility")
NO_BREACH = later("no price move can breach it")
NAMES = {
    Grade.OK: later("OK"),
    Grade.NOTICE: later("NOTICE"),
    Grade.WARNING: later("WARNING"),
    Grade.CRITICAL: later("CRITICAL"),
    Grade.EMERGENCY: later("EMERGENCY"),
    Grade.DEFICIT: later("DEFICIT"),
}
WORDS = {
    Grade.OK: later("calm"),
    Grade.NOTICE: later("notice"),
    Grade.WARNING: later("warning"),
    Grade.CRITICAL: later("critical"),
    Grade.EMERGENCY: later("emergency"),
    Grade.DEFICIT: later("deficit"),
}
LADDER_WORDS = {
    DecidedBy.RATIO: later(" (by ratio)"),
    DecidedBy.CUSHION: later(" (by cushion)"),
    DecidedBy.BOTH: later(" (by ratio and cushion)"),
}

# What an alert calls itself in capitals, beside the grades.
STATES = (
    later("STALE"),
    later("RECOVERED"),
    later("LIQUIDATED"),
)

_ZONE: ContextVar[tzinfo] = ContextVar("reader's time zone", default=UTC)
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})  # controls, direction overrides, line breaks


def text(value: str, limit: int = 200) -> str:
    """Foreign text made fit for a message: one line, no hidden characters, bounded, escaped."""
    visible = "".join(" " if unicodedata.category(c) in _HIDDEN else c for c in value[: 4 * limit])
    words = " ".join(visible.split())
    return escape(words if len(words) <= limit else words[: limit - 1] + "…", quote=False)


def quiet(value: str, limit: int = 200) -> str:
    """Like `text`, for an alert: it has one grade in capitals, and no label or note may look like another."""
    return _loud(language()).sub(lambda found: found[0].replace("İ", "i").lower(), text(value, limit))


@cache
def _loud(_code: str) -> re.Pattern[str]:
    """The words in capitals of English and of the reader's language; short ones only if they stand alone."""
    english = [*NAMES.values(), *STATES]
    words = {*english, *map(_, english)}
    return re.compile("|".join(rf"\b{re.escape(word)}\b" if len(word) <= 2 else re.escape(word) for word in words))


def percent(ratio: Decimal | float | None) -> str:
    """A ratio as people see it: `71.3%`."""
    if ratio is None:
        return _(NOT_KNOWN)
    value = float(ratio) * 100
    if value > 9999:
        return _("over {limit}", limit="9999%")
    return _("under {limit}", limit="0.1%") if 0 < value < 0.05 else f"{value:.1f}%"


def move(fraction: float) -> str:
    """A signed price move: `-4.2%`; finer below one per cent, and never zero unless it is."""
    value = fraction * 100
    if value == 0:
        return "0%"
    if abs(value) < 0.005:
        return _("under {limit}", limit="0.01%")
    if abs(value) > 9999:
        return _("over {limit}", limit="+9999%" if value > 0 else "-9999%")
    return f"{value:+.2f}%" if abs(value) < 0.995 else f"{value:+.1f}%"


def multiple(cushion: float) -> str:
    """A cushion: `3.1x`."""
    if cushion >= 100:
        return f"{min(cushion, 99999):.0f}x"
    return _("under {limit}", limit="0.1x") if 0 < cushion < 0.05 else f"{cushion:.1f}x"


def money(amount: Decimal | None, currency: str) -> str:
    """An amount rounded for people, with its currency."""
    if amount is None:
        return _(NOT_KNOWN)
    return f"{_rounded(amount, currency)} {text(currency, 12)}"


def row(name: str, value: str, columns: int = 32) -> str:
    """A line of a table: the name at the left, an escaped value at the right, in letters of one width."""
    gap = max(1, columns - width(name) - width(unescape(value)))
    return f"<code>{name}{' ' * gap}{value}</code>"


def width(shown: str) -> int:
    """Columns that a text takes in letters of one width: those of East Asia take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shown)


def padded(shown: str, columns: int) -> str:
    """A text with blanks after it, up to a width."""
    return shown + " " * (columns - width(shown))


def _rounded(amount: Decimal, currency: str) -> str:
    size = abs(amount)
    if size >= Decimal("1e12"):
        return f"{amount:.3e}"
    if size >= 1000 or amount == 0:
        return f"{amount:,.0f}"
    if currency in STABLE and size >= Decimal("0.01"):
        return f"{amount:,.2f}"
    return f"{amount:.4g}" if size >= Decimal("1e-8") else f"{amount:.1e}"


def advised(amount: Decimal, currency: str) -> str:
    """An amount to act on: as it was rounded up, not rounded again."""
    return f"{plain_number(amount)} {text(currency, 12)}"


def plain_number(value: Decimal | None) -> str:
    """A price or a size, exactly, without trailing zeros; beyond twelve digits, shortened."""
    if value is None:
        return _(NOT_KNOWN)
    digits = f"{value.normalize():,f}"
    return digits if len(digits) <= 20 else f"{value:.6e}"


def underlying(scenario: str | None) -> str:
    """What has to move: one coin, or the whole market."""
    name, rising, _rest = (scenario or "").partition(WITH_VOLATILITY)
    shown = _("whole market") if name == MARKET else text(name, 20)
    return (shown or _("price")) + (_(WITH_RISING) if rising else "")


def room(pool: PoolReport) -> str:
    """`BTC -4.2%`, or in words why there is no such figure."""
    if pool.state is PoolState.FLAT:
        return _("no position")
    if pool.state is PoolState.DEFICIT:
        return _("none left")
    if pool.state is PoolState.UNKNOWN:
        return _(NOT_KNOWN)
    if pool.room is not None:
        return f"{underlying(pool.scenario)} {move(pool.room)}" if pool.room else _("none left")
    return _(NO_BREACH) if pool.room_known else _(NOT_KNOWN)


def chances(pool: PoolReport) -> list[str]:
    """How often such a cushion was used up within 1, 8 and 24 hours; nothing where none is left or none can breach."""
    if not pool.cushion:
        return []
    return [
        _("liquidation, an estimate, never a promise:"),
        *(_chance(found) for found in outlook(pool.cushion, pool.scenario)),
    ]


def _chance(found: Odds) -> str:
    """`· within 8 h about 3% (1 to 6%)`."""
    if found.chance < LEAST:
        return _("· within {hours} h under 0.1%", hours=found.hours)
    return _(
        "· within {hours} h about {chance}% ({low} to {high}%)",
        hours=found.hours,
        chance=_rough(found.chance),
        low=_rough(found.low),
        high=_rough(found.high),
    )


def _rough(share: float) -> str:
    percent_ = 100 * share
    return f"{percent_:.0f}" if percent_ >= 1.95 else f"{percent_:.1f}"


def ratio_of(pool: PoolReport | Pool) -> str:
    """The ratio, or the state that takes its place."""
    if pool.state is PoolState.DEFICIT:
        return _("equity is gone")
    return _("no position") if pool.state is PoolState.FLAT else percent(pool.margin_ratio)


def decided(by: DecidedBy) -> str:
    """` (by cushion)`, where one of the ladders decided."""
    return _(LADDER_WORDS.get(by, ""))


def pool_title(name: str) -> str:
    """`isolated:BTC/USDT:USDT:long` as people read it."""
    return text(names.pool(name), 60)


def word(grade: Grade | None) -> str:
    """A grade in lower case, for every place but the headline."""
    if grade is None:
        return _("never judged")
    return _(WORDS[grade])


def grade_name(grade: Grade) -> str:
    """A grade in capitals, for headlines."""
    return _(NAMES[grade])


def ago(span: timedelta | float) -> str:
    """`12 s`, `4 min`, `3 h`, `2 d`."""
    seconds = max(0.0, span.total_seconds() if isinstance(span, timedelta) else span)
    for size, unit in ((86400, later("d")), (3600, later("h")), (60, later("min"))):
        if seconds >= 2 * size or (seconds >= size and unit == "min"):
            return f"{int(seconds // size)} {_(unit)}"
    return f"{int(seconds)} " + _("s")


def clock(at: datetime, now: datetime | None = None) -> str:
    """`13:24:00 UTC`, with the date when it is not today's; in the reader's time zone."""
    here = local(at)
    day = "" if now is None or here.date() == local(now).date() else f"{names.day(here)} "
    return f"{day}{here:%H:%M:%S} {here.tzname()}"


def until(at: datetime, now: datetime) -> str:
    """`13:24 UTC`, with the date when it is not today's; in the reader's time zone."""
    here = local(at)
    day = "" if here.date() == local(now).date() else f"{names.day(here)} "
    return f"{day}{here:%H:%M} {here.tzname()}"


def local(at: datetime) -> datetime:
    """The same moment where the reader lives, see `read_in`."""
    return at.astimezone(_ZONE.get())


@contextmanager
def read_in(zone: tzinfo) -> Iterator[None]:
    """What is rendered inside is read by somebody of this time zone; without it, times are shown in UTC."""
    before = _ZONE.set(zone)
    try:
        yield
    finally:
        _ZONE.reset(before)


def read_from_now_on_in(zone: tzinfo) -> None:
    """The same for the rest of this task and all that it starts."""
    _ZONE.set(zone)
