"""/replay: whether one would have been warned, and how long before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from marginbot.bot import figures as fig
from marginbot.bot.figures import text
from marginbot.domain.grading import RUNGS, Grade
from marginbot.flow.hindsight import Past, PastPool
from marginbot.flow.ports import Account

MOST_POOLS = 6
MOST_NOTES = 6
LEGEND = "In circles: N W C E an alert of that grade, R recovered, L liquidated."


def begun(account: Account, period: tuple[datetime, datetime]) -> str:
    """Said before the work, which takes a while."""
    return f"⏳ I put <b>{text(account.label, 24)}</b> as it is now into {days(*period)}. That can take a minute."


def past(account: Account, found: Past, *, legend: bool) -> str:
    """The answer, pool by pool, those that die first in front."""
    pools = sorted(found.pools, key=lambda pool: (pool.breach_at is None, pool.breach_at or found.until, pool.name))
    head = f"⏪ <b>{text(account.label, 24)}</b> · {text(account.exchange, 24)} · {days(found.since, found.until)}"
    parts = [f"{head}\nToday's positions and equity, from the first price on:"]
    parts += ["\n".join(_pool(pool)) for pool in pools[:MOST_POOLS]]
    parts += [f"and {len(pools) - MOST_POOLS} more pools"] if len(pools) > MOST_POOLS else []
    notes = [f"<i>{text(note, 200)}</i>" for note in found.notes[:MOST_NOTES]]
    assumed = f"Read every {fig.ago(found.pause)}. Today's maintenance rate, no funding, no fees, and you do nothing."
    return "\n\n".join([*parts, "\n".join([*([LEGEND] if legend else []), *notes, f"<i>{assumed}</i>"])])


def _pool(pool: PastPool) -> list[str]:
    title = fig.pool_title(pool.name)
    if pool.breach_at is None:
        return [f"✅ <b>{title}</b>", "not liquidated", *_worst(pool), *_survived(pool)]
    warned = list(_leads(pool, pool.breach_at)) or ["❗ <b>no warning before it</b>"]
    climbed_at = min((at for at in pool.announced.values() if at is not None), default=pool.breach_at)
    earlier = sum(at < climbed_at and grade > Grade.OK for at, grade in pool.alerts)
    more = [f"earlier alerts, over by then: {earlier}"] if earlier else []
    return [f"💀 <b>{title}</b>", f"liquidated <b>{_time(pool.breach_at)}</b>", *warned, *more]


def _leads(pool: PastPool, end: datetime) -> Iterator[str]:
    """The alerts of the last climb; one that skipped a grade is told at its worst."""
    for grade, worse in pairwise([*RUNGS, None]):
        assert grade is not None
        at = pool.announced.get(grade)
        if at is not None and (worse is None or pool.announced.get(worse) != at):
            day = "" if at.date() == end.date() else f"{at.day} {at:%b} "
            yield f"{fig.SYMBOLS[grade]} {fig.word(grade)} {day}{at:%H:%M} UTC, <b>{_lead(end - at)} before</b>"


def _survived(pool: PastPool) -> list[str]:
    lines = []
    for grade in reversed(RUNGS):
        raised = [at for at, told in pool.alerts if told is grade]
        if raised:
            times = "once" if len(raised) == 1 else f"{len(raised)} times, first"
            lines.append(f"{fig.SYMBOLS[grade]} {fig.word(grade)} {times} {_time(raised[0])}")
    return lines or ["no warning"]


def _worst(pool: PastPool) -> list[str]:
    points = [point for line in pool.lines for point in line]
    ratios = [point.ratio_high for point in points if point.ratio_high is not None]
    cushions = [point.cushion_low for point in points if point.cushion_low is not None]
    worst = [
        *([f"ratio {fig.percent(max(ratios))}"] if ratios else []),
        *([f"cushion {fig.multiple(min(cushions))}"] if cushions else []),
    ]
    return [f"at worst {', '.join(worst)}"] if worst else []


def days(since: datetime, until: datetime) -> str:
    """`10 Oct 2025`, or `9 Oct 2025 to 11 Oct 2025`; `until` is where the last day ends."""
    first, last = (f"{at.day} {at:%b %Y}" for at in (since, max(since, until - timedelta(seconds=1))))
    return first if first == last else f"{first} to {last}"


def _time(at: datetime) -> str:
    return f"{at.day} {at:%b %H:%M} UTC"


def _lead(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
