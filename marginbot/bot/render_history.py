"""/history and the operators' record: episodes with every moment on the way, in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marginbot.bot import figures as fig
from marginbot.bot.figures import text
from marginbot.bot.language import _, later, plural
from marginbot.domain.alerting import ACCOUNT
from marginbot.domain.notices import DropReason
from marginbot.domain.record import Ending, Episode, Telling

MOST_EPISODES = 10
ENDINGS = {
    Ending.OPEN: later("open for {time}"),
    Ending.RECOVERED: later("recovered {time}, after {span}"),
    Ending.NO_POSITION: later("no position left: closed or liquidated {time}, after {span}"),
    Ending.LIQUIDATED: later("perhaps liquidated {time}, after {span}"),
    Ending.READABLE: later("readable again {time}, after {span}"),
    Ending.TOLD: later("told once"),
}
DROPPED = {
    DropReason.OVERTAKEN: later("newer news took its place"),
    DropReason.ACKNOWLEDGED: later("acknowledged before it was sent"),
    DropReason.UNREACHABLE: later("the chat could not be reached"),
    DropReason.VENUE_OUTAGE_TOLD: later("told in one message with others of that exchange"),
    DropReason.NOTHING_TO_NOTE_IT_ON: later("there was no message to note it on"),
}
READ = later("read {time}")
DECIDED = later("decided {time}")
SENT = later("sent {time}")


def history(found: Sequence[Episode], now: datetime) -> str:
    """The last episodes, newest first."""
    if not found:
        return _("No alert was ever sent about this.")
    shown = [episode(one, now) for one in found[:MOST_EPISODES]]
    older = _("Shown are the last {n}; there are older ones.", n=MOST_EPISODES)
    more = [older] if len(found) > MOST_EPISODES else []
    return "\n\n".join([_("<b>The last alerts</b>, newest first"), *shown, *more])


def episode(found: Episode, now: datetime) -> str:
    """One episode in a few lines."""
    first = found.first
    pool = fig.pool_title(first.subject) if first.subject != ACCOUNT else _("not readable")
    lines = [
        f"<b>{text(first.label, 24)}</b> · {text(first.exchange, 24)} · {fig.clock(first.decided_at, now)}",
        pool,
        _("worst: {grade}, {count}", grade=fig.word(found.worst), count=_count(found)),
        *_way(first, now),
    ]
    if found.ending is Ending.TOLD:
        return "\n".join([*lines, _(ENDINGS[found.ending])])
    if found.acknowledged_at is not None:
        at, waited = fig.clock(found.acknowledged_at, now), fig.ago(found.acknowledged_at - first.decided_at)
        lines.append(_("acknowledged {time}, after {span}", time=at, span=waited))
    else:
        lines.append(_("not acknowledged"))
    if found.ended_at is None:
        lines.append(_(ENDINGS[Ending.OPEN], time=fig.ago(now - first.decided_at)))
    else:
        at, lasted = fig.clock(found.ended_at, now), fig.ago(found.ended_at - first.decided_at)
        lines.append(_(ENDINGS[found.ending], time=at, span=lasted))
    return "\n".join(lines)


def _count(found: Episode) -> str:
    sent = plural("{n} message", "{n} messages", found.messages)
    return _("{messages}, {accepted} accepted", messages=sent, accepted=found.accepted)


def _way(first: Telling, now: datetime) -> list[str]:
    """From the reading to the acceptance of the first message."""
    steps = [(READ, first.read_at), (DECIDED, first.decided_at), (SENT, first.sent_at)]
    lines = [_(step, time=fig.clock(at, now)) for step, at in steps if at is not None]
    if first.accepted_at is None:
        return [*lines, _("not accepted: {why}", why=_why(first.dropped))]
    whole = (first.accepted_at - (first.read_at or first.decided_at)).total_seconds()
    at = fig.clock(first.accepted_at, now)
    return [*lines, _("accepted {time}, {seconds} s in all", time=at, seconds=f"{whole:.1f}")]


def _why(dropped: str | None) -> str:
    if dropped is None:
        return _("still waiting")
    return _(DROPPED[DropReason(dropped)]) if dropped in list(DropReason) else dropped
