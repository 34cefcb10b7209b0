"""The prices at which an account is liquidated: one underlying alone, all together, or a peg that breaks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from marginbot.domain.margin import Pool, PoolState, Position, Snapshot
from marginbot.domain.report import judged
from marginbot.domain.room import MARKET, Scenario, room_of
from marginbot.domain.whatif import Basis, stable_part

AGREES = 0.01  # relative: within this, the venue's own price is the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to the trigger. Moves are fractions; prices are None where the underlying has no mark here."""

    name: str  # an underlying, or MARKET
    down: float | None
    up: float | None
    mark: Decimal | None = None
    venue_price: Decimal | None = None  # the venue's own liquidation price, where one position decides

    @property
    def nearest(self) -> float:
        """How near the nearer end is; infinite where neither is reached."""
        return min((abs(move) for move in (self.down, self.up) if move is not None), default=float("inf"))

    def price(self, move: float | None) -> float | None:
        """The price at a move."""
        return None if move is None or self.mark is None else float(self.mark) * (1 + move)

    @property
    def disagrees(self) -> bool:
        """Whether the venue names a price that is another one."""
        if self.venue_price is None:
            return False
        ours = [price for price in map(self.price, (self.down, self.up)) if price is not None]
        theirs = float(self.venue_price)
        return all(abs(price - theirs) > AGREES * theirs for price in ours)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolMap:
    """A pool's ways to the trigger, the nearest first; `peg`: so far its largest stablecoin has to fall, in dollars."""

    name: str
    currency: str
    state: PoolState
    ways: tuple[Way, ...] = ()
    together: Way | None = None
    peg: float | None = None  # None: no fall of it is enough, or its ratio does not feel it
    pegged: str = ""  # which that is: "USDT"; "stablecoins" where the venue does not tell
    notes: tuple[str, ...] = ()


def liquidation_map(snapshot: Snapshot, basis: Basis) -> tuple[PoolMap, ...]:
    """The map of every pool that holds something, the nearest trigger first."""
    maps = [_map(judged(pool), basis) for pool in snapshot.pools if pool.state is not PoolState.FLAT]
    return tuple(sorted(maps, key=_nearest))


def _nearest(found: PoolMap) -> float:
    if found.state is not PoolState.OK:
        return 0.0
    ways = [*found.ways, *([found.together] if found.together else [])]
    return min((way.nearest for way in ways), default=float("inf"))


def _map(pool: Pool, basis: Basis) -> PoolMap:
    if pool.state is not PoolState.OK:
        return PoolMap(name=pool.name, currency=pool.currency, state=pool.state)
    rooms = room_of(pool, basis.volatilities, basis.now)
    ways = [_way(scenario, pool) for scenario in rooms.scenarios if scenario.name != MARKET]
    together = next((_way(s, pool) for s in rooms.scenarios if s.name == MARKET), None)
    pegged, peg = _peg(pool)
    return PoolMap(
        name=pool.name,
        currency=pool.currency,
        state=pool.state,
        ways=tuple(sorted(ways, key=lambda way: way.nearest)),
        together=together,
        peg=peg,
        pegged=pegged,
        notes=rooms.notes,
    )


def _way(scenario: Scenario, pool: Pool) -> Way:
    held = [position for position in pool.positions if position.underlying == scenario.name]
    largest = max(held, key=lambda position: position.notional or Decimal(0), default=None)
    return Way(
        name=scenario.name,
        down=scenario.down,
        up=scenario.up,
        mark=_mark(largest),
        venue_price=largest.liquidation_price if largest is not None and len(held) == 1 else None,
    )


def _mark(position: Position | None) -> Decimal | None:
    """The price of the underlying: an option's own mark is none."""
    if position is None:
        return None
    return position.option.underlying_price if position.option else position.mark_price


def _peg(pool: Pool) -> tuple[str, float | None]:
    """Which stablecoin backs a pool, and the dollar price of it at which equity only just covers the requirement."""
    listed = [coin for coin in pool.stables if coin.asset != pool.currency and coin.value > 0]
    if listed:
        largest = max(listed, key=lambda coin: coin.value)
        name, held = largest.asset, float(largest.value)
    else:
        name, held = "stablecoins", stable_part(pool) if pool.currency == "USD" else 0.0
    if pool.buffer is None or held <= 0:
        return "", None
    price = 1 - float(pool.buffer) / held
    return name, price if price > 0 else None
