"""The world outside, as state: an exchange that answers by script, a messenger that keeps what it sent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from marginbot.domain.errors import BadCredentials
from marginbot.domain.margin import Snapshot
from marginbot.domain.notices import Notice, Shown
from marginbot.domain.outcomes import NotEditable, Outcome, Sent
from marginbot.domain.passport import Passport
from marginbot.domain.tier_changes import KeptTerms, Terms
from marginbot.domain.volatility import Volatility
from marginbot.flow.ports import Credential, VenueInfo
from tests.builders import HOURLY

Answer = Snapshot | Exception | Callable[[], Snapshot]

VENUES = {
    "bybit": VenueInfo(
        id="bybit",
        title="Bybit",
        fields=(("key", "API key"), ("secret", "API secret")),
        instructions="Make a read-only key.",
    ),
    "okx": VenueInfo(
        id="okx",
        title="OKX",
        fields=(("key", "API key"), ("secret", "API secret"), ("passphrase", "passphrase")),
        instructions="Make a read-only key.",
        aliases=("okex",),
    ),
    "hyperliquid": VenueInfo(
        id="hyperliquid", title="Hyperliquid", fields=(("key", "address"),), instructions="Give the address."
    ),
}


class FakeReader:
    """Answers each API key with what stands in `accounts`; a key that hangs never answers."""

    def __init__(self) -> None:
        self.accounts: dict[str, Answer] = {}
        self.script: dict[str, list[Answer]] = {}  # answers that come before, one after the other
        self.hanging: set[str] = set()
        self.passports: dict[str, Passport] = {}  # by key; others are read-only
        self.asked_rights: list[str] = []
        self.reads: dict[str, int] = defaultdict(int)
        self.briefly: dict[str, list[bool]] = defaultdict(list)  # whether a brief reading would have done
        self.required: dict[str, Terms | Exception] = {}  # by venue; others have no terms
        self.asked_terms: list[str] = []
        self.primed: dict[str, KeptTerms] = {}

    def venues(self) -> Mapping[str, VenueInfo]:
        return VENUES

    def check_form(self, exchange: str, credential: Credential) -> None:
        if credential.key == "malformed":
            raise BadCredentials("malformed", advice="That is not a key. Nothing was stored.")

    async def read(self, exchange: str, credential: Credential, now: datetime, *, calm: bool = False) -> Snapshot:
        self.reads[credential.key] += 1
        self.briefly[credential.key].append(calm)
        if credential.key in self.hanging:
            await asyncio.Event().wait()
        script = self.script.get(credential.key)
        answer = script.pop(0) if script else self.accounts[credential.key]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Snapshot) else answer()

    async def passport(self, exchange: str, credential: Credential, now: datetime) -> Passport:
        self.asked_rights.append(credential.key)
        return self.passports.get(credential.key, Passport(can_read=True, can_trade=False, can_withdraw=False))

    async def terms(self, exchange: str, credential: Credential, now: datetime) -> Terms | None:
        self.asked_terms.append(exchange)
        answer = self.required.get(exchange)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def prime(self, exchange: str, kept: KeptTerms) -> None:
        self.primed[exchange] = kept

    async def volatilities(self, exchange: str, underlyings: Iterable[str], now: datetime) -> Mapping[str, Volatility]:
        return {name: HOURLY[name] for name in underlyings if name in HOURLY}

    async def close(self) -> None:
        return None


class FakeMessenger:
    """Accepts what it is given, unless an outcome was scripted for the chat; keeps what was accepted."""

    def __init__(self) -> None:
        self.script: dict[int, list[Outcome | Exception]] = defaultdict(list)
        self.tried: list[Notice] = []
        self.accepted: list[Notice] = []
        self.messages = 0
        self.amended: list[tuple[int, list[Shown]]] = []
        self.edits: list[Outcome | NotEditable] = []  # outcomes of changes to messages
        self.poisoned: set[str] = set()  # subjects that cannot be rendered
        self.while_sending: Callable[[], None] = lambda: None

    async def send(self, notice: Notice, now: datetime) -> Outcome:
        return await self.send_bundle([notice], now)

    async def send_bundle(self, notices: Sequence[Notice], now: datetime) -> Outcome:
        self.tried += notices
        self.messages += 1
        await asyncio.sleep(0)
        self.while_sending()
        for notice in notices:
            if notice.subject in self.poisoned:
                raise KeyError("a bug in the renderer")
        script = self.script[notices[0].chat_id]
        outcome = script.pop(0) if script else Sent(1000 + self.messages)
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, Sent):
            self.accepted += notices
        return outcome

    async def amend(self, message_id: int, told: Sequence[Shown], now: datetime) -> Outcome | NotEditable:
        self.amended.append((message_id, list(told)))
        await asyncio.sleep(0)
        self.while_sending()
        outcome = self.edits.pop(0) if self.edits else Sent(message_id)
        if isinstance(outcome, Sent):
            known = {notice.id for notice in self.accepted}
            self.accepted += [one.notice for one in told if one.notice.id not in known]
        return outcome

    def told(self, chat_id: int) -> list[str]:
        """What a chat has accepted, in order: reasons and grades."""
        notices = [notice for notice in self.accepted if notice.chat_id == chat_id]
        return [f"{n.facts.reason} {n.facts.grade.name if n.facts.grade is not None else '-'}" for n in notices]
