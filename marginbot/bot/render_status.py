"""/status, /positions and Details: standings → Telegram HTML, worst first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.figures import text
from marginbot.bot.language import _, later, plural
from marginbot.bot.render_news import CAUSES
from marginbot.bot.said import said
from marginbot.domain.alerting import ACCOUNT, MuteKind
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.report import AccountReport, PoolReport, PositionReport
from marginbot.flow.ports import Standing
from marginbot.flow.status import age_seconds, grade_of, is_blind

NO_OPEN = later("no open position")
NO_CAUSE = later("cause not known")
EQUITY = later("equity {equity}")
BUFFER = later("buffer {amount}")
ACKNOWLEDGED = later("🔕 acknowledged up to {grade} until {time}")
SNOOZED = later("🔕 snoozed up to {grade} until {time}")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """When somebody looks, and how old a reading may be to count as knowledge."""

    now: datetime
    stale_after: timedelta = timedelta(seconds=180)


def status(standings: Sequence[Standing], view: View) -> str:
    """One line that answers "are we fine?", then a block for each account."""
    return "\n\n".join([verdict(standings, view), *(block(standing, view) for standing in standings)])


def verdict(standings: Sequence[Standing], view: View) -> str:
    """Fine only if every account was judged, lately, and found calm."""
    endangered = [s for s in standings if (grade_of(s) or Grade.OK) > Grade.OK]
    unwatched = [s for s in standings if not is_watched(s, view)]
    if not endangered and not unwatched:
        return f"{fig.SYMBOLS[Grade.OK]} " + _("<b>All fine</b>: {what}", what=_calmest_words(standings))
    parts = []
    if endangered:
        worst = endangered[0]
        grade = grade_of(worst)
        assert grade is not None
        others = " " + _("(and {n} more)", n=len(endangered) - 1) if len(endangered) > 1 else ""
        head = _("Keep an eye on") if grade is Grade.NOTICE else _("Not fine")
        parts.append(
            f"{fig.SYMBOLS[grade]} <b>{head}</b>: {_name(worst)} {fig.word(grade)}, {_worst_figures(worst)}{others}"
        )
    if unwatched:
        names = ", ".join(_name(standing) for standing in unwatched[:5]) + (" …" if len(unwatched) > 5 else "")
        parts.append(f"{fig.BLIND} " + _("<b>Not known</b>: {names}", names=names))
    return "\n".join(parts)


def block(standing: Standing, view: View) -> str:
    """An account in a few lines; amounts only where they may be seen."""
    head = f"{symbol_of(standing, view)} <b>{_name(standing)}</b> · {text(standing.account.exchange, 24)} · "
    report = standing.report
    lines = [head + _state_word(standing, view)]
    lines += _blindness(standing, view)
    if report is None:
        return "\n".join([*lines, _("never read yet")])
    if not in_sight(standing, view):
        lines.append(_("as last read, perhaps no longer true:"))
    worst = report.worst
    if worst is None or report.state is PoolState.FLAT:
        lines.append(_(NO_OPEN))
    if worst is not None:
        lines += _pool_summary(worst, amounts=standing.shared_amounts)
        others = [pool for pool in report.pools[1:] if pool.state is not PoolState.FLAT]
        lines += [_pool_line(pool, named=standing.shared_amounts) for pool in others[:5]]
        more = len(others) - 5
        lines += [plural("and {n} more pool", "and {n} more pools", more)] if more > 0 else []
    return "\n".join([*lines, *_quieted(standing, view), _last_read(report, standing, view)])


def _last_read(report: AccountReport, standing: Standing, view: View) -> str:
    """When the account was last really read; by the clock too, once that is no longer just now."""
    if in_sight(standing, view):
        return _read(standing, view)
    ago = fig.ago(view.now - report.taken_at)
    return _("last read {ago} ago, at {time}", ago=ago, time=fig.clock(report.taken_at, view.now))


def single(standing: Standing, view: View) -> str:
    """The one account asked for: its block, and the chance of liquidation while that is known of the present."""
    parts = [status([standing], view)]
    worst = standing.report.worst if standing.report else None
    if worst is not None and in_sight(standing, view):
        parts += ["\n".join(lines)] if (lines := fig.chances(worst)) else []
    return "\n\n".join(parts)


def details(standing: Standing, view: View) -> str:
    """Everything known of an account of one's own."""
    report = standing.report
    if report is None:
        return block(standing, view)
    mode = text(names.mode(report.mode), 40)
    head = f"{symbol_of(standing, view)} <b>{_name(standing)}</b> · {text(report.exchange, 24)} · {mode}"
    parts = ["\n".join([head, *_blindness(standing, view), _read(standing, view), *_quieted(standing, view)])]
    parts += [_pool_table(pool) for pool in report.pools]
    parts += _positions_of(report)
    if report.warnings:
        parts.append("\n".join([_("Notes:"), *(f"<i>{text(said(note), 300)}</i>" for note in report.warnings)]))
    return "\n\n".join(parts)


def positions(standings: Sequence[Standing], view: View) -> str:
    """Every open position with its liquidation price and the way there."""
    parts = []
    for standing in standings:
        parts.append(f"<b>{_name(standing)}</b> · {text(standing.account.exchange, 24)} · {_read(standing, view)}")
        parts += _blindness(standing, view)
        if standing.report is None:
            parts.append(_("Positions are not known yet."))
        else:
            parts += _positions_of(standing.report) or [_("No open position.")]
    return "\n\n".join(parts)


def _name(standing: Standing) -> str:
    return text(standing.account.label, 24)


def in_sight(standing: Standing, view: View) -> bool:
    """Whether the account itself was read lately; a pool of it may still be unknown."""
    age = age_seconds(standing, view.now)
    fresh = age is not None and age <= view.stale_after.total_seconds()
    itself = standing.states.get(ACCOUNT)
    return fresh and standing.account.refused is None and (itself is None or itself.blind_since is None)


def is_watched(standing: Standing, view: View) -> bool:
    """Whether all of the account is known."""
    complete = standing.report is not None and all(pool.grade is not None for pool in standing.report.pools)
    return in_sight(standing, view) and complete and not is_blind(standing)


def _calmest_words(standings: Sequence[Standing]) -> str:
    live = [s for s in standings if s.report is not None and s.report.margin_ratio is not None]
    if not live:
        return _(NO_OPEN)
    return _("worst {name} {figures}", name=_name(live[0]), figures=_worst_figures(live[0]))


def _worst_figures(standing: Standing) -> str:
    report = standing.report
    if report is None or report.worst is None:
        return _(fig.NOT_KNOWN)
    if report.worst.state is PoolState.DEFICIT:
        return fig.ratio_of(report.worst)
    return _("{room}, ratio {ratio}", room=fig.room(report.worst), ratio=fig.ratio_of(report.worst))


def symbol_of(standing: Standing, view: View) -> str:
    grade = grade_of(standing)
    endangered = grade is not None and grade >= Grade.WARNING
    if grade is None or not (is_watched(standing, view) or (endangered and in_sight(standing, view))):
        return fig.BLIND
    return fig.SYMBOLS[grade]


def _state_word(standing: Standing, view: View) -> str:
    grade = grade_of(standing)
    if standing.report is None and not is_blind(standing):
        return _("first reading under way")
    if not in_sight(standing, view) or grade is None:
        return _("STALE, last known {grade}", grade=fig.word(grade))
    if is_watched(standing, view):
        return fig.grade_name(grade)
    if grade >= Grade.WARNING:
        return _("{grade}, part not watched", grade=fig.grade_name(grade))
    return _("STALE in part, the rest {grade}", grade=fig.word(grade))


def not_watched(refused: Cause) -> str:
    """Why an account is no longer polled."""
    return _("not watched: {cause}", cause=_(CAUSES[refused]))


def _blindness(standing: Standing, view: View) -> list[str]:
    lines = []
    if standing.account.refused is not None:
        lines.append(not_watched(standing.account.refused))
    elif standing.report is not None and not is_blind(standing) and not in_sight(standing, view):
        lines.append(_("no fresh reading: not watched"))
    for subject, state in sorted(standing.states.items()):
        if state.blind_since is None or (subject == "" and standing.account.refused is not None):
            continue
        title = fig.pool_title(subject) if standing.shared_amounts else _("another pool")
        what = f"{title}: " if subject else ""
        cause = _(CAUSES[state.blind_cause] if state.blind_cause else NO_CAUSE)
        lines.append(what + _("{cause}, blind for {time}", cause=cause, time=fig.ago(view.now - state.blind_since)))
    return lines


def _pool_summary(pool: PoolReport, *, amounts: bool) -> list[str]:
    lines = []
    if pool.state is PoolState.UNKNOWN:
        lines.append(_("margin requirement not known: not watched"))
    elif pool.state is PoolState.DEFICIT:
        lines.append(_("<b>equity is gone</b>, no room left"))
    elif pool.state is not PoolState.FLAT:
        lines.append(f"<b>{' · '.join(_reach(pool))}</b> · " + _("ratio {ratio}", ratio=fig.ratio_of(pool)))
    if amounts:
        lines.append(_(EQUITY, equity=fig.money(pool.equity, pool.currency)))
        if pool.state is not PoolState.FLAT:
            lines.append(_(BUFFER, amount=fig.money(pool.buffer, pool.currency)))
    return lines


def _reach(pool: PoolReport) -> list[str]:
    """Room, and the cushion where it is known."""
    return [fig.room(pool)] if pool.cushion is None else [fig.room(pool), fig.multiple(pool.cushion)]


def _pool_line(pool: PoolReport, *, named: bool) -> str:
    title = fig.pool_title(pool.name) if named else _("another pool")
    if pool.grade is None:
        return f"+ {title}: {_(fig.NOT_KNOWN)}"
    return f"+ {title}: " + ", ".join([*_reach(pool), fig.ratio_of(pool)])


def _pool_table(pool: PoolReport) -> str:
    grade = _(fig.NOT_KNOWN) if pool.grade is None else fig.grade_name(pool.grade)
    decided = fig.decided(pool.decided_by)
    lines = [f"<b>{fig.pool_title(pool.name)}</b> · {grade}{decided}"]
    if pool.state is not PoolState.FLAT:
        lines.append(_("ratio {ratio}", ratio=fig.ratio_of(pool)))
        if pool.reported_ratio is not None:
            lines.append(_("ratio by the exchange {ratio}", ratio=fig.percent(pool.reported_ratio)))
        lines.append(_("room {room}", room=fig.room(pool)))
        lines += [] if pool.cushion is None else [_("cushion {cushion}", cushion=fig.multiple(pool.cushion))]
        lines += fig.chances(pool)
    lines.append(_(EQUITY, equity=fig.money(pool.equity, pool.currency)))
    if pool.state is not PoolState.FLAT:
        lines.append(_("maintenance margin {amount}", amount=fig.money(pool.maintenance_margin, pool.currency)))
        lines.append(_(BUFFER, amount=fig.money(pool.buffer, pool.currency)))
    return "\n".join(lines)


def _positions_of(report: AccountReport) -> list[str]:
    currencies = {pool.name: pool.currency for pool in report.pools}
    told = None if report.carried_from is None else report.taken_at - report.carried_from
    return [_position(position, currencies.get(position.pool, ""), told) for position in report.positions]


def _position(position: PositionReport, currency: str, told_before: timedelta | None) -> str:
    lines = [
        f"<b>{text(names.side(position.side), 12)} {text(position.symbol, 40)}</b>",
        _(
            "{size} contracts, worth {amount}",
            size=fig.plain_number(position.contracts),
            amount=fig.money(position.notional, currency),
        ),
        _(
            "entry {entry} · mark {mark}",
            entry=fig.plain_number(position.entry_price),
            mark=fig.plain_number(position.mark_price),
        ),
        _liquidation(position, told_before),
    ]
    return "\n".join(lines)


def _liquidation(position: PositionReport, told_before: timedelta | None) -> str:
    price, mark = position.liquidation_price, position.mark_price
    if price is None:
        return _("liquidation price: the exchange gives none")
    away = f" ({fig.move(float(price / mark) - 1)})" if mark else ""
    shown = _("liquidation {price}", price=fig.plain_number(price)) + away
    return shown if told_before is None else f"{shown}, " + _("told {ago} before", ago=fig.ago(told_before))


def _read(standing: Standing, view: View) -> str:
    age = age_seconds(standing, view.now)
    return _("read never yet") if age is None else _("read {ago} ago", ago=fig.ago(age))


def _quieted(standing: Standing, view: View) -> list[str]:
    """The longest quiet in force."""
    mutes = [s.mute for s in standing.states.values() if s.mute is not None and s.mute.until > view.now]
    if not mutes:
        return []
    mute = max(mutes, key=lambda m: m.until)
    told = ACKNOWLEDGED if mute.kind is MuteKind.ACKNOWLEDGED else SNOOZED
    return [_(told, grade=fig.word(mute.grade), time=fig.until(mute.until, view.now))]
