"""Gate: wallets of the classic account, the new classic mode, and the unified account in its modes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, NoPermission, ReadingError, VenueDown
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.passport import Verdict, verdict
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venue import Payloads
from marginbot.exchanges.venues.gate import NEVER_USED, VENUE, WALLETS, parse, parse_permissions
from marginbot.flow.ports import Credential
from tests.exchanges.venues.kit import (
    NOTHING,
    NOW,
    Path_,
    clock,
    gap,
    judged,
    looks_calmer,
    number_paths,
    pool_named,
    spoiled,
)
from tests.servers.corpus import CorpusServer

D = Decimal
KEY = Credential("a" * 32, "b" * 64)


def position(contract: str = "BTC_USDT", size: int | str | None = 20000, **told: Any) -> dict[str, Any]:
    """2 BTC at 50,000: 0.5 % and the fee of 0.075 % are required, 575 of 100,000."""
    row = {"contract": contract, "size": size, "value": "100000", "leverage": "0", "mode": "single"}
    row |= {"entry_price": "50000", "mark_price": "50000", "liq_price": "0", "unrealised_pnl": "0", "margin": "10000"}
    return {**row, "maintenance_rate": "0.005", "maintenance_margin": "0", **told}


ISOLATED = position("ETH_USDT", leverage="10", mark_price="5000", maintenance_margin="575", liq_price="4526.02313")


def wallet(total: str = "10000", **told: str) -> dict[str, Any]:
    row = {"total": total, "unrealised_pnl": "0", "position_margin": "0", "order_margin": "0", "available": total}
    return {**row, **told}


def new_wallet(balance: str = "10000", margin: str = "575") -> dict[str, Any]:
    """The new classic mode; `cross_mmr` as balance over requirement."""
    told = {"cross_margin_balance": balance, "cross_maintenance_margin": margin, "cross_unrealised_pnl": "0"}
    ratio = str(D(balance) / D(margin)) if D(margin) else "0"
    return {**wallet(balance), **told, "cross_mmr": ratio, "enable_evolved_classic": True}


def classic(account: Any, *rows: dict[str, Any], **others: Any) -> Payloads:
    """`account` and its positions settle in USDT; the other wallets were never used."""
    unused = {at.name: NEVER_USED for at in WALLETS}
    return {
        "mode": "classic",
        "unified": None,
        "accounts": {**unused, "futures:usdt": account},
        "positions": {**unused, "futures:usdt": list(rows)},
        "tiers": {},
        "prices": {},
    } | others


def unified(*rows: dict[str, Any], mode: str = "multi_currency", balance: str = "10000", mm: str = "600") -> Payloads:
    """6,000 USDT and 0.1 BTC, of which 4,000 count."""
    account = {
        "balances": {"USDT": {"equity": "6000", "borrowed": "0"}, "BTC": {"equity": "0.1", "borrowed": "0"}},
        "total_margin_balance": balance,
        "total_maintenance_margin": mm,
        "total_initial_margin": "2000",
        "total_available_margin": str(D(balance) - 2000),
        "total_maintenance_margin_rate": str(D(balance) / D(mm)) if D(mm) else "0",
    }
    prices = {"BTC": [{"last": "50000"}]}
    return classic(None, *rows, mode=mode, unified=account, accounts={}, prices=prices)


def single(*rows: dict[str, Any], margin: str = "10000", mm: str = "575") -> Payloads:
    row = {"equity": margin, "margin_balance": margin, "mm": mm, "mmr": str(D(margin) / D(mm)) if D(mm) else "0"}
    payloads = unified(*rows, mode="single_currency", balance="0", mm="0")
    payloads["unified"] |= {"balances": {"USDT": row}, "total_initial_margin": "0", "total_available_margin": "0"}
    return payloads


def read(payloads: Payloads) -> Snapshot:
    return parse(payloads, NOTHING, NOW)


# -- classic


def test_a_classic_wallet_is_added_up_from_its_positions() -> None:
    found = read(classic(wallet(unrealised_pnl="-500"), position(unrealised_pnl="-500")))
    pool = pool_named(found, "cross:USDT")
    assert (pool.equity, pool.maintenance_margin, pool.reported_ratio) == (D(9500), D(575), None)
    assert found.mode == "classic"


def test_what_isolated_positions_hold_does_not_back_the_others() -> None:
    found = read(classic(wallet("20000"), position(), ISOLATED))
    assert pool_named(found, "cross:USDT").equity == D(10000)
    pool = pool_named(found, "isolated:ETH/USDT:USDT:long")
    # At 4,526.02 the loss is 9,479.54 and 0.575 % of what is left is required: 10,000 as well.
    assert gap(pool.equity, D(10000)) < D("1e-6")
    assert pool.maintenance_margin == D(575)


def test_the_larger_side_of_a_hedged_contract_counts() -> None:
    long, short = position(mode="dual_long"), position(size=-10000, value="50000", mode="dual_short")
    assert pool_named(read(classic(wallet(), long, short)), "cross:USDT").maintenance_margin == D(575)
    dated = position("BTC_USDT_20271231", size=-10000, value="50000")
    assert pool_named(read(classic(wallet(), position(), dated)), "cross:USDT").maintenance_margin == D("862.5")


@pytest.mark.parametrize(("margin", "expected"), [("575", "0.0575"), ("700", "0.07"), ("300", "0.0575")])
def test_the_new_classic_mode(margin: str, expected: str) -> None:
    found = read(classic(new_wallet(margin=margin), position()))
    pool = pool_named(found, "cross:USDT")
    assert pool.reported_ratio == D(margin) / 10000
    assert pool.margin_ratio == D(expected)
    assert found.mode == "classic/new"
    assert any("the worse one counts" in warning for warning in found.warnings) is (margin != "575")


def test_the_wallet_in_bitcoin_is_a_pool_of_its_own() -> None:
    row = position("BTC_USD", size=100000, value="2")
    payloads = classic(wallet("0"))
    payloads["accounts"]["futures:btc"], payloads["positions"]["futures:btc"] = wallet("0.5"), [row]
    pool = pool_named(read(payloads), "cross:BTC")
    assert (pool.currency, pool.maintenance_margin, pool.positions[0].coin_settled) == ("BTC", D("0.0115"), True)


def test_a_wallet_that_could_not_be_read_is_unknown_not_empty() -> None:
    payloads = classic(wallet(), position())
    payloads["accounts"]["futures:btc"] = None
    found = read(payloads)
    assert (found.state, pool_named(found, "cross:BTC").state) == (PoolState.UNKNOWN, PoolState.UNKNOWN)
    assert pool_named(found, "cross:USDT").state is PoolState.OK


# -- unified


@pytest.mark.parametrize(("mm", "own"), [("600", "600"), ("575", "575"), ("500", "575")])
def test_the_unified_account(mm: str, own: str) -> None:
    found = read(unified(position(), mm=mm))
    pool = pool_named(found, "cross")
    assert (pool.equity, pool.reported_ratio) == (D(10000), 1 / (D(10000) / D(mm)))
    assert gap(pool.maintenance_margin, D(own)) < D("1e-20")
    assert [(entry.asset, entry.value) for entry in pool.collateral] == [("BTC", D(4000))]
    assert found.mode == "unified/multi-currency"


def test_in_portfolio_mode_less_than_the_sum_may_be_required() -> None:
    pool = pool_named(read(unified(position(), mode="portfolio", mm="300")), "cross")
    assert (pool.margin_mode, round(pool.maintenance_margin or 0)) == ("portfolio", 300)


def test_single_currency_mode_is_a_pool_for_each_currency() -> None:
    pool = pool_named(read(single(position())), "cross:USDT")
    assert (pool.equity, pool.margin_ratio) == (D(10000), D("0.0575"))


def test_the_documented_unified_account(corpus: Callable[[str], Any]) -> None:
    told = corpus("gate/unified-accounts__jkorf.json")
    pool = pool_named(read(classic(None, mode="multi_currency", unified=told, accounts={})), "cross")
    assert pool.equity == D("3382495.944473949183")
    assert gap(pool.margin_ratio, 1 / D("16499.135678363399")) < D("1e-12")
    assert pool.has_debt


def test_the_documented_wallet_of_the_new_mode(corpus: Callable[[str], Any]) -> None:
    told, rows = corpus("gate/futures-accounts__coincise.json"), corpus("gate/futures-positions__coincise.json")
    pool = pool_named(read(classic(told, *rows)), "cross:USDT")
    assert gap(pool.margin_ratio, D("682.04678105") / D("10371.77306201952")) < D("1e-12")
    assert pool.positions[0].liquidation_price is None, "99999999 stands for none"


# -- states and oddities


@pytest.mark.parametrize(
    ("payloads", "state"),
    [
        pytest.param(classic(wallet()), PoolState.FLAT, id="classic, nothing held"),
        pytest.param(classic(NEVER_USED), PoolState.FLAT, id="never used"),
        pytest.param(unified(mm="0"), PoolState.FLAT, id="unified, nothing held"),
        pytest.param(classic(wallet("0"), position()), PoolState.DEFICIT, id="equity gone"),
        pytest.param(classic(new_wallet("-5"), position()), PoolState.DEFICIT, id="new classic, equity negative"),
        pytest.param(unified(position(), balance="-5"), PoolState.DEFICIT, id="unified, equity negative"),
        pytest.param(unified(position(), mm="0"), PoolState.OK, id="nothing required by Gate: ours counts"),
        pytest.param(classic(wallet(), position(maintenance_rate="")), PoolState.UNKNOWN, id="no rate"),
        pytest.param(classic(NEVER_USED, position()), PoolState.UNKNOWN, id="positions without a wallet"),
        pytest.param(single(position(maintenance_rate=""), mm="0"), PoolState.UNKNOWN, id="single, no requirement"),
    ],
)
def test_states(payloads: Payloads, state: PoolState) -> None:
    assert read(payloads).state is state


def test_the_rate_may_come_from_the_tiers() -> None:
    tiers = [{"tier": 1, "risk_limit": "500000", "maintenance_rate": "0.006", "deduction": "0"}]
    payloads = classic(wallet(), position(maintenance_rate=""), tiers={"BTC_USDT": tiers})
    assert pool_named(read(payloads), "cross:USDT").maintenance_margin == D(675)


@pytest.mark.parametrize("row", [position(size=None), position("?"), position(value="x")])
def test_rows_that_make_no_sense(row: dict[str, Any]) -> None:
    with pytest.raises(BadPayload):
        read(classic(wallet(), row))


@pytest.mark.parametrize("part", ["accounts", "positions"])
def test_an_answer_of_another_kind_is_an_error(part: str) -> None:
    payloads = classic(wallet(), position())
    payloads[part]["futures:usdt"] = "gone"
    with pytest.raises(BadPayload):
        read(payloads)


SOUND = {
    "classic": classic(wallet("20000"), position(), ISOLATED),
    "new classic": classic(new_wallet(), position()),
    "unified": unified(position(entry_price="49500", unrealised_pnl="1000")),
    "single": single(position()),
}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name} {'.'.join(map(str, path[-3:]))}")
        for name, payloads in SOUND.items()
        for path in number_paths(payloads)
    ],
)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str, path: Path_) -> None:
    sound = copy.deepcopy(SOUND[name])
    for how, changed in spoiled(sound, path):
        assert looks_calmer(judged(read(sound)), VENUE, changed, NOTHING) is None, how


@given(st.integers(46_000, 49_900), st.integers(1, 100))
def test_the_ratio_rises_as_the_price_falls(mark: int, more: int) -> None:
    def ratio(price: int) -> Decimal:
        profit = str(2 * (price - 50_000))
        row = position(value=str(2 * price), mark_price=str(price), unrealised_pnl=profit)
        found = read(classic(wallet(unrealised_pnl=profit), row)).margin_ratio
        assert found is not None
        return found

    assert ratio(mark) > ratio(mark + more)


# -- through the real client


async def asked(answers: dict[str, Any], times: int = 1) -> tuple[Snapshot, list[str]]:
    async with CorpusServer([], {f"/api/v4/{path}": answer for path, answer in answers.items()}) as server:
        reader = CcxtReader({"gate": server.url})
        try:
            for _ in range(times):
                found = await reader.read("gate", KEY, clock())
        finally:
            await reader.close()
        return found, [call.path.removeprefix("/api/v4/") for call in server.requests]


UNUSED = {"label": "USER_NOT_FOUND", "message": "please transfer funds first to create futures account"}
OTHERS = {
    f"{wallet}/{what}": UNUSED for wallet in ("futures/btc", "delivery/usdt") for what in ("accounts", "positions")
}
CLASSIC = {"futures/usdt/accounts": wallet(), "futures/usdt/positions": [position()], **OTHERS}


async def test_a_classic_account_and_wallets_that_were_never_used() -> None:
    found, calls = await asked({"unified/unified_mode": {"mode": "classic"}, **CLASSIC}, times=2)
    assert (found.mode, found.margin_ratio) == ("classic", D("0.0575"))
    assert calls.count("unified/unified_mode") == 1
    assert "unified/accounts" not in calls


async def test_a_unified_account() -> None:
    account = unified()["unified"]
    answers = {"unified/unified_mode": {"mode": "portfolio"}, "unified/accounts": account, **CLASSIC}
    found, calls = await asked({**answers, "spot/tickers": [{"last": "50000"}]})
    assert (found.mode, [pool.name for pool in found.pools]) == ("unified/portfolio", ["cross"])
    assert "futures/usdt/accounts" not in calls


async def test_a_unified_account_that_cannot_be_read_is_not_taken_for_a_classic_one() -> None:
    with pytest.raises(VenueDown):
        await asked({"unified/unified_mode": {"mode": "multi_currency"}, **CLASSIC})


async def test_the_main_wallet_must_be_read_another_one_is_unknown_without() -> None:
    mode = {"unified/unified_mode": {"mode": "classic"}}
    with pytest.raises(VenueDown):
        await asked({**mode, **OTHERS})
    found, _ = await asked({**mode, **{path: CLASSIC[path] for path in CLASSIC if "btc" not in path}})
    assert pool_named(found, "cross:BTC").state is PoolState.UNKNOWN


@pytest.mark.parametrize(
    ("label", "error", "advice"),
    [
        ("INVALID_KEY", KeyRefused, "does not know this key"),
        ("INVALID_SIGNATURE", KeyRefused, "signature is wrong"),
        ("IP_FORBIDDEN", NoPermission, "IP list"),
        ("REQUEST_EXPIRED", ClockSkew, "clock"),
    ],
)
async def test_a_refusal_says_what_to_do(label: str, error: type[ReadingError], advice: str) -> None:
    refusal = {"label": label, "message": "no"}
    with pytest.raises(error) as caught:
        await asked({"unified/unified_mode": {"mode": "classic"}, **dict.fromkeys(CLASSIC, refusal)})
    assert advice in caught.value.advice


def test_gate_does_not_tell_a_key_its_rights() -> None:
    passport = parse_permissions({"ip_whitelist": ["1.2.3.4"], "key": {"mode": 1}})
    assert (verdict(passport), passport.ip_restricted) == (Verdict.NOT_VERIFIED, True)
