"""Deribit accounts and their payloads, as the loopback venue answers them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Snapshot
from marginbot.exchanges.venue import Payloads, Reference
from marginbot.exchanges.venues.deribit import VENUE
from tests.exchanges.venues.kit import NOTHING, NOW
from tests.servers.deribit import DeribitAccount, DeribitBook, DeribitMarket, DeribitPosition
from tests.servers.deribit_rows import position_row, summary_row

D = Decimal
NOW_MS = int(NOW.timestamp() * 1000)
PRICES = {"BTC": D(60000), "ETH": D(3000)}
MODELS = ("segregated_sm", "segregated_pm", "cross_sm", "cross_pm")
LONG = DeribitPosition(instrument="BTC-PERPETUAL", size=D(60000), average_price=D(60000))
SHORT = DeribitPosition(instrument="BTC-PERPETUAL", size=D(-60000), average_price=D(60000))
LINEAR = DeribitPosition(instrument="BTC_USDC-PERPETUAL", size=D("-0.5"), average_price=D(60000))
SHORT_PUT = DeribitPosition(instrument="BTC-31DEC27-50000-P", size=D(-2), average_price=D("0.05"))
LONG_CALL = DeribitPosition(instrument="BTC-31DEC27-100000-C", size=D(3), average_price=D("0.04"))
HOLDINGS = {"BTC": D(1), "USDC": D(20000)}


def holding(model: Any, *positions: DeribitPosition, **fields: Any) -> DeribitAccount:
    return DeribitAccount(margin_model=model, positions=list(positions), **({"balances": HOLDINGS} | fields))


def book_of(account: DeribitAccount, prices: dict[str, Decimal] | None = None) -> DeribitBook:
    return DeribitBook(account, DeribitMarket(prices or PRICES, lambda: NOW_MS))


def payloads(account: DeribitAccount) -> Payloads:
    book = book_of(account)
    return answers([summary_row(book, c) for c in book.currencies()], [position_row(book, held) for held in book.held])


def answers(summaries: list[Any], positions: list[Any]) -> Payloads:
    return {"summaries": {"result": {"summaries": summaries}}, "positions": {"result": positions}}


def parsed(account: DeribitAccount, reference: Reference = NOTHING) -> Snapshot:
    return VENUE.parse(payloads(account), reference, NOW)
