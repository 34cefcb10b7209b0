"""Hyperliquid accounts and their payloads, as the loopback venue answers them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Snapshot
from marginbot.exchanges.venue import Payloads, Reference
from marginbot.exchanges.venues.hyperliquid import VENUE, parse_tiers
from tests.exchanges.venues.kit import NOW
from tests.servers.hyperliquid import (
    PRICES,
    HyperliquidAccount,
    HyperliquidBook,
    HyperliquidMarket,
    HyperliquidPosition,
)
from tests.servers.hyperliquid_rows import clearinghouse_state, meta, spot_state

D = Decimal
NOW_MS = int(NOW.timestamp() * 1000)
TIERS = Reference(instruments={}, tiers=parse_tiers([meta(""), meta("xyz")], {}))
BTC = HyperliquidPosition(coin="BTC", size=D(1), entry_price=D(61000), leverage=20)
HYPE = HyperliquidPosition(coin="HYPE", size=D(-500), entry_price=D(41))
ETH = HyperliquidPosition(coin="ETH", size=D(10), entry_price=D(3050), isolated=True)
XYZ = HyperliquidPosition(coin="xyz:XYZ100", size=D("0.4"), entry_price=D(25100))
TESLA = HyperliquidPosition(coin="xyz:TSLA", size=D(-5), entry_price=D(395), leverage=5, isolated=True)
BOOK = (BTC, HYPE, ETH, XYZ, TESLA)
CASH = {"": D(12000), "xyz": D(2000)}


def holding(*positions: HyperliquidPosition, mode: Any = "disabled", **fields: Any) -> HyperliquidAccount:
    wallet = {"cash": CASH} if mode in ("default", "disabled", "dexAbstraction") else {"spot": {"USDC": D(14000)}}
    return HyperliquidAccount(positions=list(positions), abstraction=mode, **(wallet | fields))


def payloads(account: HyperliquidAccount, left: str | None = None) -> Payloads:
    book = HyperliquidBook(account, HyperliquidMarket(PRICES))
    spot = spot_state(book)
    if left is not None:
        spot["tokenToAvailableAfterMaintenance"] = [[0, left]]
    states = {dex: clearinghouse_state(book, dex, NOW_MS) for dex in ("", "xyz")}
    mids = {name: str(price) for name, price in PRICES.items()}
    return {"mode": f'"{account.abstraction}"', "spot": spot, "dexes": states, "mids": mids}


def parsed(account: HyperliquidAccount, reference: Reference = TIERS) -> Snapshot:
    return VENUE.parse(payloads(account), reference, NOW)
