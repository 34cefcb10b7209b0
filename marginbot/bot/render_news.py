"""Alerts of what is no change of grade: out of sight, gone, perhaps lost, or warned of by the venue itself.

With them the lines that all alerts share.
"""

from __future__ import annotations

from collections.abc import Sequence

from marginbot.bot import figures as fig
from marginbot.bot.figures import quiet
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade
from marginbot.domain.losses import Loss
from marginbot.domain.notices import Facts, Notice

MOST_POSITIONS = 5
MOST_NOTES = 3
MOST_OTHERS = 20  # all that a person can have

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


def headline(symbol: str, state: str, facts: Facts, to_do: str = "") -> str:
    """What it is, which account, and what to do; where there is no saying, at which venue."""
    return f"{symbol} <b>{state}</b> · {quiet(facts.label, 24)} · {quiet(to_do or facts.exchange, 40)}"


def venue(facts: Facts) -> str:
    """The exchange, escaped."""
    return quiet(facts.exchange, 24)


def positions_of(positions: Sequence[str]) -> list[str]:
    """The first of the positions, and how many more there are."""
    shown = [quiet(position, 60) for position in positions[:MOST_POSITIONS]]
    more = len(positions) - len(shown)
    return [*shown, *([f"and {more} more: see Details"] if more > 0 else [])]


def notes_of(notes: Sequence[str]) -> list[str]:
    """What had to be estimated."""
    shown = [f"<i>{quiet(note, 160)}</i>" for note in notes[:MOST_NOTES]]
    more = len(notes) - len(shown)
    return [*shown, *([f"<i>and {more} more notes: see Details</i>"] if more > 0 else [])]


def worst_of(facts: Facts) -> Grade:
    """The worst that the episode saw before this."""
    return max(facts.episode_worst or Grade.OK, facts.previous or Grade.OK)


def gone(facts: Facts) -> list[str]:
    """No position is left after danger, and nobody knows why."""
    at_worst = "" if worst_of(facts) == facts.previous else f", at worst {fig.word(worst_of(facts))}"
    equity = []
    if facts.pool is not None and facts.pool.equity is not None:
        equity = [f"Equity now {quiet(fig.money(facts.pool.equity, facts.pool.currency))}"]
    return [
        headline("❗", "NO POSITION LEFT", facts, "check it"),
        f"It was {fig.word(facts.previous)}{at_worst}.",
        "Now no position is left: closed or",
        "liquidated.",
        "<b>If you did not close it yourself,</b>",
        f"<b>check {venue(facts)}.</b>",
        *equity,
        "",
        "The alarm ends here, RECOVERED.",
        f"Read {fig.clock(facts.known_at)}",
    ]


def warned(facts: Facts) -> list[str]:
    """The venue warns, and the account cannot be read."""
    cause = "" if facts.unread_because is None else f":\n{CAUSES.get(facts.unread_because, 'cause not known')}"
    cushion = "" if facts.last_cushion is None else f", cushion {fig.multiple(facts.last_cushion)}"
    assert facts.grade is not None
    return [
        headline(fig.SYMBOLS[facts.grade], facts.grade.name, facts, "check it yourself"),
        f"<b>{venue(facts)} itself warns: {quiet(facts.venue_says, 60)}.</b>",
        f"I could not read the account to check{cause}.",
        f"Last known: {fig.word(facts.previous)}{cushion}",
        "",
        f"<b>{CHECK}</b>",
        "I keep trying, and write what I find.",
    ]


def lost(facts: Facts, loss: Loss) -> list[str]:
    """No position is left, nor what backed it."""
    return [
        headline("💥", "PERHAPS LIQUIDATED", facts, "check it"),
        "No position is left in this pool, and",
        f"most of what backed it at {venue(facts)}",
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


def blind(notice: Notice) -> list[str]:
    """It cannot be read, or not judged."""
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
        headline(fig.BLIND, "STALE", facts, "mend the key" if refused else "check it yourself"),
        f"I cannot {what} at {venue(facts)}:",
        f"<b>{cause}</b>.",
        *([since] if since else []),
        last,
        *others(facts, "Nor can I read your other accounts there:"),
        "",
        *_advice(facts),
        *notes_of(facts.warnings),
    ]


def others(facts: Facts, introduced: str) -> list[str]:
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
