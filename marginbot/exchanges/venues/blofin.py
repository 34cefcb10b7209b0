"""BloFin futures: a cross pool for each currency, and a pool for each isolated position.

`marginRatio` falls to 1 as danger grows: (margin + profit) / (maintenance margin + fee), where the fee is the taker's
0.06 % of the value. Every cross position repeats the ratio of its pool. The documented positions print all the parts
and are reproduced. Contracts are turned into coins by `contractValue`; profit over price move checks it. Source:
docs.blofin.com, "Get Futures Account Balance", "Get Positions"; support.blofin.com, "Forced Liquidation Rules".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, ClockSkew, KeyRefused, NoPermission, VenueDown
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.passport import Passport
from marginbot.exchanges.assembly import ROUNDING, Row, check_profit, instrument_of, name_of, perpetual
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.reconcile import inverted, requirement
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Instrument,
    Payloads,
    Permissions,
    Reference,
    Venue,
    candles_of,
    dig,
    number,
    price,
    rows,
    total,
)
from marginbot.flow.ports import VenueInfo

FEE = Decimal("0.0006")  # taker, of the value; part of what the margin ratio divides by
FAR = Decimal(2)  # a wrong contract size is wrong by a power of ten
SIDES = {"long": Side.LONG, "short": Side.SHORT}


@dataclass(frozen=True, slots=True)
class Held:
    """A position with what decides about its pool."""

    position: Position
    row: Row
    settle: str
    isolated: bool

    @property
    def needed(self) -> Decimal | None:
        """Maintenance margin and closing fee."""
        margin, value = self.position.maintenance_margin, self.position.notional
        return None if margin is None or value is None else margin + value * FEE


async def fetch(api: Api) -> Payloads:
    """Balance and positions of the futures account."""
    balance, positions = await together(api.call("privateGetAccountBalance"), api.call("privateGetAccountPositions"))
    return {"balance": balance, "positions": positions}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the futures account."""
    warnings: list[str] = []
    details = {name_of(row, "currency"): row for row in rows(payloads, "balance", "data", "details")}
    listed = [row for row in rows(payloads, "positions", "data") if number(row, "positions") != 0]
    held = [_held(row, reference, warnings) for row in listed]
    cross = [one for one in held if not one.isolated]
    used = list(dict.fromkeys(one.settle for one in cross))
    idle = [ccy for ccy, row in details.items() if number(row, "equity") and ccy not in used]
    pools = [_cross_pool(ccy, details.get(ccy), [h for h in cross if h.settle == ccy], warnings) for ccy in used]
    pools += [_isolated_pool(one, warnings) for one in held if one.isolated]
    pools += [] if held else [_cross_pool(ccy, details[ccy], [], warnings) for ccy in idle]
    return Snapshot(
        exchange=INFO.id,
        mode=_mode(listed),
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _mode(listed: Sequence[Row]) -> str:
    kinds = sorted({str(row.get("marginMode")) for row in listed}) or ["cross"]
    hedged = any(row.get("positionSide") in SIDES for row in listed)
    return " and ".join(kinds) + ("/hedge" if hedged else "")


def _held(row: Row, reference: Reference, warnings: list[str]) -> Held:
    market = name_of(row, "instId")
    instrument = instrument_of(reference, market, _guessed, warnings)
    contracts = number(row, "positions")
    if contracts is None:
        raise BadPayload(f"the size of {market} is missing")
    mark, entry, profit = price(row, "markPrice"), price(row, "averagePrice"), number(row, "unrealizedPnl")
    value = _value(instrument, abs(contracts), mark)
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=SIDES.get(str(row.get("positionSide")), Side.LONG if contracts > 0 else Side.SHORT),
        contracts=abs(contracts),
        notional=value if instrument.is_inverse else _by_profit(value, mark, entry, profit),
        entry_price=entry,
        mark_price=mark,
        liquidation_price=price(row, "liquidationPrice"),
        maintenance_margin=price(row, "maintenanceMargin"),
        unrealized_pnl=profit,
        coin_settled=instrument.is_inverse,
    )
    if not instrument.is_inverse:
        if position.notional != value:
            warnings.append(f"{instrument.symbol}: its profit is that of a larger position, which counts")
        check_profit(position, warnings)
    isolated = row.get("marginMode") == "isolated"
    if row.get("marginMode") not in ("cross", "isolated"):
        warnings.append(f"{instrument.symbol}: BloFin does not say whether it is cross or isolated")
    return Held(position, row, instrument.settle, isolated)


def _value(instrument: Instrument, contracts: Decimal, mark: Decimal | None) -> Decimal | None:
    """In the currency the contract settles in."""
    if mark is None:
        return None
    size = contracts * instrument.contract_size
    return size / mark if instrument.is_inverse else size * mark


def _by_profit(
    value: Decimal | None, mark: Decimal | None, entry: Decimal | None, profit: Decimal | None
) -> Decimal | None:
    """The value, or the one that profit and price move imply where that is much larger (a wrong contract size)."""
    if value is None or mark is None or entry is None or profit is None or mark == entry:
        return value
    implied = abs(profit / (mark - entry)) * mark
    return implied if implied > value * FAR and abs(profit) > value * ROUNDING else value


def _cross_pool(ccy: str, row: Row | None, held: Sequence[Held], warnings: list[str]) -> Pool:
    name = f"cross:{ccy}"
    if row is None:
        warnings.append(f"{name}: positions are held, but BloFin lists no balance in {ccy}")
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=ccy,
        equity=_cross_equity(name, row or {}, warnings),
        maintenance_margin=Decimal(0),
        positions=tuple(one.position for one in held),
        reported_ratio=inverted(min((r for one in held if (r := price(one.row, "marginRatio"))), default=None)),
    )
    return pool if not held else _judged(pool, total(one.needed for one in held), warnings)


def _cross_equity(name: str, row: Row, warnings: list[str]) -> Decimal | None:
    """Equity without what isolated positions hold."""
    equity, isolated = number(row, "equity"), number(row, "isolatedEquity")
    if equity is None:
        return None
    if isolated is None:
        warnings.append(f"{name}: what isolated positions hold is not told; all equity counts")
    return equity - (isolated or Decimal(0))


def _isolated_pool(held: Held, warnings: list[str]) -> Pool:
    position, row = held.position, held.row
    margin, profit = number(row, "margin"), position.unrealized_pnl
    pool = Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=held.settle,
        equity=None if margin is None or profit is None else margin + profit,
        maintenance_margin=Decimal(0),
        positions=(position,),
        reported_ratio=inverted(price(row, "marginRatio")),
    )
    return _judged(pool, held.needed, warnings)


def _judged(pool: Pool, own: Decimal | None, warnings: list[str]) -> Pool:
    equity = pool.equity
    if equity is None and own is not None and pool.reported_ratio is not None:
        equity = own / pool.reported_ratio
        warnings.append(f"{pool.name}: equity is missing, it is worked out from BloFin's margin ratio")
    needed = requirement(pool.name, equity, own=own, reported=pool.reported_ratio, warnings=warnings)
    return replace(pool, equity=equity, maintenance_margin=needed)


def _guessed(market: str) -> Instrument:
    """BTC-USDT. The contract size is not in the name."""
    base, *rest = market.split("-")
    return perpetual(base, rest[0] if rest else "USDT")


# -- the key


async def fetch_key(api: Api) -> Any:
    """What BloFin tells a key of itself."""
    return await api.call("privateGetUserQueryApikey")


def parse_key(answer: Any) -> Passport:
    """`readOnly` 1 is a key that can only read; what a writing key may do beyond trading is not told."""
    mode, addresses = dig(answer, "data", "readOnly"), dig(answer, "data", "ips")
    if isinstance(mode, bool) or str(mode) not in ("0", "1"):
        return unreadable("BloFin")
    reads_only = str(mode) == "1"
    return Passport(
        can_read=True,
        can_trade=not reads_only,
        can_withdraw=False if reads_only else None,
        ip_restricted=bool(addresses) if isinstance(addresses, list) else None,
    )


INFO = VenueInfo(
    id="blofin",
    title="BloFin",
    fields=(("key", "API key"), ("secret", "secret key"), ("passphrase", "passphrase of the key")),
    instructions=(
        "At blofin.com open your profile, API, and create a key with the permission Read only and this server's IP "
        "address. You choose the passphrase yourself on that page; I need it "
        "too. The futures account is read, not copy trading; a sub-account needs a key of its own."
    ),
)
FAULTS = {
    "500": Fault(VenueDown),
    "152401": Fault(KeyRefused, "BloFin does not know this key. Check that it was copied whole and still exists."),
    "152402": Fault(KeyRefused, "The key has expired. Make a new read-only key at BloFin and /add it again."),
    "152404": Fault(NoPermission),
    "152405": Fault(ClockSkew),
    "152406": Fault(
        NoPermission,
        "BloFin refuses this server's address: it is not on the key's IP list. Add it there under API, and try again.",
    ),
    "152408": Fault(
        KeyRefused,
        "BloFin says the passphrase is wrong. It is the one you chose when you made this key, not your password.",
    ),
    "152409": Fault(
        KeyRefused,
        "BloFin knows the key, but the signature is wrong: the secret key is mistyped or belongs to another key.",
    ),
    "152410": Fault(ClockSkew),
}
FACTS = Facts(
    modes="cross, isolated; one-way, hedge; futures account",
    ratio_from="`marginRatio`, recomputed from the amounts",
    evidence=(Evidence.DOCUMENTED,),
    weight="2 requests",
    estimates="fee rate in the ratio (0.06 %)",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USD:{0}"),
    permissions=Permissions(fetch_key, parse_key),
    faults=FAULTS,
)
