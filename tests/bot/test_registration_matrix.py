"""Every kind of key at every venue, registered through the real reader against the loopback exchanges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ccxt.async_support as ccxt
import pytest

from marginbot.bot.calls import Reply, Services
from marginbot.bot.commands.accounts import accounts
from marginbot.bot.commands.add import add
from marginbot.bot.presses import Press, press
from marginbot.domain.errors import KeyCanWithdraw
from marginbot.flow.registration import Registration
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.bot.builders import ALICE
from tests.bot.conftest import Desk
from tests.exchanges.kit import KEY, SECRET, reading
from tests.servers.base import Call, LoopbackServer, wall_clock_ms
from tests.servers.base import Reply as Answer
from tests.servers.bybit import BybitServer
from tests.servers.bybit_book import BybitAccount, BybitMarket
from tests.servers.deribit import DeribitAccount, DeribitServer
from tests.servers.hyperliquid import HyperliquidAccount, HyperliquidServer
from tests.servers.okx import OkxAccount, OkxServer
from tests.sim.books import wallets

ADDRESS = "0x" + "ab" * 20
READS, TRADES, WITHDRAWS = "reads", "trades", "withdraws"
KINDS = (READS, TRADES, WITHDRAWS)
ENDPOINTS = {
    "binanceusdm": "/sapi/v1/account/apiRestrictions",
    "bybit": "/v5/user/query-api",
    "okx": "/api/v5/account/config",
    "deribit": "/api/v2/public/auth",
}


def venue(name: str, kind: str) -> tuple[LoopbackServer, tuple[str, ...]]:
    """An exchange where Alice has a key of this kind, and what she types of it."""
    flags = {"can_trade": kind == TRADES, "can_withdraw": kind == WITHDRAWS}
    if name == "binanceusdm":
        market = Market()
        binance = SimulatedExchange(market, wall_clock_ms)
        binance.add_key(KEY, SECRET, Account(market, wallets(USDT="3000")), **flags)
        return binance, (KEY, SECRET)
    if name == "bybit":
        bybit = BybitServer()
        bybit.add_key(KEY, SECRET, BybitAccount(BybitMarket(), wallets(USDT="3000")), **flags)
        return bybit, (KEY, SECRET)
    if name == "okx":
        perm = {READS: "read_only", TRADES: "read_only,trade", WITHDRAWS: "read_only,trade,withdraw"}[kind]
        return OkxServer([OkxAccount(perm=perm)]), ("okx-key", "okx-secret", "okx-passphrase")
    if name == "deribit":
        rights = {READS: ("read", "none"), TRADES: ("read_write", "none"), WITHDRAWS: ("read", "read_write")}[kind]
        scope = "account:read trade:{} wallet:{}".format(*rights)
        return DeribitServer([DeribitAccount(scope=scope)]), ("deribit-id", "deribit-secret")
    return HyperliquidServer([HyperliquidAccount(address=ADDRESS)]), (ADDRESS,)


@pytest.fixture(autouse=True)
def _no_wait_on_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ccxt.Exchange, "timeout_on_exit", 0)


async def registered(desk: Desk, name: str, server: LoopbackServer, credential: tuple[str, ...]) -> list[Reply]:
    """All that Alice is told after /add; where she is asked, she says yes."""
    async with server, reading(server.url, name, timeout=2.0, deadline=6.0) as reader:
        registration = Registration(reader, desk.store, desk.services.access)
        services: Services = replace(desk.services, registration=registration)
        told = [await add(desk.call(ALICE, name, "main", *credential), services)]
        while told[-1].then is not None:
            told.append(await told[-1].then())
        if told[-1].buttons:
            assert not desk.store.accounts_of(ALICE), "nothing is stored before she has agreed"
            pressed = Press(call=desk.call(ALICE), data=told[-1].buttons[0][0].data)
            told.append((await press(pressed, services)).reply)
        told.append(await accounts(desk.call(ALICE), services))
    return told


def secrets_told(told: list[Reply], credential: tuple[str, ...]) -> list[str]:
    return [part for part in credential for reply in told if part != ADDRESS and part in reply.html]


@pytest.mark.parametrize("kind", [READS, TRADES])
@pytest.mark.parametrize("name", ENDPOINTS)
async def test_keys_that_are_stored(desk: Desk, name: str, kind: str) -> None:
    server, credential = venue(name, kind)
    told = await registered(desk, name, server, credential)
    assert "Watching <b>main</b> now" in told[-2].html
    assert any("Use it anyway?" in reply.html for reply in told) is (kind == TRADES)
    assert ("can trade" if kind == TRADES else "read-only") in told[-1].html
    assert len(desk.store.accounts_of(ALICE)) == 1
    assert secrets_told(told, credential) == []


@pytest.mark.parametrize("name", ENDPOINTS)
async def test_keys_that_can_withdraw_are_not_stored(desk: Desk, name: str) -> None:
    server, credential = venue(name, WITHDRAWS)
    with pytest.raises(KeyCanWithdraw) as caught:
        await registered(desk, name, server, credential)
    assert "not stored it" in caught.value.advice
    assert not desk.store.accounts_of(ALICE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [404, 403, 500])
@pytest.mark.parametrize("name", ENDPOINTS)
async def test_where_the_venue_does_not_tell_the_account_is_stored_and_that_is_said(
    desk: Desk, name: str, status: int, kind: str
) -> None:
    server, credential = venue(name, kind)
    answers: dict[tuple[str, str], Callable[[Call], Any]] = dict(server.routes())
    answers["GET", ENDPOINTS[name]] = lambda call: Answer({"msg": "no"}, status)
    server.routes = lambda: answers  # type: ignore[method-assign]
    told = await registered(desk, name, server, credential)
    assert any("could not verify what this key may do" in reply.html for reply in told)
    assert not any(reply.buttons for reply in told[:-1])
    assert "Watching <b>main</b> now" in told[-2].html
    assert "could not verify" in told[-1].html


async def test_an_address_needs_no_passport(desk: Desk) -> None:
    server, credential = venue("hyperliquid", READS)
    told = await registered(desk, "hyperliquid", server, credential)
    assert "Watching <b>main</b> now" in told[-2].html
    assert not any("🔑" in reply.html for reply in told)
    assert "a public address" in told[-1].html
