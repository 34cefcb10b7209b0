"""/add, guided or in one line: check the request, read the account for real, show it, only then store it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from marginbot.bot import render_account, render_key
from marginbot.bot.calls import Button, Call, Reply, Rows, Services, grid
from marginbot.bot.commands.left import offer, taken
from marginbot.bot.consent import Question
from marginbot.bot.dialogue import Dialogue
from marginbot.bot.figures import text
from marginbot.bot.language import _, language, later
from marginbot.bot.said import said
from marginbot.bot.weblinks import Wanted
from marginbot.domain.errors import MarginbotError, ReadingError
from marginbot.domain.passport import Passport, Verdict, verdict
from marginbot.flow.ports import VenueInfo
from marginbot.flow.registration import Request
from marginbot.logs import redact

OUT_OF_DATE = later("That question is over. Start again with /add.")
STOPS = later("/cancel stops this.")
ADD_USAGE = "/add EXCHANGE LABEL KEY [SECRET [PASSPHRASE]]"


def back_row() -> tuple[Button, ...]:
    """The way to the question before."""
    return (Button(_("◀ Back"), "bck:"),)


async def add(call: Call, services: Services) -> Reply:
    """/add: the whole request in one line, or as much of it as is given, and questions for the rest."""
    services.access.require_member(call.person.user_id)
    services.questions.drop(call.person.user_id)
    services.links.drop(call.person.user_id)
    left = services.dialogues.left(call.person.user_id, call.at)
    if left is not None and not call.args:
        services.dialogues.leave(call.person.user_id)
        return offer(left, services)
    services.dialogues.end(call.person.user_id)
    if len(call.args) > 2:
        exchange, label, *parts = call.args
        return _check(call, services, exchange, label, parts)
    dialogue = services.dialogues.begin(call.person.user_id, call.at)
    try:
        for word in call.args:
            _take(dialogue, word, call, services)
    except MarginbotError:
        services.dialogues.end(call.person.user_id)
        raise
    return ask(dialogue, call, services)


async def add_in_group(call: Call, services: Services) -> Reply:
    """/add in a group registers nothing, whatever it holds."""
    link: Rows = ((Button(_("Add an account in private"), url=call.link("add")),),)
    if not call.args:
        return Reply(html=_("Keys do not belong in a group. Add your account in our private chat:"), buttons=link)
    return Reply(
        html=_(
            "⚠️ <b>Keys do not belong in a group.</b> I have registered nothing. Others may have seen what you sent: "
            "delete that key at the exchange and make a new one (rotate it), then add it in our private chat:"
        ),
        buttons=link,
    )


async def answer(call: Call, words: str, services: Services) -> Reply:
    """Plain text while the guided dialogue is going on: the answer to its last question."""
    dialogue = services.dialogues.current(call.person.user_id, call.at)
    if dialogue is None:
        left = services.dialogues.left(call.person.user_id, call.at)
        if left is not None:
            return offer(left, services)
        services.dialogues.end(call.person.user_id)
        return Reply(html=_("That took a while and I have dropped what you had told me. Start again with /add."))
    found = services.registration.search(words) if dialogue.venue is None else ()
    if found:
        dialogue.touched_at = call.at
        services.dialogues.keep(call.person.user_id)
        return Reply(html=_("Which of these? Tap, or type another name."), buttons=_rows_of(found))
    return await _answered(dialogue, words, call, services)


async def _answered(dialogue: Dialogue, words: str, call: Call, services: Services) -> Reply:
    _take(dialogue, words, call, services)
    if dialogue.venue is None or dialogue.label is None or dialogue.next_field is not None:
        return ask(dialogue, call, services)
    services.dialogues.end(call.person.user_id)
    services.links.drop(call.person.user_id)
    return _check(call, services, dialogue.venue.id, dialogue.label, dialogue.parts)


async def choose(call: Call, venue_id: str, services: Services) -> Reply:
    """A press on one of the exchange buttons; old ones start over."""
    services.access.require_member(call.person.user_id)
    dialogue = services.dialogues.current(call.person.user_id, call.at)
    if dialogue is None or dialogue.wants_secret:
        dialogue = services.dialogues.begin(call.person.user_id, call.at)
    dialogue.venue = services.registration.venue(venue_id)
    dialogue.touched_at = call.at
    return ask(dialogue, call, services)


async def choose_label(call: Call, label: str, services: Services) -> Reply:
    """A press on a label that was proposed."""
    services.access.require_member(call.person.user_id)
    dialogue = services.dialogues.current(call.person.user_id, call.at)
    if dialogue is None or dialogue.venue is None or dialogue.label is not None:
        return Reply(html=_(OUT_OF_DATE))
    return await _answered(dialogue, label, call, services)


async def back(call: Call, services: Services) -> Reply:
    """A press on Back: the question before."""
    services.access.require_member(call.person.user_id)
    dialogue = services.dialogues.current(call.person.user_id, call.at)
    if dialogue is None:
        return Reply(html=_(OUT_OF_DATE))
    services.links.drop(call.person.user_id)
    dialogue.step_back()
    dialogue.touched_at = call.at
    return ask(dialogue, call, services)


def _take(dialogue: Dialogue, words: str, call: Call, services: Services) -> None:
    """The answer to the question asked last; an unfit one leaves the dialogue where it was."""
    dialogue.touched_at = call.at
    if dialogue.venue is None:
        dialogue.venue = services.registration.venue(words)
    elif dialogue.label is None:
        dialogue.label = services.registration.free_label(call.person.user_id, words)
    else:
        dialogue.parts.append(words.strip())


def ask(dialogue: Dialogue, call: Call, services: Services) -> Reply:
    """The next question; what may be kept of the answers is."""
    services.dialogues.keep(call.person.user_id)
    venue = dialogue.venue
    if venue is None:
        return Reply(
            html=_("Which exchange? Tap, or type its name: I know more than these. /cancel stops this."),
            buttons=_venue_buttons(list(services.registration.reader.venues().values())),
        )
    if dialogue.label is None:
        return Reply(
            html=_(
                "<b>{venue}</b>.\nWhat shall I call this account? One word, such as main or desk-2.",
                venue=text(venue.title, 60),
            ),
            buttons=(_labels(venue, services, call.person.user_id), back_row()),
        )
    if dialogue.parts:
        return Reply(html=_("Got it. {next}", next=_now_send(dialogue)), buttons=(back_row(),))
    return _ask_credential(dialogue, call, services, venue)


def _labels(venue: VenueInfo, services: Services, user_id: int) -> tuple[Button, ...]:
    """Labels to tap that are not taken yet."""
    used = taken(user_id, services)
    return tuple(Button(label, f"lbl:{label}") for label in ("main", venue.id[:24]) if label not in used)


def _venue_buttons(venues: Sequence[VenueInfo]) -> Rows:
    return _rows_of([venue for venue in venues if venue.refusal is None and not venue.estimates_only])


def _rows_of(venues: Sequence[VenueInfo]) -> Rows:
    return grid([Button(venue.title, f"add:{venue.id}") for venue in venues], 2)


def _now_send(dialogue: Dialogue) -> str:
    return _("Now send the <b>{field}</b>.", field=text(said(dialogue.next_field or ""), 60))


def _ask_credential(dialogue: Dialogue, call: Call, services: Services, venue: VenueInfo) -> Reply:
    """How to make a key there, and the two ways to hand it over; an address is no secret and needs neither."""
    lines = [text(said(venue.instructions), 700), ""]
    if venue.needs_secret:
        lines += [_address_line(services.egress_ip), ""]
    lines.append(_now_send(dialogue))
    link = _web_link(dialogue, call, services, venue)
    if venue.needs_secret:
        lines.append(_("I delete your message as soon as I have read it."))
    if link:
        lines.append(
            _("Or use the web form: then the key does not pass through Telegram at all. It works once, for 10 min.")
        )
    ways: Rows = ((Button(_("Enter the key in a web form"), url=link),),) if link else ()
    return Reply(html="\n".join([*lines, _(STOPS)]), buttons=(*ways, back_row()))


def _address_line(egress_ip: str) -> str:
    if egress_ip:
        return _(
            "This server's IP address is <code>{address}</code>: if the key can be tied to it, nobody else can use "
            "the key.",
            address=text(egress_ip, 100),
        )
    return _(
        "This server's IP address is known to who runs this bot: if the key can be tied to it, nobody else can use "
        "the key."
    )


def _web_link(dialogue: Dialogue, call: Call, services: Services, venue: VenueInfo) -> str | None:
    if not venue.needs_secret or dialogue.label is None:
        return None
    wanted = Wanted(
        person=call.person,
        chat_id=call.chat_id,
        venue=venue,
        label=dialogue.label,
        asked_at=services.clock(),
        language=language(),
    )
    return services.links.offer(wanted)


async def submitted(wanted: Wanted, parts: Sequence[str], services: Services) -> Reply:
    """What was entered in the web form: checked just as if it had been sent in the chat, and told there."""
    user_id = wanted.person.user_id
    services.dialogues.end(user_id)
    services.questions.drop(user_id)
    for part in parts:
        redact(part)
    call = Call(person=wanted.person, chat_id=wanted.chat_id, private=True, at=services.clock(), bot_name="")
    return _check(call, services, wanted.venue.id, wanted.label, parts)


def _check(call: Call, services: Services, exchange: str, label: str, parts: Sequence[str]) -> Reply:
    request = services.registration.request(call.person.user_id, exchange, label, parts)
    return Reply(
        html=_("⏳ Checking {label} at {venue} …", label=text(request.label, 24), venue=text(request.venue.title, 60)),
        then=partial(_probe, call, services, request),
    )


async def _probe(call: Call, services: Services, request: Request) -> Reply:
    try:
        report = await services.registration.probe(request, services.clock())
    except ReadingError as error:
        again = _("To try again: {command}", command=f"/add {request.venue.id} {request.label}")
        error.advice = f"{said(error.advice)} {again}"
        raise
    passport = await services.registration.passport(request, services.clock())
    found = render_account.found(request, report, passport)
    if verdict(passport) is Verdict.NEEDS_CONSENT:
        return _ask_consent(call, services, request, passport, found)
    return Reply(html=found, then=partial(_store, call, services, request, passport))


def _ask_consent(call: Call, services: Services, request: Request, passport: Passport, found: str) -> Reply:
    number = services.questions.ask(
        Question(
            user_id=call.person.user_id,
            chat_id=call.chat_id,
            request=request,
            passport=passport,
            asked_at=services.clock(),
        )
    )
    buttons: Rows = ((Button(_("Yes"), f"key:yes:{number}"), Button(_("No"), f"key:no:{number}")),)
    return Reply(html=f"{found}\n\n{render_key.question()}", buttons=buttons)


async def consent(call: Call, number: str, services: Services, *, yes: bool) -> Reply:
    """The answer to whether a key that can trade is to be used; everything else is checked once more."""
    user_id = call.person.user_id
    question = services.questions.take(number, user_id, call.chat_id, call.at)
    request = question.request
    if not yes:
        again = f"/add {request.venue.id} {text(request.label, 24)}"
        return Reply(
            html=_("I have forgotten that key. Nothing was stored. With a read-only key: {command}", command=again)
        )
    services.access.require_member(user_id)
    services.registration.label_with_room(user_id, request.label)
    return await _store(call, services, request, question.passport)


async def _store(call: Call, services: Services, request: Request, passport: Passport) -> Reply:
    account = services.registration.store_account(call.person, call.chat_id, request, services.clock(), passport)
    services.on_change(account)
    return Reply(html=render_account.watching(account, services.store.ladders(account.id)))
