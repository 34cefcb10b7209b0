"""What the venues say of positions that they closed themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.venues.binance_push import PUSHES as PORTFOLIO
from marginbot.exchanges.venues.bybit_push import PUSHES as BYBIT
from marginbot.exchanges.venues.deribit_push import CHANNEL
from marginbot.exchanges.venues.deribit_push import PUSHES as DERIBIT

BINANCE_FILL = {
    "c": "autoclose-16",
    "x": "TRADE",
    "i": 7,
    "s": "BTCUSDT",
    "S": "SELL",
    "l": "0.5",
    "L": "9000",
    "rp": "-12",
}
BYBIT_FILL = {
    "execType": "BustTrade",
    "orderId": "7",
    "execId": "x",
    "symbol": "BTCUSDT",
    "side": "Sell",
    "execQty": "0.5",
    "execPrice": "9000",
    "execPnl": "-12",
}
DERIBIT_FILL = {
    "liquidation": "T",
    "liquidity": "T",
    "order_id": "7",
    "instrument_name": "BTCUSDT",
    "direction": "sell",
    "amount": 0.5,
    "price": 9000,
    "profit_loss": -12,
}
FILL = ForcedClose(
    kind=ForcedKind.LIQUIDATION,
    order="7",
    symbol="BTCUSDT",
    side="sell",
    quantity=Decimal("0.5"),
    price=Decimal(9000),
    profit=Decimal(-12),
)


def trades(*rows: Any) -> dict[str, Any]:
    return {"params": {"channel": CHANNEL, "data": list(rows)}}


def closed(push: RiskPush | None) -> tuple[ForcedClose, ...]:
    assert push is not None
    return push.closed


def test_each_venue_s_fill_is_told_as_far_as_it_says() -> None:
    order = {"e": "ORDER_TRADE_UPDATE", "o": BINANCE_FILL}
    assert closed(PORTFOLIO.parse(order)) == (FILL,)
    assert closed(BYBIT.parse({"topic": "execution", "data": [BYBIT_FILL, {"execType": "Trade"}]})) == (FILL,)
    assert closed(DERIBIT.parse(trades(DERIBIT_FILL, DERIBIT_FILL | {"liquidity": "M"}))) == (FILL,)
    odd = closed(BYBIT.parse({"topic": "execution", "data": [BYBIT_FILL | {"execPnl": "?", "execQty": None}]}))
    assert (odd[0].profit, odd[0].quantity, odd[0].price) == (None, None, Decimal(9000))


def test_an_order_that_is_not_filled_yet_or_has_no_id_warns_without_being_told_as_a_fill() -> None:
    placed = {"e": "ORDER_TRADE_UPDATE", "o": BINANCE_FILL | {"x": "NEW"}}
    assert PORTFOLIO.parse(placed) == RiskPush("liquidation order")
    assert DERIBIT.parse(trades(DERIBIT_FILL | {"order_id": None})) == RiskPush("liquidation trade")
