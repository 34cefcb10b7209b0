"""Paradex: one cross pool of an account, `maintenance_margin_requirement` over `account_value`.

Read with a read-only token (a JWT that the owner makes on the site, good for up to a year): it cannot sign orders or
withdrawals, which a private key does, and no private key is ever asked for. A position whose market is set to
isolated margin is a pool of its own, judged by its liquidation price. Source: docs.paradex.trade, "API
Authentication", "Margin System", "Cross Margin Requirement".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.exchanges.assembly import (
    Row,
    check_profit,
    instrument_of,
    larger,
    mark_of,
    name_of,
    perpetual,
    rate_of_the_only,
    smaller,
    unless_absent,
    weighed,
)
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
    dig,
    number,
    price,
    record,
    rows,
    total,
)
from marginbot.exchanges.venues.paradex_token import PERMISSIONS, check_form
from marginbot.flow.ports import VenueInfo

CASH = "USDC"
Fractions = Mapping[str, Row]  # margin parameters by market


@dataclass(frozen=True, slots=True)
class Held:
    """A position with the share of its value that must be maintained."""

    position: Position
    rate: Decimal | None
    isolated: bool


async def fetch(api: Api) -> Payloads:
    """Summary and positions; the balance only where there is no summary; margin modes and parameters seldom."""
    summary, positions, modes, markets = await together(
        unless_absent(api.call("privateGetAccountSummary")),
        api.call("privateGetPositions"),
        api.recent("privateGetAccountMargin"),
        api.shared("publicGetMarkets"),
    )
    balance = await api.call("privateGetBalance") if summary is None else None
    return {"summary": summary, "positions": positions, "balance": balance, "modes": modes, "markets": markets}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    listed = [row for row in rows(payloads, "positions", "results") if _is_open(row)]
    fractions, isolated = _fractions(payloads, warnings), _isolated(payloads, warnings if listed else [])
    held = [_held(row, fractions, isolated, reference=reference, warnings=warnings) for row in listed]
    cross = [one for one in held if not one.isolated]
    pools = [_cross_pool(payloads, cross, warnings), *(_isolated_pool(one, warnings) for one in held if one.isolated)]
    return Snapshot(
        exchange=INFO.id,
        mode="cross and isolated" if len(pools) > 1 else "cross",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _is_open(row: Row) -> bool:
    size = number(row, "size")
    if size is None and row.get("status") != "CLOSED":
        raise BadPayload("the size of a position is missing")
    return bool(size)


def _fractions(payloads: Payloads, warnings: list[str]) -> Fractions:
    if payloads.get("markets") is None:
        warnings.append("Paradex's market list is missing: margin requirements could not be checked")
        return {}
    return {str(row.get("symbol")): row for row in rows(payloads, "markets", "results")}


def _isolated(payloads: Payloads, warnings: list[str]) -> frozenset[str]:
    """Markets that are set to isolated margin."""
    if payloads.get("modes") is None:
        warnings.append("Paradex did not say which positions are isolated; all are taken as cross")
        return frozenset()
    configs = rows(payloads, "modes", "configs")
    return frozenset(str(row.get("market")) for row in configs if row.get("margin_type") == "ISOLATED")


def _held(
    row: Row, fractions: Fractions, isolated: frozenset[str], *, reference: Reference, warnings: list[str]
) -> Held:
    market = name_of(row, "market")
    instrument = instrument_of(reference, market, _guessed, warnings)
    told, size = str(row.get("side")), abs(number(row, "size") or Decimal(0))
    if told not in ("LONG", "SHORT"):
        raise BadPayload(f"the side of {market} is missing")
    side = Side(told.lower())
    entry, profit = price(row, "average_entry_price"), number(row, "unrealized_pnl")
    mark = None if instrument.is_option else mark_of(side.sign, size, entry, profit)
    value = None if mark is None else size * mark
    if value is None:
        warnings.append(f"{instrument.symbol}: its value cannot be told, room is not known")
    rate = None if value is None else _rate(instrument.symbol, value, fractions.get(market), warnings)
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=size,
        notional=value,
        entry_price=entry,
        mark_price=mark,
        liquidation_price=price(row, "liquidation_price"),
        maintenance_margin=None if value is None or rate is None else value * rate,
        unrealized_pnl=profit,
    )
    _check_cost(position, row, warnings)
    return Held(position, rate, isolated=market in isolated)


def _check_cost(position: Position, row: Row, warnings: list[str]) -> None:
    """Entry price and size give the cost again."""
    cost, entry = number(row, "cost"), position.entry_price
    if cost is None or entry is None or abs(abs(cost) - entry * position.contracts) > Decimal("0.02") * abs(cost):
        warnings.append(f"{position.symbol}: size, entry price and cost do not fit; check the position there")
    check_profit(position, warnings)


def _rate(symbol: str, value: Decimal, market: Row | None, warnings: list[str]) -> Decimal | None:
    """`mmf_factor` of the initial fraction, which rises with the root of the value where a factor is given."""
    told = dig(market, "delta1_cross_margin_params")
    base, share = (price(told, name) for name in ("imf_base", "mmf_factor")) if told else (None, None)
    if not isinstance(told, dict) or base is None or share is None:
        warnings.append(f"{symbol}: its margin parameters are not known")
        return None
    factor, shift = number(told, "imf_factor") or Decimal(0), number(told, "imf_shift") or Decimal(0)
    above = value - shift
    return share * (max(base, factor * above.sqrt()) if above > 0 else base)


def _cross_pool(payloads: Payloads, cross: Sequence[Held], warnings: list[str]) -> Pool:
    own = total(one.position.maintenance_margin for one in cross)
    positions = tuple(one.position for one in cross)
    if payloads.get("summary") is None:
        equity, needed = _cash_and_profit(payloads, positions), own
        warnings.append("cross: Paradex gives no account summary; equity and requirement are worked out")
    else:
        equity, needed = _told(record(payloads, "summary"), own, bool(cross), warnings)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency=CASH,
        equity=equity,
        maintenance_margin=needed if positions else needed or Decimal(0),
        positions=positions,
    )
    return weighed(pool, rate_of_the_only([one.rate for one in cross]), warnings)


def _told(
    summary: Row, own: Decimal | None, is_held: bool, warnings: list[str]
) -> tuple[Decimal | None, Decimal | None]:
    """Account value and requirement; `margin_cushion` is the difference and checks both."""
    equity, needed = number(summary, "account_value"), number(summary, "maintenance_margin_requirement")
    cushion = number(summary, "margin_cushion")
    again = None if cushion is None or needed is None else cushion + needed
    if is_held:
        needed = larger("cross: maintenance margin", needed, own, warnings)
    return smaller("cross: equity", equity, again, warnings), needed


def _cash_and_profit(payloads: Payloads, positions: Sequence[Position]) -> Decimal | None:
    cash = total(number(row, "size") for row in rows(payloads, "balance", "results") if row.get("token") == CASH)
    profit = total(position.unrealized_pnl for position in positions)
    return None if cash is None or profit is None else cash + profit


def _isolated_pool(held: Held, warnings: list[str]) -> Pool:
    position = held.position
    pool = Pool(
        name=f"isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=CASH,
        equity=None,
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )
    return weighed(pool, rate_of_the_only([held.rate]), warnings)


def _guessed(market: str) -> Instrument:
    """BTC-USD-PERP."""
    base, *rest = market.split("-")
    return perpetual(base, rest[0] if rest else "USD", CASH)


INFO = VenueInfo(
    id="paradex",
    title="Paradex",
    fields=(("key", "read-only token"),),
    instructions=(
        "At app.paradex.trade open API management and create a READ-ONLY token with a long expiry; send me the token. "
        "It ends by itself (a year at most), then /add a new one. Never send a private key or subkey, to me or to "
        "anyone. Each sub-account needs a token of its own."
    ),
)
_REFUSED = "Paradex refuses the token: it has expired or was revoked. Create a new read-only one and /add it again."
FAULTS = {
    "invalid bearer": Fault(KeyRefused, _REFUSED),
    "malformed bearer": Fault(KeyRefused, _REFUSED),
    "malformed jwt": Fault(KeyRefused, _REFUSED),
    "geo ip": Fault(NoPermission, "Paradex does not serve the country this server is in. The operator can move me."),
}
FACTS = Facts(
    modes="cross, isolated",
    ratio_from="account summary, recomputed from margin fractions",
    evidence=(Evidence.UNVERIFIED,),
    weight="2 requests",
    estimates="isolated positions, by their liquidation price; options under price moves; portfolio margin",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD:USDC"),
    signs_with={"options.authToken": "key"},
    check_form=check_form,
    permissions=PERMISSIONS,
    faults=FAULTS,
)
