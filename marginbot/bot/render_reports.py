"""Daily reports and the story of a near miss, as messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.figures import text
from marginbot.bot.language import _, later, plural
from marginbot.domain.digest import AccountDay, Moment, NearMiss, PoolDay
from marginbot.domain.grading import Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.report import PoolReport

MOST_POOLS = 4
MOST_POSITIONS = 5
MOST_MOMENTS = 8
RATIO = later("ratio {ratio}")
CUSHION = later("cushion {cushion}")


def daily(days: Sequence[AccountDay], now: datetime) -> str:
    """The last 24 hours, an account a block, worst first."""
    here = fig.local(now)
    head = _("📋 <b>The last 24 h</b> · {time}", time=f"{names.day(here)} {here:%H:%M} {here.tzname()}")
    return "\n\n".join([head, *(_account(day, now) for day in days)])


def _account(day: AccountDay, now: datetime) -> str:
    head = f"<b>{text(day.label, 24)}</b> · {text(day.exchange, 24)}"
    if day.read_at is None:
        return f"{fig.BLIND} {head}\n" + _("Never read so far: nothing is known of it.")
    grades = [pool.now.grade for pool in day.pools]
    known = max((grade for grade in grades if grade is not None), default=Grade.OK)
    symbol = fig.BLIND if day.is_blind or None in grades else fig.SYMBOLS[known]
    blind = [_("<b>Not readable now</b>: as of {time}", time=fig.until(day.read_at, now))] if day.is_blind else []
    blocks = [line for pool in day.pools[:MOST_POOLS] for line in _pool(pool, now, alone=len(day.pools) == 1)]
    return "\n".join(
        [
            f"{symbol} {head}",
            *blind,
            *blocks,
            *_afterwards(day),
        ]
    )


def _afterwards(day: AccountDay) -> list[str]:
    """What is left out above, and what else happened."""
    lines, more = [], len(day.pools) - MOST_POOLS
    if more > 0:
        told = plural(
            "… and {n} more pool, calmer than these: /status {label}",
            "… and {n} more pools, calmer than these: /status {label}",
            more,
            label=text(day.label, 24),
        )
        lines.append(told)
    if day.gone:
        lines.append(_("No longer there: {names}", names=", ".join(fig.pool_title(name) for name in day.gone[:3])))
    if day.unseen:
        lines.append(_("Not seen, or not all of it, for {time}", time=fig.ago(day.unseen)))
    if day.alerts:
        lines.append(plural("{n} message sent: /history", "{n} messages sent: /history", day.alerts))
    return lines


def _pool(pool: PoolDay, now: datetime, *, alone: bool) -> list[str]:
    state = pool.now
    equity = _("Equity {amount}", amount=fig.money(state.equity, state.currency)) + _change(pool, now)
    worst = [
        *([_(RATIO, ratio=fig.percent(pool.ratio_worst))] if pool.ratio_worst is not None else []),
        *([_(CUSHION, cushion=fig.multiple(pool.cushion_worst))] if pool.cushion_worst is not None else []),
    ]
    title = [] if alone else [f"<i>{fig.pool_title(state.name)}</i>"]
    if state.state is PoolState.FLAT and not worst:
        return [*title, _("{equity}, no position", equity=equity)]
    grade = "" if pool.worst is None else f" ({fig.word(pool.worst)})"
    return [
        *title,
        equity,
        _("Worst of the day: {figures}", figures=", ".join(worst) or _(fig.NOT_KNOWN)) + grade,
        *_now(pool),
    ]


def _now(pool: PoolDay) -> list[str]:
    state = pool.now
    if state.state is PoolState.FLAT:
        return [_("Now: no position")]
    cushion = [] if state.cushion is None else [_(CUSHION, cushion=fig.multiple(state.cushion))]
    figures = ", ".join([fig.ratio_of(state), *cushion])
    grade = _("not judged") if state.grade is None else fig.word(state.grade)
    return [
        _("Now: {figures} ({grade})", figures=figures, grade=grade),
        _("Leverage {times} · maintenance margin {amount}", times=_times(pool.leverage), amount=_used(state)),
        *_shares(pool),
    ]


def _shares(pool: PoolDay) -> list[str]:
    shown = [
        f"{text(p.symbol, 30)} {text(names.side(p.side), 12)} {_share(p.share)}"
        for p in pool.positions[:MOST_POSITIONS]
    ]
    more = len(pool.positions) - MOST_POSITIONS
    rest = [_("and {n} more", n=more)] if more > 0 else []
    return [_("Its shares: {shares}", shares=", ".join([*shown, *rest]))] if shown else []


def _share(share: float | None) -> str:
    return _(fig.NOT_KNOWN) if share is None else f"{100 * share:.0f}%"


def _change(pool: PoolDay, now: datetime) -> str:
    """What became of the equity; the value of before is known to five digits, so smaller changes are none."""
    equity, before = pool.now.equity, pool.equity_before
    if equity is None or before is None:
        return ""
    change = float(equity) - before
    since = _("since {time}", time=fig.until(pool.before_at, now)) if pool.before_at else _("in 24 h")
    if abs(change) <= 1e-4 * abs(before):
        return " " + _("(unchanged {since})", since=since)
    share = f", {fig.move(change / before)}" if before > 0 else ""
    amount = fig.money(Decimal(str(abs(change))), pool.now.currency)
    return f" ({'+' if change > 0 else '−'}{amount}{share} {since})"


def _used(pool: PoolReport) -> str:
    """The margin in use, also as a part of the equity."""
    amount = fig.money(pool.maintenance_margin, pool.currency)
    if pool.maintenance_margin is None or pool.equity is None or pool.equity <= 0:
        return amount
    share = fig.percent(pool.maintenance_margin / pool.equity)
    return _("{amount}, {share} of the equity", amount=amount, share=share)


def _times(leverage: Decimal | None) -> str:
    return _(fig.NOT_KNOWN) if leverage is None else f"{leverage:.1f}x"


def near_miss(story: NearMiss, now: datetime) -> str:
    """What happened when, and what would have sufficed."""
    lasted = story.ended_at - story.moments[0].at
    steps = [_step(moment, now) for moment in story.moments]
    if len(steps) > MOST_MOMENTS:
        steps = [*steps[: MOST_MOMENTS // 2], "…", *steps[-MOST_MOMENTS // 2 :]]
    end = _("{time} calm again", time=fig.until(story.ended_at, now))
    if story.left_with_nothing:
        end = _(
            "{time} no position left: closed, or liquidated. The exchange's own record tells which.",
            time=fig.until(story.ended_at, now),
        )
    return "\n".join(
        [
            _("🔎 <b>Looking back: {label}</b>", label=text(story.label, 24)) + f" · {text(story.exchange, 24)}",
            _("{pool}, {span} in all", pool=fig.pool_title(story.pool), span=fig.ago(lasted)),
            "",
            *steps,
            end,
            "",
            _("At worst: {figures}", figures=_extremes(story)),
            *_sufficed(story, now),
        ]
    )


def _step(moment: Moment, now: datetime) -> str:
    ratio = [] if moment.ratio is None else [_(RATIO, ratio=fig.percent(moment.ratio))]
    cushion = [] if moment.cushion is None else [_(CUSHION, cushion=fig.multiple(moment.cushion))]
    return ", ".join([f"{fig.until(moment.at, now)} {fig.word(moment.grade)}", *ratio, *cushion])


def _extremes(story: NearMiss) -> str:
    found = [
        *([_(RATIO, ratio=fig.percent(story.ratio_worst))] if story.ratio_worst is not None else []),
        *([_(CUSHION, cushion=fig.multiple(story.cushion_worst))] if story.cushion_worst is not None else []),
    ]
    return ", ".join(found) or fig.word(story.worst.grade)


def _sufficed(story: NearMiss, now: datetime) -> list[str]:
    """By the first critical message, and at the worst, if that was another."""
    first, worst = story.first_critical, story.worst
    moments = [m for m in dict.fromkeys((first, worst)) if m is not None]
    lines = [line for moment in moments if (line := _way(moment, now))]
    return ["", _("<b>What would have sufficed</b>"), *lines] if lines else []


def _way(moment: Moment, now: datetime) -> str:
    ways = [
        *([_("{amount} more", amount=fig.advised(moment.top_up, moment.currency))] if moment.top_up else []),
        *(
            [_("{share}% of the position closed", share=f"{100 * moment.close_share:.0f}")]
            if moment.close_share
            else []
        ),
    ]
    if not ways:
        return ""
    told = f"{fig.until(moment.at, now)}: " + _(" or ").join(ways)
    if moment.target is None:
        return told
    return _("{ways}, to be back at {grade}", ways=told, grade=fig.word(moment.target))


def at_minute(minute: int) -> str:
    """`08:00`, by the reader's clock."""
    return f"{minute // 60:02d}:{minute % 60:02d}"
