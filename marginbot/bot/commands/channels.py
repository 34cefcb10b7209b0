"""/channels and /drill: further ways to be reached, and whether they work."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from marginbot.bot import render_channels
from marginbot.bot.calls import Button, Call, Reply, Services, wrong_usage
from marginbot.bot.figures import text
from marginbot.bot.language import _
from marginbot.domain.errors import RequestError
from marginbot.domain.escalation import Channel
from marginbot.domain.grading import Grade
from marginbot.flow.channels import DEFAULT_DELAY, DEFAULT_FROM, ChannelDesk, NewChannel
from marginbot.flow.preferences import parse_duration

USAGE = "[add URL [from GRADE] [after 5m] | remove N | test N]"
_LINE = f"/channels {USAGE}"
_EXAMPLE = "/channels add pover://USER@TOKEN from CRITICAL after 5m"
_UNAVAILABLE = "Further channels are not available here. Nothing was stored."


async def channels(call: Call, services: Services) -> Reply:
    """/channels [add URL … | remove N | test N]."""
    desk, user_id = _desk(call, services), call.person.user_id
    match [call.args[0].lower(), *call.args[1:]] if call.args else []:
        case []:
            return Reply(html=render_channels.listed(desk.of(user_id), call.at))
        case ["add", url, *rest]:
            new = desk.request(url, *when(rest, (DEFAULT_FROM, DEFAULT_DELAY), (_LINE, _EXAMPLE)))
            checking = _("⏳ Sending a test line through {title} …", title=text(new.address.title, 80))
            return Reply(html=checking, then=partial(_store, call, services, desk, new))
        case ["remove", number]:
            gone = desk.remove(user_id, number)
            return Reply(html=_("🗑 Removed {title}: its address is deleted.", title=text(gone.title, 80)))
        case ["test", number]:
            channel = desk.numbered(user_id, number)
            testing = _("⏳ Sending an exercise through {title} …", title=text(channel.title, 80))
            return Reply(html=testing, then=partial(_rehearse, services, desk, channel))
    raise wrong_usage(_LINE, _EXAMPLE)


async def drill(call: Call, services: Services) -> Reply:
    """/drill: an exercise through Telegram and every channel, at the same time."""
    desk, user_id = _desk(call, services), call.person.user_id
    if call.args:
        raise wrong_usage("/drill")
    number = desk.begin_drill(user_id, call.at)
    button = ((Button(_("I noticed"), f"drl:{number}"),),)
    return Reply(html=_(render_channels.EXERCISE), buttons=button, then=partial(_drill, services, desk, user_id))


async def _store(call: Call, services: Services, desk: ChannelDesk, new: NewChannel) -> Reply:
    return Reply(html=render_channels.added(await desk.add(call.person, new, services.clock())))


async def _rehearse(services: Services, desk: ChannelDesk, channel: Channel) -> Reply:
    return Reply(html=render_channels.rehearsed([await desk.rehearse(channel, services.clock())]))


async def _drill(services: Services, desk: ChannelDesk, user_id: int) -> Reply:
    return Reply(html=render_channels.rehearsed(await desk.drill(user_id, services.clock())))


def noticed(call: Call, drill_id: int, services: Services) -> str | None:
    """The tap of an exercise's button: what to say; None when it is not this person's exercise."""
    took = _desk(call, services).tapped(drill_id, call.person.user_id, call.at)
    return None if took is None else render_channels.noticed(took)


def when(rest: Sequence[str], default: tuple[Grade, timedelta], usage: tuple[str, str]) -> tuple[Grade, timedelta]:
    """`from GRADE after 5m`, either left out; anything else is the wrong usage."""
    grade, delay = default
    if len(rest) % 2:
        raise wrong_usage(*usage)
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        if name.lower() == "from" and value.upper() in Grade.__members__:
            grade = Grade[value.upper()]
        elif name.lower() == "after":
            delay = timedelta(0) if value in ("0", "0m") else parse_duration(value)
        else:
            raise wrong_usage(*usage)
    return grade, delay


def _desk(call: Call, services: Services) -> ChannelDesk:
    """Nobody but members and owners of accounts makes this server send anything anywhere."""
    if not services.store.accounts_of(call.person.user_id):
        services.access.require_member(call.person.user_id)
    if services.channels is None:
        raise RequestError("no channels", advice=_UNAVAILABLE)
    return services.channels
