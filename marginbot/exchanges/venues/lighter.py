"""Lighter, read by public address (all its accounts) or by account index (that one).

Each account has a cross pool, `cross_asset_value` against the sum of value x `maintenance_margin_fraction` (in
hundredths of a percent), and a pool for each isolated position, backed by `allocated_margin` and its profit. The
venue's liquidation price of a lone position says the same again. Source: apidocs.lighter.xyz, "account" and
"orderBookDetails"; the liquidation price of the account quoted by ccxt is reproduced to 16 digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadCredentials, BadPayload, KeyRefused
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.exchanges import permissions
from marginbot.exchanges.assembly import (
    Row,
    check_profit,
    instrument_of,
    larger,
    name_of,
    perpetual,
    rate_of_the_only,
    smaller,
    weighed,
)
from marginbot.exchanges.leaked import refuse_secrets
from marginbot.exchanges.venue import (
    PUBLIC_ADDRESS,
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
    rows,
    total,
)
from marginbot.flow.ports import VenueInfo

CASH = "USDC"
UNIT = Decimal(10000)  # a fraction of 120 is 1.2 %
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_INDEX = re.compile(r"\d{1,15}")
Rates = Mapping[str, Decimal]  # maintenance margin as a fraction of value, by market id


@dataclass(frozen=True, slots=True)
class Held:
    """A position with what says which pool it belongs to."""

    position: Position
    row: Row
    rate: Decimal | None
    isolated: bool


async def fetch(api: Api) -> Payloads:
    """The accounts with their positions; margin fractions from the shared market list."""
    asked = {"by": "l1_address" if api.key.startswith("0x") else "index", "value": api.key}
    return {
        "accounts": await api.call("publicGetAccount", asked),
        "markets": await api.shared("publicGetOrderBookDetails"),
    }


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of all accounts in the answer."""
    warnings: list[str] = []
    accounts = rows(payloads, "accounts", "accounts")
    if not accounts:
        raise BadPayload("no account is listed")
    rates = _rates(payloads.get("markets"), warnings)
    main = _index_of(accounts[0])
    pools: list[Pool] = []
    for account in accounts:
        index = _index_of(account)
        prefix = "" if index == main else f"{index}:"
        pools += _pools(prefix, account, rates, reference=reference, warnings=warnings)
    return Snapshot(
        exchange=INFO.id,
        mode="cross and isolated" if any(p.margin_mode is MarginMode.ISOLATED for p in pools) else "cross",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _index_of(account: Row) -> str:
    told = number(account, "account_index", "index")
    if told is None:
        raise BadPayload("field account_index is missing")
    return f"{told:f}"


def _rates(answer: Any, warnings: list[str]) -> Rates:
    if not isinstance(answer, dict):
        warnings.append("Lighter's market list is missing: margin requirements are not known")
        return {}
    found = {}
    for row in rows(answer, "order_book_details"):
        rate = price(row, "maintenance_margin_fraction")
        if rate is not None:
            found[str(row.get("market_id"))] = rate / UNIT
    return found


def _pools(prefix: str, account: Row, rates: Rates, *, reference: Reference, warnings: list[str]) -> list[Pool]:
    listed = [row for row in rows(account, "positions") if number(row, "position") or number(row, "position_value")]
    held = [_held(row, rates, reference, warnings) for row in listed]
    pools = [_isolated_pool(prefix, one, warnings) for one in held if one.isolated]
    cross = [one for one in held if not one.isolated]
    equity = _cross_equity(prefix, account, cross, warnings)
    if cross or equity or (not prefix and not pools):
        pools.insert(0, _cross_pool(prefix, account, equity, cross=cross, warnings=warnings))
    return pools


def _held(row: Row, rates: Rates, reference: Reference, warnings: list[str]) -> Held:
    market = str(row.get("market_id"))
    coin = name_of(row, "symbol")
    instrument = instrument_of(reference, market, lambda _: _guessed(coin), warnings)
    sign, size = number(row, "sign"), number(row, "position")
    if sign not in (1, -1) or size is None or size <= 0:
        raise BadPayload(f"side or size of {coin} is missing")
    value, rate = price(row, "position_value"), rates.get(market)
    if rate is None:
        warnings.append(f"{instrument.symbol}: its maintenance margin fraction is not known")
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=Side.LONG if sign > 0 else Side.SHORT,
        contracts=size,
        notional=value,
        entry_price=price(row, "avg_entry_price"),
        mark_price=None if value is None else value / size,
        liquidation_price=price(row, "liquidation_price"),
        maintenance_margin=None if value is None or rate is None else value * rate,
        unrealized_pnl=number(row, "unrealized_pnl"),
    )
    check_profit(position, warnings)
    return Held(position, row, rate, isolated=_is_isolated(row, instrument.symbol, warnings))


def _is_isolated(row: Row, symbol: str, warnings: list[str]) -> bool:
    mode, allocated = number(row, "margin_mode"), number(row, "allocated_margin")
    if mode not in (0, 1):
        warnings.append(f"{symbol}: Lighter does not say whether it is cross or isolated")
        return bool(allocated)
    if mode == 0 and allocated:
        warnings.append(f"{symbol}: called cross, but margin is allocated to it")
    return mode == 1


def _cross_equity(prefix: str, account: Row, cross: Sequence[Held], warnings: list[str]) -> Decimal | None:
    """`cross_asset_value`; collateral and cross profits give it again where no spot coins count along."""
    told, cash = number(account, "cross_asset_value"), number(account, "collateral")
    profit = total(one.position.unrealized_pnl for one in cross)
    own = None if cash is None or profit is None else cash + profit
    what = f"{prefix}cross: equity"
    if told is not None and own is not None and told > own and any(number(a, "balance") for a in _assets(account)):
        if cross:
            warnings.append(f"{what} includes spot coins; their prices are not in the room")
        return told
    return smaller(what, told, own, warnings)


def _assets(account: Row) -> list[dict[str, Any]]:
    return rows(account, "assets") if account.get("assets") is not None else []


def _cross_pool(
    prefix: str, account: Row, equity: Decimal | None, *, cross: Sequence[Held], warnings: list[str]
) -> Pool:
    name = f"{prefix}cross"
    own = total(one.position.maintenance_margin for one in cross)
    told = number(account, "cross_maintenance_margin_requirement")
    needed = own
    if cross and told is not None:
        needed = larger(f"{name}: maintenance margin", told, own, warnings)
    pool = Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=CASH,
        equity=equity,
        maintenance_margin=needed,
        positions=tuple(one.position for one in cross),
    )
    return weighed(pool, rate_of_the_only([one.rate for one in cross]), warnings)


def _isolated_pool(prefix: str, held: Held, warnings: list[str]) -> Pool:
    position = held.position
    allocated, profit = number(held.row, "allocated_margin"), position.unrealized_pnl
    pool = Pool(
        name=f"{prefix}isolated:{position.symbol}:{position.side}",
        margin_mode=MarginMode.ISOLATED,
        currency=CASH,
        equity=None if allocated is None or profit is None else allocated + profit,
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )
    return weighed(pool, rate_of_the_only([held.rate]), warnings)


def _guessed(coin: str) -> Instrument:
    return perpetual(coin, CASH)


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless the key is an address or an account index; shout where it looks like a secret."""
    key = fields.get("key", "").strip()
    refuse_secrets(key, wanted="the public address or the account index")
    if not _ADDRESS.fullmatch(key) and not _INDEX.fullmatch(key):
        raise BadCredentials("neither address nor account index", advice=_MALFORMED)


_MALFORMED = (
    "This is neither a wallet address (0x and 40 hexadecimal digits) nor an account index (a number). "
    "Nothing was stored."
)


INFO = VenueInfo(
    id="lighter",
    title="Lighter",
    fields=(("key", "wallet address or account index"),),
    instructions=(
        "Send the public wallet address (0x and 40 hexadecimal digits): all its Lighter accounts are read, "
        "sub-accounts too. Or send an account index, a number, for that account alone. No key is needed; never send a "
        "private key, to me or to anyone."
    ),
    aliases=("zklighter",),
)
FAULTS = {
    "21100": Fault(
        KeyRefused,
        "Lighter knows no account at this address or index. Check that it was copied whole and ever had a deposit.",
    ),
}
FACTS = Facts(
    modes="cross, isolated; all accounts of an address",
    ratio_from="account value and margin fractions, checked by the liquidation price",
    evidence=(Evidence.RECORDED,),
    weight="1 request; public limits apply by address",
    estimates="accounts that are backed by spot coins",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDC:USDC"),
    check_form=check_form,
    permissions=permissions.PUBLIC_ADDRESS,
    signs_with=PUBLIC_ADDRESS,
    faults=FAULTS,
)
