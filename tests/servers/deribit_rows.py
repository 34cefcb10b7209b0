"""The rows Deribit answers with, in its field names; numbers go out unquoted, rounded as the venue does."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.servers.deribit_book import DeribitBook, Held
from tests.servers.deribit_market import DeribitMarket, Instrument

Row = dict[str, Any]
CREATED_AT_MS = 1534167754000
LONG_NAMES = {"BTC": "Bitcoin", "ETH": "Ether", "USDC": "USD Coin", "USDT": "Tether"}


def number(value: Decimal, places: int = 8) -> float:
    return float(round(value, places))


def currency_row(currency: str) -> Row:
    return {
        "currency": currency,
        "currency_long": LONG_NAMES.get(currency, currency),
        "coin_type": currency,
        "network_currency": currency,
        "in_cross_collateral_pool": True,
        "fee_precision": 4,
        "min_confirmations": 1,
        "min_withdrawal_fee": 0.0001,
        "withdrawal_fee": 0.0001,
        "withdrawal_priorities": [],
    }


def instrument_row(instrument: Instrument, number_of: int) -> Row:
    perpetual = instrument.name.endswith("PERPETUAL")
    row: Row = {
        "instrument_name": instrument.name,
        "instrument_id": 100000 + number_of,
        "kind": instrument.kind,
        "base_currency": instrument.base,
        "counter_currency": instrument.counter,
        "quote_currency": instrument.base if instrument.kind == "option" else instrument.counter,
        "price_index": instrument.index_name,
        "instrument_type": "linear" if instrument.linear else "reversed",
        "contract_size": number(instrument.contract_size),
        "min_trade_amount": number(instrument.contract_size),
        "tick_size": 0.0001 if instrument.kind == "option" else 0.5,
        "tick_size_steps": [],
        "maker_commission": 0.0,
        "taker_commission": 0.0003 if instrument.kind == "option" else 0.0005,
        "is_active": True,
        "state": "open",
        "creation_timestamp": CREATED_AT_MS,
        "expiration_timestamp": instrument.expiry_ms,
    }
    if instrument.kind == "spot":
        return row
    row |= {
        "settlement_currency": instrument.settlement,
        "settlement_period": "perpetual" if perpetual else "month",
        "max_liquidation_commission": 0.0075,
    }
    if instrument.kind == "future":
        return row | {"max_leverage": 50, "future_type": row["instrument_type"]}
    return row | {
        "strike": number(instrument.strike),
        "option_type": "put" if instrument.is_put else "call",
    }


def ticker_row(market: DeribitMarket, instrument: Instrument, now_ms: int) -> Row:
    mark, index = number(market.mark(instrument)), number(market.index(instrument), 2)
    row: Row = {
        "instrument_name": instrument.name,
        "timestamp": now_ms,
        "state": "open",
        "mark_price": mark,
        "last_price": mark,
        "best_bid_price": mark,
        "best_ask_price": mark,
        "best_bid_amount": 10.0,
        "best_ask_amount": 10.0,
        "index_price": index,
        "estimated_delivery_price": index,
        "settlement_price": mark,
        "open_interest": 1000.0,
        "min_price": mark * 0.985,
        "max_price": mark * 1.015,
        "stats": {"high": mark, "low": mark, "price_change": 0.0, "volume": 1.0, "volume_usd": index},
    }
    if instrument.kind != "option":
        return row | {"current_funding": 0.0, "funding_8h": 0.0}
    greeks = market.greeks(instrument)
    return row | {
        "mark_iv": market.iv * 100,
        "bid_iv": market.iv * 100,
        "ask_iv": market.iv * 100,
        "underlying_price": index,
        "underlying_index": "index_price",
        "interest_rate": 0.0,
        "greeks": {name: round(getattr(greeks, name), 5) for name in ("delta", "gamma", "vega", "theta")}
        | {"rho": 0.0},
    }


def summary_row(book: DeribitBook, currency: str) -> Row:
    account, pool, rows = book.account, book.pool(currency), book.rows(currency)
    futures, options = (book.session_upl(currency, kind) for kind in ("future", "option"))
    delta = sum((_delta(h) for h in rows), Decimal(0))
    value = book.options_value(currency)
    amounts = {
        "balance": book.balance(currency),
        "equity": book.equity(currency),
        "margin_balance": pool.margin_balance,
        "maintenance_margin": pool.mm,
        "initial_margin": pool.im,
        "projected_maintenance_margin": pool.mm,
        "projected_initial_margin": pool.im,
        "available_funds": pool.margin_balance - pool.im,
        "available_withdrawal_funds": max(pool.margin_balance - pool.im, Decimal(0)),
        "futures_session_upl": futures,
        "options_session_upl": options,
        "session_upl": futures + options,
        "futures_pl": sum((h.total for h in rows if h.greeks is None), Decimal(0)),
        "options_pl": sum((h.total for h in rows if h.greeks is not None), Decimal(0)),
        "total_pl": sum((h.total for h in rows), Decimal(0)),
        "options_value": value,
        "delta_total": delta,
        "projected_delta_total": delta,
        "options_delta": sum((_delta(h) for h in rows if h.greeks is not None), Decimal(0)),
    }
    zeros = ("session_rpl", "futures_session_rpl", "options_session_rpl", "fee_balance", "spot_reserve")
    row: Row = {name: number(amount) for name, amount in amounts.items()} | dict.fromkeys(zeros, 0.0)
    row |= {f"options_{name}": _greek(rows, name) for name in ("gamma", "vega", "theta")}
    row |= {
        "currency": currency,
        "margin_model": account.margin_model,
        "cross_collateral_enabled": account.is_cross,
        "portfolio_margining_enabled": account.is_pm,
        "additional_reserve": 0.0,
    }
    return row | (_totals(book) if account.is_cross else {}) | _liquidation(book, currency)


def _totals(book: DeribitBook) -> Row:
    pool = book.cross_usd()
    equity = sum((book.equity(c) * book.market.usd(c) for c in book.currencies()), Decimal(0))
    delta = sum((_delta(h) * book.market.usd(h.instrument.base) for h in book.held), Decimal(0))
    return {
        "total_equity_usd": number(equity, 9),
        "total_margin_balance_usd": number(pool.margin_balance, 9),
        "total_maintenance_margin_usd": number(pool.mm, 9),
        "total_initial_margin_usd": number(pool.im, 9),
        "total_delta_total_usd": number(delta, 9),
    }


def _liquidation(book: DeribitBook, currency: str) -> Row:
    if book.account.margin_model != "segregated_sm":
        return {}
    factor = book.liquidation_factor(currency) or Decimal(0)
    names = {h.instrument.index_name for h in book.rows(currency)}
    return {
        "estimated_liquidation_ratio": number(factor),
        "estimated_liquidation_ratio_map": {name: number(factor, 16) for name in names},
    }


def position_row(book: DeribitBook, held: Held) -> Row:
    position, instrument = held.position, held.instrument
    row: Row = {
        "instrument_name": instrument.name,
        "kind": instrument.kind,
        "direction": "buy" if position.size > 0 else "sell",
        "size": number(position.size),
        "average_price": number(position.average_price),
        "mark_price": number(held.mark),
        "index_price": number(book.market.index(instrument), 2),
        "settlement_price": number(position.settled_at or position.average_price),
        "floating_profit_loss": number(held.floating, 9),
        "total_profit_loss": number(held.total, 9),
        "realized_profit_loss": 0.0,
        "initial_margin": number(held.im, 9),
        "maintenance_margin": number(held.mm, 9),
        "open_orders_margin": 0.0,
        "delta": number(_delta(held), 6),
    }
    if held.greeks is not None:
        index = book.market.index(instrument)
        row |= {name: _greek([held], name) for name in ("gamma", "vega", "theta")}
        row["average_price_usd"] = number(position.average_price * index, 4)
        return row | {"floating_profit_loss_usd": number(held.floating * index, 4)}
    row |= {"size_currency": number(held.coins), "leverage": 50, "realized_funding": 0.0}
    if book.account.margin_model == "segregated_sm":
        factor = book.liquidation_factor(instrument.settlement) or Decimal(0)
        row["estimated_liquidation_price"] = number(held.mark * factor, 2)
    return row


def _delta(held: Held) -> Decimal:
    return held.coins if held.greeks is None else held.coins * Decimal(held.greeks.delta)


def _greek(rows: list[Held], name: str) -> float:
    total = sum(float(h.coins) * getattr(h.greeks, name) for h in rows if h.greeks is not None)
    return round(float(total), 5)
