"""Hours of people: their time zone, and the quiet hours in which what is not grave waits.

Held back are NOTICE and WARNING, and that such an alarm eased or is over; never what is worse, never that an account
cannot be read, never a word about an episode that was worse. Evaluation never waits.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from marginbot.domain.alerting import Reason
from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Line

_MAY_WAIT = frozenset(
    {Reason.FIRST_SIGHT, Reason.WORSENED, Reason.REMINDER_DUE, Reason.EASED, Reason.RECOVERED}
)  # and nothing else, whatever is added to the reasons
_CLOCK = r"([01]?[0-9]|2[0-3])(?::([0-5][0-9]))?"
_SPAN = re.compile(rf"{_CLOCK}\s*(?:-|–|to)\s*{_CLOCK}", re.IGNORECASE)
_REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one minute of the local day to another, the latter not included; over midnight where it is the smaller."""

    start: int  # 0 to 1439
    end: int  # 0 to 1439, never the same

    def __str__(self) -> str:
        return f"{at_minute(self.start)}-{at_minute(self.end)}"

    def until(self, now: datetime, zone: tzinfo) -> datetime | None:
        """When the quiet that `now` falls into ends, in UTC; None: it falls into none.

        Where the clock is turned back and the end comes twice, it is the one that is still to come; where it is
        turned forward over the end, the quiet ends with the jump.
        """
        local = now.astimezone(zone)
        minute = local.hour * 60 + local.minute
        over_midnight = self.start > self.end
        inside = minute >= self.start or minute < self.end if over_midnight else self.start <= minute < self.end
        if not inside:
            return None
        day = local.date() if minute < self.end else local.date() + timedelta(days=1)
        end = datetime.combine(day, time(*divmod(self.end, 60)), tzinfo=zone)
        found = end.astimezone(UTC)
        return found if found > now else end.replace(fold=1).astimezone(UTC)


def at_minute(minute: int) -> str:
    """`08:00`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def parse_quiet(words: str) -> QuietHours:
    """`23:00-07:00`, also `23-7`; `RequestError` otherwise."""
    found = _SPAN.fullmatch(words.strip())
    if found is None:
        raise RequestError(
            "malformed quiet hours", advice="Say from when to when: /quiet 23:00-07:00. Nothing was changed."
        )
    start, end = (int(found[at]) * 60 + int(found[at + 1] or 0) for at in (1, 3))
    if start == end:
        raise RequestError(
            "quiet all day",
            advice="From and to are the same. Quiet hours end some time: /quiet 23:00-07:00. Nothing was changed.",
        )
    return QuietHours(start, end)


def may_wait(line: Line) -> bool:
    """Whether a notice is held back in quiet hours. The table is at the top."""
    if line.reason not in _MAY_WAIT or line.blind or line.grade is None:
        return False
    return max(line.grade, line.worst or Grade.OK) <= Grade.WARNING


def find_zone(words: str) -> ZoneInfo:
    """The zone of `Europe/Istanbul`, `Istanbul`, `new york`, `UTC`; `RequestError` with the nearest names otherwise."""
    wanted = "_".join(words.split()).casefold()
    names = _names()
    if wanted in names:
        return ZoneInfo(names[wanted])
    meant = sorted({names[name] for name in difflib.get_close_matches(wanted, list(names), n=3, cutoff=0.7)})
    hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
    raise RequestError(
        "no such time zone",
        advice=f"I do not know that time zone.{hint} Name a large city in it, such as /timezone Istanbul, "
        "or UTC. Nothing was changed.",
    )


@cache
def _names() -> dict[str, str]:
    """Zones by their own name and by their city, in lower case; a city that two claim is the first one's."""
    found = {"utc": "UTC", "gmt": "UTC"}
    for name in sorted(available_timezones()):
        if not name.startswith(_REGIONS):
            continue
        found[name.casefold()] = name
        found.setdefault(name.rpartition("/")[2].casefold(), name)
    return found
