"""The contract between the Telegram edge and its commands: a `Call` goes in, a `Reply` comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from marginbot.bot.budget import REPLAY, Budget, Turnstile
from marginbot.bot.charts import Easel
from marginbot.bot.confirmations import Confirmations
from marginbot.bot.consent import Questions
from marginbot.bot.dialogue import Dialogues
from marginbot.bot.language import _, later
from marginbot.bot.render_status import View
from marginbot.bot.weblinks import WebLinks
from marginbot.domain.errors import RequestError
from marginbot.flow.access import Access
from marginbot.flow.buddies import BuddyDesk
from marginbot.flow.channels import ChannelDesk
from marginbot.flow.hindsight import Hindsight
from marginbot.flow.ports import Account, Person, Store
from marginbot.flow.preferences import Preferences
from marginbot.flow.registration import Registration
from marginbot.flow.remembered import Remembered
from marginbot.flow.reports import Reports
from marginbot.flow.status import Status
from marginbot.flow.whatif import WhatIf

T = TypeVar("T")

NO_ACCOUNT = later("You have no account here yet. Add one: /add")
NONE_SHARED = later("No account is shared with this group. Its owner can do that here: /share LABEL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything a command may use."""

    registration: Registration
    status: Status
    preferences: Preferences
    reports: Reports
    access: Access
    store: Store
    clock: Callable[[], datetime]
    on_change: Callable[[Account], None]  # an account was stored or resumed: read it at once
    health: Callable[[], str]  # the bot's own state in plain words, for operators
    stale_after: timedelta = timedelta(seconds=180)  # an older reading does not count as knowledge
    pause: timedelta = timedelta(seconds=180)  # between readings; a longer one is a gap in a chart
    channels: ChannelDesk | None = None  # further ways to ring; None: there are none here
    easel: Easel = field(default_factory=Easel)
    buddies: BuddyDesk | None = None
    funding: Callable[[str, datetime], Mapping[str, float]] = lambda exchange, now: {}  # announced for 8 h, by symbol
    hindsight: Hindsight | None = None  # None: nothing can be replayed here
    dialogues: Dialogues = field(default_factory=Dialogues)
    questions: Questions = field(default_factory=Questions)
    confirmations: Confirmations = field(default_factory=Confirmations)
    budget: Budget = field(default_factory=Budget)
    inline_budget: Budget = field(default_factory=Budget)  # every letter typed is a query: commands do not pay for it
    links: WebLinks = field(default_factory=WebLinks)
    egress_ip: str = ""  # what exchanges see of this server, for the lists of their keys; empty: not known
    replays: Turnstile = field(default_factory=lambda: Turnstile(REPLAY))

    _thinking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def whatif(self) -> WhatIf:
        """What if, and what would help: from the last readings. Fit for small questions."""
        return WhatIf(self.store)

    @property
    def view(self) -> View:
        """How things are seen now."""
        return View(now=self.clock(), stale_after=self.stale_after)

    async def think(self, user_id: int, about: Callable[[WhatIf], T]) -> T:
        """A large question about a person's accounts, in a thread, one at a time: warnings do not wait for it."""
        remembered = Remembered.of(self.store, user_id)
        announced = {one.exchange: self.funding(one.exchange, self.clock()) for one in remembered.accounts}
        whatif = WhatIf(remembered, announced)
        return await self.aside(lambda: about(whatif))

    async def aside(self, work: Callable[[], T]) -> T:
        """What takes its time and touches no database, in a thread, one at a time."""
        async with self._thinking:
            return await asyncio.to_thread(work)


@dataclass(frozen=True, slots=True)
class Button:
    """A button under a message: it sends `data` back to us, opens `url`, or puts `copy` into the clipboard."""

    text: str
    data: str = ""
    url: str = ""
    copy: str = ""


Rows = tuple[tuple[Button, ...], ...]


def grid(buttons: Sequence[Button], width: int) -> Rows:
    """Buttons in rows."""
    return tuple(tuple(buttons[at : at + width]) for at in range(0, len(buttons), width))


def marked(name: str, *, on: bool) -> str:
    """A choice on a button, with a dot where it is the present one."""
    return f"• {name}" if on else name


Screen = tuple[str, str, Rows]  # of a panel: a word for the one who pressed, the message, its buttons


@dataclass(frozen=True, slots=True)
class Document:
    """A file to be sent with a message, which becomes its caption."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is said in answer. `then` is the slow rest: it runs aside, and its own reply follows."""

    html: str  # empty: nothing is said
    buttons: Rows = ()
    picture: bytes | None = field(default=None, repr=False)  # PNG; `html` is its caption
    document: Document | None = None  # `html` is its caption
    then: Callable[[], Awaitable[Reply]] | None = None


SILENCE = Reply(html="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command as somebody gave it. Its arguments may hold keys, so they are never printed."""

    person: Person
    chat_id: int
    private: bool
    at: datetime
    bot_name: str  # without the @
    name: str = ""
    args: tuple[str, ...] = field(default=(), repr=False)
    replied_to: int | None = None  # the message this one answers
    language: str | None = None  # what the Telegram of the person is set to
    thread_id: int | None = None  # the topic it was given in

    def link(self, payload: str = "") -> str:
        """The way to the private chat."""
        return f"https://t.me/{self.bot_name}" + (f"?start={payload}" if payload else "")


Handler = Callable[[Call, Services], Awaitable[Reply]]


class Where(StrEnum):
    """Where a command is answered."""

    PRIVATE = "private"
    GROUPS = "groups"
    ANYWHERE = "anywhere"

    def includes(self, *, private: bool) -> bool:
        """Whether it is answered in a chat of this kind."""
        return self is Where.ANYWHERE or private is (self is Where.PRIVATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A row of the table that feeds handlers, menus, /help and the README test."""

    name: str
    usage: str  # what follows the name
    help: str
    where: Where
    handler: Handler
    elsewhere: Handler | None = None  # answers in the wrong kind of chat; None: the general explanation
    operators: bool = False
    members: bool = True  # False: answered to anyone
    perishable: bool = False  # refused when it was sent long ago and only arrives now

    @property
    def line(self) -> str:
        """`/snooze [LABEL] DURATION`."""
        return f"/{self.name} {self.usage}".rstrip()


def wrong_usage(line: str, example: str = "") -> RequestError:
    """The error to raise when arguments are missing or too many."""
    told = _("Send it like this: {line}, for instance {example}. Nothing was changed.", line=line, example=example)
    bare = _("Send it like this: {line}. Nothing was changed.", line=line)
    return RequestError("wrong usage", advice=told if example else bare)
