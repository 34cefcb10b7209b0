"""How long /stress, /map and /topup take for a large account: store, model and text, without the network.

    python bench/whatif_speed.py [POSITIONS] [ROUNDS]

An account of so many positions, each with its own underlying and ten leverage tiers, in one cross pool; a second
account of the same size beside it to move collateral from, and one of as many options. The handlers are called as the
bot calls them.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from marginbot.bot.calls import Call, Reply, Services
from marginbot.bot.commands.whatif import liquidation_map, stress, topup
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.domain.margin import MarginMode, Option, Pool, Position, Side, Snapshot
from marginbot.domain.report import assess
from marginbot.domain.tiers import LeverageTier, with_deductions
from marginbot.flow.ports import Credential, CycleRecord, LastReading, Person
from marginbot.flow.status import Status
from marginbot.store import open_store
from marginbot.store.sqlite_store import SqliteStore

D = Decimal
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = Person(7, "Alice")
CAPS = (50, 250, 1000, 5000, 20_000, 50_000, 100_000, 200_000, 300_000)
TIERS = with_deductions(
    [
        LeverageTier(D(1000 * floor), None if cap is None else D(1000 * cap), D("0.004") * (step + 1))
        for step, (floor, cap) in enumerate(zip((0, *CAPS), (*CAPS, None), strict=True))
    ]
)


def position(number: int, *, option: bool) -> Position:
    notional = D(20_000 + 777 * number)
    held = Position(
        symbol=f"C{number}/USDT:USDT",
        underlying=f"C{number}",
        side=Side.SHORT if number % 3 == 0 else Side.LONG,
        contracts=notional / 100,
        notional=notional,
        mark_price=D(100),
        maintenance_margin=notional * D("0.005"),
        tiers=() if option else TIERS,
    )
    if not option:
        return held
    expires_at = datetime(2026, 12, 25, 8, tzinfo=UTC)
    priced = Option(is_call=True, strike=D(105), expires_at=expires_at, underlying_price=D(100), mark_usd=D(4))
    return replace(held, option=priced, symbol=f"{held.symbol}-261225-105-C", side=Side.SHORT)


def account(store: SqliteStore, label: str, equity: str, positions: int, *, options: bool = False) -> None:
    pool = Pool(
        name="cross:USDT",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=D(equity),
        maintenance_margin=None,
        positions=tuple(position(number, option=options) for number in range(positions)),
    )
    needed = sum((held.maintenance_margin or D(0) for held in pool.positions), D(0))
    reading = Snapshot(
        exchange="binanceusdm", mode="single-asset", taken_at=NOW, pools=(replace(pool, maintenance_margin=needed),)
    )
    added = store.add_account(ALICE, ALICE.user_id, "binanceusdm", label, Credential("key", "secret"), NOW)
    report = assess(reading, {}, ladders=DEFAULT_LADDERS, previous={}, now=NOW)
    store.record(
        CycleRecord(
            account_id=added.id,
            at=NOW,
            report=report,
            states={},
            notices=[],
            next_due_at=NOW,
            reading=LastReading(reading, {}),
        )
    )


def services(store: SqliteStore) -> Services:
    unused = cast(Any, None)
    return Services(
        registration=unused,
        status=Status(store),
        preferences=unused,
        reports=unused,
        access=unused,
        store=store,
        clock=lambda: NOW,
        on_change=unused,
        health=unused,
    )


def measured(work: Callable[[], Awaitable[Reply]], rounds: int) -> tuple[list[float], list[float]]:
    """Wall-clock seconds, and the processor's, of each round."""
    times, used = [], []
    for _ in range(rounds):
        began, at_work = time.perf_counter(), time.process_time()
        asyncio.run(cast(Any, work()))
        times.append(time.perf_counter() - began)
        used.append(time.process_time() - at_work)
    return times, used


def main() -> None:
    positions = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    store = open_store(":memory:", bytes(32))
    account(store, "main", "400000", positions)
    account(store, "spare", "9000000", positions)
    account(store, "options", "2000000", positions, options=True)
    desk = services(store)

    def call(*words: str) -> Call:
        return Call(person=ALICE, chat_id=7, private=True, at=NOW, bot_name="bot", args=words)

    asked: dict[str, Callable[[], Awaitable[Reply]]] = {
        "/stress main -10": lambda: stress(call("main", "-10"), desk),
        "/stress main C5 -15 funding 8h": lambda: stress(call("main", "C5", "-15", "funding", "8h"), desk),
        "/stress options -10 IV +50": lambda: stress(call("options", "-10", "IV", "+50"), desk),
        "/map main": lambda: liquidation_map(call("main"), desk),
        "/map options": lambda: liquidation_map(call("options"), desk),
        "/topup main": lambda: topup(call("main"), desk),
        "/topup main 20": lambda: topup(call("main", "20"), desk),
        "/topup main 8x": lambda: topup(call("main", "8x"), desk),
        "/topup options 8x": lambda: topup(call("options", "8x"), desk),
    }
    print(f"{positions} positions, {rounds} rounds; seconds: median, worst, median of the processor's")
    for name, work in asked.items():
        times, used = measured(work, rounds)
        print(f"{name:34} {statistics.median(times):6.3f} {max(times):6.3f} {statistics.median(used):6.3f}")
    store.close()


if __name__ == "__main__":
    main()
