"""The door: who may ask what, where; secrets out of sight first; and an answer to everybody, whatever happens.

The only place that joins our errors with what people read. Texts of messages never reach the log.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from telegram import Bot, CallbackQuery, Message, Update
from telegram.constants import ChatType
from telegram.ext import ContextTypes

from marginbot.bot.budget import GROUP, MEMBER, STRANGER
from marginbot.bot.calls import SILENCE, Button, Call, Command, Reply, Services, Where
from marginbot.bot.commands.add import add_in_group, answer
from marginbot.bot.commands.quiet import ack, is_acknowledgement
from marginbot.bot.figures import ago, read_from_now_on_in, text
from marginbot.bot.inline import answer_inline
from marginbot.bot.intake import Incoming, command_of, holds_secret, incoming, thread_of
from marginbot.bot.language import _, best, later, read_from_now_on_in_language, supported
from marginbot.bot.menus import set_operator_menu
from marginbot.bot.presence import Presence
from marginbot.bot.presses import Answer, Press, is_question, press
from marginbot.bot.said import said
from marginbot.bot.table import BY_NAME, nearest, visible
from marginbot.bot.voice import Place, Voice
from marginbot.domain.errors import GroupOnly, MarginbotError, RequestError
from marginbot.flow.ports import Person
from marginbot.logs import redact

log = logging.getLogger(__name__)

PERISHES_AFTER = timedelta(minutes=5)
FAULT = later(
    "This is a fault of mine, not yours. The operator finds the details in the log. /status still tells how things are."
)
DELETED = later("🗑 I have deleted your message, because it may hold a key.")
NOT_DELETED = later("⚠️ <b>I could not delete your message. Please delete it yourself, now:</b> it may hold a key.")
MAY_NOT_DELETE = later(
    "To let me do that here the next time, make me an administrator of this group with the right “Delete messages”."
)
ALWAYS = frozenset({"ack", "snooze", "cancel"})
TOO_MUCH = later("That was a lot at once. I answer again in a minute; warnings are not affected. /ack always works.")
NO_CHANNELS = later("I do not work in channels. Write to me in a private chat, or add me to a group.")
WHO_ARE_YOU = later(
    "I cannot tell who you are: you write as the group or as a channel. Switch off “Remain "
    "anonymous” in your administrator rights, or write to me in a private chat. Nothing was "
    "done."
)


class Guard:
    """Takes updates, gives answers."""

    def __init__(self, services: Services, voice: Voice) -> None:
        self._services = services
        self._voice = voice
        self.presence = Presence(services, voice)

    async def on_message(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        """A message, an edited one, or a channel's post."""
        message = incoming(update)
        if message is None:
            return
        if message.moved is not None:
            self._voice.follow(*message.moved)
            return
        self._speak_as(message.chat_id, message.private, message.person, message.language)
        hidden = await self._hide_secret(message)
        if message.person is not None and message.private:
            self.presence.greet(message.person)
        reply = await answered(partial(self._reply_to, message, context.bot, hidden is not None))
        if hidden:
            reply = replace(reply, html=f"{hidden}\n\n{reply.html}" if reply.html else hidden)
        if message.person is not None and message.private and (heard := supported(message.language)) is not None:
            self._services.store.heard_language(message.person.user_id, heard)  # they may be known only now
        asker = message.person.user_id if message.person else None
        await self._voice.say(Place(message.chat_id, message.thread_id, asker), reply, answered)

    async def on_inline(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        """Somebody types the bot's name in any chat."""
        query = update.inline_query
        if query is None:
            return
        who, store = query.from_user, self._services.store
        read_from_now_on_in_language(best(store.chosen_language(who.id), who.language_code))
        read_from_now_on_in(store.zone_of(who.id))
        await answer_inline(query, context.bot, self._services)

    def _speak_as(self, chat_id: int, private: bool, person: Person | None, telegrams: str | None) -> None:
        """In the language chosen in this chat, in private else in that of the person's Telegram; by its clock."""
        store = self._services.store
        read_from_now_on_in(store.zone_of(chat_id))
        if person is None or not private:
            read_from_now_on_in_language(store.language_of(chat_id))
            return
        read_from_now_on_in_language(best(store.chosen_language(person.user_id), telegrams))

    async def _hide_secret(self, message: Incoming) -> str | None:
        """Delete what may hold a secret before anything else is done; what to tell about it, None if there is none."""
        guided = self._is_asked_for_a_secret(message)
        if not guided and not holds_secret(message.words):
            return None
        for word in _secret_words(message.words, guided=guided):
            redact(word)
        if await self._voice.delete(message.chat_id, message.message_id):
            return _(DELETED)
        return _(NOT_DELETED) if message.private else f"{_(NOT_DELETED)}\n{_(MAY_NOT_DELETE)}"

    def _is_asked_for_a_secret(self, message: Incoming) -> bool:
        if message.person is None or not message.private or message.words.startswith("/"):
            return False
        return bool(message.words) and self._services.dialogues.wants_secret(message.person.user_id)

    async def _reply_to(self, message: Incoming, bot: Bot, hidden: bool) -> Reply:
        parsed = command_of(message.words, bot.username)
        ours = hidden or (parsed is not None and parsed[0] in BY_NAME)
        if message.edited:
            return Reply(html=_("I do not act on edited messages: send it anew.")) if hidden else SILENCE
        if message.channel or message.person is None:
            return Reply(html=_(NO_CHANNELS) if message.channel else _(WHO_ARE_YOU)) if ours else SILENCE
        name, args = parsed or ("", ())
        call = Call(
            person=message.person,
            chat_id=message.chat_id,
            private=message.private,
            at=self._services.clock(),
            bot_name=bot.username,
            name=name,
            args=args,
            replied_to=message.replied_to,
            language=message.language,
            thread_id=message.thread_id,
        )
        if (ours or call.private) and not self._has_budget(call):
            return self._too_much(call)
        if parsed is None:
            return await self._plain_text(call, message, hidden)
        if name == "start" and call.private and self._services.access.is_operator(call.person.user_id):
            await set_operator_menu(bot, call.person.user_id)
        return await self._command(call, message, hidden)

    def _has_budget(self, call: Call) -> bool:
        """One from the person, in a group one from the group too. Operators and the quieting of alerts always pass."""
        user_id = call.person.user_id
        if call.name in ALWAYS or self._services.access.is_operator(user_id):
            return True
        known = self._services.access.may_register(user_id) or bool(self._services.store.accounts_of(user_id))
        budget = self._services.budget
        enough = budget.allows(user_id, MEMBER if known else STRANGER, call.at)
        return enough and (call.private or budget.allows(call.chat_id, GROUP, call.at))

    def _too_much(self, call: Call) -> Reply:
        log.info("user %s asks too much", call.person.user_id)
        told = self._services.budget.is_to_be_told(call.person.user_id, call.at)
        return Reply(html=_(TOO_MUCH)) if told else SILENCE

    async def _plain_text(self, call: Call, message: Incoming, hidden: bool) -> Reply:
        dialogues = self._services.dialogues
        if not call.private:
            return await add_in_group(replace(call, args=("",)), self._services) if hidden else SILENCE
        in_dialogue = dialogues.current(call.person.user_id, call.at) is not None
        if not in_dialogue and is_acknowledgement(call, message.words, self._services):
            return await ack(call, self._services)
        if message.words and (in_dialogue or dialogues.lapsed(call.person.user_id, call.at)):
            return await answer(call, message.words, self._services)
        if hidden:
            return Reply(html=_("That looked like a key and I did nothing with it. To add an account send /add"))
        return Reply(html=_("I only understand commands. /status tells how things are, /help lists the rest."))

    async def _command(self, call: Call, message: Incoming, hidden: bool) -> Reply:
        command = BY_NAME.get(call.name)
        if command is None:
            if call.private:
                return self._unknown(call)
            return await add_in_group(replace(call, args=("",)), self._services) if hidden else SILENCE
        if not command.where.includes(private=call.private):
            return await self._elsewhere(command, call)
        self._admit(command, call, message)
        if not call.private:
            await self.presence.check_owners(call.chat_id, call.at)
        return await command.handler(call, self._services)

    def _unknown(self, call: Call) -> Reply:
        operator = self._services.access.is_operator(call.person.user_id)
        meant = nearest(call.name, visible(private=True, operator=operator))
        hint = " " + _("Did you mean {command}?", command=text(meant.line)) if meant else ""
        return Reply(html=_("I do not know that command.") + f"{hint} " + _("/help lists what I know."))

    async def _elsewhere(self, command: Command, call: Call) -> Reply:
        if command.elsewhere is not None:
            return await command.elsewhere(call, self._services)
        if command.where is Where.GROUPS:
            raise GroupOnly(
                "a group's command", advice=_("Send {command} in the group that is concerned.", command=command.line)
            )
        link = ((Button(_("Open the private chat"), url=call.link()),),)
        return Reply(
            html=_("{command} is answered in our private chat only.", command=f"/{command.name}"), buttons=link
        )

    def _admit(self, command: Command, call: Call, message: Incoming) -> None:
        services, user_id = self._services, call.person.user_id
        if command.operators:
            services.access.require_operator(user_id)
        if command.members and call.private and not services.store.accounts_of(user_id):
            services.access.require_member(user_id)
        late = call.at - message.sent_at
        if command.perishable and late > PERISHES_AFTER:
            raise RequestError(
                "came too late",
                advice=_(
                    "You sent that {ago} ago, but I only see it now and things may have changed. Look at "
                    "/status and send it again. Nothing was changed.",
                    ago=ago(late),
                ),
            )

    async def on_press(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        """A pressed button."""
        query = update.callback_query
        if query is None or query.data is None:
            return
        place, pressed = _pressed(query, context.bot, self._services)
        self._speak_as(pressed.call.chat_id, pressed.call.private, pressed.call.person, pressed.call.language)
        if pressed.call.private:
            self.presence.greet(pressed.call.person)
        result = await self._result_of(pressed)
        await self._voice.toast(query, result.toast, alert=result.alert)
        if result.html is not None:
            await self._voice.change(query, result.html, result.buttons)
        if result.tell is not None:
            self._voice.tell(*result.tell)
        await self._voice.say(place, result.reply, answered)

    async def _result_of(self, pressed: Press) -> Answer:
        call = pressed.call
        if is_question(pressed.data):
            if not self._has_budget(call):
                return Answer(
                    toast=_(TOO_MUCH), alert=self._services.budget.is_to_be_told(call.person.user_id, call.at)
                )
            if not call.private:
                await self.presence.check_owners(call.chat_id, call.at)
        return await _decided(pressed, self._services)

    async def on_error(self, update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
        """What nothing else caught; the update itself is not logged."""
        log.error("an update could not be handled", exc_info=context.error)


def _secret_words(words: str, *, guided: bool) -> list[str]:
    """What must not reach the log: credentials, but not the names of a venue and a label before them."""
    parts = words.split()
    return parts if guided else [w for at, w in enumerate(parts) if at > 2 or len(w) > 24 or "://" in w]


def _pressed(query: CallbackQuery, bot: Bot, services: Services) -> tuple[Place, Press]:
    message = query.message
    person = Person(query.from_user.id, query.from_user.full_name)
    chat_id = message.chat.id if message else person.user_id
    call = Call(
        person=person,
        chat_id=chat_id,
        private=message is None or message.chat.type == ChatType.PRIVATE,
        at=services.clock(),
        bot_name=bot.username,
        language=query.from_user.language_code,
    )
    html = message.text_html if isinstance(message, Message) and message.text else ""
    place = Place(chat_id, thread_of(message) if isinstance(message, Message) else None)
    return place, Press(call=call, data=query.data or "", html=html)


async def _decided(pressed: Press, services: Services) -> Answer:
    try:
        return await press(pressed, services)
    except MarginbotError as error:
        log.info("press of user %s: %s", pressed.call.person.user_id, error)
        return Answer(toast=said(error.advice), alert=True)
    except Exception:
        log.exception("a press could not be handled")
        return Answer(toast=_(FAULT), alert=True)


async def answered(work: Callable[[], Awaitable[Reply]]) -> Reply:
    """The reply, or what to say instead of it."""
    try:
        return await work()
    except MarginbotError as error:
        log.info("refused: %s", error)
        return Reply(html=text(said(error.advice), 1500))
    except Exception:
        log.exception("a message could not be handled")
        return Reply(html=_(FAULT))
