"""Buttons: every press is authorised again, against the account it is about."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from marginbot.bot import figures as fig
from marginbot.bot import render_status
from marginbot.bot.calls import SILENCE, Button, Call, Reply, Rows, Services
from marginbot.bot.commands import buddy
from marginbot.bot.commands.add import add, back, choose, choose_label, consent
from marginbot.bot.commands.channels import noticed
from marginbot.bot.commands.data import forget_decided
from marginbot.bot.commands.language import AUTOMATIC, spoken
from marginbot.bot.commands.look import status
from marginbot.bot.commands.refresh import refreshed
from marginbot.bot.commands.resume import resume, start_over
from marginbot.bot.commands.settings import settings_pressed
from marginbot.bot.commands.whatif import pressed_shock, sheet_of
from marginbot.bot.figures import text, until
from marginbot.bot.language import _, later, supported
from marginbot.bot.render import pages
from marginbot.bot.render_alert import rescue
from marginbot.bot.render_bundle import MARK
from marginbot.bot.render_status import View
from marginbot.domain.alerting import MuteKind
from marginbot.domain.errors import NotAllowed
from marginbot.domain.notices import Notice
from marginbot.flow.ports import Account
from marginbot.flow.preferences import Quieted

SNOOZE = timedelta(hours=1)
_NOTICE = re.compile(r"(ack|all|snz|det|try|res):([0-9]{1,18})")
_WHAT_IF = re.compile(r"wif:([0-9]{1,18}):([a-z0-9-]{1,8})")
_DRILL = re.compile(r"drl:([0-9]{1,18})")
_LANGUAGE = re.compile(r"lng:([a-z]{2}|auto)")
_VENUE = re.compile(r"add:([a-z0-9_]{1,40})")
_LABEL = re.compile(r"lbl:([A-Za-z0-9._-]{1,24})")
_GO = re.compile(r"(bck|go-add|go-status|go-on|go-new):")
_REFRESH = re.compile(r"ref:.*")
_BUDDY = re.compile(r"bud:(yes|no|stop):([A-Za-z0-9_-]{1,40})")
_CONSENT = re.compile(r"key:(yes|no):([0-9a-f]{16})")
_SETTINGS = re.compile(r"set:.*")
_FORGET = re.compile(r"fgt:(yes|no):([0-9a-f]{16})")
NUMBER = re.compile(r"[0-9]{1,18}")  # a longer one would not fit a column
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


async def press(pressed: Press, services: Services) -> Answer:
    """Do what a button says."""
    about_notice, about_venue = _NOTICE.fullmatch(pressed.data), _VENUE.fullmatch(pressed.data)
    about_drill = _DRILL.fullmatch(pressed.data)
    if about_drill:
        said = noticed(pressed.call, int(about_drill[1]), services)
        if said is None:
            raise NotAllowed("not their exercise", advice=_("This exercise is not yours."))
        return Answer(toast=said, html=said)
    if about_venue and pressed.call.private:
        return Answer(toast="", reply=await choose(pressed.call, about_venue[1], services))
    about_label, way = _LABEL.fullmatch(pressed.data), _GO.fullmatch(pressed.data)
    if about_label and pressed.call.private:
        return Answer(toast="", reply=await choose_label(pressed.call, about_label[1], services))
    if _REFRESH.fullmatch(pressed.data) and pressed.call.private:
        return await _refresh(pressed, services)
    if way and pressed.call.private:
        return await _gone_to(way[1], pressed.call, services)
    about_language = _LANGUAGE.fullmatch(pressed.data)
    if about_language:
        code = None if about_language[1] == AUTOMATIC else supported(about_language[1])
        said = spoken(pressed.call, code, services)
        return Answer(toast=said, html=said)
    about_what_if = _WHAT_IF.fullmatch(pressed.data)
    if about_what_if:
        return await _what_if(pressed, int(about_what_if[1]), about_what_if[2], services)
    about_key = _CONSENT.fullmatch(pressed.data)
    if about_key:
        return await _consent(pressed, about_key[2], services, yes=about_key[1] == "yes")
    about_me = _FORGET.fullmatch(pressed.data)
    if about_me and pressed.call.private:
        reply = await forget_decided(pressed.call, about_me[2], services, yes=about_me[1] == "yes")
        return Answer(toast="", html=reply.html)
    if _SETTINGS.fullmatch(pressed.data) and pressed.call.private:
        return await _settings(pressed, services)
    about_buddy = _BUDDY.fullmatch(pressed.data)
    if about_buddy and pressed.call.private:
        return _buddy(pressed.call, about_buddy[1], about_buddy[2], services)
    notice = services.store.notice(int(about_notice[2])) if about_notice else None
    if about_notice is None or notice is None:
        return _outdated()
    account = services.preferences.owned(pressed.call.person.user_id, notice.account_id)
    return await ACTIONS[about_notice[1]](pressed, notice, account, services)


def _outdated() -> Answer:
    return Answer(toast=_("This button is out of date. /status shows how things are."), alert=True)


async def _settings(pressed: Press, services: Services) -> Answer:
    _require_known(pressed.call, services)
    screen = await settings_pressed(pressed.call, pressed.data, services)
    if screen is None:
        return _outdated()
    said, html, buttons = screen
    return Answer(toast=said, html=pages(html)[0], buttons=buttons)


def _require_known(call: Call, services: Services) -> None:
    if not services.store.accounts_of(call.person.user_id):
        services.access.require_member(call.person.user_id)


async def _refresh(pressed: Press, services: Services) -> Answer:
    """The message as of now, in place; where it has become too long for one, said anew."""
    _require_known(pressed.call, services)
    reply = await refreshed(pressed.call, pressed.data, services)
    if reply is None:
        return _outdated()
    if len(pages(reply.html)) > 1:
        return Answer(toast="", reply=reply)
    return Answer(toast=_("As of now"), html=reply.html, buttons=reply.buttons)


async def _gone_to(way: str, call: Call, services: Services) -> Answer:
    """A step that a button offers."""
    _require_known(call, services)
    handler = {"bck": back, "go-add": add, "go-status": status, "go-on": resume, "go-new": start_over}[way]
    return Answer(toast="", reply=await handler(call, services))


def _buddy(call: Call, word: str, about: str, services: Services) -> Answer:
    if word == "stop":
        here, chat_id, there = buddy.stopped(call, int(about) if NUMBER.fullmatch(about) else 0, services)
    else:
        here, chat_id, there = buddy.answered(call, about, services, yes=word == "yes")
    return Answer(toast="", html=here, tell=(chat_id, there))


async def _consent(pressed: Press, number: str, services: Services, *, yes: bool) -> Answer:
    reply = await consent(pressed.call, number, services, yes=yes)
    html = f"{pressed.html}\n\n➡️ {_('Yes') if yes else _('No')}" if pressed.html else None
    return Answer(toast="", html=html, reply=reply)


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
    view = View(now=services.clock(), stale_after=services.stale_after)
    return Answer(toast="", reply=Reply(html=render_status.details(standing, view)))


async def _what_if(pressed: Press, account_id: int, code: str, services: Services) -> Answer:
    if not pressed.call.private:
        return Answer(toast=_(PRIVATE_ONLY), alert=True)
    html, buttons = await pressed_shock(pressed.call.person.user_id, account_id, code, services)
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
