"""Deribit: the coins behind a cross-collateral account, each valued in USD."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from marginbot.domain.margin import Collateral
from marginbot.domain.room import STABLE
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import number, price
from marginbot.exchanges.venues.deribit_positions import Held, Row

EQUITY_TOLERANCE = Decimal("0.05")


def collateral_of(
    summaries: Sequence[Row], held: Sequence[Held], position_rows: Sequence[Row], warnings: list[str]
) -> tuple[Collateral, ...]:
    """Each coin's own equity without its options, in USD at the rate between a row's projection and the totals."""
    entries, valued = [], Decimal(0)
    for row in summaries:
        asset, equity = str(row.get("currency")), number(row, "equity")
        rate = Decimal(1) if asset in STABLE else _dollar_rate(asset, row, position_rows)
        if equity == 0:
            continue
        if equity is None or rate is None:
            warnings.append(f"{asset}: its equity or price is unknown, room leaves its moves out")
            continue
        valued += equity * rate
        if asset not in STABLE:
            value = (equity - _options_value(asset, row, held, warnings)) * rate
            entries.append(Collateral(asset=asset, value=value, per_coin=rate))
    said = next((found for row in summaries if (found := number(row, "total_equity_usd"))), None)
    if said is not None and apart(said, valued, EQUITY_TOLERANCE):
        warnings.append(f"cross: equity is {said:.2f} USD, the currencies add up to {valued:.2f}; room is an estimate")
    return tuple(entries)


def _options_value(asset: str, row: Row, held: Sequence[Held], warnings: list[str]) -> Decimal:
    """Mark value of a coin's options in the coin, by the positions themselves."""
    options = [position for listing, position in held if listing.is_option and listing.settle == asset]
    own = sum((p.side.sign * p.contracts * (p.mark_price or Decimal(0)) for p in options), Decimal(0))
    said = number(row, "options_value")
    if (said is None and options) or (said is not None and apart(said, own, EQUITY_TOLERANCE)):
        warnings.append(f"{asset}: its options are worth {own:f} by their marks, Deribit says {said}")
    return own


def _dollar_rate(asset: str, row: Row, position_rows: Sequence[Row]) -> Decimal | None:
    """The index of a position on the coin; else how the account's balance reads in USD and in the coin."""
    named = (r for r in position_rows if str(r.get("instrument_name")).split("-")[0].split("_")[0] == asset)
    index = next((found for r in named if (found := price(r, "index_price")) is not None), None)
    balance, dollars = price(row, "margin_balance"), price(row, "total_margin_balance_usd")
    if index is None and balance is not None and dollars is not None:
        return dollars / balance
    return index
