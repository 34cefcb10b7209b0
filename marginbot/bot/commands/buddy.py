"""/buddy: somebody who is told, without figures, that one does not answer; asked first, and free to stop."""

from __future__ import annotations

from collections.abc import Sequence

from marginbot.bot import render_buddy
from marginbot.bot.calls import Button, Call, Reply, Rows, Services, wrong_usage
from marginbot.bot.commands.channels import when
from marginbot.bot.language import _, read_in_language
from marginbot.domain.errors import RequestError
from marginbot.flow.buddies import DEFAULT_DELAY, DEFAULT_FROM, BuddyDesk

USAGE = "[ask [from GRADE] [after 15m] | stop N]"
PAYLOAD = "buddy-"  # of the link that is passed on
_LINE = f"/buddy {USAGE}"
_EXAMPLE = "/buddy ask from CRITICAL after 15m"


async def buddy(call: Call, services: Services) -> Reply:
    """/buddy [ask [from GRADE] [after 15m] | stop N]."""
    desk = _desk(services)
    match [call.args[0].lower(), *call.args[1:]] if call.args else []:
        case []:
            return Reply(html=render_buddy.listed(desk.whose(call.person.user_id)))
        case ["ask", *rest]:
            return _ask(call, services, rest)
        case ["stop", number] if number.isdecimal():
            return _stop(call, desk, int(number[:4]))
    raise wrong_usage(_LINE, _EXAMPLE)


def _ask(call: Call, services: Services, rest: Sequence[str]) -> Reply:
    if not services.store.accounts_of(call.person.user_id):
        services.access.require_member(call.person.user_id)
    from_grade, delay = when(rest, (DEFAULT_FROM, DEFAULT_DELAY), (_LINE, _EXAMPLE))
    services.store.remember_person(call.person, call.chat_id, call.at)
    code = _desk(services).invite(call.person, from_grade, delay, call.at)
    return Reply(html=render_buddy.to_pass_on(call.link(f"{PAYLOAD}{code}"), from_grade, delay))


def _stop(call: Call, desk: BuddyDesk, number: int) -> Reply:
    mine = desk.whose(call.person.user_id)
    if not 1 <= number <= len(mine):
        raise RequestError("no such number", advice=_("/buddy lists whose buddy you are. Nothing was changed."))
    return Reply(html=render_buddy.stopped(desk.quit(call.person.user_id, mine[number - 1][0])))


def ask_them(call: Call, code: str, services: Services) -> Reply:
    """Somebody opened the link: what they are asked."""
    asked = _desk(services).question(code, call.person, call.at)
    services.store.remember_person(call.person, call.chat_id, call.at)
    buttons: Rows = ((Button(_("Yes, tell me"), f"bud:yes:{code}"), Button(_("No"), f"bud:no:{code}")),)
    return Reply(html=render_buddy.question(asked), buttons=buttons)


def answered(call: Call, code: str, services: Services, *, yes: bool) -> tuple[str, int, str]:
    """Yes or no: what they are told, and what is told to whom."""
    desk = _desk(services)
    if not yes:
        owner = desk.decline(code, call.person, call.at).owner
        with read_in_language(services.store.language_of(owner.user_id)):
            told = render_buddy.was_declined(call.person)
        return render_buddy.declined(owner), owner.user_id, told
    asked = desk.question(code, call.person, call.at)
    desk.agree(code, call.person, call.at)
    with read_in_language(services.store.language_of(asked.owner.user_id)):
        told = render_buddy.has_agreed(call.person, asked)
    return render_buddy.agreed(asked), asked.owner.user_id, told


def stopped(call: Call, channel_id: int, services: Services) -> tuple[str, int, str]:
    """The button under a message to a buddy: what they are told, and what is told to whom."""
    owner = _desk(services).quit(call.person.user_id, channel_id)
    with read_in_language(services.store.language_of(owner.user_id)):
        told = render_buddy.has_stopped(call.person)
    return render_buddy.stopped(owner), owner.user_id, told


def _desk(services: Services) -> BuddyDesk:
    if services.buddies is None:
        raise RequestError("no buddies", advice=_("Buddies are not available here. Nothing was changed."))
    return services.buddies
