"""Alerts: notice → Telegram HTML. The first line is all that a locked phone shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape

from marginbot.bot import figures as fig
from marginbot.bot import render_forced, render_key, render_news, render_terms
from marginbot.bot.calls import Button, Rows
from marginbot.bot.figures import quiet
from marginbot.bot.language import _, later
from marginbot.bot.render import LIMIT, length, to_plain
from marginbot.bot.render_news import READ
from marginbot.domain.alerting import BLINDNESS, Reason
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Facts, Notice
from marginbot.domain.report import PoolReport

LATE_AFTER = timedelta(seconds=30)
BUDGET = LIMIT - 300  # leaves room for "Acknowledged by …"

MORE = later("Send /status for more.")
WORSE = later("{venue} · ↗ worse, was {grade}")
PROJECTED = later("Projected {time}")

_FOLD = "\n<blockquote expandable>{}</blockquote>"
LADDERS = {
    DecidedBy.RATIO: later("Decided by the ratio ladder"),
    DecidedBy.CUSHION: later("Decided by the cushion ladder"),
    DecidedBy.BOTH: later("Decided by both ladders"),
}


def alert(notice: Notice, now: datetime) -> str:
    """The message of a notice: one grade word in capitals, never longer than Telegram takes; the rest folded away."""
    return _with_fold(_fitted(_top(notice, now)), _rest(notice.facts))


def unfolded(notice: Notice, now: datetime) -> Sequence[str]:
    """The same, line by line, with nothing folded: each has its tags whole."""
    rest = _rest(notice.facts)
    return [line for part in _top(notice, now) for line in part.split("\n")] + (["", *rest] if rest else [])


def _top(notice: Notice, now: datetime) -> list[str]:
    facts = notice.facts
    if facts.key_news:
        lines = [render_news.headline("🔑", _("KEY"), facts), *render_key.news(facts.key_news, facts.key_expires_at)]
    elif facts.terms is not None:
        lines = [render_news.headline("📏", _("TERMS"), facts), *render_terms.news(facts.terms)]
    elif facts.forced is not None:
        state = _(render_forced.STATES[facts.forced.kind])
        lines = [render_news.headline("💥", state, facts), *render_forced.news(facts.forced, now)]
    elif facts.reason in BLINDNESS or facts.grade is None:
        lines = render_news.blind(notice)
    elif facts.venue_says:
        lines = render_news.warned(facts)
    elif facts.loss is not None:
        lines = render_news.lost(facts, facts.loss)
    elif facts.left_with_nothing:
        lines = render_news.gone(facts)
    elif facts.reason is Reason.RECOVERED:
        head = render_news.headline("✅", _("RECOVERED"), facts, _("nothing to do"))
        was = _("{venue} · was {grade}, now calm", venue=render_news.venue(facts), grade=fig.word(facts.previous))
        lines = [head, was, *_body(facts)]
    else:
        head = render_news.headline(fig.SYMBOLS[facts.grade], fig.grade_name(facts.grade), facts, _to_do(facts))
        lines = [head, *_story(facts), *_body(facts)]
    return [lines[0], *_handling(notice, now), *lines[1:]]


def short(notice: Notice) -> str:
    """The least that must arrive, as plain text, for when the full message is refused."""
    facts = notice.facts
    first = to_plain(alert(notice, notice.created_at).split("\n", 1)[0])
    if facts.key_news:
        return "\n".join([first, *render_key.changed(facts.key_news, facts.key_expires_at)])
    if facts.terms is not None:
        return "\n".join([first, *map(to_plain, render_terms.bullets(facts.terms))])
    if facts.forced is not None:
        return "\n".join([first, *map(to_plain, render_forced.bullets(facts.forced))])
    if facts.pool is None or facts.reason in BLINDNESS:
        return f"{first}\n{_(MORE)}"
    figures = _("{room} to liquidation, ratio {ratio}", room=fig.room(facts.pool), ratio=fig.ratio_of(facts.pool))
    return f"{first}\n{to_plain(f'{render_news.venue(facts)}: {figures}')}\n{_(MORE)}"


def buttons(notice: Notice) -> Rows:
    """What can be done about an alert with a tap."""
    facts, number = notice.facts, notice.id
    if facts.key_news or facts.terms is not None or facts.forced is not None:
        return ()
    details = Button(_("Details"), f"det:{number}")
    if facts.reason is Reason.KEY_REFUSED:
        return ((Button(_("Retry"), f"try:{number}"), details),)
    quieting = (Button(_("Acknowledge"), f"ack:{number}"), Button(_("Snooze 1 h"), f"snz:{number}"))
    if facts.reason in BLINDNESS:
        return (quieting, (Button(_("Retry"), f"try:{number}"), details))
    calm = facts.reason in (Reason.RECOVERED, Reason.LIQUIDATED) or facts.grade in (None, Grade.OK)
    return ((details,),) if calm else (quieting, (details, *rescue(notice)))


def rescue(notice: Notice) -> tuple[Button, ...]:
    """The way to the full rescue sheet, from WARNING on."""
    facts = notice.facts
    endangered = facts.grade is not None and facts.grade >= Grade.WARNING and facts.pool is not None
    return (Button(_("What would help"), f"res:{notice.id}"),) if endangered else ()


def _to_do(facts: Facts) -> str:
    """What would help, in the fewest words; the venue where nothing has to be done."""
    pool, grade = facts.pool, facts.grade or Grade.OK
    if grade is Grade.OK:
        return _("nothing to do") if pool is not None else ""
    if pool is not None and pool.top_up:
        return _("add {amount} {currency}", amount=fig.plain_number(pool.top_up), currency=pool.currency[:12])
    if pool is not None and pool.close_share:
        return _("close it") if pool.close_share >= 1 else _("close {share}%", share=f"{pool.close_share * 100:.0f}")
    return _("check it yourself")


def _handling(notice: Notice, now: datetime) -> list[str]:
    """What the way of the message itself has to say."""
    lines = []
    if notice.facts.reason in (Reason.REMINDER_DUE, Reason.STILL_BLIND):
        lines.append(_("🔁 REMINDER: this has not changed"))
    if notice.held_until is not None:
        lines.append(_("🌙 kept for quiet hours since {time}", time=fig.until(notice.created_at, now)))
    elif now - notice.created_at > LATE_AFTER:
        lines.append(_("⏱ delayed, written {time}", time=fig.clock(notice.created_at, now)))
    if notice.attempts > 0:
        lines.append(_("(may be a repeat)"))
    return lines


def _story(facts: Facts) -> list[str]:
    venue, was = render_news.venue(facts), fig.word(facts.previous)
    if facts.projected_from is not None:
        projected = _(
            "<b>PROJECTION</b> at live mark prices of what\nI read {time}; I could not read it again in time.",
            time=fig.clock(facts.projected_from, facts.at),
        )
        return [_(WORSE, venue=venue, grade=was), projected]
    if facts.reason is Reason.SIGHT_BACK:
        again = _("👁 Readable again.")
        if facts.blind_since is not None:
            again = _("👁 Readable again after {time} blind.", time=fig.ago(facts.at - facts.blind_since))
        rest = render_news.others(facts, _("I ask for these again too, and write if one stays unreadable or is worse:"))
        return [_("{venue} · before that {grade}", venue=venue, grade=was), again, *rest]
    if facts.reason is Reason.FIRST_SIGHT:
        return [_("{venue} · so at the first reading", venue=venue)]
    if facts.reason is Reason.EASED:
        return [_("{venue} · ↘ eased, was {grade}", venue=venue, grade=was)]
    if facts.reason is Reason.WORSENED and facts.previous is not None:
        return [_(WORSE, venue=venue, grade=was)]
    return [venue]


def _body(facts: Facts) -> list[str]:
    pool = facts.pool
    if pool is None:
        return ["", _("No position is left."), _(READ, time=fig.clock(facts.known_at))]
    return [
        *_distance(pool),
        *_remedy(pool, len(facts.positions)),
        "",
        *_figures(pool),
    ]


def _rest(facts: Facts) -> list[str]:
    """What can wait for a tap: how it was judged, when, which positions; nothing where all is told above."""
    pool = facts.pool
    if pool is None or _is_other_news(facts) or facts.grade is None or facts.left_with_nothing or facts.loss:
        return []
    decided = LADDERS.get(pool.decided_by) if pool.state is not PoolState.FLAT else None
    return [
        *([_(decided)] if decided else []),
        _("Pool: {name}", name=quiet(fig.pool_title(pool.name), 80)),
        _(READ if facts.projected_from is None else PROJECTED, time=fig.clock(facts.known_at)),
        *render_news.positions_of(facts.positions),
        *render_news.notes_of(facts.warnings),
    ]


def _distance(pool: PoolReport) -> list[str]:
    """How far the market is from the trigger: what a trader asks first."""
    if pool.state is PoolState.DEFICIT:
        return [
            _("<b>Equity is gone</b>: nothing backs the\nmargin that is required. Liquidation is\ndue or under way.")
        ]
    if pool.state is PoolState.FLAT:
        return [_("No position is left in this pool.")]
    if pool.room is None:
        return [
            _("By itself, no price move can breach it.") if pool.room_known else _("Room to liquidation: not known.")
        ]
    if pool.room == 0:
        return [_("<b>No room left</b>: at or past liquidation.")]
    away = _("<b>{coin} {move}</b> to liquidation", coin=quiet(fig.underlying(pool.scenario)), move=fig.move(pool.room))
    if pool.cushion is None:
        return [away]
    return [away, _("= <b>{cushion}</b> an ordinary hour (cushion)", cushion=fig.multiple(pool.cushion))]


def _figures(pool: PoolReport) -> list[str]:
    equity = fig.row(_("Equity"), _amount(pool.equity, pool))
    if pool.state is PoolState.FLAT:
        return [equity]
    return [
        fig.row(_("Margin ratio"), _("beyond 100%") if pool.state is PoolState.DEFICIT else fig.ratio_of(pool)),
        equity,
        fig.row(_("Maintenance margin"), _amount(pool.maintenance_margin, pool)),
        fig.row(_("Buffer"), _amount(pool.buffer, pool)),
    ]


def _is_other_news(facts: Facts) -> bool:
    return bool(facts.key_news or facts.venue_says) or facts.terms is not None or facts.reason in BLINDNESS


def _amount(amount: Decimal | None, pool: PoolReport) -> str:
    return quiet(unescape(fig.money(amount, pool.currency)))


def _remedy(pool: PoolReport, positions: int) -> list[str]:
    ways = []
    if pool.top_up:
        ways.append(_("Add ≈ {amount}", amount=quiet(fig.advised(pool.top_up, pool.currency))))
    if pool.close_share:
        ways.append(_closing(pool.close_share, positions))
    if not ways:
        return []
    told = f"<b>{ways[0][0].upper()}{ways[0][1:]}</b>"
    told += "\n" + _("or <b>{what}</b>", what=ways[1]) if len(ways) > 1 else ""
    if pool.target is Grade.OK:
        told += "\n" + _("to be calm again.")
    elif pool.target is not None:
        told += "\n" + _("to be back at {grade}.", grade=fig.word(pool.target))
    return ["", told]


def _closing(share: Decimal, positions: int) -> str:
    if share >= 1:
        return _("close every position") if positions > 1 else _("close the position")
    part = f"{share * 100:.0f}"
    if positions > 1:
        return _("close ≈ {share}% of every position", share=part)
    return _("close ≈ {share}% of the position", share=part)


def _with_fold(told: str, rest: Sequence[str]) -> str:
    """The message with as much of the rest as fits below it, folded until it is tapped."""
    left = BUDGET - length(told) - len(_FOLD)
    kept: list[str] = []
    for line in rest:
        left -= length(line) + 1
        if left < 0:
            break
        kept.append(line)
    return told + (_FOLD.format("\n".join(kept)) if kept else "")


def _fitted(lines: Sequence[str]) -> str:
    """All lines, or as many as fit; the first ones matter most."""
    kept: list[str] = []
    size = 0
    for line in lines:
        size += length(line) + 1
        if size > BUDGET:
            break
        kept.append(line)
    return "\n".join(kept).rstrip()
