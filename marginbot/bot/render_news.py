"""Alerts of what is no change of grade: out of sight, gone, perhaps lost, or warned of by the venue itself.

With them the lines that all alerts share.
"""

from __future__ import annotations

from collections.abc import Sequence

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.figures import quiet
from marginbot.bot.language import _, later, plural
from marginbot.bot.said import said
from marginbot.domain.alerting import Reason
from marginbot.domain.errors import Banned, Cause, RateLimited, VenueDown
from marginbot.domain.grading import Grade
from marginbot.domain.losses import Loss
from marginbot.domain.notices import Facts, Notice

MOST_POSITIONS = 5
MOST_NOTES = 3
MOST_OTHERS = 20  # all that a person can have

CAUSES = {
    Cause.KEY_REFUSED: later("the exchange refused the key"),
    Cause.NO_PERMISSION: later("the key may not read this account"),
    Cause.CLOCK_SKEW: later("this server's clock is off"),
    Cause.RATE_LIMITED: later("the exchange limits my requests"),
    Cause.BANNED: later("the exchange banned my address"),
    Cause.VENUE_DOWN: later("the exchange does not answer"),
    Cause.BAD_PAYLOAD: later("the exchange's answer makes no sense to me"),
    Cause.UNSUPPORTED: later("this kind of account is not supported"),
    Cause.POOL_UNKNOWN: later("its margin requirement is not known"),
    Cause.OUR_FAULT: later("a fault of mine"),
}
CHECK = later("Check it at the exchange itself.")
KEEP_TRYING = later("I keep trying, and write what I find.")
# What passes by itself, and what its error says by default: no more than the cause that stands above.
PASSING = {kind.cause: kind.advice for kind in (VenueDown, RateLimited, Banned)}
READ = later("Read {time}")
# Where no reading failed, and so no error brought its own advice.
ADVICE = {
    Cause.POOL_UNKNOWN: later(
        "The exchange does not say what margin it requires, so I cannot judge it. Check it at the exchange itself."
    ),
}


def headline(symbol: str, state: str, facts: Facts, to_do: str = "") -> str:
    """What it is, which account, and what to do; where there is no saying, at which venue."""
    return f"{symbol} <b>{state}</b> · {quiet(facts.label, 24)} · {quiet(to_do or facts.exchange, 40)}"


def venue(facts: Facts) -> str:
    """The exchange, escaped."""
    return quiet(facts.exchange, 24)


def positions_of(positions: Sequence[str]) -> list[str]:
    """The first of the positions, and how many more there are."""
    shown = [quiet(names.position(position), 60) for position in positions[:MOST_POSITIONS]]
    more = len(positions) - len(shown)
    return [*shown, *([_("and {n} more: see Details", n=more)] if more > 0 else [])]


def notes_of(notes: Sequence[str]) -> list[str]:
    """What had to be estimated."""
    shown = [f"<i>{quiet(said(note), 160)}</i>" for note in notes[:MOST_NOTES]]
    more = len(notes) - len(shown)
    return [
        *shown,
        *(
            [plural("<i>and {n} more note: see Details</i>", "<i>and {n} more notes: see Details</i>", more)]
            if more > 0
            else []
        ),
    ]


def gone(facts: Facts) -> list[str]:
    """No position is left after danger, and nobody knows why."""
    worst, was = facts.worst_before, fig.word(facts.previous)
    told = _("It was {grade}.", grade=was)
    if worst != facts.previous:
        told = _("It was {grade}, at worst {worst}.", grade=was, worst=fig.word(worst))
    equity = []
    if facts.pool is not None and facts.pool.equity is not None:
        equity = [_("Equity now {amount}", amount=quiet(fig.money(facts.pool.equity, facts.pool.currency)))]
    return [
        headline("❗", _("POSITION GONE"), facts, _("check it")),
        told,
        _("Now no position is left: closed or\nliquidated."),
        _("<b>If you did not close it yourself,</b>\n<b>check {venue}.</b>", venue=venue(facts)),
        *equity,
        "",
        _("The alarm ends here, RECOVERED."),
        _(READ, time=fig.clock(facts.known_at)),
    ]


def warned(facts: Facts) -> list[str]:
    """The venue warns, and the account cannot be read."""
    unread = _("I could not read the account to check.")
    if facts.unread_because is not None:
        cause = _(CAUSES[facts.unread_because])
        unread = _("I could not read the account to check:\n{cause}.", cause=cause)
    assert facts.grade is not None
    return [
        headline(fig.SYMBOLS[facts.grade], fig.grade_name(facts.grade), facts, _("check it yourself")),
        _("<b>{venue} itself warns: {words}.</b>", venue=venue(facts), words=quiet(said(facts.venue_says), 60)),
        unread,
        _last_known(facts.previous, facts.last_cushion),
        "",
        f"<b>{_(CHECK)}</b>",
        _(KEEP_TRYING),
    ]


def lost(facts: Facts, loss: Loss) -> list[str]:
    """No position is left, nor what backed it."""
    return [
        headline("💥", _("LIQUIDATED?"), facts, _("check it")),
        _(
            "No position is left in this pool, and\nmost of what backed it at {venue}\nis gone. It was\n"
            "{grade} at {time}, with",
            venue=venue(facts),
            grade=fig.word(facts.previous),
            time=fig.clock(loss.read_at, facts.known_at),
        ),
        *[quiet(names.position(position), 60) for position in loss.positions[:MOST_POSITIONS]],
        "",
        _("Equity then {amount}", amount=quiet(fig.money(loss.before, loss.currency))),
        _("Equity now {amount}", amount=quiet(fig.money(loss.after, loss.currency))),
        _(
            "<b>{amount} less</b>, as far as the\nexchange shows it; transfers of yours\nare in it.",
            amount=quiet(fig.money(loss.lost, loss.currency)),
        ),
        "",
        _(
            "<b>If you did not close it and move the</b>\n<b>money yourself, it was liquidated: check</b>\n"
            "<b>the exchange's order history.</b>"
        ),
        "",
        _(READ, time=fig.clock(facts.known_at)),
    ]


def blind(notice: Notice) -> list[str]:
    """It cannot be read, or not judged."""
    facts = notice.facts
    cannot = _("I cannot read it at {venue}:", venue=venue(facts))
    if notice.subject != "":
        pool = quiet(fig.pool_title(notice.subject), 80)
        cannot = _("I cannot judge {pool} at {venue}:", pool=pool, venue=venue(facts))
    since = []
    if facts.blind_since is not None:
        at, ago = fig.clock(facts.blind_since, facts.at), fig.ago(facts.at - facts.blind_since)
        since = [_("Blind since {time} ({ago})", time=at, ago=ago)]
    cause = _(CAUSES[facts.cause] if facts.cause else fig.NOT_KNOWN)
    refused = facts.reason is Reason.KEY_REFUSED
    return [
        headline(fig.BLIND, _("STALE"), facts, _("mend the key") if refused else _("check it yourself")),
        cannot,
        f"<b>{cause}</b>.",
        *since,
        _last_known(facts.grade, facts.last_cushion),
        *others(facts, _("Nor can I read your other accounts there:")),
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
        label, grade = quiet(other.label, 24), fig.word(other.grade)
        if other.cushion is None:
            lines.append(_("· <b>{label}</b>: last known {grade}", label=label, grade=grade))
            continue
        cushion = fig.multiple(other.cushion)
        lines.append(
            _("· <b>{label}</b>: last known {grade}, cushion {cushion}", label=label, grade=grade, cushion=cushion)
        )
    return lines


def _last_known(grade: Grade | None, cushion: float | None) -> str:
    if cushion is None:
        return _("Last known: {grade}", grade=fig.word(grade))
    return _("Last known: {grade}, cushion {cushion}", grade=fig.word(grade), cushion=fig.multiple(cushion))


def _advice(facts: Facts) -> list[str]:
    if facts.cause in PASSING:
        more = facts.advice and facts.advice != PASSING[facts.cause]
        return [*([quiet(said(facts.advice), 500)] if more else []), _(CHECK), _(KEEP_TRYING)]
    own = _(ADVICE.get(facts.cause or Cause.OUR_FAULT, CHECK))
    given = [quiet(said(facts.advice), 500) if facts.advice else own]
    if facts.reason is Reason.KEY_REFUSED:
        given.append(
            _("I have stopped asking. When it is mended press Retry, or send /add with this label and a new key.")
        )
    return given
