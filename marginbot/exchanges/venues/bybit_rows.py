"""Bybit's coins and positions, read from its rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Option, Side
from marginbot.domain.report import RATIO_TOLERANCE
from marginbot.domain.room import STABLE
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Instrument, Reference, amount, dig, number, price, rows, total

Row = Mapping[str, Any]

_OPTION = re.compile(
    r"(?P<base>[A-Z0-9]+)-(?P<day>\d{1,2}[A-Z]{3}\d{2})-(?P<strike>[\d.]+)-(?P<kind>[CP])(?:-(?P<settle>\w+))?"
)
_SIDES = {"Buy": Side.LONG, "Sell": Side.SHORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    """One coin of the wallet."""

    name: str
    equity: Decimal | None
    usd: Decimal | None  # of the equity, before any haircut
    is_collateral: bool
    is_borrowed: bool

    @property
    def rate(self) -> Decimal | None:
        """Dollars per coin; a stablecoin whose figures say nothing sensible counts as a dollar."""
        told = self.usd / self.equity if self.equity and self.usd else None
        if self.name in STABLE:
            return told if told is not None and Decimal("0.5") < told < 2 else Decimal(1)
        return told if told is not None and told > 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One open position in its settlement coin, before it is put into a pool."""

    row: Row
    instrument: Instrument
    side: Side
    size: Decimal  # coins; dollars when inverse
    mark: Decimal | None
    tiers: tuple[LeverageTier, ...]
    option: Option | None
    maintenance_margin: Decimal | None  # None: not told, nor to be had from the tiers

    @property
    def symbol(self) -> str:
        """Unified."""
        return self.instrument.symbol

    def value_at(self, at: Decimal) -> Decimal:
        """Notional in the settlement coin; of an option, the value of its underlying."""
        size = self.size * self.instrument.contract_size
        return size / at if self.instrument.is_inverse else size * at

    @property
    def value(self) -> Decimal | None:
        """Notional now. (The venue's own `positionValue` is at the entry price.)"""
        if self.instrument.is_option:
            return None if self.option is None else self.value_at(self.option.underlying_price)
        return None if self.mark is None else self.value_at(self.mark)

    def gain(self, start: Decimal, end: Decimal) -> Decimal:
        """Profit in the settlement coin when the mark goes from `start` to `end`."""
        change = self.value_at(end) - self.value_at(start)
        return change * (-self.side.sign if self.instrument.is_inverse else self.side.sign)


def coins_of(wallet: Row, warnings: list[str]) -> dict[str, Coin]:
    """The wallet by coin; told where its figures do not fit together."""
    coins = {str(row.get("coin")): _coin(row) for row in rows(wallet, "coin")}
    for coin in coins.values():
        if coin.equity and coin.usd and coin.rate != coin.usd / coin.equity:
            warnings.append(f"{coin.name}: Bybit's figures for its amount and its value do not fit together")
    added, told = total(coin.usd for coin in coins.values()), number(wallet, "totalEquity")
    if coins and added is not None and told is not None and apart(added, told):
        warnings.append("Bybit's total equity is not the sum of its coins")
    return coins


def _coin(row: Row) -> Coin:
    borrowed = [number(row, name) for name in ("borrowAmount", "spotBorrow")]
    return Coin(
        name=str(row.get("coin")),
        equity=number(row, "equity"),
        usd=number(row, "usdValue"),
        is_collateral=bool(row.get("marginCollateral", True)) and bool(row.get("collateralSwitch", True)),
        is_borrowed=any(value is not None and value > 0 for value in borrowed),
    )


def lines_of(positions: Any, tickers: Any, reference: Reference, warnings: list[str]) -> list[Line]:
    """All open positions of all kinds."""
    found = []
    for category in ("linear", "inverse", "option"):
        listed = dig(positions, category)
        if listed is None and category == "option":
            warnings.append("option positions could not be read; the account's own figures include them, room does not")
            continue
        for row in rows(listed):
            if amount(row, "size"):
                found.append(_line(row, category, dig(tickers, str(row.get("symbol"))), reference, warnings))
    return found


def _line(row: Row, category: str, ticker: Any, reference: Reference, warnings: list[str]) -> Line:
    name = str(row.get("symbol"))
    instrument = reference.instruments.get(name)
    if instrument is None:
        warnings.append(f"{name}: not in the market list, its name was taken apart")
        instrument = guessed(name, category)
    side = _SIDES.get(str(row.get("side")))
    if side is None:
        raise BadPayload(f"the side of {name} is missing")
    tiers = reference.tiers.get(instrument.symbol, ())
    line = Line(
        row=row,
        instrument=instrument,
        side=side,
        size=amount(row, "size"),
        mark=price(row, "markPrice"),
        tiers=tiers,
        option=_option(row, instrument, ticker) if instrument.is_option else None,
        maintenance_margin=number(row, "positionMM"),
    )
    if instrument.is_option and line.option is None:
        warnings.append(f"{line.symbol}: the price of its underlying is missing, so room cannot be computed")
    if not _fits_together(line):
        warnings.append(f"{line.symbol}: Bybit's figures for its size, prices and profit do not fit together")
    if row.get("positionStatus") == "Liq":
        warnings.append(f"{line.symbol}: Bybit is liquidating this position now")
    return line


def _fits_together(line: Line) -> bool:
    """Whether value and profit follow from size and prices; contracts in USDC count from the session's price."""
    value, pnl = number(line.row, "positionValue"), number(line.row, "unrealisedPnl")
    entries = [entry for name in ("avgPrice", "entryPrice", "sessionAvgPrice") if (entry := price(line.row, name))]
    if line.mark is None or not entries or line.instrument.is_option:
        return True
    values = [line.value_at(entry) for entry in entries]
    gains = [line.gain(entry, line.mark) for entry in entries]
    worth = value is None or any(not apart(abs(value), own) for own in values)
    allowed = RATIO_TOLERANCE * max(values)
    return worth and (pnl is None or any(abs(pnl - gain) <= allowed for gain in gains))


def requirement_from_tiers(line: Line) -> Decimal | None:
    """Maintenance margin by the risk limits, without the fee for closing."""
    if not line.tiers or line.value is None:
        return None
    return maintenance_margin(line.value, line.tiers)


def _option(row: Row, instrument: Instrument, ticker: Any) -> Option | None:
    underlying = price(ticker, "underlyingPrice", "indexPrice") if isinstance(ticker, dict) else None
    mark = number(row, "markPrice")
    if underlying is None or mark is None or instrument.strike is None or instrument.expires_at is None:
        return None
    return Option(
        is_call=bool(instrument.is_call),
        strike=instrument.strike,
        expires_at=instrument.expires_at,
        underlying_price=underlying,
        mark_usd=mark,
    )


def guessed(name: str, category: str) -> Instrument:
    """An instrument by its name alone: BTCUSDT, BTCPERP, BTCUSD, BTC-25JUN27-80000-C."""
    option = _OPTION.fullmatch(name)
    if option is not None:
        return _guessed_option(name, option)
    stem, _, expiry = name.partition("-")
    if category == "inverse":
        base = stem.split("USD")[0]
        return Instrument(
            symbol=f"{base}/USD:{base}", underlying=base, settle=base, contract_size=Decimal(1), is_inverse=True
        )
    base, settle = (stem.removesuffix("USDT"), "USDT") if stem.endswith("USDT") else (stem.removesuffix("PERP"), "USDC")
    symbol = f"{base}/{settle}:{settle}" + (f"-{expiry}" if expiry else "")
    return Instrument(symbol=symbol, underlying=base, settle=settle, contract_size=Decimal(1))


def _guessed_option(name: str, parts: re.Match[str]) -> Instrument:
    expires_at = datetime.strptime(parts["day"].title() + " 08 +0000", "%d%b%y %H %z").astimezone(UTC)
    return Instrument(
        symbol=name,
        underlying=parts["base"],
        settle=parts["settle"] or "USDC",
        contract_size=Decimal(1),
        is_option=True,
        strike=Decimal(parts["strike"]),
        is_call=parts["kind"] == "C",
        expires_at=expires_at,
    )
