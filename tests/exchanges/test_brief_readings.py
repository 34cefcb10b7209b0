"""Brief readings of Binance USDⓈ-M: one request while only prices change, both as soon as anything else may have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.domain.margin import Snapshot
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.reading import FULL_EVERY, CarriedOver
from marginbot.exchanges.venue import Instrument, Reference
from marginbot.exchanges.venues.binanceusdm import parse_tiers
from marginbot.exchanges.venues.binanceusdm_brief import BRIEF as ADAPTER
from marginbot.exchanges.venues.binanceusdm_parse import parse
from marginbot.flow.ports import Credential
from marginbot.sim import listings, statements
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.exchanges.kit import ALICE, KEY, SECRET, D, candles, now, reading
from tests.servers.base import wall_clock_ms
from tests.sim.books import add_margin, reduce, wallets

VENUE = "binanceusdm"
ACCOUNT, RISK = "/fapi/v3/account", "/fapi/v3/positionRisk"
BRIEF, FULL = (1, 0), (1, 1)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ODD_THEN_FULL = (2, 1)  # the account is asked for again: both answers are to show the same moment


@dataclass
class World:
    exchange: SimulatedExchange
    account: Account
    reader: CcxtReader

    async def read(self, *, calm: bool = True, at: datetime | None = None) -> tuple[Snapshot, tuple[int, int]]:
        """A reading, and how often account and positions were asked for."""
        before = [len(self.exchange.seen(path)) for path in (ACCOUNT, RISK)]
        snapshot = await self.reader.read(VENUE, ALICE, at or now(), calm=calm)
        asked = [len(self.exchange.seen(path)) - count for path, count in zip((ACCOUNT, RISK), before, strict=True)]
        return snapshot, (asked[0], asked[1])


@pytest.fixture
async def world() -> AsyncIterator[World]:
    market = Market()
    account = Account(market, wallets(USDT="30000", USDC="50"))
    account.open("BTCUSDT", D("0.5"))
    account.open("ETHUSDT", D("-3"), isolated_wallet=D(1500))
    async with SimulatedExchange(market, wall_clock_ms, candles=candles) as exchange:
        exchange.add_key(KEY, SECRET, account)
        async with reading(exchange.url, VENUE, timeout=1.0, deadline=3.0) as reader:
            yield World(exchange, account, reader)


def bare(snapshot: Snapshot) -> Snapshot:
    """Without what is known to differ: when it was, and the last digits of a mark that was worked out."""
    pools = tuple(
        replace(
            pool, positions=tuple(replace(one, mark_price=round(one.mark_price or D(0), 2)) for one in pool.positions)
        )
        for pool in snapshot.pools
    )
    return replace(snapshot, pools=pools, taken_at=LONG_AGO, carried_from=None)


async def test_a_brief_reading_is_what_a_full_one_is(world: World) -> None:
    first_at = now()
    full, asked = await world.read(calm=False, at=first_at)
    assert (full.warnings, full.carried_from, asked) == ((), None, FULL)
    brief, asked = await world.read()
    assert (brief.carried_from, asked) == (first_at, BRIEF)
    assert bare(brief) == bare(full)


async def test_prices_are_those_of_the_brief_reading(world: World) -> None:
    full, _ = await world.read(calm=False)
    world.exchange.set_price("BTCUSDT", world.account.market.mark("BTCUSDT") * D("0.97"))
    brief, asked = await world.read()
    again, _ = await world.read(calm=False)
    assert asked == BRIEF
    figures = [[(pool.equity, pool.maintenance_margin) for pool in one.pools] for one in (full, brief, again)]
    assert figures[1] == figures[2] != figures[0]
    carried = [(p.entry_price, p.liquidation_price) for pool in brief.pools for p in pool.positions]
    assert carried == [(p.entry_price, p.liquidation_price) for pool in full.pools for p in pool.positions]


async def test_everything_is_asked_for_unless_the_account_was_calm(world: World) -> None:
    assert (await world.read())[1] == FULL  # nothing to carry over yet
    assert (await world.read())[1] == BRIEF
    assert (await world.read(calm=False))[1] == FULL


async def test_everything_is_asked_for_every_few_minutes(world: World) -> None:
    at = now()
    assert (await world.read(at=at))[1] == FULL
    assert (await world.read(at=at + FULL_EVERY - timedelta(seconds=1)))[1] == BRIEF
    assert (await world.read(at=at + FULL_EVERY))[1] == FULL
    assert (await world.read(at=at + FULL_EVERY - timedelta(seconds=1)))[1] == FULL  # the clock was set back


async def test_another_secret_is_read_in_full(world: World) -> None:
    await world.read()
    world.exchange.add_key(KEY, "anothersecretanother12345", world.account)
    await world.reader.read(VENUE, Credential(KEY, "anothersecretanother12345"), now(), calm=True)
    assert len(world.exchange.seen(RISK)) == 2


def reduced(account: Account) -> None:
    reduce(account, next(one for one in account.positions if one.symbol == "BTCUSDT"), D("0.1"))


def opened(account: Account) -> None:
    account.open("SOLUSDT", D(5))


def closed(account: Account) -> None:
    account.close(next(one for one in account.positions if one.symbol == "BTCUSDT"))


def deposited(account: Account) -> None:
    account.deposit("USDT", D(1))


def secured(account: Account) -> None:
    add_margin(account, next(one for one in account.positions if one.symbol == "ETHUSDT"), D(5))


@pytest.mark.parametrize("change", [reduced, opened, closed, deposited, secured])
async def test_whatever_changed_but_prices_is_read_in_full(world: World, change: Callable[[Account], None]) -> None:
    await world.read()
    change(world.account)
    snapshot, asked = await world.read()
    assert (asked, snapshot.carried_from) == (ODD_THEN_FULL, None)
    assert (await world.read())[1] == BRIEF


def _in_first(part: str, name: str, value: Any) -> Callable[[Any], Any]:
    """The first position (or asset) with another value of a field; ... leaves it out."""

    def edited(payload: Any) -> Any:
        row = payload[part][0]
        changed = {**row, name: value}
        payload[part][0] = {key: kept for key, kept in changed.items() if kept is not ...}
        return payload

    return edited


ODD = [
    ("positions", name, value)
    for name in ("positionAmt", "notional", "maintMargin", "unrealizedProfit", "isolatedWallet", "isolatedMargin")
    for value in (..., "", None, True)
] + [
    ("positions", "positionAmt", "-0.500"),
    ("positions", "notional", "1.0"),
    ("positions", "notional", "NaN"),
    ("positions", "notional", "many"),
    ("positions", "maintMargin", "Infinity"),
    ("positions", "isolatedMargin", "many"),
    ("positions", "isolatedMargin", "17"),
    ("positions", "positionSide", "LONG"),
    ("positions", "positionSide", "SHORT"),
    ("positions", "symbol", "NONEUSDT"),
    ("positions", "unrealizedProfit", "-2000.0"),
    ("positions", "maintMargin", "1.0"),
    ("assets", "crossUnPnl", ...),
    ("assets", "marginBalance", ""),
    ("assets", "marginBalance", "17.5"),
    ("assets", "maintMargin", None),
]  # fmt: skip


@pytest.mark.parametrize(("part", "name", "value"), ODD)
async def test_whatever_is_missing_or_odd_is_read_in_full(world: World, part: str, name: str, value: Any) -> None:
    await world.read()
    world.exchange.faults.edit(ACCOUNT, _in_first(part, name, value), times=1)
    snapshot, asked = await world.read()
    assert (asked, snapshot.warnings, snapshot.carried_from) == (ODD_THEN_FULL, (), None)


async def test_a_full_reading_with_a_warning_carries_nothing_over(world: World) -> None:
    world.exchange.faults.edit(ACCOUNT, _in_first("assets", "marginBalance", "17.5"), times=1)
    assert (await world.read())[0].warnings
    assert (await world.read())[1] == FULL


async def test_multi_assets_mode_is_always_read_in_full(world: World) -> None:
    world.account.multi_assets = True
    world.account.close(next(one for one in world.account.positions if one.symbol == "ETHUSDT"))
    assert (await world.read())[1] == FULL
    assert (await world.read())[1] == FULL


async def test_a_refused_key_is_no_reason_to_ask_twice(world: World) -> None:
    await world.read()
    world.exchange.faults.add("banned", ACCOUNT)
    before = len(world.exchange.seen(RISK))
    with pytest.raises(Exception, match="binanceusdm"):
        await world.reader.read(VENUE, ALICE, now(), calm=True)
    assert len(world.exchange.seen(RISK)) == before


async def test_an_account_without_positions_is_read_briefly_too() -> None:
    market = Market()
    async with SimulatedExchange(market, wall_clock_ms, candles=candles) as exchange:
        exchange.add_key(KEY, SECRET, Account(market, wallets(USDT="30000")))
        async with reading(exchange.url, VENUE, timeout=1.0, deadline=3.0) as reader:
            full = await reader.read(VENUE, ALICE, now())
            assert bare(await reader.read(VENUE, ALICE, now(), calm=True)) == bare(full)
            assert len(exchange.seen(RISK)) == 1


def test_what_is_too_old_is_forgotten() -> None:
    kept, at = CarriedOver(), now()
    kept.keep(b"a", b"x", at)
    kept.keep(b"b", b"y", at + FULL_EVERY / 2)
    kept.keep(b"c", b"z", at + FULL_EVERY)
    assert len(kept) == 2
    assert kept.get(b"a", at) is None
    assert kept.get(b"b", at + FULL_EVERY) == (at + FULL_EVERY / 2, b"y")
    kept.keep(b"b", None, at + FULL_EVERY)
    assert kept.get(b"b", at + FULL_EVERY) is None


def _reference(market: Market) -> Reference:
    instruments = {
        one.symbol: Instrument(
            symbol=f"{one.base}/{one.margin_asset}:{one.margin_asset}",
            underlying=one.base,
            settle=one.margin_asset,
            contract_size=D(1),
        )
        for one in market.instruments.values()
    }
    brackets = [listings.leverage_bracket(one) for one in market.instruments.values()]
    return Reference(instruments=instruments, tiers=parse_tiers(brackets, instruments))


def _payloads(account: Account) -> dict[str, Any]:
    return {
        "account": statements.account_v3(account),
        "positions": [statements.position_risk_v3(account, one) for one in account.positions],
        "config": statements.account_config(account),
        "index": None,
    }


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    """Positions of every kind that single-asset mode has."""
    made = Account(Market(), wallets(USDT="50000", USDC="1000"), hedge=draw(st.booleans()), liquidates=False)
    for symbol in draw(st.lists(st.sampled_from(sorted(made.market.instruments)), max_size=4, unique=True)):
        size = D(draw(st.integers(1, 4_000))) / 1000 * draw(st.sampled_from((1, -1)))
        entry = made.market.mark(symbol) * D(draw(st.integers(70, 130))) / 100
        wallet = D(draw(st.integers(1, 9_000))) if draw(st.booleans()) else None
        made.open(symbol, size, entry, isolated_wallet=wallet)
    return made


@given(accounts(), st.data())
@settings(max_examples=60, deadline=None)
def test_at_any_prices_a_brief_reading_is_a_full_one_or_none(account: Account, data: st.DataObject) -> None:
    reference, at = _reference(account.market), now()
    known = ADAPTER.carried(_payloads(account))
    assert known is not None
    for position in account.positions:
        share = D(data.draw(st.integers(500, 2_000))) / 1000
        account.market.set_price(position.symbol, account.market.mark(position.symbol) * share)
    payloads = _payloads(account)
    full = parse(payloads, reference, at)
    brief = ADAPTER.parse({**payloads, "carried": orjson.loads(known)}, reference, at)
    if full.warnings:
        assert brief is None
    else:
        assert brief is not None
        assert bare(_without_prices(brief)) == bare(_without_prices(full))


def _without_prices(snapshot: Snapshot) -> Snapshot:
    pools = tuple(
        replace(pool, positions=tuple(replace(one, liquidation_price=None) for one in pool.positions))
        for pool in snapshot.pools
    )
    return replace(snapshot, pools=pools)
