"""A delivery with a real database and the real Telegram messenger, against the loopback Bot API of the tests."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from marginbot.bot.build import build_bot
from marginbot.bot.messenger import TelegramMessenger
from marginbot.domain.alerting import AlertState, Reason
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Facts, NewNotice
from marginbot.domain.report import PoolReport
from marginbot.flow.decide import note_of_end
from marginbot.flow.deliver import Delivery
from marginbot.flow.ports import Account, Credential, CycleRecord, Person
from marginbot.store.sqlite_store import SqliteStore, open_store
from tests.servers.telegram import TOKEN, TelegramServer

POOL = "cross:USDT"


class WallClock:
    """The real time, moved by `ahead`."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Post:
    """What a test of delivery has at hand."""

    tg: TelegramServer
    store: SqliteStore
    delivery: Delivery
    clock: WallClock

    def account(self, user_id: int, label: str = "main") -> Account:
        """An account of that user, who is told in the private chat."""
        credential = Credential("key", "secret")
        return self.store.add_account(Person(user_id, f"U{user_id}"), user_id, "bybit", label, credential, self.clock())

    def write(self, account: Account, grade: Grade, number: int = 1, *, subject: str = POOL, cushion: float = 1.5,
              reason: Reason = Reason.WORSENED, over: bool = False) -> None:  # fmt: skip
        """A notice, as a cycle writes it."""
        now = self.clock()
        notice = NewNotice(
            account_id=account.id,
            subject=subject,
            episode=1,
            number=number,
            user_id=account.user_id,
            chat_id=account.chat_id,
            sound=grade >= Grade.WARNING,
            facts=facts_of(account.label, grade, cushion, now, reason),
        )
        state = AlertState(grade=grade, announced=grade, spoke_at=now, episode=1, number=number, seen_at=now)
        self.store.record(
            CycleRecord(
                account_id=account.id,
                at=now,
                report=None,
                states={subject: state},
                notices=[notice],
                next_due_at=now,
                notes=[note_of_end(notice)] if over else (),
            )
        )

    def backlog(self, chats: int, grade: Grade = Grade.NOTICE, *, first: int = 100_000) -> None:
        """A notice for each of so many chats, all written at once, without waiting for the disk each time."""
        self.store._db.execute("PRAGMA synchronous = OFF")
        accounts = [self.account(first + n) for n in range(chats)]
        for account in accounts:
            self.write(account, grade, cushion=random.uniform(0.1, 9.0))
        self.store._db.execute("PRAGMA synchronous = FULL")


def facts_of(label: str, grade: Grade, cushion: float, now: datetime, reason: Reason) -> Facts:
    """Facts of about the usual size."""
    pool = PoolReport(
        name=POOL,
        margin_mode="cross",
        currency="USDT",
        state=PoolState.OK,
        equity=Decimal("1402.11"),
        maintenance_margin=Decimal("1000"),
        margin_ratio=Decimal("0.7132"),
        buffer=Decimal("402.11"),
        reported_ratio=Decimal("0.7130"),
        room=-0.0421,
        scenario="BTC",
        cushion=cushion,
        grade=grade,
        decided_by=DecidedBy.CUSHION,
        top_up=Decimal("352"),
        close_share=Decimal("0.36"),
        target=Grade.NOTICE,
    )
    return Facts(
        label=label,
        exchange="bybit",
        mode="unified/cross",
        reason=reason,
        at=now,
        grade=grade,
        previous=Grade.OK,
        pool=pool,
        positions=("long 0.5 BTC/USDT:USDT",),
    )


@asynccontextmanager
async def post_office(path: Path | str = ":memory:", *, limits: bool = False) -> AsyncIterator[Post]:
    """Everything, opened and closed."""
    clock, store = WallClock(), open_store(path, bytes(range(32)))
    async with TelegramServer() as tg, build_bot(TOKEN, tg.url) as bot:
        tg.limits = limits
        delivery = Delivery(store, TelegramMessenger(bot), clock=clock)
        try:
            yield Post(tg, store, delivery, clock)
        finally:
            await delivery.stop(1.0)
            store.close()
