"""/report: the last 24 hours of one's accounts, now or every day at an hour of one's choice."""

from __future__ import annotations

import re
from functools import partial

from marginbot.bot import render_reports
from marginbot.bot.calls import NO_ACCOUNT, Call, Reply, Services, wrong_usage
from marginbot.bot.figures import until
from marginbot.bot.language import _
from marginbot.bot.render_reports import at_minute
from marginbot.domain.errors import RequestError

USAGE = "[at HH:MM|off]"
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


async def report(call: Call, services: Services) -> Reply:
    """/report [at HH:MM|off]; by the person's own clock."""
    reports, user_id = services.reports, call.person.user_id
    match [word.lower() for word in call.args]:
        case []:
            return Reply(html="", then=partial(_now, call, services))
        case ["off"]:
            reports.choose(user_id, None, call.at)
            return Reply(html=_("No daily report any more. /report shows the last 24 h whenever you ask."))
        case ["at", time] if found := _TIME.fullmatch(time):
            minute = int(found[1]) * 60 + int(found[2])
            reports.choose(user_id, minute, call.at)
            told = _(
                "A report every day at {time} (it is {clock} now). /report off ends it.",
                time=at_minute(minute),
                clock=until(call.at, call.at),
            )
            return Reply(html=told)
        case ["at", _]:
            raise RequestError("malformed time", advice=_("Say the time of your day, such as /report at 08:00"))
    raise wrong_usage(f"/report {USAGE}", "/report at 08:00")


async def _now(call: Call, services: Services) -> Reply:
    now = services.clock()
    days = await services.reports.day(call.person.user_id, now)
    if not days:
        return Reply(html=_(NO_ACCOUNT))
    minute = services.reports.time_of(call.person.user_id)
    daily = _("/report at 08:00 sends this every day")
    if minute is not None:
        daily = _("Sent every day at {time}", time=at_minute(minute))
    return Reply(html=f"{render_reports.daily(days, now)}\n\n{daily}")
