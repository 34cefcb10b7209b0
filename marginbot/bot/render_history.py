"""/history and the operators' record: episodes with every moment on the way, in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marginbot.bot import figures as fig
from marginbot.bot.figures import text
from marginbot.domain.record import ACCOUNT, Ending, Episode, Telling

MOST_EPISODES = 10


def history(found: Sequence[Episode], now: datetime) -> str:
    """The last episodes, newest first."""
    if not found:
        return "No alert was ever sent about this."
    shown = [episode(one, now) for one in found[:MOST_EPISODES]]
    more = [f"Shown are the last {MOST_EPISODES}; there are older ones."] if len(found) > MOST_EPISODES else []
    return "\n\n".join(["<b>The last alerts</b>, newest first", *shown, *more])


def episode(found: Episode, now: datetime) -> str:
    """One episode in a few lines."""
    first = found.first
    pool = fig.pool_title(first.subject) if first.subject != ACCOUNT else "not readable"
    lines = [
        f"<b>{text(first.label, 24)}</b> · {text(first.exchange, 24)} · {pool} · {fig.clock(first.decided_at, now)}",
        f"worst: {fig.word(found.worst)}, {_count(found)}",
        *_way(first, now),
    ]
    if found.ending is Ending.TOLD:
        return "\n".join([*lines, str(found.ending)])
    if found.acknowledged_at is not None:
        waited = fig.ago(found.acknowledged_at - first.decided_at)
        lines.append(f"acknowledged {fig.clock(found.acknowledged_at, now)}, after {waited}")
    else:
        lines.append("not acknowledged")
    if found.ended_at is None:
        lines.append(f"{found.ending} for {fig.ago(now - first.decided_at)}")
    else:
        lasted = fig.ago(found.ended_at - first.decided_at)
        lines.append(f"{_end(found.ending)} {fig.clock(found.ended_at, now)}, after {lasted}")
    return "\n".join(lines)


def _end(ending: Ending) -> str:
    return "no position left: closed or liquidated" if ending is Ending.NO_POSITION else str(ending)


def _count(found: Episode) -> str:
    noun = "message" if found.messages == 1 else "messages"
    return f"{found.messages} {noun}, {found.accepted} accepted"


def _way(first: Telling, now: datetime) -> list[str]:
    """From the reading to the acceptance of the first message."""
    steps = [("read", first.read_at), ("decided", first.decided_at), ("sent", first.sent_at)]
    lines = [f"{name} {fig.clock(at, now)}" for name, at in steps if at is not None]
    if first.accepted_at is None:
        return [*lines, f"not accepted: {first.dropped or 'still waiting'}"]
    whole = first.accepted_at - (first.read_at or first.decided_at)
    return [*lines, f"accepted {fig.clock(first.accepted_at, now)}, {whole.total_seconds():.1f} s in all"]
