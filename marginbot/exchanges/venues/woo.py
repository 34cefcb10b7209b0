"""WOO X: one cross account in USDT, `marginRatio` (collateral over exposure) against `maintenanceMarginRatio`.

The venue's ratio falls towards the maintenance ratio as danger grows, so ours is maintenance / margin ratio; 10 is
what it prints for an idle account. Collateral and the positions' values give the margin ratio again. An isolated
position is a pool of its own; its requirement is not told and is taken from the documented formula, 0.6 / leverage +
0.03 %, and its liquidation price checks it. Source: developer.woox.io, "Get account information", "Get positions";
support.woo.org, "Margin and Leverage".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.exchanges.assembly import (
    Row,
    instrument_of,
    name_of,
    perpetual,
    rate_of_the_only,
    unless_absent,
    weighed,
)
from marginbot.exchanges.reconcile import requirement
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Instrument,
    Payloads,
    Reference,
    Venue,
    candles_of,
    number,
    price,
    record,
    rows,
    total,
)
from marginbot.flow.ports import VenueInfo

CASH = "USDT"
IDLE_RATIO = Decimal(10)
MOST_LEVERAGE = Decimal(125)
FAR = Decimal("1.5")
PER_LEVERAGE, FLAT = Decimal("0.6"), Decimal("0.0003")  # the documented maintenance rate


@dataclass(frozen=True, slots=True)
class Held:
    """A position with what decides about its pool."""

    position: Position
    row: Row
    rate: Decimal | None
    isolated: bool


async def fetch(api: Api) -> Payloads:
    """Account, positions and balances."""
    account, positions, balances = await together(
        unless_absent(api.call("v3PrivateGetAccountInfo")),
        api.call("v3PrivateGetFuturesPositions"),
        api.optional("v3PrivateGetAssetBalances"),
    )
    return {"account": account, "positions": positions, "balances": balances}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    listed = [row for row in rows(payloads, "positions", "data", "positions") if number(row, "holding") != 0]
    held = [_held(row, reference, warnings) for row in listed]
    account = record(payloads, "account", "data") if payloads.get("account") is not None else {}
    if not account:
        warnings.append("cross: WOO X gives no account margin; only a liquidation price can tell it")
    cross = [one for one in held if not one.isolated]
    pools = [_cross_pool(account, cross, _owes(payloads), warnings)]
    pools += [_isolated_pool(one, warnings) for one in held if one.isolated]
    return Snapshot(
        exchange=INFO.id,
        mode=str(account.get("accountMode") or "unknown").lower().replace("_", " "),
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _owes(payloads: Payloads) -> bool:
    """Whether a coin is borrowed: its holding is negative."""
    if payloads.get("balances") is None:
        return False
    return any((number(row, "holding") or Decimal(0)) < 0 for row in rows(payloads, "balances", "data", "holding"))


def _held(row: Row, reference: Reference, warnings: list[str]) -> Held:
    market = name_of(row, "symbol")
    instrument = instrument_of(reference, market, _guessed, warnings)
    size = number(row, "holding")
    if size is None:
        raise BadPayload(f"the size of {market} is missing")
    side = Side.LONG if size > 0 else Side.SHORT
    told = _word(row, "positionSide", "position_side")
    if told not in ("BOTH", side.upper(), ""):
        warnings.append(f"{instrument.symbol}: WOO X calls it {told[:10]}, but its size says {side}")
    mark, entry = price(row, "markPrice", "mark_price"), price(row, "averageOpenPrice", "average_open_price")
    if mark is None or entry is None:
        warnings.append(f"{instrument.symbol}: a price is missing; value and profit are not known")
    _check_mark(instrument.symbol, mark, price(row, "settlePrice", "settle_price"), warnings)
    value = None if mark is None else abs(size) * mark
    rate = _rate(instrument.symbol, row, warnings)
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(size),
        notional=value,
        entry_price=entry,
        mark_price=mark,
        liquidation_price=price(row, "estLiqPrice", "est_liq_price"),
        maintenance_margin=None if value is None or rate is None else value * rate,
        unrealized_pnl=None if mark is None or entry is None else size * (mark - entry),
    )
    return Held(position, row, rate, isolated=_is_isolated(row, instrument.symbol, warnings))


def _word(row: Row, *names: str) -> str:
    """The first of the named fields that is there; the first version of the interface wrote them with underscores."""
    return next((str(row[name]) for name in names if row.get(name)), "")


def _check_mark(symbol: str, mark: Decimal | None, settled: Decimal | None, warnings: list[str]) -> None:
    """No other price is told; the last settlement, hours ago, is not far away."""
    if mark is not None and settled is not None and not settled / FAR < mark < settled * FAR:
        warnings.append(f"{symbol}: its price {mark:f} is far from that of the last settlement, {settled:f}")


def _rate(symbol: str, row: Row, warnings: list[str]) -> Decimal | None:
    leverage = price(row, "leverage")
    if leverage is None or leverage > MOST_LEVERAGE:
        warnings.append(f"{symbol}: its leverage is missing or impossible")
        return None
    return PER_LEVERAGE / leverage + FLAT


def _is_isolated(row: Row, symbol: str, warnings: list[str]) -> bool:
    told, amount = (
        _word(row, "marginMode", "margin_mode"),
        number(row, "isolatedMarginAmount", "isolated_margin_amount"),
    )
    if told not in ("CROSS", "ISOLATED"):
        warnings.append(f"{symbol}: WOO X does not say whether it is cross or isolated")
        return bool(amount)
    if told == "CROSS" and amount:
        warnings.append(f"{symbol}: called cross, but margin is set apart for it")
    return told == "ISOLATED"


def _cross_pool(account: Row, cross: Sequence[Held], owes: bool, warnings: list[str]) -> Pool:
    equity, maintained = number(account, "totalCollateral"), price(account, "maintenanceMarginRatio")
    exposure = total(one.position.notional for one in cross)
    own = None if exposure is None or maintained is None else exposure * maintained
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency=CASH,
        equity=equity,
        maintenance_margin=Decimal(0),
        positions=tuple(one.position for one in cross),
        has_debt=owes,
        reported_ratio=_ratio(account, maintained),
    )
    if not cross and not owes:
        return replace(pool, reported_ratio=None)
    if not account:
        needed = total(one.position.maintenance_margin for one in cross) if cross and not owes else None
        estimated = replace(pool, maintenance_margin=needed)
        return weighed(estimated, rate_of_the_only([one.rate for one in cross]), warnings)
    if pool.reported_ratio is None and own is not None and not owes:
        return replace(pool, maintenance_margin=own)
    needed = requirement("cross", equity, own=None if owes else own, reported=pool.reported_ratio, warnings=warnings)
    return replace(pool, maintenance_margin=needed)


def _ratio(account: Row, maintained: Decimal | None) -> Decimal | None:
    """Not where the margin ratio stands at its greatest: the true one is then even better."""
    ratio = number(account, "marginRatio")
    if ratio is None or maintained is None or ratio >= IDLE_RATIO or ratio <= 0:
        return None
    return maintained / ratio


def _isolated_pool(held: Held, warnings: list[str]) -> Pool:
    """Margin set apart, and profit since the last settlement or since opening, whichever is worse."""
    position, row = held.position, held.row
    amount, settled = (
        number(row, "isolatedMarginAmount", "isolated_margin_amount"),
        price(row, "settlePrice", "settle_price"),
    )
    profits = [
        position.side.sign * position.contracts * (position.mark_price - since)
        for since in (position.entry_price, settled)
        if position.mark_price is not None and since is not None
    ]
    name = f"isolated:{position.symbol}:{position.side}"
    warnings.append(f"{name}: its requirement is an estimate by its leverage")
    if amount is None or len(profits) < 2:
        warnings.append(f"{name}: what backs it is told incompletely")
    token = _word(row, "isolatedMarginToken", "isolated_margin_token") or CASH
    if token != CASH:
        warnings.append(f"{name}: its margin is in {token}; the price of that is not in the room")
    pool = Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=CASH,
        equity=None if amount is None or not profits or token != CASH else amount + min(profits),
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )
    return weighed(pool, rate_of_the_only([held.rate]), warnings)


def _guessed(market: str) -> Instrument:
    """PERP_BTC_USDT."""
    parts = market.split("_")
    return perpetual(parts[1] if len(parts) > 1 else market, parts[2] if len(parts) > 2 else CASH)


INFO = VenueInfo(
    id="woo",
    title="WOO X",
    fields=(("key", "API key"), ("secret", "API secret")),
    instructions=(
        "At woox.io open Account, API, and create a key with the permission Read only, and this server's IP address if "
        "you can. Send its key and secret. A sub-account needs a key of its own."
    ),
    aliases=("woox",),
)
_REFUSED = (
    "WOO X refuses the key. Check that key and secret were copied whole, that the key still exists and may read, and "
    "that its IP list admits this server."
)
FAULTS = {
    "-1001": Fault(KeyRefused, _REFUSED),
    "-1002": Fault(KeyRefused, _REFUSED),
    "317179": Fault(ClockSkew),
}
FACTS = Facts(
    modes="cross, isolated; one-way, hedge",
    ratio_from="`maintenanceMarginRatio` over `marginRatio`, recomputed from collateral and positions",
    evidence=(Evidence.UNVERIFIED,),
    weight="3 requests",
    estimates="isolated positions",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDT"),
    faults=FAULTS,
)
