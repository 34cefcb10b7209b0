"""A futures account kept by the venue's own rules: pools, maintenance margin, liquidation.

Nothing here is shared with the part of marginbot that judges accounts, so that the two can be
held against each other. Amounts are exact; only what the venue itself cuts to eight decimals is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from marginbot.sim.instruments import LISTED_MS, Bracket, Market
from marginbot.sim.positions import ZERO, Liquidation, Pool, Position, PositionSide


@dataclass(slots=True)
class Account:
    """One futures account.

    `wallets` holds the cross wallet of each margin asset; what isolated positions were given comes
    on top of it. In multi-assets mode all assets back one pool in dollars and nothing is isolated.
    """

    market: Market
    wallets: dict[str, Decimal]
    multi_assets: bool = False
    hedge: bool = False
    liquidates: bool = True
    positions: list[Position] = field(default_factory=list)
    liquidations: list[Liquidation] = field(default_factory=list)
    updated_ms: int = LISTED_MS

    # -- what its owner does

    def open(
        self,
        symbol: str,
        amount: Decimal,
        entry_price: Decimal | None = None,
        *,
        isolated_wallet: Decimal | None = None,
        leverage: int = 20,
    ) -> Position:
        """Open `amount` contracts (negative: short), at the mark price unless told otherwise."""
        side = self._side_of(amount)
        if amount == 0:
            raise ValueError("a position needs an amount")
        if isolated_wallet is not None and self.multi_assets:
            raise ValueError("multi-assets mode has cross margin only")
        if any(p.symbol == symbol and p.position_side == side for p in self.positions):
            raise ValueError(f"{symbol} {side} is open already")
        position = Position(
            instrument=self.market.instruments[symbol],
            amount=amount,
            entry_price=self.market.mark(symbol) if entry_price is None else entry_price,
            position_side=side,
            isolated_wallet=isolated_wallet,
            leverage=leverage,
        )
        self.positions.append(position)
        return position

    def close(self, position: Position) -> None:
        """Close at the mark price; its profit and its isolated wallet go to the cross wallet."""
        freed = self.unrealized_pnl(position) + (position.isolated_wallet or ZERO)
        self.positions.remove(position)
        self.deposit(position.asset, freed)

    def deposit(self, asset: str, amount: Decimal) -> None:
        """Add to the cross wallet; a negative amount is a withdrawal."""
        self.wallets[asset] = self.wallets.get(asset, ZERO) + amount

    # -- one position

    def notional(self, position: Position) -> Decimal:
        """Signed like the amount."""
        return position.amount * self.market.mark(position.symbol)

    def unrealized_pnl(self, position: Position) -> Decimal:
        return position.amount * (self.market.mark(position.symbol) - position.entry_price)

    def maintenance_margin_of(self, position: Position) -> Decimal:
        return position.instrument.maintenance_margin(abs(self.notional(position)))

    def initial_margin_of(self, position: Position) -> Decimal:
        return abs(self.notional(position)) / position.leverage

    # -- pools

    def cross_positions(self, asset: str | None = None) -> list[Position]:
        return [p for p in self.positions if p.is_cross and asset in (None, p.asset)]

    def isolated_positions(self, asset: str | None = None) -> list[Position]:
        return [p for p in self.positions if not p.is_cross and asset in (None, p.asset)]

    def cross_equity(self, asset: str) -> Decimal:
        """Cross wallet plus unrealised profit of the cross positions settled in this asset."""
        profit = sum((self.unrealized_pnl(p) for p in self.cross_positions(asset)), ZERO)
        return self.wallets.get(asset, ZERO) + profit

    def asset_rate(self, asset: str) -> Decimal:
        """Dollars per unit of this asset's margin balance in multi-assets mode."""
        index = self.market.asset_index(asset)
        return index.bid_rate if self.cross_equity(asset) >= 0 else index.ask_rate

    def assets(self) -> list[str]:
        """Assets with a wallet or a position, in the order they appeared."""
        return list(dict.fromkeys([*self.wallets, *(p.asset for p in self.positions)]))

    def pools(self) -> list[Pool]:
        """Every pool of the account at current prices, the cross ones first."""
        cross = [self._dollar_pool()] if self.multi_assets else [self._cross_pool(a) for a in self.assets()]
        return cross + [self._isolated_pool(p) for p in self.isolated_positions()]

    def pool(self, name: str) -> Pool:
        for pool in self.pools():
            if pool.name == name:
                return pool
        raise KeyError(name)

    def margin_ratio(self, pool: str) -> Decimal:
        return self.pool(pool).margin_ratio

    def pool_name(self, position: Position) -> str:
        if not position.is_cross:
            return f"isolated:{position.symbol}:{position.position_side}"
        return "cross:USD" if self.multi_assets else f"cross:{position.asset}"

    # -- what the venue does

    def settle(self, at_ms: int, symbol: str, price: Decimal) -> None:
        """Liquidate whatever a tick of `symbol` to `price` has pushed to its maintenance margin."""
        if not self.liquidates:
            return
        for pool in self.pools():
            if pool.margin_ratio >= 1:
                self._liquidate(pool.name, at_ms, symbol, price)

    def liquidation_price(self, position: Position) -> Decimal | None:
        """Mark price of its symbol at which the position's pool is liquidated, others unchanged.

        Legs of one symbol that share a wallet share the price. None when no price does it.
        """
        name = self.pool_name(position)
        group = [p for p in self.positions if p.symbol == position.symbol and self.pool_name(p) == name]
        price = self.market.mark(position.symbol)
        for _ in position.instrument.brackets:
            guess, price = price, self._solve(group, price)
            if price <= 0:
                return None
            if self._terms(group, price) == self._terms(group, guess):
                break
        return price

    # -- inside

    def _side_of(self, amount: Decimal) -> PositionSide:
        if not self.hedge:
            return "BOTH"
        return "LONG" if amount > 0 else "SHORT"

    def _cross_pool(self, asset: str) -> Pool:
        needed = sum((self.maintenance_margin_of(p) for p in self.cross_positions(asset)), ZERO)
        return Pool(
            name=f"cross:{asset}",
            currency=asset,
            equity=self.cross_equity(asset),
            maintenance_margin=needed,
        )

    def _dollar_pool(self) -> Pool:
        needed = sum(
            (self.maintenance_margin_of(p) * self.market.asset_index(p.asset).ask_rate for p in self.positions),
            ZERO,
        )
        equity = sum((self.cross_equity(a) * self.asset_rate(a) for a in self.assets()), ZERO)
        return Pool(name="cross:USD", currency="USD", equity=equity, maintenance_margin=needed)

    def _isolated_pool(self, position: Position) -> Pool:
        return Pool(
            name=self.pool_name(position),
            currency=position.asset,
            equity=(position.isolated_wallet or ZERO) + self.unrealized_pnl(position),
            maintenance_margin=self.maintenance_margin_of(position),
        )

    def _liquidate(self, pool: str, at_ms: int, symbol: str, price: Decimal) -> None:
        lost = [p for p in self.positions if self.pool_name(p) == pool]
        for position in lost:
            self.liquidations.append(
                Liquidation(
                    at_ms=at_ms,
                    pool=pool,
                    symbol=position.symbol,
                    position_side=position.position_side,
                    amount=position.amount,
                    price=price if position.symbol == symbol else self.market.mark(position.symbol),
                )
            )
        self.positions = [p for p in self.positions if p not in lost]
        for asset in self._backing(pool):
            self.wallets[asset] = ZERO
        self.updated_ms = at_ms

    def _backing(self, pool: str) -> Iterable[str]:
        """The cross wallets that are lost with this pool."""
        kind, _, currency = pool.partition(":")
        if kind == "isolated":
            return []
        return list(self.wallets) if self.multi_assets else [currency]

    def _terms(self, group: list[Position], price: Decimal) -> tuple[Decimal, list[Bracket]]:
        """What holds at this price: dollars (or units) per unit of profit, and each leg's bracket."""
        tiers = [p.instrument.bracket(abs(p.amount) * price) for p in group]
        if not self.multi_assets:
            return Decimal(1), tiers
        first = group[0]
        moved = price - self.market.mark(first.symbol)
        equity = self.cross_equity(first.asset) + sum((p.amount * moved for p in group), ZERO)
        index = self.market.asset_index(first.asset)
        return (index.bid_rate if equity >= 0 else index.ask_rate), tiers

    def _solve(self, group: list[Position], guess: Decimal) -> Decimal:
        """Price where equity meets maintenance margin on the terms that hold at `guess`; 0 if none."""
        first = group[0]
        gain, tiers = self._terms(group, guess)
        cost = self.market.asset_index(first.asset).ask_rate if self.multi_assets else Decimal(1)
        pool = self.pool(self.pool_name(first))
        amount = sum((p.amount for p in group), ZERO)
        slope = sum((abs(p.amount) * t.rate for p, t in zip(group, tiers, strict=True)), ZERO)
        deduction = sum((t.deduction for t in tiers), ZERO)
        others = pool.maintenance_margin - cost * sum(map(self.maintenance_margin_of, group), ZERO)
        equity = pool.equity
        if self.multi_assets:
            equity += self.cross_equity(first.asset) * (gain - self.asset_rate(first.asset))
        divisor = gain * amount - cost * slope
        if divisor == 0:
            return ZERO
        at_zero = equity - gain * amount * self.market.mark(first.symbol) - others + cost * deduction
        return -at_zero / divisor
