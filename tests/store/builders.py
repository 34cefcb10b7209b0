"""Things to store. Alice owns accounts, Bob has his own, Charlie is a stranger."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from marginbot.domain.alerting import AlertState, Mute, MuteKind, Reason
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.margin import Collateral, PoolState
from marginbot.domain.notices import Facts, NewNotice
from marginbot.domain.report import AccountReport, PoolReport
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.volatility import Volatility
from marginbot.flow.ports import Account, Credential, CycleRecord, LastReading, Person
from marginbot.store import SqliteStore
from tests.builders import pool, position, snapshot

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
NOW = datetime(2026, 5, 4, 3, 2, 1, 234567, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POOL = "cross:USDT"
TABLES_OF_AN_ACCOUNT = (
    "shares",
    "alert_states",
    "latest_reports",
    "latest_snapshots",
    "latest_tiers",
    "history_series",
    "notices",
)

ALICE, BOB, CHARLIE = Person(1001, "Alice"), Person(1002, "Bob"), Person(1003, "Charlie")
GROUP = -100777
CREDENTIAL = Credential("key-AbCdEf123456", "secret-GhIjKl7890xyz", "phrase-MnOpQr4321")


def add(store: SqliteStore, label: str = "main", person: Person = ALICE, now: datetime = NOW) -> Account:
    return store.add_account(person, person.user_id, "bybit", label, CREDENTIAL, now)


def pool_report(**changes: object) -> PoolReport:
    report = PoolReport(
        name=POOL,
        margin_mode="cross",
        currency="USDT",
        state=PoolState.OK,
        equity=Decimal("1000.10"),
        maintenance_margin=Decimal("820.0820"),
        margin_ratio=Decimal("0.8200"),
        buffer=Decimal("180.0180"),
        reported_ratio=None,
        room=-0.012,
        scenario="BTC",
        cushion=1.9,
        grade=Grade.CRITICAL,
        decided_by=DecidedBy.BOTH,
    )
    return replace(report, **changes)  # type: ignore[arg-type]


def account_report(pools: tuple[PoolReport, ...] | None = None, taken_at: datetime = NOW) -> AccountReport:
    return AccountReport(
        exchange="bybit",
        mode="unified/cross",
        taken_at=taken_at,
        state=PoolState.OK,
        margin_ratio=Decimal("0.8200"),
        pools=(pool_report(),) if pools is None else pools,
        positions=(),
        warnings=("estimated",),
    )


def last_reading(at: datetime = NOW) -> LastReading:
    held = position(tiers=(LeverageTier(Decimal(0), None, Decimal("0.0050")),))
    coin = Collateral(asset="BTC", value=Decimal("12.340"))
    return LastReading(snapshot(pool(held, collateral=[coin]), at=at), {"BTC": Volatility(0.0123, 5000)})


def notice(account: Account, *, number: int = 1, subject: str = POOL, episode: int = 1) -> NewNotice:
    facts = Facts(
        label=account.label,
        exchange=account.exchange,
        mode="unified/cross",
        reason=Reason.WORSENED,
        at=NOW,
        grade=Grade.CRITICAL,
        previous=Grade.OK,
        pool=pool_report(),
    )
    return NewNotice(
        account_id=account.id,
        subject=subject,
        episode=episode,
        number=number,
        user_id=account.user_id,
        chat_id=account.chat_id,
        sound=True,
        facts=facts,
    )


def state(grade: Grade = Grade.CRITICAL, mute: Mute | None = None) -> AlertState:
    return AlertState(grade=grade, announced=grade, spoke_at=NOW, episode=1, number=1, seen_at=NOW, mute=mute)


def mute(grade: Grade = Grade.CRITICAL, wait: timedelta = 15 * MINUTE) -> Mute:
    return Mute(MuteKind.ACKNOWLEDGED, grade, NOW + wait)


def cycle_record(account: Account, **changes: object) -> CycleRecord:
    record = CycleRecord(
        account_id=account.id,
        at=NOW,
        report=account_report(),
        states={"": AlertState(grade=Grade.CRITICAL, seen_at=NOW), POOL: state()},
        notices=[notice(account)],
        next_due_at=NOW + MINUTE,
        reading=last_reading(),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    """What another process would see in a table."""
    conn = sqlite3.connect(path)
    try:
        return conn.execute(f"SELECT * FROM {table}").fetchall()
    finally:
        conn.close()


def dies_at(statement: int, work: Callable[[Callable[[sqlite3.Connection], None]], None]) -> bool:
    """Do the work in a child process that is killed (SIGKILL) before its n-th statement; False if it finished first.

    The work arms the trap with the connection to watch, when what should be interrupted begins.
    """
    child = os.fork()
    if child == 0:
        count = 0

        def trap(_: str) -> None:
            nonlocal count
            count += 1
            if count == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            work(lambda conn: conn.set_trace_callback(trap))
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), "the work failed by itself"
    return code != 0
