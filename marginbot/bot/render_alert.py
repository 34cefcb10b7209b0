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
from marginbot.bot.render import LIMIT, length, to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Facts, Notice
from marginbot.domain.report import PoolReport

LATE_AFTER = timedelta(seconds=30)
BUDGET = LIMIT - 300  # leaves room for "Acknowledged by …"

_FOLD = "\n<blockquote expandable>{}</blockquote>"
LADDERS = {
    DecidedBy.RATIO: "Decided by the ratio ladder",
    DecidedBy.CUSHION: "Decided by the cushion ladder",
    DecidedBy.BOTH: "Decided by both ladders",
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
        lines = [render_news.headline("🔑", "KEY", facts), *render_key.news(facts.key_news, facts.key_expires_at)]
    elif facts.terms is not None:
        lines = [render_news.headline("📏", "TERMS", facts), *render_terms.news(facts.terms)]
    elif facts.forced is not None:
        lines = [render_news.headline("💥", facts.forced.kind.upper(), facts), *render_forced.news(facts.forced)]
    elif facts.reason in render_news.BLINDNESS or facts.grade is None:
        lines = render_news.blind(notice)
    elif facts.venue_says:
        lines = render_news.warned(facts)
    elif facts.loss is not None:
        lines = render_news.lost(facts, facts.loss)
    elif facts.left_with_nothing:
        lines = render_news.gone(facts)
    elif facts.reason is Reason.RECOVERED:
        was = f"{render_news.venue(facts)} · was {fig.word(facts.previous)}, now calm"
        lines = [render_news.headline("✅", "RECOVERED", facts, "nothing to do"), was, *_body(facts)]
    else:
        head = render_news.headline(fig.SYMBOLS[facts.grade], facts.grade.name, facts, _to_do(facts))
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
    if facts.pool is None or facts.reason in render_news.BLINDNESS:
        return f"{first}\nSend /status for more."
    figures = f"{fig.room(facts.pool)} to liquidation, ratio {fig.ratio_of(facts.pool)}"
    return f"{first}\n{to_plain(f'{render_news.venue(facts)}: {figures}')}\nSend /status for more."


def buttons(notice: Notice) -> Rows:
    """What can be done about an alert with a tap."""
    facts, number = notice.facts, notice.id
    if facts.key_news or facts.terms is not None or facts.forced is not None:
        return ()
    details = Button("Details", f"det:{number}")
    if facts.reason is Reason.KEY_REFUSED:
        return ((Button("Retry", f"try:{number}"), details),)
    quieting = (Button("Acknowledge", f"ack:{number}"), Button("Snooze 1 h", f"snz:{number}"))
    if facts.reason in render_news.BLINDNESS:
        return (quieting, (Button("Retry", f"try:{number}"), details))
    calm = facts.reason in (Reason.RECOVERED, Reason.LIQUIDATED) or facts.grade in (None, Grade.OK)
    return ((details,),) if calm else (quieting, (details, *rescue(notice)))


def rescue(notice: Notice) -> tuple[Button, ...]:
    """The way to the full rescue sheet, from WARNING on."""
    facts = notice.facts
    endangered = facts.grade is not None and facts.grade >= Grade.WARNING and facts.pool is not None
    return (Button("What would help", f"res:{notice.id}"),) if endangered else ()


def _to_do(facts: Facts) -> str:
    """What would help, in the fewest words; the venue where nothing has to be done."""
    pool, grade = facts.pool, facts.grade or Grade.OK
    if grade is Grade.OK:
        return "nothing to do" if pool is not None else ""
    if pool is not None and pool.top_up:
        return f"add {fig.plain_number(pool.top_up)} {pool.currency[:12]}"
    if pool is not None and pool.close_share:
        return "close it" if pool.close_share >= 1 else f"close {pool.close_share * 100:.0f}%"
    return "check it yourself"


def _handling(notice: Notice, now: datetime) -> list[str]:
    """What the way of the message itself has to say."""
    lines = []
    if notice.facts.reason in (Reason.REMINDER_DUE, Reason.STILL_BLIND):
        lines.append("🔁 REMINDER: this has not changed")
    if notice.held_until is not None:
        lines.append(f"🌙 kept for quiet hours since {fig.until(notice.created_at, now)}")
    elif now - notice.created_at > LATE_AFTER:
        lines.append(f"⏱ delayed, written {fig.clock(notice.created_at, now)}")
    if notice.attempts > 0:
        lines.append("(may be a repeat)")
    return lines


def _story(facts: Facts) -> list[str]:
    was = fig.word(facts.previous)
    if facts.projected_from is not None:
        return [
            f"{render_news.venue(facts)} · ↗ worse, was {was}",
            "<b>PROJECTION</b> at live mark prices of what",
            f"I read {fig.clock(facts.projected_from, facts.at)}; I could not read it again in time.",
        ]
    if facts.reason is Reason.SIGHT_BACK:
        blind = "" if facts.blind_since is None else f" after {fig.ago(facts.at - facts.blind_since)} blind"
        rest = render_news.others(facts, "I ask for these again too, and write if one stays unreadable or is worse:")
        return [f"{render_news.venue(facts)} · before that {was}", f"👁 Readable again{blind}.", *rest]
    if facts.reason is Reason.FIRST_SIGHT:
        return [f"{render_news.venue(facts)} · so at the first reading"]
    if facts.reason is Reason.EASED:
        return [f"{render_news.venue(facts)} · ↘ eased, was {was}"]
    if facts.reason is Reason.WORSENED and facts.previous is not None:
        return [f"{render_news.venue(facts)} · ↗ worse, was {was}"]
    return [render_news.venue(facts)]


def _body(facts: Facts) -> list[str]:
    pool = facts.pool
    if pool is None:
        return ["", "No position is left.", f"Read {fig.clock(facts.known_at)}"]
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
        *([decided] if decided else []),
        f"Pool: {quiet(fig.pool_title(pool.name), 80)}",
        f"{'Read' if facts.projected_from is None else 'Projected'} {fig.clock(facts.known_at)}",
        *render_news.positions_of(facts.positions),
        *render_news.notes_of(facts.warnings),
    ]


def _distance(pool: PoolReport) -> list[str]:
    """How far the market is from the trigger: what a trader asks first."""
    if pool.state is PoolState.DEFICIT:
        return [
            "<b>Equity is gone</b>: nothing backs the",
            "margin that is required. Liquidation is",
            "due or under way.",
        ]
    if pool.state is PoolState.FLAT:
        return ["No position is left in this pool."]
    if pool.room is None:
        return ["By itself, no price move can breach it." if pool.room_known else "Room to liquidation: not known."]
    if pool.room == 0:
        return ["<b>No room left</b>: at or past liquidation."]
    away = f"<b>{quiet(fig.underlying(pool.scenario))} {fig.move(pool.room)}</b> to liquidation"
    if pool.cushion is None:
        return [away]
    return [away, f"= <b>{fig.multiple(pool.cushion)}</b> an ordinary hour (cushion)"]


def _figures(pool: PoolReport) -> list[str]:
    equity = fig.row("Equity", _amount(pool.equity, pool))
    if pool.state is PoolState.FLAT:
        return [equity]
    return [
        fig.row("Margin ratio", "beyond 100%" if pool.state is PoolState.DEFICIT else fig.ratio_of(pool)),
        equity,
        fig.row("Maintenance margin", _amount(pool.maintenance_margin, pool)),
        fig.row("Buffer", _amount(pool.buffer, pool)),
    ]


def _is_other_news(facts: Facts) -> bool:
    return bool(facts.key_news or facts.venue_says) or facts.terms is not None or facts.reason in render_news.BLINDNESS


def _amount(amount: Decimal | None, pool: PoolReport) -> str:
    return quiet(unescape(fig.money(amount, pool.currency)))


def _remedy(pool: PoolReport, positions: int) -> list[str]:
    ways = []
    if pool.top_up:
        ways.append(f"Add ≈ {quiet(fig.advised(pool.top_up, pool.currency))}")
    if pool.close_share:
        whole = pool.close_share >= 1
        size = "close" if whole else f"close ≈ {pool.close_share * 100:.0f}% of"
        ways.append(f"{size} {'every position' if positions > 1 else 'the position'}")
    if not ways:
        return []
    told = f"<b>{ways[0][0].upper()}{ways[0][1:]}</b>"
    told += f"\nor <b>{ways[1]}</b>" if len(ways) > 1 else ""
    if pool.target is not None:
        told += "\nto be " + ("calm again." if pool.target is Grade.OK else f"back at {fig.word(pool.target)}.")
    return ["", told]


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
