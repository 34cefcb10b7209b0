"""Time zone and quiet hours, in words."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from marginbot.bot import figures as fig
from marginbot.bot.figures import text
from marginbot.domain.hours import QuietHours

WHAT_WAITS = (
    "Then NOTICE and WARNING wait for the end and come together, if still true. CRITICAL and worse, and that an "
    "account cannot be read, always come at once. I watch all the time."
)


def name_of(zone: tzinfo) -> str:
    """`Europe/Istanbul`."""
    return text(str(zone), 40)


def zone(of: tzinfo, now: datetime, *, changed: bool = False) -> str:
    """The time zone in force, with its clock, by which a mistake is seen at once."""
    here = now.astimezone(of)
    lines = [
        f"🕰 Your time zone {'is now' if changed else 'is'} <b>{name_of(of)}</b>: it is {here:%H:%M} there.",
        "Times in alerts, /status and /report are by this clock, quiet hours and the daily report too.",
    ]
    return "\n".join([*lines, *([] if changed else ["", "Another one: /timezone Istanbul"])])


def quiet(hours: QuietHours | None, of: tzinfo, now: datetime, *, changed: bool = False) -> str:
    """The quiet hours in force."""
    if hours is None:
        head = "No quiet hours any more." if changed else "You have no quiet hours."
        return f"🌙 {head} Everything is told at once.\n\nSet them: /quiet 23:00-07:00"
    head = f"🌙 Quiet hours{' are now' if changed else ''}: <b>{hours}</b>, {name_of(of)}."
    ends = hours.until(now, of)
    lines = [head, *([] if ends is None else [f"It is quiet now, until {fig.until(ends, now)}."]), WHAT_WAITS]
    if of is UTC:
        lines += ["", "That is by UTC, as I do not know your time zone: /timezone Istanbul"]
    return "\n".join([*lines, "", "/quiet off ends them."])
