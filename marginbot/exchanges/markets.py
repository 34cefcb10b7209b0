"""What adapters need to know of a venue's markets, out of ccxt's market table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marginbot.exchanges.venue import Instrument


def instruments_of(markets: Iterable[Mapping[str, Any]]) -> dict[str, Instrument]:
    """Derivatives by the venue's own id; the spot markets where there are none, for margin on spot."""
    listed = list(markets)
    contracts = [market for market in listed if market.get("contract")]
    return {str(market["id"]): _instrument(market) for market in contracts or listed}


def _instrument(market: Mapping[str, Any]) -> Instrument:
    expiry = market.get("expiry")
    strike = market.get("strike")
    kind = market.get("optionType")
    return Instrument(
        symbol=market["symbol"],
        underlying=market["base"],
        settle=market.get("settle") or market["quote"],
        contract_size=Decimal(str(market.get("contractSize") or 1)),
        is_inverse=bool(market.get("inverse")),
        is_option=bool(market.get("option")),
        strike=None if strike is None else Decimal(str(strike)),
        is_call=None if kind is None else kind == "call",
        expires_at=None if expiry is None else datetime.fromtimestamp(int(expiry) / 1000, UTC),
    )
