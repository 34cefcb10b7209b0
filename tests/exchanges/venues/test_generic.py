"""Exchanges without an adapter: what is estimated is said, what ccxt makes up is not believed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload, VenueDown
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues import OWN, VENUES, generic, refused
from marginbot.exchanges.venues.generic_parse import GENERAL, parse
from marginbot.flow.ports import Credential
from marginbot.flow.registration import find_venue
from tests.exchanges.venues.kit import NOW, clock, gap, judged, looks_calmer, number_paths, pool_named, spoiled
from tests.servers.corpus import CorpusServer

D = Decimal
BTC, COIN = "BTC/USDT:USDT", "BTC/USD:BTC"
MARKETS = {
    "BTCUSDT": Instrument(symbol=BTC, underlying="BTC", settle="USDT", contract_size=D("0.001")),
    "BTCUSD": Instrument(symbol=COIN, underlying="BTC", settle="BTC", contract_size=D(100), is_inverse=True),
}
TIERS = {BTC: (LeverageTier(D(0), D(50_000), D("0.005")), LeverageTier(D(50_000), None, D("0.01")))}
LISTED = Reference(instruments=MARKETS)
TIERED = Reference(instruments=MARKETS, tiers=TIERS)


def position(symbol: str = BTC, **told: Any) -> dict[str, Any]:
    """A unified row whose figures the raw row confirms, but for those in `invented`."""
    invented = told.pop("invented", {})
    row = {"side": "long", "contracts": "1000", "markPrice": "50000", "marginMode": "cross", "unrealizedPnl": "0"}
    row.update({"symbol": symbol, **told})
    return {**row, **invented, "info": {f"raw{at}": value for at, value in enumerate(row.values())}}


def read(*positions: dict[str, Any], reference: Reference = LISTED, debt: Any = None, **balance: str) -> Snapshot:
    return parse("venue", payloads(*positions, debt=debt, **balance), reference, NOW)


def payloads(*positions: dict[str, Any], debt: Any = None, **balance: str) -> Payloads:
    return {"positions": list(positions), "balance": {"total": balance, "debt": debt}, "tickers": {}}


# -- cross


def test_tiers_and_the_balance() -> None:
    pool = pool_named(read(position(), reference=TIERED, USDT="6000"), "cross:USDT")
    assert (pool.maintenance_margin, pool.equity) == (D(500), D(6000))  # 50,000 lies in the second tier: 1 %


@pytest.mark.parametrize(("profit", "equity"), [("700", D(6000)), ("-700", D(5300)), (None, None)])
def test_a_profit_is_not_counted_twice_and_a_loss_not_forgotten(profit: str | None, equity: Decimal | None) -> None:
    found = read(position(unrealizedPnl=profit), reference=TIERED, USDT="6000")
    assert pool_named(found, "cross:USDT").equity == equity
    assert any("profit" in warning or "loss" in warning for warning in found.warnings)


def test_the_smaller_of_balance_and_liquidation_price_counts() -> None:
    # At 47,500 the loss is 2,500 and 1 % of what is left is needed: 2,500 + 475 back the position.
    found = read(position(liquidationPrice="47500"), USDT="6000")
    pool = pool_named(found, "cross:USDT")
    assert pool.equity == D(2975)
    assert any("2975.00 by liquidation prices" in warning for warning in found.warnings)
    assert any("1% is assumed" in warning for warning in found.warnings)


def test_two_positions_share_what_either_liquidation_price_leaves() -> None:
    short = position(side="short", contracts="500", liquidationPrice="60000")
    pool = pool_named(read(position(liquidationPrice="47500"), short), "cross:USDT")
    # The long leaves 2,975 + 250 (the short's 1 %); the short 500 (the long's) + 5,000 + 300.
    assert (pool.equity, pool.maintenance_margin) == (D(3225), D(750))


def test_the_requirement_of_the_exchange_itself_comes_first() -> None:
    pool = pool_named(read(position(maintenanceMargin="900"), reference=TIERED, USDT="6000"), "cross:USDT")
    assert pool.maintenance_margin == D(900)


@pytest.mark.parametrize("field", ["maintenanceMargin", "liquidationPrice"])
def test_a_figure_that_ccxt_worked_out_is_not_the_exchanges(field: str) -> None:
    found = read(position(invented={field: "47501.5"}), USDT="6000")
    assert found.state is PoolState.UNKNOWN
    assert pool_named(found, "cross:USDT").positions[0].liquidation_price is None


def test_ccxts_ratio_and_collateral_are_never_read() -> None:
    strange = position(marginRatio="0.99", collateral="1", maintenanceMarginPercentage="0.9", initialMargin="1")
    assert read(strange, reference=TIERED, USDT="6000").pools == read(position(), reference=TIERED, USDT="6000").pools


def test_a_liquidation_price_that_ccxt_leaves_behind_is_found() -> None:
    row = {**position(), "info": {"flp": "47500"}}
    assert parse("toobit", payloads(row), LISTED, NOW).pools[0].equity == D(2975)
    assert parse("venue", payloads(row), LISTED, NOW).state is PoolState.UNKNOWN


# -- isolated and inverse


def test_an_isolated_position_is_judged_by_its_liquidation_price_alone() -> None:
    found = read(position(marginMode="isolated", liquidationPrice="47500"), reference=TIERED)
    pool = pool_named(found, f"isolated:{BTC}:long")
    # 47,500 lies in the first tier: 0.5 % of it are needed there.
    assert (pool.equity, pool.maintenance_margin) == (D("2737.5"), D(500))


def test_the_margin_of_isolated_positions_does_not_back_the_others() -> None:
    isolated = position(marginMode="isolated", liquidationPrice="47500")
    found = read(isolated, position(side="short"), reference=TIERED, USDT="6000")
    assert pool_named(found, "cross:USDT").equity == D("3262.5")


def test_an_inverse_position_is_kept_in_the_coin() -> None:
    pool = pool_named(read(position(COIN, liquidationPrice="40000", marginMode="isolated")), f"isolated:{COIN}:long")
    # 100,000 dollars are 2 BTC now and 2.5 at 40,000: 0.5 lost, 0.025 needed.
    assert (pool.currency, pool.equity, pool.maintenance_margin) == ("BTC", D("0.525"), D("0.02"))


# -- what is not known


UNKNOWN = [
    pytest.param(position(), {"USDT": "6000"}, id="neither tiers nor liquidation price"),
    pytest.param(position(marginMode="isolated"), {"USDT": "6000"}, id="isolated without liquidation price"),
    pytest.param(position(liquidationPrice="0"), {"USDT": "6000"}, id="liquidation price zero"),
    pytest.param(position(markPrice=None, liquidationPrice="47500"), {"USDT": "6000"}, id="no mark price"),
    pytest.param(position("NEW-PERP", liquidationPrice="47500"), {}, id="a market that is not listed"),
]


@pytest.mark.parametrize(("row", "balance"), UNKNOWN)
def test_what_cannot_be_known_is_unknown_and_said(row: dict[str, Any], balance: dict[str, Any]) -> None:
    found = read(row, **balance)
    assert found.state is PoolState.UNKNOWN
    assert len(found.warnings) > 1


def test_no_balance_in_the_currency_is_no_deficit() -> None:
    assert read(position(), reference=TIERED, USDT="0", BTC="3").state is PoolState.UNKNOWN


def test_losses_beyond_the_balance_are_a_deficit() -> None:
    assert read(position(unrealizedPnl="-7000"), reference=TIERED, USDT="6000").state is PoolState.DEFICIT


def test_a_debt_is_unknown() -> None:
    assert read(debt={"BTC": "1"}, USDT="6000").state is PoolState.UNKNOWN


def test_nothing_at_stake_is_flat_and_still_an_estimate() -> None:
    found = read(position(contracts="0"), USDT="6000")
    assert (found.state, found.warnings) == (PoolState.FLAT, (GENERAL,))


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(position(contracts=None, notional="50000"), id="no size"),
        pytest.param(position(side=None), id="no direction"),
        pytest.param(position(symbol=None), id="no symbol"),  # type: ignore[arg-type]
        pytest.param(position(markPrice="much"), id="no number"),
    ],
)
def test_rows_that_make_no_sense(row: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        read(row)


SOUND = payloads(
    position(liquidationPrice="47500", entryPrice="49000", unrealizedPnl="-100"),
    position(side="short", marginMode="isolated", contracts="10", liquidationPrice="60000"),
    USDT="6000",
)


@pytest.mark.parametrize("path", [path for path in number_paths(SOUND) if "info" not in path], ids=str)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(path: tuple[str | int, ...]) -> None:
    before = judged(parse("poloniex", SOUND, TIERED, NOW))
    for how, changed in spoiled(SOUND, path):
        assert looks_calmer(before, VENUES["poloniex"], changed, TIERED) is None, how


@given(st.decimals("30000", "49000", places=1), st.decimals("1", "100", places=2))
def test_the_ratio_rises_towards_the_liquidation_price_and_does_not_depend_on_size(
    mark: Decimal, scale: Decimal
) -> None:
    def ratio(price: Decimal, size: Decimal) -> Decimal:
        row = position(markPrice=str(price), contracts=str(size), liquidationPrice="29000", marginMode="isolated")
        found = read(row).margin_ratio
        assert found is not None
        return found

    assert ratio(D(29000), D(1000)) == 1
    assert ratio(mark + 100, D(1000)) < ratio(mark, D(1000)) < 1
    assert gap(ratio(mark, scale), ratio(mark, D(1000))) < D("1e-12")


# -- through the real client

POLONIEX = {
    "/markets": [],
    "/v3/market/allInstruments": {
        "code": "200",
        "data": [
            {
                "symbol": "BTC_USDT_PERP",
                "bCcy": "BTC",
                "qCcy": "USDT",
                "sCcy": "USDT",
                "ctVal": "0.001",
                "ctType": "LINEAR",
                "status": "OPEN",
                "alias": "",
                "tSz": "0.01",
                "lotSz": "1",
            }
        ],
    },
    "/v3/trade/position/opens": {
        "code": "200",
        "data": [
            {
                "symbol": "BTC_USDT_PERP",
                "posSide": "LONG",
                "mgnMode": "CROSS",
                "openAvgPx": "94193.42",
                "qty": "1",
                "lever": "20",
                "liqPx": "84918.201844064386317906",
                "im": "4.7047795",
                "mm": "0.56457354",
                "upl": "-0.09783",
                "markPx": "94095.59",
                "mgnRatio": "0.0582",
            }
        ],
    },
    "/v3/account/balance": {
        "code": "200",
        "data": {"details": [{"ccy": "USDT", "avail": "9.98571622", "im": "0", "upl": "0"}]},
    },
}


async def test_a_documented_position_comes_to_the_ratio_that_the_exchange_gives_it() -> None:
    async with CorpusServer([], POLONIEX) as server:
        reader = CcxtReader({"poloniex": server.url})
        try:
            found = await reader.read("poloniex", Credential("k" * 20, "s" * 20), clock())
        finally:
            await reader.close()
    assert gap(found.margin_ratio, D("0.0582")) < D("0.005")
    assert found.exchange == "poloniex"
    assert found.warnings[0] == GENERAL


async def test_without_a_market_list_positions_go_by_their_names() -> None:
    told = {path: answer for path, answer in POLONIEX.items() if "nstruments" not in path}
    async with CorpusServer([], told) as server:
        reader = CcxtReader({"poloniex": server.url})
        try:
            found = await reader.read("poloniex", Credential("k" * 20, "s" * 20), clock())
        finally:
            await reader.close()
    assert found.state is PoolState.UNKNOWN
    assert any("not in the market list" in warning for warning in found.warnings)


# -- which exchanges


def test_every_exchange_that_ccxt_can_read_is_known_or_refused_with_a_reason() -> None:
    aliases = {alias for venue in OWN.values() for alias in venue.info.aliases}
    assert set(generic.candidates()) <= {*VENUES, *refused(), *aliases}
    assert not set(VENUES) & set(refused())
    assert all(len(info.refusal or "") > 20 for info in refused().values())


def test_no_private_key_is_ever_asked_for() -> None:
    agents = {"aster", "derive"}  # signed by an agent that cannot withdraw; the owner's own key is refused
    for venue in VENUES.values():
        assert "privateKey" not in venue.signs_with or venue.info.id in agents
        given_by_owner = {name for name, _ in venue.info.fields}
        assert given_by_owner == set(venue.signs_with.values()) or not venue.info.estimates_only


def test_tiers_out_of_ccxts_form() -> None:
    row = {"minNotional": "0", "maxNotional": "1000", "maintenanceMarginRate": "0.01"}
    raw = {
        BTC: [{**row, "minNotional": "1000", "maxNotional": None}, row],
        COIN: [{**row, "maintenanceMarginRate": "5"}],
    }
    assert generic.parse_tiers(raw, MARKETS) == {
        BTC: (LeverageTier(D(0), D(1000), D("0.01")), LeverageTier(D(1000), None, D("0.01")))
    }


def test_a_branch_is_read_like_the_exchange_itself_under_its_own_name() -> None:
    branch = VENUES["myokx"]
    told = {"balance": {"data": [{"details": []}]}, "positions": {"data": []}, "config": None}
    found = branch.parse(told, Reference(instruments={}), NOW)
    assert (found.exchange, branch.info.title) == ("myokx", "MyOKX (EEA)")
    assert branch.fetch is OWN["okx"].fetch


def test_a_refused_exchange_says_why_when_it_is_named() -> None:
    venues = CcxtReader({}).venues()
    assert find_venue(venues, "poloniex").estimates_only
    assert find_venue(venues, "binance").id == "binance"
    with pytest.raises(Exception, match="cannot be watched") as caught:
        find_venue(venues, "GRVT")
    assert "private key that can move funds" in caught.value.advice  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="no such venue") as caught:
        find_venue(venues, "mtgox")
    advice = caught.value.advice  # type: ignore[attr-defined]
    assert "Also, as estimates: " in advice
    assert "grvt" not in advice


class Asked:
    """The unified side of an `Api`, which remembers what it was asked."""

    def __init__(self, *positions: dict[str, Any]) -> None:
        self.positions = list(positions)
        self.calls: list[tuple[Any, ...]] = []

    async def unified(self, method: str, *arguments: Any) -> Any:
        self.calls.append((method, *arguments))
        if method == "fetch_balance":
            raise VenueDown("no balance")
        return self.positions if method == "fetch_positions" else {BTC: {"last": "50000"}}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        pytest.param("deepcoin", ("fetch_tickers", [BTC]), id="all tickers at once"),
        pytest.param("weex", ("fetch_ticker", BTC), id="one by one"),
        pytest.param("xt", ("fetch_positions", None, {"subType": "inverse"}), id="a second kind of contract"),
        pytest.param("bitfinex", ("fetch_balance", {"type": "margin"}), id="the wallet for margin"),
    ],
)
async def test_what_is_asked_for_beside_positions(name: str, asked: tuple[Any, ...]) -> None:
    api = Asked(position(markPrice=None))
    found = await generic.fetch(name, api)  # type: ignore[arg-type]
    assert asked in api.calls
    assert found["balance"] is None, "a balance that is not answered is missing, not an error"
