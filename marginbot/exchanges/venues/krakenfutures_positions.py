"""Kraken Futures' open positions. A row tells size, side and entry; mark prices come from the tickers.

Names: PI_ and FI_ are inverse contracts of one dollar, PF_ and FF_ linear ones of one coin in the multi-collateral
wallet, FV_ futures against bitcoin. `maxFixedLeverage` marks an isolated position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.venue import Instrument, Reference, amount, dig, number, price, rows

Row = Mapping[str, Any]

_NAME = re.compile(r"(?P<kind>[A-Z]{2})_(?P<base>.+?)(?P<quote>USD|XBT|EUR|GBP)(?:_(?P<expiry>\d{6}))?")
_COINS = {"XBT": "BTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A position with the wallet that margins it."""

    position: Position
    wallet: str  # "flex", "fi_xbtusd"
    fixed_leverage: Decimal | None  # set for isolated positions


@dataclass(frozen=True, slots=True)
class Held:
    """All positions, and what was odd about them."""

    legs: tuple[Leg, ...]
    warnings: list[str] = field(default_factory=list)

    @property
    def wallets(self) -> list[str]:
        """Wallets in use."""
        return list(dict.fromkeys(leg.wallet for leg in self.legs))

    def of(self, wallet: str) -> list[Leg]:
        """The positions of a wallet."""
        return [leg for leg in self.legs if leg.wallet == wallet]


def coin(name: str) -> str:
    """Kraken's name of a coin in everybody's."""
    return _COINS.get(name.upper(), name.upper())


def held_positions(accounts: Row, listed: Sequence[Row], tickers: Any, reference: Reference) -> Held:
    """Every open position; those that only a wallet's balances show are added."""
    warnings: list[str] = []
    marks = _marks(tickers, warnings)
    instruments = {name.upper(): instrument for name, instrument in reference.instruments.items()}
    found = []
    for row in [*listed, *_unlisted(accounts, listed, warnings)]:
        name = str(row.get("symbol") or "").upper()
        instrument = instruments.get(name)
        if instrument is None:
            warnings.append(f"{name}: not in the market list, its name was taken apart")
            instrument = _guessed(name)
        levels = reference.tiers.get(instrument.symbol, ())
        leg = _leg(row, name, instrument, mark=marks.get(name), levels=levels, warnings=warnings)
        if leg is not None:
            found.append(leg)
    return Held(tuple(found), warnings)


def _marks(tickers: Any, warnings: list[str]) -> dict[str, Decimal]:
    if dig(tickers, "tickers") is None:
        warnings.append("Kraken gave no tickers, so mark prices are missing")
        return {}
    told = {str(row.get("symbol")).upper(): price(row, "markPrice") for row in rows(tickers, "tickers")}
    return {name: mark for name, mark in told.items() if mark is not None}


def _unlisted(accounts: Row, listed: Sequence[Row], warnings: list[str]) -> list[Row]:
    """Contracts among the balances of single-collateral wallets that the list of positions lacks."""
    known = {str(row.get("symbol")).upper() for row in listed}
    found: list[Row] = []
    for wallet in accounts.values():
        balances: Row = (dig(wallet, "balances") or {}) if dig(wallet, "type") == "marginAccount" else {}
        for name in balances:
            size = number(balances, name)
            if size and _NAME.fullmatch(str(name).upper()) and str(name).upper() not in known:
                warnings.append(f"{str(name).upper()}: held in a wallet, but not listed as a position")
                found.append({"symbol": name, "side": "long" if size > 0 else "short", "size": abs(size)})
    return found


def _leg(
    row: Row,
    name: str,
    instrument: Instrument,
    *,
    mark: Decimal | None,
    levels: Sequence[LeverageTier],
    warnings: list[str],
) -> Leg | None:
    size = abs(amount(row, "size"))
    if size == 0:
        return None
    if row.get("side") not in ("long", "short"):
        raise BadPayload(f"the direction of {name} is missing")
    if mark is None:
        warnings.append(f"{instrument.symbol}: no mark price, its value is unknown")
    tiers = _in_pool_units(levels, instrument, mark)
    notional = _value(size * instrument.contract_size, instrument, mark)
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=Side(row["side"]),
        contracts=size,
        notional=notional,
        entry_price=price(row, "price"),
        mark_price=mark,
        maintenance_margin=maintenance_margin(notional, tiers) if tiers and notional is not None else None,
        coin_settled=instrument.is_inverse,
        tiers=tiers,
    )
    wallet = f"fi_{name.split('_')[1].lower()}" if name[:2] in ("PI", "FI") else "flex"
    wallet = f"fv_{name.split('_')[1].lower()}" if name[:2] in ("PV", "FV") else wallet
    return Leg(position=position, wallet=wallet, fixed_leverage=price(row, "maxFixedLeverage"))


def _value(size: Decimal, instrument: Instrument, mark: Decimal | None) -> Decimal | None:
    if mark is None:
        return None
    return size / mark if instrument.is_inverse else size * mark


def _in_pool_units(
    levels: Sequence[LeverageTier], instrument: Instrument, mark: Decimal | None
) -> tuple[LeverageTier, ...]:
    """Levels bounded in dollars, in the currency of the pool."""
    if not instrument.is_inverse:
        return tuple(levels)
    if mark is None:
        return ()
    return tuple(
        LeverageTier(tier.floor / mark, None if tier.cap is None else tier.cap / mark, tier.maintenance_margin_rate)
        for tier in levels
    )


def _guessed(name: str) -> Instrument:
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise BadPayload("a contract with a name of a form we do not know")
    base, quote = coin(parts["base"]), coin(parts["quote"])
    settle = base if parts["kind"] in ("PI", "FI") else quote
    expiry = f"-{parts['expiry']}" if parts["expiry"] else ""
    return Instrument(
        symbol=f"{base}/{quote}:{settle}{expiry}",
        underlying=base,
        settle=settle,
        contract_size=Decimal(1),
        is_inverse=settle == base,
    )
