"""What if: a pool after a shock, judged by the code that judges live readings, and where on the way it dies.

Options take the new volatility at once; funding, pegs and prices then go their way together, in proportion, so that
"at 60 % of the move" says how far all of them have come. Prices are in the pool's own currency, so a stablecoin that
loses its peg takes nothing from a pool kept in that stablecoin: requirement and equity shrink alike, in dollars. A
pool kept in dollars (or in another coin) loses what it holds in it, while its requirement stays: the safer error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from marginbot.domain.funding import paid, told
from marginbot.domain.grading import Ladders
from marginbot.domain.margin import MarginMode, Pool, PoolState, Position, Side, Snapshot
from marginbot.domain.options import fit
from marginbot.domain.report import PoolReport, assess, judged
from marginbot.domain.room import STABLE, Revaluation, revaluation
from marginbot.domain.shocks import Shock
from marginbot.domain.shortfall import Target, shortfall
from marginbot.domain.volatility import Volatility

_STEPS = 100  # of the way, each looked at before halving
_HALVINGS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A pool before a shock, and as judged after it; `after` None: it cannot be worked out, and `notes` say why."""

    before: Pool
    after: PoolReport | None
    breaks_at: float | None  # share of the shock at which the trigger is reached; 0: already; None: not reached
    dollars: float = 1.0  # of one unit of its currency, where the shock moves that
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What every what-if is judged by."""

    volatilities: Mapping[str, Volatility]
    ladders: Ladders
    now: datetime
    funding: Mapping[str, float] = field(default_factory=dict)  # announced for eight hours, by unified symbol


def underlyings_of_pool(pool: Pool) -> set[str]:
    """Everything but stablecoins whose price moves this pool."""
    found = {position.underlying for position in pool.positions} | {coin.asset for coin in pool.collateral}
    return found - STABLE


def stressed(snapshot: Snapshot, shock: Shock, basis: Basis) -> tuple[Outcome, ...]:
    """Each pool of an account after the shock, those that die first in front."""
    outcomes = [_outcome(judged(pool), shock, basis) for pool in snapshot.pools]
    return tuple(sorted(outcomes, key=_first_to_die))


def _first_to_die(outcome: Outcome) -> tuple[float, float]:
    ratio = outcome.after.margin_ratio if outcome.after else None
    return 2.0 if outcome.breaks_at is None else outcome.breaks_at, -float(ratio or 0)


def _assessed(pool: Pool, basis: Basis) -> PoolReport:
    alone = Snapshot(exchange="", mode="", taken_at=basis.now, pools=(pool,))
    return assess(alone, basis.volatilities, ladders=basis.ladders, previous={}, now=basis.now).pools[0]


def _outcome(pool: Pool, shock: Shock, basis: Basis) -> Outcome:
    shaken = _shaken(pool, shock, basis)
    if shaken is None:
        return Outcome(before=pool, after=None, breaks_at=None, notes=("equity, requirement or a size is not known",))
    breaks_at = None if pool.state is PoolState.FLAT else shaken.path.breaks_at()
    return Outcome(
        before=pool,
        after=_assessed(shaken.end, basis),
        breaks_at=breaks_at,
        dollars=shock.pegs.get(pool.currency, 1.0),
        notes=tuple(shaken.notes + _caveats(pool, shock)),
    )


@dataclass(frozen=True, slots=True)
class _Shaken:
    """A pool at the end of a shock, and the way there."""

    end: Pool
    path: _Path
    notes: list[str]


def _shaken(pool: Pool, shock: Shock, basis: Basis) -> _Shaken | None:
    if pool.equity is None or pool.maintenance_margin is None or any(p.notional is None for p in pool.positions):
        return None
    start = with_volatility(pool, shock.volatility, basis.now)
    moves = {name: shock.move_of(name) for name in underlyings_of_pool(pool)}
    lost, notes = _lost(start, shock, basis.funding)
    path = _Path(revaluation(start, basis.now), moves, lost)
    return _Shaken(_arrived(start, path, basis.now), path, notes)


def spares_after(snapshot: Snapshot, shock: Shock, basis: Basis) -> dict[str, float]:
    """What each pool of an account can give away after a shock, by name; see `spare_of`."""
    shaken = {pool.name: _shaken(judged(pool), shock, basis) for pool in snapshot.pools}
    return {name: spare_of(found.end, basis) for name, found in shaken.items() if found is not None}


def spare_of(pool: Pool, basis: Basis) -> float:
    """What can leave a pool with both ladders still calm, in its currency; margin of isolated positions stays there."""
    if pool.margin_mode is MarginMode.ISOLATED or pool.equity is None or pool.maintenance_margin is None:
        return 0.0
    if pool.state is PoolState.FLAT:
        return max(0.0, float(pool.equity))
    if pool.state is not PoolState.OK or any(position.notional is None for position in pool.positions):
        return 0.0
    calm = Target(ratio=basis.ladders.ratio[0], cushion=basis.ladders.cushion[0])
    return max(0.0, min(float(pool.equity), -shortfall(pool, calm, basis.volatilities, basis.now).amount))


# -- the way there


@dataclass(frozen=True, slots=True)
class _Path:
    """From here to the end of the shock."""

    revalue: Revaluation
    moves: Mapping[str, float]
    lost: float  # at the end, beside what prices do

    def at(self, share: float) -> tuple[float, float]:
        """Equity and requirement after this share of the way."""
        equity, requirement = self.revalue({name: move * share for name, move in self.moves.items()})
        return equity - self.lost * share, requirement

    def _is_dead(self, share: float) -> bool:
        equity, requirement = self.at(share)
        return equity <= requirement

    def breaks_at(self) -> float | None:
        """The first share of the way at which equity no longer exceeds the requirement."""
        if self._is_dead(0.0):
            return 0.0
        step = next((n for n in range(1, _STEPS + 1) if self._is_dead(n / _STEPS)), None)
        if step is None:
            return None
        safe, dead = (step - 1) / _STEPS, step / _STEPS
        for _ in range(_HALVINGS):
            middle = (safe + dead) / 2
            safe, dead = (safe, middle) if self._is_dead(middle) else (middle, dead)
        return dead


def _arrived(pool: Pool, path: _Path, now: datetime) -> Pool:
    """The pool with everything at its new price; the totals are the model's, so the venue's own ratio is void."""
    equity, requirement = path.at(1.0)
    return replace(
        pool,
        equity=Decimal(equity),
        maintenance_margin=Decimal(requirement),
        positions=tuple(_moved(p, path.moves.get(p.underlying, 0.0), now) for p in pool.positions),
        collateral=tuple(
            replace(coin, value=coin.value * Decimal(1 + path.moves.get(coin.asset, 0.0))) for coin in pool.collateral
        ),
        reported_ratio=None,
    )


def _moved(position: Position, move: float, now: datetime) -> Position:
    factor = Decimal(1 + move)
    if position.option is not None:
        return _moved_option(position, move, now)
    scale = 1 / factor if position.coin_settled else factor
    return replace(
        position,
        notional=None if position.notional is None else position.notional * scale,
        mark_price=None if position.mark_price is None else position.mark_price * factor,
        # Where there are no tiers, proportions are kept; the pool's total is set beside this.
        maintenance_margin=None if position.maintenance_margin is None else position.maintenance_margin * scale,
        liquidation_price=None,
        unrealized_pnl=None,
    )


def _moved_option(position: Position, move: float, now: datetime) -> Position:
    option, factor = position.option, Decimal(1 + move)
    assert option is not None
    model = fit(option, now)
    mark = option.mark_usd if model is None else Decimal(model.value(move))
    notional = position.notional
    return replace(
        position,
        option=replace(option, underlying_price=option.underlying_price * factor, mark_usd=mark),
        notional=notional if position.coin_settled or notional is None else notional * factor,
        mark_price=None,
        unrealized_pnl=None,
    )


# -- what does not come from prices


def with_volatility(pool: Pool, change: float, now: datetime) -> Pool:
    """The pool with the implied volatility of its options changed by this fraction."""
    if not change or pool.equity is None or pool.maintenance_margin is None:
        return pool
    equity, requirement, positions = pool.equity, pool.maintenance_margin, []
    for position in pool.positions:
        gain, revalued = _with_volatility(position, change, now)
        needed = max(Decimal(0), -gain) if position.side is Side.SHORT and not pool.option_equity_counts else Decimal(0)
        if needed:
            revalued = replace(revalued, maintenance_margin=(position.maintenance_margin or Decimal(0)) + needed)
        equity += gain if pool.option_equity_counts else Decimal(0)
        requirement += needed
        positions.append(revalued)
    return replace(pool, equity=equity, maintenance_margin=requirement, positions=tuple(positions))


def _with_volatility(position: Position, change: float, now: datetime) -> tuple[Decimal, Position]:
    """What the position gains, in the pool's currency, and the position at the new mark."""
    option, model = position.option, fit(position.option, now) if position.option else None
    if option is None or model is None or position.notional is None or option.underlying_price <= 0:
        return Decimal(0), position
    mark = Decimal(replace(model, deviation=model.deviation * (1 + change)).value(0.0))
    units = position.notional / option.underlying_price  # times the pool's currency per dollar
    gain = position.side.sign * units * (mark - option.mark_usd)
    return gain, replace(position, option=replace(option, mark_usd=mark))


def _lost(pool: Pool, shock: Shock, rates: Mapping[str, float]) -> tuple[float, list[str]]:
    """What pegs and funding take, in the pool's currency, and what had to be assumed."""
    notes: list[str] = []
    lost = sum(value * (1 - price) for value, price in _pegged(pool, shock, notes))
    if shock.funding is not None:
        lost += sum(paid(position, shock.funding, rates) for position in pool.positions)
        notes += told(pool.positions, shock.funding, rates)
    return lost, notes


def _pegged(pool: Pool, shock: Shock, notes: list[str]) -> list[tuple[float, float]]:
    """What the pool holds in each shocked stablecoin, beside its own currency, and the price of it."""
    shocked = {coin: price for coin, price in shock.pegs.items() if coin != pool.currency}
    listed = [(coin.asset, float(coin.value)) for coin in pool.stables]
    if not shocked:
        return []
    if listed or pool.currency not in STABLE or pool.currency in shock.pegs:
        return [(value, shocked[asset]) for asset, value in listed if asset in shocked]
    if pool.currency != "USD":
        return []  # kept in another stablecoin, and it holds no coin beside
    held = stable_part(pool)
    coin = min(shocked, key=lambda name: shocked[name])
    if held > 0:
        notes.append(f"the exchange does not say in which stablecoin: all {held:,.0f} USD taken for {coin}")
    return [(held, shocked[coin])]


def stable_part(pool: Pool) -> float:
    """What backs a pool beside coins with a price of their own; never negative."""
    coins = sum((coin.value for coin in pool.collateral), Decimal(0))
    return max(0.0, float((pool.equity or Decimal(0)) - coins))


def _caveats(pool: Pool, shock: Shock) -> list[str]:
    notes = []
    if pool.margin_mode is MarginMode.PORTFOLIO:
        notes.append("portfolio margin: the exchange runs scenarios of its own, this is an estimate")
    unpriced = any(position.option is not None for position in pool.positions)
    if unpriced and pool.state is not PoolState.FLAT:
        notes.append("options are priced anew by Black-76; what the exchange requires for them is estimated")
    if pool.currency in shock.pegs:
        notes.append(f"kept in {pool.currency}: its ratio stays, its dollars shrink; prices in {pool.currency} held")
    return notes
