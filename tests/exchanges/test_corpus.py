"""Every recorded account that a supported venue can have, read through the real ccxt client from loopback."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from marginbot.domain.margin import PoolState
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.venues import OWN
from marginbot.flow.ports import Credential
from tests.exchanges.kit import now
from tests.exchanges.liquidation_prices import EXPLAINED, assert_agrees
from tests.exchanges.venues.kit import judged
from tests.servers.corpus import CorpusServer, cases

# The corpus names folders by product, the venues have ccxt's names.
EXCHANGES: Mapping[str, str] = {
    "binance-coinm": "binancecoinm",
    "binance-margin": "binance",
    "binance-papi": "binance",
    "binance-usdm": "binanceusdm",
}
GENERAL = ("toobit",)  # read in the general way
READ = frozenset({*OWN, *GENERAL})
CREDENTIALS: Mapping[str, Credential] = {
    "aster": Credential("0x" + "ab" * 20, "0x" + "11" * 32),
    "coinbase": Credential("organizations/1/apiKeys/2", base64.b64encode(bytes(range(64))).decode()),
    "backpack": Credential("YWxpY2VzYXBpa2V5", "YWxpY2VzYWxpY2VzYWxpY2VzYWxpY2VzYWxpY2VzMTI="),
    "derive": Credential("0x" + "Ab" * 20, "0x" + "12" * 32),
    "dydx": Credential("dydx1" + "a" * 38),
    "hyperliquid": Credential("0x" + "ab" * 20),
    "lighter": Credential("1077"),
}
USUAL = Credential("aliceskeyaliceskeyalices1", "YWxpY2Vzc2VjcmV0YWxpY2Vzc2VjcmV0MTIzNA==", "alicespassphrase")


def bybit_account(mode: str) -> Mapping[str, Any]:
    nothing = {"retCode": 0, "result": {"list": []}}
    return {
        "/v5/account/info": {"retCode": 0, "result": {"marginMode": mode, "unifiedMarginStatus": 5}},
        "/v5/position/list?settleCoin=USDC": nothing,
        "otherwise /v5/position/list": nothing,
    }


def gate_account() -> Mapping[str, Any]:
    unused = {"label": "USER_NOT_FOUND", "message": "please transfer funds first to create futures account"}
    wallets = [
        f"/api/v4/{kind}/{what}" for kind in ("futures/btc", "delivery/usdt") for what in ("accounts", "positions")
    ]
    return {
        **dict.fromkeys(wallets, unused),
        "/api/v4/futures/btc/contracts": [],
        "/api/v4/delivery/usdt/contracts": [],
    }


# What a venue (or one case of it) needs beside the files of a case: further endpoints with plain answers.
EXTRA: Mapping[str, Mapping[str, Any]] = {
    "backpack": {"/api/v1/securities": []},
    "aster": {"/api/v3/exchangeInfo": {"symbols": []}},  # of the spot market, which ccxt loads too
    "bybit": bybit_account("REGULAR_MARGIN"),
    "bybit/pm": bybit_account("PORTFOLIO_MARGIN"),
    "gate": gate_account(),
}
# Cases that cannot be read whole, and why.
KNOWN: Mapping[str, str] = {
    "binance-coinm/roq-flat": "holds nothing, whatever its description says: every size is zero",
    "aster/jkorf-2": "holds nothing, whatever its description says: every size is zero",
    "bybit/portfolio-margin-doc": "a stress grid alone, without wallet and positions",
    "htx/v1-cross": "a first version that the client library no longer asks for; the venue's own tests parse it",
    "htx/v1-isolated": "a first version that the client library no longer asks for; the venue's own tests parse it",
    "hyperliquid/nautilus": "made up: its totals count positions that it does not list, which is refused",
    "kucoinfutures/adl": "two recordings of one endpoint: the one without a position answers",
    "phemex/inverse-ccxtsrc": "its only position row is a closed one",
}


def exchange_of(case: Mapping[str, Any]) -> str:
    return EXCHANGES.get(case["venue"], case["venue"])


@pytest.mark.skipif(not cases(), reason="MARGINBOT_CORPUS does not name a folder with recorded payloads")
@pytest.mark.parametrize("case", [pytest.param(case, id=case["case"]) for case in cases() if exchange_of(case) in READ])
async def test_every_case_of_a_supported_venue_is_read(case: Mapping[str, Any]) -> None:
    exchange = exchange_of(case)
    if case["case"] in KNOWN:
        pytest.skip(KNOWN[case["case"]])
    files = [*case["account_and_position_files"], *case["market_files"]]
    async with CorpusServer(files, EXTRA.get(case["case"], EXTRA.get(exchange))) as server:
        reader = CcxtReader({exchange: server.url})
        try:
            snapshot = await reader.read(exchange, CREDENTIALS.get(exchange, USUAL), now())
        finally:
            await reader.close()
    assert_agrees(case["case"], snapshot)
    report = judged(snapshot)
    if case["has_open_position"]:
        assert report.state is not PoolState.FLAT
        assert report.positions
    for pool in report.pools:
        assert pool.state is not PoolState.OK or (pool.margin_ratio is not None and pool.equity is not None)


@pytest.mark.skipif(not cases(), reason="MARGINBOT_CORPUS does not name a folder with recorded payloads")
def test_every_explained_liquidation_price_is_of_a_case_that_is_read() -> None:
    read = {case["case"] for case in cases() if exchange_of(case) in READ} - set(KNOWN)
    assert set(EXPLAINED) <= read
