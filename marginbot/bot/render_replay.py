"""/replay: whether one would have been warned, and how long before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.figures import text
from marginbot.bot.language import _, later, plural
from marginbot.bot.said import said
from marginbot.domain.grading import RUNGS, Grade
from marginbot.flow.hindsight import Past, PastPool
from marginbot.flow.ports import Account

MOST_POOLS = 6
MOST_NOTES = 6
LEGEND = later("In circles: N W C E an alert of that grade, R recovered, L liquidated.")


def begun(account: Account, period: tuple[datetime, datetime]) -> str:
    """Said before the work, which takes a while."""
    return _(
        "⏳ I put <b>{label}</b> as it is now into {days}. That can take a minute.",
        label=text(account.label, 24),
        days=days(*period),
    )


def past(account: Account, found: Past, *, legend: bool) -> str:
    """The answer, pool by pool, those that die first in front."""
    pools = sorted(found.pools, key=lambda pool: (pool.breach_at is None, pool.breach_at or found.until, pool.name))
    head = f"⏪ <b>{text(account.label, 24)}</b> · {text(account.exchange, 24)} · {days(found.since, found.until)}"
    parts = [head + "\n" + _("Today's positions and equity, from the first price on:")]
    parts += ["\n".join(_pool(pool)) for pool in pools[:MOST_POOLS]]
    more = len(pools) - MOST_POOLS
    parts += [plural("and {n} more pool", "and {n} more pools", more)] if more > 0 else []
    notes = [f"<i>{text(said(note), 200)}</i>" for note in found.notes[:MOST_NOTES]]
    assumed = _(
        "<i>Read every {pause}. Today's maintenance rate, no funding, no fees, and you do nothing.</i>",
        pause=fig.ago(found.pause),
    )
    return "\n\n".join([*parts, "\n".join([*([_(LEGEND)] if legend else []), *notes, assumed])])


def _pool(pool: PastPool) -> list[str]:
    title = fig.pool_title(pool.name)
    if pool.breach_at is None:
        return [f"✅ <b>{title}</b>", _("not liquidated"), *_worst(pool), *_survived(pool)]
    warned = list(_leads(pool, pool.breach_at)) or ["❗ " + _("<b>no warning before it</b>")]
    climbed_at = min((at for at in pool.announced.values() if at is not None), default=pool.breach_at)
    earlier = sum(at < climbed_at and grade > Grade.OK for at, grade in pool.alerts)
    more = [_("earlier alerts, over by then: {n}", n=earlier)] if earlier else []
    died = _("liquidated <b>{time}</b>", time=_time(pool.breach_at))
    return [f"💀 <b>{title}</b>", died, *warned, *more]


def _leads(pool: PastPool, end: datetime) -> Iterator[str]:
    """The alerts of the last climb; one that skipped a grade is told at its worst."""
    for grade, worse in pairwise([*RUNGS, None]):
        assert grade is not None
        at = pool.announced.get(grade)
        if at is not None and (worse is None or pool.announced.get(worse) != at):
            day = "" if at.date() == end.date() else f"{names.day(at)} "
            told = _(
                "{grade} {time}, <b>{lead} before</b>",
                grade=fig.word(grade),
                time=f"{day}{at:%H:%M} UTC",
                lead=_lead(end - at),
            )
            yield f"{fig.SYMBOLS[grade]} {told}"


def _survived(pool: PastPool) -> list[str]:
    lines = []
    for grade in reversed(RUNGS):
        raised = [at for at, told in pool.alerts if told is grade]
        if raised:
            told = plural(
                "{grade} once {time}",
                "{grade} {n} times, first {time}",
                len(raised),
                grade=fig.word(grade),
                time=_time(raised[0]),
            )
            lines.append(f"{fig.SYMBOLS[grade]} {told}")
    return lines or [_("no warning")]


def _worst(pool: PastPool) -> list[str]:
    points = [point for line in pool.lines for point in line]
    ratios = [point.ratio_high for point in points if point.ratio_high is not None]
    cushions = [point.cushion_low for point in points if point.cushion_low is not None]
    worst = [
        *([_("ratio {ratio}", ratio=fig.percent(max(ratios)))] if ratios else []),
        *([_("cushion {cushion}", cushion=fig.multiple(min(cushions)))] if cushions else []),
    ]
    return [_("at worst {figures}", figures=", ".join(worst))] if worst else []


def days(since: datetime, until: datetime) -> str:
    """`10 Oct 2025`, or `9 Oct 2025 to 11 Oct 2025`; `until` is where the last day ends."""
    first, last = (names.day(at, year=True) for at in (since, max(since, until - timedelta(seconds=1))))
    return first if first == last else _("{first} to {last}", first=first, last=last)


def _time(at: datetime) -> str:
    return f"{names.day(at)} {at:%H:%M} UTC"


def _lead(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} " + _("s")
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} " + _("min")
    return f"{minutes // 60} {_('h')} {minutes % 60} {_('min')}"
