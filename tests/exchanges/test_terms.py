"""Leverage tiers and collateral rates: asked for, kept over a restart, and watched from day to day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from marginbot.domain.errors import ReadingError
from marginbot.domain.tier_changes import KeptTerms, Kind, Terms
from marginbot.exchanges.venues import VENUES
from marginbot.flow.ports import Person
from marginbot.flow.tier_watch import EVERY, TierWatch
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from marginbot.store import SqliteStore, open_store
from tests.exchanges.kit import ALICE, KEY, SECRET, D, now, reading
from tests.outbox import pending as pending_in
from tests.servers.base import wall_clock_ms
from tests.sim.books import wallets

VENUE = "binanceusdm"
BRACKETS, INDEX = "/fapi/v1/leverageBracket", "/fapi/v1/assetIndex"


@pytest.fixture
async def exchange() -> AsyncIterator[SimulatedExchange]:
    async with SimulatedExchange(Market(), wall_clock_ms) as running:
        held = Account(running.market, wallets(USDT="6000"))
        held.open("BTCUSDT", D("0.5"))
        running.add_key(KEY, SECRET, held)
        yield running


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = open_store(":memory:", bytes(range(32)))
    yield opened
    opened.close()


async def test_terms_are_asked_for_anew(exchange: SimulatedExchange) -> None:
    async with reading(exchange.url, VENUE) as reader:
        told = await reader.terms(VENUE, ALICE, now())
        assert told is not None
        assert told.tiers["BTC/USDT:USDT"][0].maintenance_margin_rate > 0
        assert 0 < told.collateral_rates["BTC"] < 1
        await reader.terms(VENUE, ALICE, now())
    assert len(exchange.seen(BRACKETS)) == 2


async def test_silence_about_tiers_is_an_error_and_about_rates_is_none(exchange: SimulatedExchange) -> None:
    async with reading(exchange.url, VENUE) as reader:
        exchange.faults.add("500", INDEX)
        told = await reader.terms(VENUE, ALICE, now())
        assert told is not None
        assert (bool(told.tiers), told.collateral_rates) == (True, {})
        exchange.faults.add("500", BRACKETS)
        with pytest.raises(ReadingError):
            await reader.terms(VENUE, ALICE, now())


async def test_a_venue_without_terms_says_so(exchange: SimulatedExchange) -> None:
    async with reading(exchange.url, "deribit") as reader:
        assert await reader.terms("deribit", ALICE, now()) is None
        reader.prime("gone", KeptTerms(loaded_at=now(), terms=Terms()))
    assert exchange.requests == []


@pytest.mark.parametrize(
    ("age", "asked", "noted"),
    [
        pytest.param(timedelta(hours=1), 0, False, id="fresh: the venue is not asked"),
        pytest.param(timedelta(hours=25), 1, False, id="a day old: renewed behind the scenes"),
        pytest.param(timedelta(days=3), 1, True, id="old: its date is told"),
    ],
)
async def test_a_restart_goes_by_what_was_kept(
    exchange: SimulatedExchange, age: timedelta, asked: int, noted: bool
) -> None:
    async with reading(exchange.url, VENUE) as reader:
        terms = await reader.terms(VENUE, ALICE, now())
    assert terms is not None
    exchange.requests.clear()
    exchange.faults.add("500", BRACKETS)
    kept = KeptTerms(loaded_at=now() - age, terms=terms)
    async with reading(exchange.url, VENUE) as again:
        again.prime(VENUE, kept)
        snapshot = await again.read(VENUE, ALICE, now())
        assert snapshot.pools[0].positions[0].tiers == terms.tiers["BTC/USDT:USDT"]
        assert [warning for warning in snapshot.warnings if "leverage tiers" in warning] == (
            [f"leverage tiers are those of {kept.loaded_at:%d %b %Y}: the exchange does not give newer ones"]
            if noted
            else []
        )
    assert len(exchange.seen(BRACKETS)) == asked


async def test_newer_tiers_are_not_replaced_by_older_ones(exchange: SimulatedExchange) -> None:
    async with reading(exchange.url, VENUE) as reader:
        terms = await reader.terms(VENUE, ALICE, now())
        assert terms is not None
        older = {symbol: tiers[-1:] for symbol, tiers in terms.tiers.items()}
        reader.prime(VENUE, KeptTerms(loaded_at=now() - timedelta(days=1), terms=Terms(tiers=older)))
        snapshot = await reader.read(VENUE, ALICE, now())
    assert snapshot.pools[0].positions[0].tiers == terms.tiers["BTC/USDT:USDT"]


def stricter(brackets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every rate doubled, and so every deduction."""
    return [
        row
        | {
            "brackets": [
                rung | {name: float(rung[name]) * 2 for name in ("maintMarginRatio", "cum")} for rung in row["brackets"]
            ]
        }
        for row in brackets
    ]


async def test_from_one_day_to_the_next(exchange: SimulatedExchange, store: SqliteStore) -> None:
    """30000 of BTC on 6000: its rate doubles, the account is read, its owner is told what that means."""
    account = store.add_account(Person(11, "Alice"), 11, VENUE, "main", ALICE, now())
    clock = [now()]
    async with reading(exchange.url, VENUE) as reader:
        watch = TierWatch(reader, store, lambda: clock[0])
        assert await watch.check_next() == VENUE
        assert not pending_in(store)
        exchange.faults.edit(BRACKETS, stricter)
        clock[0] += EVERY
        assert await watch.check_next() == VENUE
    (told,) = pending_in(store)
    news = told.facts.terms
    assert told.account_id == account.id
    assert news is not None
    assert {(change.kind, change.name) for change in news.changes} == {(Kind.RATE_RAISED, "BTC/USDT:USDT")}
    (effect,) = news.effects
    assert effect.ratio_before is not None
    assert effect.ratio_after == effect.ratio_before * 2
    assert effect.room_before is not None
    assert effect.room_after is not None
    assert effect.room_before < effect.room_after < 0


@pytest.mark.parametrize(
    ("venue", "raw", "expected"),
    [
        (
            "binanceusdm",
            [{"symbol": "BTCUSD", "bidBuffer": "0.05"}, {"symbol": "USDTUSD", "bidBuffer": "0"}, {"symbol": "XUSD"}],
            {"BTC": D("0.95"), "USDT": D(1)},
        ),
        (
            "bybit",
            {
                "result": {
                    "list": [
                        {
                            "currency": "BTC",
                            "collateralRatioList": [
                                {"minQty": "10", "maxQty": "", "collateralRatio": "0.9"},
                                {"minQty": "0", "maxQty": "10", "collateralRatio": "0.95"},
                            ],
                        },
                        {"currency": "NONE", "collateralRatioList": []},
                    ]
                }
            },
            {"BTC": D("0.95")},
        ),
        ("binance", [{"asset": "BTC", "collateralRate": "0.9500"}, {"asset": "X"}], {"BTC": D("0.9500")}),
    ],
)
def test_rates_by_coin(venue: str, raw: Any, expected: dict[str, Any]) -> None:
    parse = VENUES[venue].parse_rates
    assert parse is not None
    assert parse(raw) == expected
