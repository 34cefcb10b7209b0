"""What is said at other services: plain text, grades and labels, never an amount."""

from __future__ import annotations

from marginbot.domain.escalation import Ring, RingItem

MOST_LINES = 6
LONGEST_TITLE = 200
REPEATED = "(Perhaps a repeat: I was interrupted while ringing.)"
WHAT_TO_DO = "Open Telegram: /status shows the figures, /ack makes this stop."


def title_of(ring: Ring) -> str:
    """`CRITICAL: main (bybit)`."""
    worst = ring.items[0]
    more = f" and {len(ring.items) - 1} more" if len(ring.items) > 1 else ""
    return f"{_state(worst)}: {_name(worst)}{more}"[:LONGEST_TITLE]


def body_of(ring: Ring) -> str:
    """One line an alarm, and what to do."""
    lines = [f"{_name(item)}: {_state(item)}{_where(item)} since {item.alarm.since:%H:%M} UTC" for item in ring.items]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… and {len(lines) - MOST_LINES} more"]
    told = [*lines, f"Not acknowledged. {WHAT_TO_DO}"]
    if any(item.step.repeats for item in ring.items):
        told.append(REPEATED)
    return "\n".join(told)


def _state(item: RingItem) -> str:
    return "STALE, cannot be read" if item.alarm.is_blind else item.alarm.grade.name


def _where(item: RingItem) -> str:
    return f" ({_plain(item.step.subject)})" if item.step.subject else ""


def _name(item: RingItem) -> str:
    return f"{_plain(item.label)} ({_plain(item.exchange)})"


def _plain(value: str) -> str:
    return "".join(c for c in value if c.isprintable())[:60]
