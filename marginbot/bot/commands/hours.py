"""/timezone and /quiet: by which clock times are shown, and when what is not grave waits."""

from __future__ import annotations

from marginbot.bot import render_hours
from marginbot.bot.calls import Call, Reply, Services
from marginbot.bot.commands.language import may_choose
from marginbot.bot.figures import read_from_now_on_in
from marginbot.bot.language import _
from marginbot.domain.errors import NotAllowed

ZONE_USAGE = "[CITY]"
QUIET_USAGE = "[HH:MM-HH:MM | off]"


async def timezone(call: Call, services: Services) -> Reply:
    """/timezone [CITY]: show or set it, of a person or of a group."""
    if not call.private:
        return _of_group(call, services)
    user_id = call.person.user_id
    if call.args:
        services.store.remember_person(call.person, call.chat_id, call.at)
        services.preferences.set_zone(user_id, " ".join(call.args), call.at)
    zone = services.store.zone_of(user_id)
    read_from_now_on_in(zone)
    return Reply(html=render_hours.zone(zone, call.at, changed=bool(call.args)))


def _of_group(call: Call, services: Services) -> Reply:
    if call.args:
        if not may_choose(call, services):
            raise NotAllowed(
                "a stranger in a group", advice=_("In a group, only people who use me may set the time zone.")
            )
        services.preferences.set_group_zone(call.chat_id, " ".join(call.args))
    return Reply(html=render_hours.group_zone(services.store.zone_of(call.chat_id), call.at))


async def quiet(call: Call, services: Services) -> Reply:
    """/quiet [HH:MM-HH:MM | off]: show, set, or end it."""
    user_id = call.person.user_id
    if call.args:
        services.store.remember_person(call.person, call.chat_id, call.at)
        services.preferences.set_quiet(user_id, " ".join(call.args), call.at)
    hours, zone = services.store.quiet_hours(user_id), services.store.zone_of(user_id)
    return Reply(html=render_hours.quiet(hours, zone, call.at, changed=bool(call.args)))
