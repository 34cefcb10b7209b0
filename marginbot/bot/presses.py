"""Buttons: every press is authorised again, against the account it is about."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from marginbot.bot import figures as fig
from marginbot.bot import render_status
from marginbot.bot.calls import SILENCE, Button, Call, Reply, Rows, Services, Where
from marginbot.bot.commands import buddy
from marginbot.bot.commands.add import add, back, choose, choose_label, consent
from marginbot.bot.commands.channels import noticed
from marginbot.bot.commands.data import forget_decided
from marginbot.bot.commands.language import AUTOMATIC, spoken
from marginbot.bot.commands.look import status
from marginbot.bot.commands.refresh import refreshed, refreshed_in_group
from marginbot.bot.commands.resume import resume, start_over
from marginbot.bot.commands.settings import settings_pressed
from marginbot.bot.commands.whatif import pressed_shock, sheet_of
from marginbot.bot.figures import text, until
from marginbot.bot.language import _, later, supported
from marginbot.bot.render import pages
from marginbot.bot.render_alert import rescue
from marginbot.bot.render_bundle import MARK
from marginbot.domain.alerting import MuteKind
from marginbot.domain.errors import NotAllowed
from marginbot.domain.notices import Notice
from marginbot.flow.ports import Account
from marginbot.flow.preferences import Quieted

_REFRESH = re.compile(r"ref:.*")
SNOOZE = timedelta(hours=1)
NUMBER = re.compile(r"[0-9]{1,18}")  # a longer one would not fit a column
Found = re.Match[str]
PRIVATE_ONLY = later("Amounts are shown in our private chat only: /status there.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """A pressed button."""

    call: Call
    data: str
    html: str = field(default="", repr=False)  # the message it hangs under; empty: no longer available


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a press leads to: a word shown to the one who pressed, the message changed, something said."""

    toast: str
    alert: bool = False  # the word must be clicked away
    html: str | None = None
    buttons: Rows = ()
    reply: Reply = SILENCE
    tell: tuple[int, str] | None = None  # somebody else who is to know


def is_question(data: str) -> bool:
    """Whether a button asks again what a command asked: then it counts as that command."""
    return _REFRESH.fullmatch(data) is not None


async def press(pressed: Press, services: Services) -> Answer:
    """Do what a button says; one that nothing answers here is of another time."""
    for form, where, answer in ROUTES:
        found = form.fullmatch(pressed.data)
        if found is not None and where.includes(private=pressed.call.private):
            return await answer(pressed, found, services)
    return _outdated()


def _outdated() -> Answer:
    return Answer(toast=_("This button is out of date. /status shows how things are."), alert=True)


async def _drill(pressed: Press, found: Found, services: Services) -> Answer:
    said = noticed(pressed.call, int(found[1]), services)
    if said is None:
        raise NotAllowed("not their exercise", advice=_("This exercise is not yours."))
    return Answer(toast=said, html=said)


async def _venue(pressed: Press, found: Found, services: Services) -> Answer:
    return Answer(toast="", reply=await choose(pressed.call, found[1], services))


async def _label(pressed: Press, found: Found, services: Services) -> Answer:
    return Answer(toast="", reply=await choose_label(pressed.call, found[1], services))


async def _language(pressed: Press, found: Found, services: Services) -> Answer:
    said = spoken(pressed.call, None if found[1] == AUTOMATIC else supported(found[1]), services)
    return Answer(toast=said, html=said)


async def _forget(pressed: Press, found: Found, services: Services) -> Answer:
    reply = await forget_decided(pressed.call, found[2], services, yes=found[1] == "yes")
    return Answer(toast="", html=reply.html)


async def _settings(pressed: Press, _found: Found, services: Services) -> Answer:
    _require_known(pressed.call, services)
    screen = await settings_pressed(pressed.call, pressed.data, services)
    if screen is None:
        return _outdated()
    said, html, buttons = screen
    return Answer(toast=said, html=pages(html)[0], buttons=buttons)


def _require_known(call: Call, services: Services) -> None:
    if not services.store.accounts_of(call.person.user_id):
        services.access.require_member(call.person.user_id)


async def _refresh(pressed: Press, _found: Found, services: Services) -> Answer:
    """The message as of now, in place; where it has become too long for one, said anew."""
    if pressed.call.private:
        _require_known(pressed.call, services)
    find = refreshed if pressed.call.private else refreshed_in_group
    reply = await find(pressed.call, pressed.data, services)
    if reply is None:
        return _outdated()
    if len(pages(reply.html)) > 1:
        return Answer(toast="", reply=reply)
    return Answer(toast=_("As of now"), html=reply.html, buttons=reply.buttons)


async def _gone_to(pressed: Press, found: Found, services: Services) -> Answer:
    """A step that a button offers."""
    _require_known(pressed.call, services)
    handler = {"bck": back, "go-add": add, "go-status": status, "go-on": resume, "go-new": start_over}[found[1]]
    return Answer(toast="", reply=await handler(pressed.call, services))


async def _buddy(pressed: Press, found: Found, services: Services) -> Answer:
    call, word, about = pressed.call, found[1], found[2]
    if word == "stop":
        here, chat_id, there = buddy.stopped(call, int(about) if NUMBER.fullmatch(about) else 0, services)
    else:
        here, chat_id, there = buddy.answered(call, about, services, yes=word == "yes")
    return Answer(toast="", html=here, tell=(chat_id, there))


async def _consent(pressed: Press, found: Found, services: Services) -> Answer:
    yes = found[1] == "yes"
    reply = await consent(pressed.call, found[2], services, yes=yes)
    html = f"{pressed.html}\n\n➡️ {_('Yes') if yes else _('No')}" if pressed.html else None
    return Answer(toast="", html=html, reply=reply)


async def _about_notice(pressed: Press, found: Found, services: Services) -> Answer:
    notice = services.store.notice(int(found[2]))
    if notice is None:
        return _outdated()
    account = services.preferences.owned(pressed.call.person.user_id, notice.account_id)
    return await ACTIONS[found[1]](pressed, notice, account, services)


async def _acknowledge(pressed: Press, notice: Notice, account: Account, services: Services) -> Answer:
    return _quiet(pressed, notice, services, wait=None)


async def _acknowledge_all(pressed: Press, notice: Notice, account: Account, services: Services) -> Answer:
    """Everything that the message told; what has become worse since then is left as it is."""
    together, call = services.store.notices_with(notice.id), pressed.call
    done = services.preferences.acknowledge_messages(call.person.user_id, together, call.at, by=call.person.name)
    return _quieted(pressed, notice, done)


async def _snooze(pressed: Press, notice: Notice, account: Account, services: Services) -> Answer:
    return _quiet(pressed, notice, services, wait=SNOOZE)


def _quiet(pressed: Press, notice: Notice, services: Services, *, wait: timedelta | None) -> Answer:
    call = pressed.call
    done = services.preferences.quiet_message(call.person.user_id, notice, wait, call.at, by=call.person.name)
    return _quieted(pressed, notice, done)


def _quieted(pressed: Press, notice: Notice, done: Sequence[Quieted]) -> Answer:
    if not done:
        return Answer(toast=_("It is calm again: there is nothing to quiet."), alert=True)
    word = _("Acknowledged") if done[0].mute.kind is MuteKind.ACKNOWLEDGED else _("Snoozed")
    ends = until(min(q.mute.until for q in done), pressed.call.at)
    mark = MARK + _("{done} by {name} until {ends}", done=word, name=text(pressed.call.person.name, 40), ends=ends)
    toast = _("{done} until {ends}. Anything worse still comes through.", done=word, ends=ends)
    return Answer(toast=toast, html=_marked(pressed.html, mark), buttons=_still_useful(notice))


def _marked(html: str, mark: str) -> str | None:
    if not html:
        return None
    kept = [line for line in html.split("\n") if not line.startswith(MARK)]
    return "\n".join([*kept, mark])


def _still_useful(notice: Notice) -> Rows:
    snooze = Button(_("Snooze 1 h"), f"snz:{notice.id}")
    return ((snooze, Button(_("Details"), f"det:{notice.id}"), *rescue(notice)),)


async def _details(pressed: Press, notice: Notice, account: Account, services: Services) -> Answer:
    if not pressed.call.private:
        return Answer(toast=_(PRIVATE_ONLY), alert=True)
    [standing] = services.status.own(pressed.call.person.user_id, account.label)
    return Answer(toast="", reply=Reply(html=render_status.details(standing, services.view)))


async def _what_if(pressed: Press, found: Found, services: Services) -> Answer:
    if not pressed.call.private:
        return Answer(toast=_(PRIVATE_ONLY), alert=True)
    html, buttons = await pressed_shock(pressed.call.person.user_id, int(found[1]), found[2], services)
    return Answer(toast="", html=pages(html)[0], buttons=buttons)


async def _rescue(pressed: Press, notice: Notice, account: Account, services: Services) -> Answer:
    if not pressed.call.private:
        return Answer(toast=_(PRIVATE_ONLY), alert=True)
    return Answer(toast="", reply=await sheet_of(pressed.call.person.user_id, account, notice.subject, services))


async def _retry(pressed: Press, notice: Notice, account: Account, services: Services) -> Answer:
    resumed = services.registration.retry(pressed.call.person.user_id, account.label, services.clock())
    services.on_change(resumed)
    return Answer(
        toast=_("Trying {label} again now. I write when I can read it, or cannot.", label=fig.quiet(account.label, 24))
    )


ACTIONS: dict[str, Callable[[Press, Notice, Account, Services], Awaitable[Answer]]] = {
    "ack": _acknowledge,
    "all": _acknowledge_all,
    "snz": _snooze,
    "det": _details,
    "res": _rescue,
    "try": _retry,
}

# What stands on a button, where it is answered, and what answers.
ROUTES: tuple[tuple[re.Pattern[str], Where, Callable[[Press, Found, Services], Awaitable[Answer]]], ...] = (
    (re.compile(r"(ack|all|snz|det|try|res):([0-9]{1,18})"), Where.ANYWHERE, _about_notice),
    (re.compile(r"drl:([0-9]{1,18})"), Where.ANYWHERE, _drill),
    (re.compile(r"lng:([a-z]{2}|auto)"), Where.ANYWHERE, _language),
    (re.compile(r"wif:([0-9]{1,18}):([a-z0-9-]{1,8})"), Where.ANYWHERE, _what_if),
    (re.compile(r"key:(yes|no):([0-9a-f]{16})"), Where.ANYWHERE, _consent),
    (re.compile(r"add:([a-z0-9_]{1,40})"), Where.PRIVATE, _venue),
    (re.compile(r"lbl:([A-Za-z0-9._-]{1,24})"), Where.PRIVATE, _label),
    (re.compile(r"(bck|go-add|go-status|go-on|go-new):"), Where.PRIVATE, _gone_to),
    (_REFRESH, Where.ANYWHERE, _refresh),
    (re.compile(r"set:.*"), Where.PRIVATE, _settings),
    (re.compile(r"fgt:(yes|no):([0-9a-f]{16})"), Where.PRIVATE, _forget),
    (re.compile(r"bud:(yes|no|stop):([A-Za-z0-9_-]{1,40})"), Where.PRIVATE, _buddy),
)
