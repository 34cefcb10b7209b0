"""What is said at other services: plain text, grades and labels, never an amount.

`_` looks a text up in the language of whose channel it is; it is handed in, since languages belong to the chat's side.
"""

from __future__ import annotations

from typing import Protocol

from marginbot.domain.escalation import Ring, RingItem

MOST_LINES = 6
LONGEST_TITLE = 200


class LookUp(Protocol):
    """A text in the reader's language, its named placeholders filled."""

    def __call__(self, message: str, /, **values: object) -> str: ...


def in_english(message: str, /, **values: object) -> str:
    """Where there is no other language."""
    return message.format(**values) if values else message


def title_of(ring: Ring, _: LookUp = in_english) -> str:
    """`CRITICAL: main (bybit)`."""
    worst = ring.items[0]
    more = " " + _("and {n} more", n=len(ring.items) - 1) if len(ring.items) > 1 else ""
    return f"{_state(worst, _)}: {_name(worst)}{more}"[:LONGEST_TITLE]


def body_of(ring: Ring, _: LookUp = in_english) -> str:
    """One line an alarm, and what to do."""
    lines = [
        f"{_name(item)}: {_state(item, _)}{_where(item)} " + _("since {at} UTC", at=f"{item.alarm.since:%H:%M}")
        for item in ring.items
    ]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], _("… and {n} more", n=len(lines) - MOST_LINES)]
    told = [*lines, _("Not acknowledged. Open Telegram: /status shows the figures, /ack makes this stop.")]
    if any(item.step.repeats for item in ring.items):
        told.append(_("(Perhaps a repeat: I was interrupted while ringing.)"))
    return "\n".join(told)


def _state(item: RingItem, _: LookUp) -> str:
    return _("STALE, cannot be read") if item.alarm.is_blind else _(item.alarm.grade.name)


def _where(item: RingItem) -> str:
    return f" ({_plain(item.step.subject)})" if item.step.subject else ""


def _name(item: RingItem) -> str:
    return f"{_plain(item.label)} ({_plain(item.exchange)})"


def _plain(value: str) -> str:
    return "".join(c for c in value if c.isprintable())[:60]
