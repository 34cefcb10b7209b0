"""What a Hyperliquid account is worth and when it is liquidated, by Hyperliquid's own rules.

The maintenance rate is half the initial rate at the coin's greatest leverage, whatever leverage the
trader chose; larger positions pay the rate of their tier on the part above it. Each dex has a cross
pool of its own and each isolated position stands alone. A unified account backs the cross pools of
all dexes with its spot balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

Abstraction = Literal["default", "disabled", "dexAbstraction", "unifiedAccount", "portfolioMargin"]
D = Decimal
ZERO = D(0)
INFINITY = D("Infinity")
PORTFOLIO_TRIGGER = D("0.95")


@dataclass(frozen=True, slots=True)
class Tier:
    """From `lower_bound` USD of notional on, the greatest leverage is `max_leverage`."""

    lower_bound: Decimal
    max_leverage: int

    @property
    def rate(self) -> Decimal:
        return 1 / D(2 * self.max_leverage)


@dataclass(frozen=True, slots=True)
class Coin:
    """A perpetual; one of a builder's dex is named "dex:COIN"."""

    name: str
    size_decimals: int
    table: int
    tiers: tuple[Tier, ...]
    only_isolated: bool = False

    @property
    def dex(self) -> str:
        return self.name.partition(":")[0] if ":" in self.name else ""

    @property
    def max_leverage(self) -> int:
        return self.tiers[0].max_leverage

    def maintenance(self, notional: Decimal) -> tuple[Decimal, Decimal]:
        """(rate, deduction) of the tier, so that the requirement has no step at its bound."""
        rate, deduction = self.tiers[0].rate, ZERO
        for tier in self.tiers[1:]:
            if notional < tier.lower_bound:
                break
            deduction += tier.lower_bound * (tier.rate - rate)
            rate = tier.rate
        return rate, deduction


COINS = (
    Coin("BTC", 5, 56, (Tier(ZERO, 40), Tier(D(150_000_000), 20))),
    Coin("ETH", 4, 55, (Tier(ZERO, 25), Tier(D(100_000_000), 15))),
    Coin("SOL", 2, 54, (Tier(ZERO, 20), Tier(D(70_000_000), 10))),
    Coin("HYPE", 2, 52, (Tier(ZERO, 10), Tier(D(20_000_000), 5))),
    Coin("xyz:XYZ100", 4, 25, (Tier(ZERO, 25),)),
    Coin("xyz:TSLA", 3, 10, (Tier(ZERO, 10),), only_isolated=True),
)
DEXES = ("", "xyz")


class HyperliquidMarket:
    """Mark prices in USDC, by coin."""

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        self.coins = {coin.name: coin for coin in COINS}
        self._marks = dict(prices)

    def set_price(self, coin: str, price: Decimal) -> None:
        self._marks[coin] = price

    def mark(self, coin: str) -> Decimal:
        return self._marks[coin]

    def spot(self, token: str) -> Decimal:
        return D(1) if token == "USDC" else self._marks.get(token.removeprefix("U"), ZERO)


@dataclass(slots=True, kw_only=True)
class HyperliquidPosition:
    coin: str
    size: Decimal  # negative when short
    entry_price: Decimal
    leverage: int = 10
    isolated: bool = False
    margin: Decimal | None = None  # isolated: USDC put in at entry; None: the notional / leverage


@dataclass(kw_only=True)
class HyperliquidAccount:
    """One address. In the modes that pool, USDC lies in `spot` and `cash` is not read."""

    address: str = "0x00000000000000000000000000000000000000a1"
    abstraction: Abstraction = "disabled"
    cash: dict[str, Decimal] = field(default_factory=lambda: {"": D(10000)})  # by dex, beside isolated margins
    spot: dict[str, Decimal] = field(default_factory=dict)
    positions: list[HyperliquidPosition] = field(default_factory=list)
    sub_accounts: list[HyperliquidAccount] = field(default_factory=list)
    name: str = "main"

    @property
    def pooled(self) -> bool:
        return self.abstraction in ("unifiedAccount", "portfolioMargin")


@dataclass(frozen=True, slots=True)
class Held:
    """A position at the present mark, in USDC."""

    position: HyperliquidPosition
    coin: Coin
    mark: Decimal
    value: Decimal  # absolute
    upl: Decimal
    rate: Decimal
    deduction: Decimal
    margin_used: Decimal  # isolated: what backs it; cross: initial margin
    raw_usd: Decimal  # isolated only: cash beside the position

    @property
    def mm(self) -> Decimal:
        return self.value * self.rate - self.deduction


@dataclass(frozen=True, slots=True)
class Pool:
    """What is liquidated as a unit."""

    equity: Decimal
    mm: Decimal

    @property
    def canonical(self) -> Decimal:
        if not self.mm:
            return ZERO
        return self.mm / self.equity if self.equity > 0 else INFINITY


class HyperliquidBook:
    """An account valued at the market's present prices."""

    def __init__(self, account: HyperliquidAccount, market: HyperliquidMarket) -> None:
        self.account = account
        self.market = market
        self.held = [self._hold(position) for position in account.positions if position.size]

    def rows(self, dex: str) -> list[Held]:
        return [h for h in self.held if h.coin.dex == dex]

    def cross(self, dex: str | None = None) -> list[Held]:
        return [h for h in self.held if not h.position.isolated and dex in (None, h.coin.dex)]

    def isolated_margin(self, dex: str | None = None) -> Decimal:
        rows = (h for h in self.held if h.position.isolated and dex in (None, h.coin.dex))
        return sum((h.margin_used for h in rows), ZERO)

    def spot_total(self, token: str) -> Decimal:
        """A pooled account's USDC carries the profit of its positions and the isolated margins."""
        held = self.account.spot.get(token, ZERO)
        if token == "USDC" and self.account.pooled:
            held += sum((h.upl for h in self.held), ZERO)
        return held

    def cross_value(self, dex: str) -> Decimal:
        """A dex's account value without isolated margins; pooled accounts show what is in use."""
        if self.account.pooled:
            return sum((h.margin_used for h in self.cross(dex)), ZERO)
        return self.account.cash.get(dex, ZERO) + sum((h.upl for h in self.cross(dex)), ZERO)

    def cross_pool(self, dex: str = "") -> Pool:
        if not self.account.pooled:
            return Pool(self.cross_value(dex), sum((h.mm for h in self.cross(dex)), ZERO))
        mm = sum((h.mm for h in self.cross()), ZERO)
        if self.account.abstraction == "portfolioMargin":
            return Pool(self.collateral() * PORTFOLIO_TRIGGER, mm)
        return Pool(self.spot_total("USDC") - self.isolated_margin(), mm)

    def collateral(self) -> Decimal:
        """Portfolio margin: every spot balance at its price, isolated margins left out."""
        tokens = {"USDC", *self.account.spot}
        total = sum((self.spot_total(token) * self.market.spot(token) for token in tokens), ZERO)
        return total - self.isolated_margin()

    def pool_of(self, held: Held) -> Pool:
        return Pool(held.margin_used, held.mm) if held.position.isolated else self.cross_pool(held.coin.dex)

    def margin_ratio(self, pool: str) -> Decimal:
        """Of "cross", of a builder's dex "cross:xyz", or of "isolated:ETH"."""
        kind, _, name = pool.partition(":")
        if kind == "cross":
            return self.cross_pool(name).canonical
        rows = {h.coin.name: h for h in self.held if h.position.isolated}
        return self.pool_of(rows[name]).canonical

    def liquidation_price(self, held: Held) -> Decimal | None:
        """The mark at which the pool's ratio is 1 while every other coin stands still."""
        pool, size = self.pool_of(held), held.position.size
        slope = size - held.rate * abs(size)
        if not slope:
            return None
        price = (pool.mm - held.mm - held.deduction - pool.equity + size * held.mark) / slope
        return price if price > 0 else None

    def _hold(self, position: HyperliquidPosition) -> Held:
        coin, mark = self.market.coins[position.coin], self.market.mark(position.coin)
        value = abs(position.size) * mark
        rate, deduction = coin.maintenance(value)
        upl = position.size * (mark - position.entry_price)
        margin_used, raw_usd = value / position.leverage, ZERO
        if position.isolated:
            at_entry = abs(position.size) * position.entry_price
            put_in = at_entry / position.leverage if position.margin is None else position.margin
            raw_usd = put_in - position.size * position.entry_price
            margin_used = put_in + upl
        return Held(
            position=position,
            coin=coin,
            mark=mark,
            value=value,
            upl=upl,
            rate=rate,
            deduction=deduction,
            margin_used=margin_used,
            raw_usd=raw_usd,
        )
