"""Time zone and quiet hours, in words."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from marginbot.bot import figures as fig
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.domain.hours import QuietHours

WHAT_WAITS = later(
    "Then NOTICE and WARNING wait for the end and come together, if still true. CRITICAL and worse, and that an "
    "account cannot be read, always come at once. I watch all the time."
)

ZONE = later("🕰 Your time zone is <b>{zone}</b>: it is {time} there.")
NOW_ZONE = later("🕰 Your time zone is now <b>{zone}</b>: it is {time} there.")
HOURS = later("🌙 Quiet hours: <b>{hours}</b>, {zone}.")
NOW_HOURS = later("🌙 Quiet hours are now: <b>{hours}</b>, {zone}.")


def name_of(zone: tzinfo) -> str:
    """`Europe/Istanbul`."""
    return text(str(zone), 40)


def zone(of: tzinfo, now: datetime, *, changed: bool = False) -> str:
    """The time zone in force, with its clock, by which a mistake is seen at once."""
    here = now.astimezone(of)
    told = NOW_ZONE if changed else ZONE
    lines = [
        _(told, zone=name_of(of), time=f"{here:%H:%M}"),
        _("Times in alerts, /status and /report are by this clock, quiet hours and the daily report too."),
    ]
    return "\n".join([*lines, *([] if changed else ["", _("Another one: /timezone Istanbul")])])


def group_zone(of: tzinfo, now: datetime) -> str:
    """By which clock a group is told times."""
    here = now.astimezone(of)
    return "\n".join(
        [
            _(
                "🕰 Times in this group are by <b>{zone}</b>: it is {time} there.",
                zone=name_of(of),
                time=f"{here:%H:%M}",
            ),
            _("Another one: /timezone Istanbul"),
        ]
    )


def quiet(hours: QuietHours | None, of: tzinfo, now: datetime, *, changed: bool = False) -> str:
    """The quiet hours in force."""
    if hours is None:
        head = _("🌙 No quiet hours any more.") if changed else _("🌙 You have no quiet hours.")
        return f"{head} " + _("Everything is told at once.\n\nSet them: /quiet 23:00-07:00")
    lines = [_(NOW_HOURS if changed else HOURS, hours=hours, zone=name_of(of))]
    ends = hours.until(now, of)
    lines += [] if ends is None else [_("It is quiet now, until {time}.", time=fig.until(ends, now))]
    lines.append(_(WHAT_WAITS))
    if of is UTC:
        lines += ["", _("That is by UTC, as I do not know your time zone: /timezone Istanbul")]
    return "\n".join([*lines, "", _("/quiet off ends them.")])
