"""A Bybit unified account kept by the venue's rules: cross, isolated and portfolio margin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Category = Literal["linear", "inverse", "option"]
Mode = Literal["REGULAR_MARGIN", "ISOLATED_MARGIN", "PORTFOLIO_MARGIN"]
ZERO = Decimal(0)
ONE = Decimal(1)
LISTED_MS = 1_585_526_400_000
OPTION_MM_RATE = Decimal("0.03")  # of the underlying, for a short option, on top of its mark
LOAN_MM_RATE = Decimal("0.04")
GRID = tuple(Decimal(n) / 100 for n in range(-10, 11, 2))
CONTINGENCY = Decimal("0.0005")  # of gross notional, in portfolio margin


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimit:
    number: int
    cap: Decimal
    rate: Decimal
    deduction: Decimal
    max_leverage: Decimal


def risk_limits(step: int, *rates: str) -> tuple[RiskLimit, ...]:
    """Tiers `step` wide in settle coin; deductions keep the margin continuous."""
    made: list[RiskLimit] = []
    below = deduction = ZERO
    for number, text in enumerate(rates, start=1):
        rate = Decimal(text)
        deduction += step * (number - 1) * (rate - below)
        leverage = (1 / (rate * 2)).quantize(Decimal("0.01"))
        made.append(
            RiskLimit(number=number, cap=Decimal(step * number), rate=rate, deduction=deduction, max_leverage=leverage)
        )
        below = rate
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    symbol: str
    category: Category
    base: str
    quote: str
    settle: str
    limits: tuple[RiskLimit, ...] = ()
    tick: str = "0.10"
    step: str = "0.001"

    @property
    def is_inverse(self) -> bool:
        return self.category == "inverse"

    def value(self, size: Decimal, price: Decimal) -> Decimal:
        """Unsigned, in settle coin."""
        return size / price if self.is_inverse else size * price

    def limit(self, value: Decimal) -> RiskLimit:
        return next((limit for limit in self.limits if value <= limit.cap), self.limits[-1])


_MAJOR = risk_limits(2_000_000, "0.005", "0.0056", "0.0063", "0.0067", "0.0071")
_MINOR = risk_limits(200_000, "0.01", "0.015", "0.02")
_COINS = risk_limits(150, "0.005", "0.01", "0.015")
CONTRACTS: tuple[Contract, ...] = (
    Contract(symbol="BTCUSDT", category="linear", base="BTC", quote="USDT", settle="USDT", limits=_MAJOR),
    Contract(symbol="ETHUSDT", category="linear", base="ETH", quote="USDT", settle="USDT", limits=_MAJOR, step="0.01"),
    Contract(symbol="SOLUSDT", category="linear", base="SOL", quote="USDT", settle="USDT", limits=_MINOR, step="0.1"),
    Contract(symbol="BTCPERP", category="linear", base="BTC", quote="USDC", settle="USDC", limits=_MAJOR),
    Contract(symbol="ETHPERP", category="linear", base="ETH", quote="USDC", settle="USDC", limits=_MAJOR, step="0.01"),
    Contract(symbol="BTCUSD", category="inverse", base="BTC", quote="USD", settle="BTC", limits=_COINS, step="1"),
    Contract(symbol="ETHUSD", category="inverse", base="ETH", quote="USD", settle="ETH", limits=_COINS, step="1"),
    Contract(symbol="BTC-25JUN27-80000-C", category="option", base="BTC", quote="USDC", settle="USDC", step="0.01"),
    Contract(symbol="BTC-25JUN27-50000-P", category="option", base="BTC", quote="USDC", settle="USDC", step="0.01"),
)
COINS = ("USDT", "USDC", "BTC", "ETH", "SOL")
STABLES = ("USDT", "USDC")


@dataclass(slots=True)
class BybitMarket:
    """Marks and dollar prices, shared by all accounts of the server."""

    contracts: dict[str, Contract] = field(default_factory=lambda: {c.symbol: c for c in CONTRACTS})
    coin_prices: dict[str, Decimal] = field(
        default_factory=lambda: {
            "USDT": ONE,
            "USDC": ONE,
            "BTC": Decimal(60_000),
            "ETH": Decimal(3_000),
            "SOL": Decimal(150),
        }
    )
    collateral_ratios: dict[str, Decimal] = field(
        default_factory=lambda: {
            "USDT": ONE,
            "USDC": ONE,
            "BTC": Decimal("0.95"),
            "ETH": Decimal("0.9"),
            "SOL": Decimal("0.85"),
        }
    )
    marks: dict[str, Decimal] = field(default_factory=dict)

    def mark(self, symbol: str) -> Decimal:
        if symbol in self.marks:
            return self.marks[symbol]
        contract = self.contracts[symbol]
        price = self.coin_prices[contract.base]
        return price / 50 if contract.category == "option" else price

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Mark one contract; `BTCUSDT` and the like move the coin itself with them."""
        contract = self.contracts[symbol]
        self.marks[symbol] = price
        if contract.settle == "USDT":
            self.coin_prices[contract.base] = price


@dataclass(slots=True, kw_only=True)
class BybitPosition:
    contract: Contract
    side: Literal["Buy", "Sell"]
    size: Decimal  # coins; dollars when inverse
    entry_price: Decimal
    leverage: Decimal
    margin: Decimal  # set aside for it, in settle coin; what isolated mode can lose
    index: int = 0
    updated_ms: int = LISTED_MS

    @property
    def sign(self) -> int:
        return 1 if self.side == "Buy" else -1

    def pnl_at(self, price: Decimal) -> Decimal:
        if self.contract.is_inverse:
            return self.sign * self.size * (1 / self.entry_price - 1 / price)
        return self.sign * self.size * (price - self.entry_price)


@dataclass(frozen=True, slots=True)
class BybitLiquidation:
    at_ms: int
    symbol: str
    price: Decimal


@dataclass(slots=True)
class BybitAccount:
    """One unified account; `wallets` include what isolated positions have set aside."""

    market: BybitMarket
    wallets: dict[str, Decimal]
    mode: Mode = "REGULAR_MARGIN"
    loans: dict[str, Decimal] = field(default_factory=dict)
    not_collateral: set[str] = field(default_factory=set)
    haircut_loss: Decimal = ZERO  # of open spot orders, dollars
    orders_mm: Decimal = ZERO  # of open derivative orders, dollars
    liquidates: bool = True
    positions: list[BybitPosition] = field(default_factory=list)
    liquidations: list[BybitLiquidation] = field(default_factory=list)

    def open(
        self,
        symbol: str,
        size: Decimal,
        entry_price: Decimal | None = None,
        *,
        leverage: Decimal = Decimal(10),
        added_margin: Decimal = ZERO,
        index: int = 0,
    ) -> BybitPosition:
        """A negative size is a short; `index` is 1 or 2 in hedge mode."""
        contract = self.market.contracts[symbol]
        entry = self.market.mark(symbol) if entry_price is None else entry_price
        position = BybitPosition(
            contract=contract,
            side="Buy" if size > 0 else "Sell",
            size=abs(size),
            entry_price=entry,
            leverage=leverage,
            margin=contract.value(abs(size), entry) / leverage + added_margin,
            index=index,
        )
        self.positions.append(position)
        return position

    # -- one position, in its settle coin

    def mark(self, position: BybitPosition) -> Decimal:
        return self.market.mark(position.contract.symbol)

    def value(self, position: BybitPosition) -> Decimal:
        return position.contract.value(position.size, self.mark(position))

    def pnl(self, position: BybitPosition) -> Decimal:
        return position.pnl_at(self.mark(position))

    def maintenance_margin_of(self, position: BybitPosition) -> Decimal:
        if position.contract.category == "option":
            spot = self.market.coin_prices[position.contract.base]
            short = position.side == "Sell"
            return position.size * (OPTION_MM_RATE * spot + self.mark(position)) if short else ZERO
        value = self.value(position)
        limit = position.contract.limit(value)
        return value * limit.rate - limit.deduction

    def initial_margin_of(self, position: BybitPosition) -> Decimal:
        if position.contract.category == "option":
            return self.maintenance_margin_of(position) * 2
        return self.value(position) / position.leverage

    # -- one coin

    def coins(self) -> list[str]:
        held = (p.contract.settle for p in self.positions)
        return list(dict.fromkeys([*self.wallets, *self.loans, *held]))

    def perp_pnl(self, coin: str) -> Decimal:
        return sum((self.pnl(p) for p in self._settled_in(coin) if p.contract.category != "option"), ZERO)

    def option_value(self, coin: str) -> Decimal:
        return sum((p.sign * self.value(p) for p in self._settled_in(coin) if p.contract.category == "option"), ZERO)

    def coin_equity(self, coin: str) -> Decimal:
        return self.wallets.get(coin, ZERO) + self.perp_pnl(coin) + self.option_value(coin)

    def collateral_rate(self, coin: str) -> Decimal:
        """Dollars that one unit of this coin's balance adds to the margin balance."""
        price = self.market.coin_prices[coin]
        if self.wallets.get(coin, ZERO) + self.perp_pnl(coin) < 0:
            return price
        return ZERO if coin in self.not_collateral else price * self.market.collateral_ratios[coin]

    # -- the account, in dollars

    @property
    def equity(self) -> Decimal:
        return self._dollars((coin, self.coin_equity(coin)) for coin in self.coins())

    @property
    def wallet_value(self) -> Decimal:
        return sum((self.wallets.get(c, ZERO) * self.collateral_rate(c) for c in self.coins()), ZERO)

    @property
    def perp_value(self) -> Decimal:
        return sum((self.perp_pnl(c) * self.collateral_rate(c) for c in self.coins()), ZERO)

    @property
    def margin_balance(self) -> Decimal:
        return self.wallet_value + self.perp_value

    @property
    def maintenance_margin(self) -> Decimal:
        loans = self._dollars(self.loans.items()) * LOAN_MM_RATE
        if self.mode == "PORTFOLIO_MARGIN":
            return loans + sum((self.asset_mm(base) for base in self.bases()), ZERO)
        held = self._dollars((p.contract.settle, self.maintenance_margin_of(p)) for p in self.positions)
        return held + self.orders_mm + loans

    @property
    def initial_margin(self) -> Decimal:
        if self.mode == "PORTFOLIO_MARGIN":
            return self.maintenance_margin * Decimal("1.2")
        return self._dollars((p.contract.settle, self.initial_margin_of(p)) for p in self.positions)

    @property
    def backing(self) -> Decimal:
        """What the maintenance margin is measured against."""
        if self.mode == "PORTFOLIO_MARGIN":
            return self.equity
        return self.margin_balance - self.haircut_loss

    @property
    def margin_ratio(self) -> Decimal:
        """Of the whole account; meaningless in isolated mode."""
        return _ratio(self.maintenance_margin, self.backing)

    def isolated_ratio(self, position: BybitPosition) -> Decimal:
        return _ratio(self.maintenance_margin_of(position), position.margin + self.pnl(position))

    # -- portfolio margin

    def bases(self) -> list[str]:
        return list(dict.fromkeys(p.contract.base for p in self.positions))

    def grid_pnl(self, position: BybitPosition, move: Decimal) -> Decimal:
        """Dollars won when the underlying moves; options by a delta of one half."""
        mark = self.mark(position)
        price = self.market.coin_prices[position.contract.settle]
        if position.contract.category == "option":
            spot = self.market.coin_prices[position.contract.base]
            delta = Decimal("0.5") if position.contract.symbol.endswith("C") else Decimal("-0.5")
            return position.sign * position.size * delta * spot * move * price
        return (position.pnl_at(mark * (1 + move)) - position.pnl_at(mark)) * price

    def asset_mm(self, base: str) -> Decimal:
        """Worst loss over the price grid, plus a contingency on the gross value."""
        mine = [p for p in self.positions if p.contract.base == base]
        worst = min(sum((self.grid_pnl(p, move) for p in mine), ZERO) for move in GRID)
        gross = self._dollars((p.contract.settle, self.value(p)) for p in mine)
        return max(ZERO, -worst) + CONTINGENCY * gross

    # -- liquidation

    def liquidation_price(self, position: BybitPosition) -> Decimal | None:
        """Exact when isolated; in cross mode as if only this contract moved. None when there is none."""
        if self.mode == "PORTFOLIO_MARGIN" or position.contract.category == "option":
            return None
        if self.mode == "ISOLATED_MARGIN":
            spare = position.margin + self.pnl(position)
        else:
            dollars = self.market.coin_prices[position.contract.settle]
            spare = (self.backing - self.maintenance_margin) / dollars + self.maintenance_margin_of(position)
        price = self.mark(position)
        for _ in position.contract.limits:
            limit = position.contract.limit(position.contract.value(position.size, price))
            price = _breach(position, spare, self.mark(position), limit)
            if price <= 0:
                return None
        return price

    def settle(self, at_ms: int) -> None:
        """Liquidate what has reached its maintenance margin."""
        if not self.liquidates or not self.positions:
            return
        if self.mode == "ISOLATED_MARGIN":
            for position in [p for p in self.positions if self.isolated_ratio(p) >= 1]:
                self._lose(position, at_ms)
                self.wallets[position.contract.settle] -= position.margin
        elif self.margin_ratio >= 1:
            for position in list(self.positions):
                self._lose(position, at_ms)
            self.wallets = dict.fromkeys(self.wallets, ZERO)

    # -- inside

    def _lose(self, position: BybitPosition, at_ms: int) -> None:
        self.positions = [p for p in self.positions if p is not position]
        self.liquidations.append(BybitLiquidation(at_ms, position.contract.symbol, self.mark(position)))

    def _settled_in(self, coin: str) -> list[BybitPosition]:
        return [p for p in self.positions if p.contract.settle == coin]

    def _dollars(self, amounts: Iterable[tuple[str, Decimal]]) -> Decimal:
        return sum((amount * self.market.coin_prices[coin] for coin, amount in amounts), ZERO)


def _ratio(needed: Decimal, equity: Decimal) -> Decimal:
    if needed == 0:
        return ZERO
    return needed / equity if equity > 0 else Decimal("Infinity")


def _breach(position: BybitPosition, spare: Decimal, mark: Decimal, limit: RiskLimit) -> Decimal:
    """Price where `spare` (its equity at the mark) shrinks to its maintenance margin; 0 or less if none."""
    size, sign = position.size, position.sign
    if position.contract.is_inverse:
        divisor = spare + sign * size / mark + limit.deduction
        return size * (sign + limit.rate) / divisor if divisor else ZERO
    return (sign * size * mark - spare - limit.deduction) / (sign * size - limit.rate * size)
