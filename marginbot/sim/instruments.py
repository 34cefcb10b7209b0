"""What the simulated exchange lists: contracts with their leverage brackets, prices, asset indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal

CENT8 = Decimal("0.00000001")
LISTED_MS = 1_569_398_400_000  # also the `updateTime` of everything older than the simulation


def truncated(amount: Decimal) -> Decimal:
    """An amount as the venue keeps it: eight decimals, the rest cut off."""
    return amount.quantize(CENT8, rounding=ROUND_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """One leverage tier: maintenance margin is `rate` of the notional, less `deduction`."""

    number: int
    floor: Decimal
    cap: Decimal
    rate: Decimal
    deduction: Decimal
    max_leverage: int

    def maintenance_margin(self, notional: Decimal) -> Decimal:
        return truncated(notional * self.rate - self.deduction)


def brackets(*tiers: tuple[int, str, int]) -> tuple[Bracket, ...]:
    """Brackets from (cap, rate, leverage); deductions keep the margin continuous over each cap."""
    made: list[Bracket] = []
    floor = rate_below = deduction = Decimal(0)
    for number, (cap, rate_text, leverage) in enumerate(tiers, start=1):
        rate = Decimal(rate_text)
        deduction += floor * (rate - rate_below)
        made.append(
            Bracket(
                number=number,
                floor=floor,
                cap=Decimal(cap),
                rate=rate,
                deduction=deduction,
                max_leverage=leverage,
            )
        )
        floor, rate_below = Decimal(cap), rate
    return tuple(made)


_MAJOR = brackets(
    (50_000, "0.004", 125),
    (600_000, "0.005", 100),
    (3_000_000, "0.0065", 75),
    (12_000_000, "0.01", 50),
    (70_000_000, "0.02", 25),
    (100_000_000, "0.025", 20),
    (230_000_000, "0.05", 10),
    (480_000_000, "0.1", 5),
    (600_000_000, "0.125", 4),
    (800_000_000, "0.15", 3),
    (1_200_000_000, "0.25", 2),
    (1_800_000_000, "0.5", 1),
)
_LARGE = brackets(
    (20_000, "0.005", 100),
    (100_000, "0.0065", 75),
    (800_000, "0.01", 50),
    (4_000_000, "0.02", 25),
    (8_000_000, "0.025", 20),
    (40_000_000, "0.05", 10),
    (80_000_000, "0.1", 5),
    (100_000_000, "0.125", 4),
    (200_000_000, "0.25", 2),
    (400_000_000, "0.5", 1),
)
_SMALL = brackets(
    (5_000, "0.006", 75),
    (25_000, "0.01", 50),
    (80_000, "0.015", 40),
    (400_000, "0.025", 20),
    (800_000, "0.05", 10),
    (2_000_000, "0.1", 5),
    (5_000_000, "0.25", 2),
    (10_000_000, "0.5", 1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One linear perpetual contract of size 1."""

    symbol: str
    base: str
    margin_asset: str
    tick: Decimal
    step: Decimal
    min_notional: Decimal
    brackets: tuple[Bracket, ...]
    first_price: Decimal

    def bracket(self, notional: Decimal) -> Bracket:
        """The tier of this notional; a boundary opens the next tier."""
        for bracket in self.brackets:
            if notional < bracket.cap:
                return bracket
        return self.brackets[-1]

    def maintenance_margin(self, notional: Decimal) -> Decimal:
        return self.bracket(notional).maintenance_margin(notional)


def _perpetual(
    base: str, asset: str, tick: str, step: str, minimum: int, tiers: tuple[Bracket, ...], price: str
) -> Instrument:
    return Instrument(
        symbol=base + asset,
        base=base,
        margin_asset=asset,
        tick=Decimal(tick),
        step=Decimal(step),
        min_notional=Decimal(minimum),
        brackets=tiers,
        first_price=Decimal(price),
    )


INSTRUMENTS: Mapping[str, Instrument] = {
    listed.symbol: listed
    for listed in (
        _perpetual("BTC", "USDT", "0.10", "0.001", 100, _MAJOR, "60000"),
        _perpetual("ETH", "USDT", "0.01", "0.001", 20, _MAJOR, "3000"),
        _perpetual("SOL", "USDT", "0.0100", "0.01", 5, _LARGE, "150"),
        _perpetual("WLD", "USDT", "0.0001000", "1", 5, _SMALL, "2.3"),
        _perpetual("BTC", "USDC", "0.1", "0.001", 100, _MAJOR, "60000"),
        _perpetual("ETH", "USDC", "0.01", "0.001", 20, _MAJOR, "3000"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetIndex:
    """US dollar price of a margin asset, with the buffers that make collateral count for less."""

    index: Decimal
    bid_buffer: Decimal
    ask_buffer: Decimal

    @property
    def bid_rate(self) -> Decimal:
        """What a positive balance counts for."""
        return truncated(self.index * (1 - self.bid_buffer))

    @property
    def ask_rate(self) -> Decimal:
        """What a negative balance or a requirement costs."""
        return truncated(self.index * (1 + self.ask_buffer))


_STABLE_BUFFER = Decimal("0.0001")
_COIN_BUFFERS: Mapping[str, Decimal] = {
    "USDT": _STABLE_BUFFER,
    "USDC": _STABLE_BUFFER,
    "FDUSD": _STABLE_BUFFER,
    "BTC": Decimal("0.05"),
    "ETH": Decimal("0.05"),
    "BNB": Decimal("0.05"),
}
MARGIN_ASSETS = tuple(_COIN_BUFFERS)
_FIRST_INDEX: Mapping[str, Decimal] = {"BNB": Decimal(600)}


@dataclass(slots=True)
class Market:
    """Current mark prices and asset indexes, shared by every account of the exchange."""

    instruments: Mapping[str, Instrument] = field(default_factory=lambda: dict(INSTRUMENTS))
    marks: dict[str, Decimal] = field(default_factory=dict)
    indexes: dict[str, Decimal] = field(default_factory=dict)

    def mark(self, symbol: str) -> Decimal:
        return self.marks.get(symbol, self.instruments[symbol].first_price)

    def set_price(self, symbol: str, price: Decimal) -> None:
        if symbol not in self.instruments:
            raise KeyError(f"{symbol} is not listed")
        if price <= 0:
            raise ValueError(f"{symbol} cannot be marked at {price}")
        self.marks[symbol] = price

    def set_asset_index(self, asset: str, index: Decimal) -> None:
        """Fix an asset's dollar price, e.g. to make a stablecoin lose its peg."""
        self.indexes[asset] = index

    def asset_index(self, asset: str) -> AssetIndex:
        buffer = _COIN_BUFFERS[asset]
        return AssetIndex(index=self._index(asset), bid_buffer=buffer, ask_buffer=buffer)

    def _index(self, asset: str) -> Decimal:
        if asset in self.indexes:
            return self.indexes[asset]
        if asset + "USDT" in self.instruments:
            return truncated(self.mark(asset + "USDT") * self._index("USDT"))
        return _FIRST_INDEX.get(asset, Decimal(1))
