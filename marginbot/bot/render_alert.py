"""Alerts: notice → Telegram HTML. The first line is all that a locked phone shows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import unescape

from marginbot.bot import figures as fig
from marginbot.bot import render_forced, render_key, render_terms
from marginbot.bot.calls import Button, Rows
from marginbot.bot.figures import quiet
from marginbot.bot.render import LIMIT, length, to_plain
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Cause
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.losses import Loss
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Facts, Notice
from marginbot.domain.report import PoolReport

LATE_AFTER = timedelta(seconds=30)
MOST_POSITIONS = 5
MOST_NOTES = 3
MOST_OTHERS = 20  # all that a person can have
BUDGET = LIMIT - 300  # leaves room for "Acknowledged by …"

_FOLD = "\n<blockquote expandable>{}</blockquote>"
BLINDNESS = frozenset({Reason.WENT_BLIND, Reason.STILL_BLIND, Reason.KEY_REFUSED})

CAUSES = {
    Cause.KEY_REFUSED: "the exchange refused the key",
    Cause.NO_PERMISSION: "the key may not read this account",
    Cause.CLOCK_SKEW: "this server's clock is off",
    Cause.RATE_LIMITED: "the exchange limits my requests",
    Cause.BANNED: "the exchange banned my address",
    Cause.VENUE_DOWN: "the exchange does not answer",
    Cause.BAD_PAYLOAD: "the exchange's answer makes no sense to me",
    Cause.UNSUPPORTED: "this kind of account is not supported",
    Cause.POOL_UNKNOWN: "its margin requirement is not known",
    Cause.OUR_FAULT: "a fault of mine",
}
CHECK = "Check it at the exchange itself."
# Where no reading failed, and so no error brought its own advice.
ADVICE = {
    Cause.POOL_UNKNOWN: f"The exchange does not say what margin it requires, so I cannot judge it. {CHECK}",
}
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
        lines = [_headline("🔑", "KEY", facts), *render_key.news(facts.key_news, facts.key_expires_at)]
    elif facts.terms is not None:
        lines = [_headline("📏", "TERMS", facts), *render_terms.news(facts.terms)]
    elif facts.forced is not None:
        lines = [_headline("💥", facts.forced.kind.upper(), facts), *render_forced.news(facts.forced)]
    elif facts.reason in BLINDNESS or facts.grade is None:
        lines = _blind(notice)
    elif facts.venue_says:
        lines = _warned(facts)
    elif facts.loss is not None:
        lines = _lost(facts, facts.loss)
    elif facts.left_with_nothing:
        lines = _gone(facts)
    elif facts.reason is Reason.RECOVERED:
        was = f"{_venue(facts)} · was {fig.word(facts.previous)}, now calm"
        lines = [_headline("✅", "RECOVERED", facts, "nothing to do"), was, *_body(facts)]
    else:
        head = _headline(fig.SYMBOLS[facts.grade], facts.grade.name, facts, _to_do(facts))
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
        return f"{first}\nSend /status for more."
    figures = f"{fig.room(facts.pool)} to liquidation, ratio {fig.ratio_of(facts.pool)}"
    return f"{first}\n{to_plain(f'{_venue(facts)}: {figures}')}\nSend /status for more."


def buttons(notice: Notice) -> Rows:
    """What can be done about an alert with a tap."""
    facts, number = notice.facts, notice.id
    if facts.key_news or facts.terms is not None or facts.forced is not None:
        return ()
    details = Button("Details", f"det:{number}")
    if facts.reason is Reason.KEY_REFUSED:
        return ((Button("Retry", f"try:{number}"), details),)
    quieting = (Button("Acknowledge", f"ack:{number}"), Button("Snooze 1 h", f"snz:{number}"))
    if facts.reason in BLINDNESS:
        return (quieting, (Button("Retry", f"try:{number}"), details))
    calm = facts.reason in (Reason.RECOVERED, Reason.LIQUIDATED) or facts.grade in (None, Grade.OK)
    return ((details,),) if calm else (quieting, (details, *rescue(notice)))


def rescue(notice: Notice) -> tuple[Button, ...]:
    """The way to the full rescue sheet, from WARNING on."""
    facts = notice.facts
    endangered = facts.grade is not None and facts.grade >= Grade.WARNING and facts.pool is not None
    return (Button("What would help", f"res:{notice.id}"),) if endangered else ()


def _headline(symbol: str, state: str, facts: Facts, to_do: str = "") -> str:
    """What it is, which account, and what to do; where there is no saying, at which venue."""
    return f"{symbol} <b>{state}</b> · {quiet(facts.label, 24)} · {quiet(to_do or facts.exchange, 40)}"


def _venue(facts: Facts) -> str:
    return quiet(facts.exchange, 24)


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
            f"{_venue(facts)} · ↗ worse, was {was}",
            "<b>PROJECTION</b> at live mark prices of what",
            f"I read {fig.clock(facts.projected_from, facts.at)}; I could not read it again in time.",
        ]
    if facts.reason is Reason.SIGHT_BACK:
        blind = "" if facts.blind_since is None else f" after {fig.ago(facts.at - facts.blind_since)} blind"
        rest = _others(facts, "I ask for these again too, and write if one stays unreadable or is worse:")
        return [f"{_venue(facts)} · before that {was}", f"👁 Readable again{blind}.", *rest]
    if facts.reason is Reason.FIRST_SIGHT:
        return [f"{_venue(facts)} · so at the first reading"]
    if facts.reason is Reason.EASED:
        return [f"{_venue(facts)} · ↘ eased, was {was}"]
    if facts.reason is Reason.WORSENED and facts.previous is not None:
        return [f"{_venue(facts)} · ↗ worse, was {was}"]
    return [_venue(facts)]


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
        *_positions(facts.positions),
        *_notes(facts.warnings),
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
    return bool(facts.key_news or facts.venue_says) or facts.terms is not None or facts.reason in BLINDNESS


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


def _positions(positions: Sequence[str]) -> list[str]:
    shown = [quiet(position, 60) for position in positions[:MOST_POSITIONS]]
    more = len(positions) - len(shown)
    return [*shown, *([f"and {more} more: see Details"] if more > 0 else [])]


def _notes(notes: Sequence[str]) -> list[str]:
    shown = [f"<i>{quiet(note, 160)}</i>" for note in notes[:MOST_NOTES]]
    more = len(notes) - len(shown)
    return [*shown, *([f"<i>and {more} more notes: see Details</i>"] if more > 0 else [])]


def _worst(facts: Facts) -> Grade:
    """The worst that the episode saw before this."""
    return max(facts.episode_worst or Grade.OK, facts.previous or Grade.OK)


def _gone(facts: Facts) -> list[str]:
    at_worst = "" if _worst(facts) == facts.previous else f", at worst {fig.word(_worst(facts))}"
    equity = []
    if facts.pool is not None and facts.pool.equity is not None:
        equity = [f"Equity now {quiet(fig.money(facts.pool.equity, facts.pool.currency))}"]
    return [
        _headline("❗", "NO POSITION LEFT", facts, "check it"),
        f"It was {fig.word(facts.previous)}{at_worst}.",
        "Now no position is left: closed or",
        "liquidated.",
        "<b>If you did not close it yourself,</b>",
        f"<b>check {_venue(facts)}.</b>",
        *equity,
        "",
        "The alarm ends here, RECOVERED.",
        f"Read {fig.clock(facts.known_at)}",
    ]


def _warned(facts: Facts) -> list[str]:
    cause = "" if facts.unread_because is None else f":\n{CAUSES.get(facts.unread_because, 'cause not known')}"
    cushion = "" if facts.last_cushion is None else f", cushion {fig.multiple(facts.last_cushion)}"
    assert facts.grade is not None
    return [
        _headline(fig.SYMBOLS[facts.grade], facts.grade.name, facts, "check it yourself"),
        f"<b>{_venue(facts)} itself warns: {quiet(facts.venue_says, 60)}.</b>",
        f"I could not read the account to check{cause}.",
        f"Last known: {fig.word(facts.previous)}{cushion}",
        "",
        f"<b>{CHECK}</b>",
        "I keep trying, and write what I find.",
    ]


def _lost(facts: Facts, loss: Loss) -> list[str]:
    return [
        _headline("💥", "PERHAPS LIQUIDATED", facts, "check it"),
        "No position is left in this pool, and",
        f"most of what backed it at {_venue(facts)}",
        "is gone. It was",
        f"{fig.word(facts.previous)} at {fig.clock(loss.read_at, facts.known_at)}, with",
        *[quiet(position, 60) for position in loss.positions[:MOST_POSITIONS]],
        "",
        f"Equity then {quiet(fig.money(loss.before, loss.currency))}",
        f"Equity now {quiet(fig.money(loss.after, loss.currency))}",
        f"<b>{quiet(fig.money(loss.lost, loss.currency))} less</b>, as far as the",
        "exchange shows it; transfers of yours",
        "are in it.",
        "",
        "<b>If you did not close it and move the</b>",
        "<b>money yourself, it was liquidated: check</b>",
        "<b>the exchange's order history.</b>",
        "",
        f"Read {fig.clock(facts.known_at)}",
    ]


def _blind(notice: Notice) -> list[str]:
    facts = notice.facts
    what = "read it" if notice.subject == "" else f"judge {quiet(fig.pool_title(notice.subject), 80)}"
    since = ""
    if facts.blind_since is not None:
        since = f"Blind since {fig.clock(facts.blind_since, facts.at)} ({fig.ago(facts.at - facts.blind_since)})"
    last = f"Last known: {fig.word(facts.grade)}"
    last += f", cushion {fig.multiple(facts.last_cushion)}" if facts.last_cushion is not None else ""
    cause = CAUSES.get(facts.cause, "not known") if facts.cause else "not known"
    refused = facts.reason is Reason.KEY_REFUSED
    return [
        _headline(fig.BLIND, "STALE", facts, "mend the key" if refused else "check it yourself"),
        f"I cannot {what} at {_venue(facts)}:",
        f"<b>{cause}</b>.",
        *([since] if since else []),
        last,
        *_others(facts, "Nor can I read your other accounts there:"),
        "",
        *_advice(facts),
        *_notes(facts.warnings),
    ]


def _others(facts: Facts, introduced: str) -> list[str]:
    """The accounts that one message stands for, as last known."""
    if not facts.others:
        return []
    lines = [introduced]
    for other in facts.others[:MOST_OTHERS]:
        cushion = "" if other.cushion is None else f", cushion {fig.multiple(other.cushion)}"
        lines.append(f"· <b>{quiet(other.label, 24)}</b>: last known {fig.word(other.grade)}{cushion}")
    return lines


def _advice(facts: Facts) -> list[str]:
    given = [quiet(facts.advice, 500) if facts.advice else ADVICE.get(facts.cause or Cause.OUR_FAULT, CHECK)]
    if facts.reason is Reason.KEY_REFUSED:
        given.append(
            "I have stopped asking. When it is mended press Retry, or send /add with this label and a new key."
        )
    return given


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
