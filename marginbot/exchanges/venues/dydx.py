"""dYdX v4, read by public address from the indexer: all sub-accounts of the address in one answer.

A sub-account is a pool: it is liquidated when its equity falls below the sum of |size| x oracle price x
`maintenanceMarginFraction`. Numbers 0 to 127 are the owner's; 128 and above hold isolated positions (the parent is
the remainder by 128). The indexer prints no mark price, but its profit is size x (oracle - entry), so the price it
reckons with follows from the row itself; USDC and positions together must then come to its equity. Source:
docs.dydx.xyz, "Indexer HTTP"; github.com/dydxprotocol/v4-chain, protocol/lib/margin. The equity of a recorded account
is reproduced from its cash and the price so found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
    mark_of,
    perpetual,
    smaller,
    unless_absent,
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
    dig,
    number,
    price,
    record,
    rows,
    total,
)
from marginbot.flow.ports import VenueInfo

FIRST_CHILD = 128
CASH = "USDC"
_ADDRESS = re.compile(r"dydx1[02-9ac-hj-np-z]{38}")


async def fetch(api: Api) -> Payloads:
    """All sub-accounts, or as many of them as an older indexer tells in one answer; rates from the shared list."""
    address = {"address": api.key}
    found = await unless_absent(api.call("indexerGetAddressesAddress", address))
    whole = found is not None
    if found is None:
        parent = {**address, "number": 0}
        found = await unless_absent(api.call("indexerGetAddressesAddressParentSubaccountNumberNumber", parent))
    if found is None:
        alone = {**address, "subaccountNumber": 0}
        found = await api.call("indexerGetAddressesAddressSubaccountNumberSubaccountNumber", alone)
    return {"accounts": found, "markets": await api.shared("indexerGetPerpetualMarkets"), "whole": whole}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the address."""
    warnings: list[str] = []
    if not payloads.get("whole", True):
        warnings.append("dYdX did not list all sub-accounts: only those of number 0 are seen")
    markets = dig(payloads, "markets", "markets")
    rates: Row = markets if isinstance(markets, dict) else {}
    if not rates:
        warnings.append("dYdX's market list is missing: the initial margin counts in place of the maintenance margin")
    pools = [_pool(row, rates, reference, warnings) for row in _accounts(payloads.get("accounts"))]
    used = [pool for pool in pools if pool.positions or pool.equity or pool.name == "cross"]
    return Snapshot(
        exchange=INFO.id,
        mode="cross and isolated" if any(p.margin_mode is MarginMode.ISOLATED for p in used) else "cross",
        taken_at=now,
        pools=tuple(used),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _accounts(answer: Any) -> list[dict[str, Any]]:
    """Sub-accounts of any of the three answers, by number."""
    if dig(answer, "subaccounts") is not None:
        found = rows(answer, "subaccounts")
    else:
        holder = record(answer, "subaccount")
        found = rows(holder, "childSubaccounts") if "childSubaccounts" in holder else [holder]
    return sorted(found, key=_number_of)


def _number_of(row: Row) -> int:
    told = number(row, "subaccountNumber")
    if told is None or told < 0 or told != int(told):
        raise BadPayload("field subaccountNumber is missing")
    return int(told)


def _pool(row: Row, rates: Row, reference: Reference, warnings: list[str]) -> Pool:
    account = _number_of(row)
    isolated = account >= FIRST_CHILD
    name = f"isolated:{account}" if isolated else f"cross:{account}" if account else "cross"
    held = record(row, "openPerpetualPositions")
    positions = tuple(_position(held[key], rates, reference, warnings) for key in sorted(held))
    equity = smaller(f"{name}: equity", number(row, "equity"), _worth(row, positions), warnings)
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED if isolated else MarginMode.CROSS,
        currency=CASH,
        equity=equity,
        maintenance_margin=_requirement(name, row, positions, warnings) if positions else Decimal(0),
        positions=positions,
    )


def _worth(row: Row, positions: tuple[Position, ...]) -> Decimal | None:
    """Cash and positions at their prices; short positions and borrowed cash count negative."""
    held = record(row, "assetPositions")
    cash = total(_signed(held[key], "size") for key in held)
    values = total(None if p.notional is None else p.side.sign * p.notional for p in positions)
    return None if cash is None or values is None else cash + values


def _signed(row: Row, field: str) -> Decimal | None:
    size = number(row, field)
    return None if size is None else -abs(size) if row.get("side") == "SHORT" else size


def _requirement(name: str, row: Row, positions: tuple[Position, ...], warnings: list[str]) -> Decimal | None:
    """Sum over the positions; never above what is held back for opening them."""
    own = total(position.maintenance_margin for position in positions)
    equity, free = number(row, "equity"), number(row, "freeCollateral")
    initial = None if equity is None or free is None else equity - free
    if own is None:
        if initial is None or initial <= 0:
            warnings.append(f"{name}: the margin requirement is unknown")
            return None
        warnings.append(f"{name}: the initial margin counts in place of the maintenance margin")
        return initial
    if initial is None or initial < own * Decimal("0.98"):
        return larger(f"{name}: margin", initial, own, warnings)
    return own


def _position(row: Any, rates: Row, reference: Reference, warnings: list[str]) -> Position:
    record(row)
    market = str(row.get("market"))
    instrument = instrument_of(reference, market, _guessed, warnings)
    size = number(row, "size")
    if not size:
        raise BadPayload(f"the size of {market} is missing")
    side = Side.SHORT if size < 0 else Side.LONG
    if row.get("side") not in (side.upper(), None):
        warnings.append(f"{instrument.symbol}: dYdX calls it {row.get('side')}, but its size says {side}")
    entry, profit = price(row, "entryPrice"), number(row, "unrealizedPnl")
    listed = record(rates.get(market) or {})
    mark = mark_of(side.sign, abs(size), entry, profit)
    if mark is None:
        mark = price(listed, "oraclePrice")
        warnings.append(
            f"{instrument.symbol}: its price is not told, that of the market list counts (up to an hour old)"
        )
    notional = None if mark is None else abs(size) * mark
    rate = price(listed, "maintenanceMarginFraction")
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(size),
        notional=notional,
        entry_price=entry,
        mark_price=mark,
        maintenance_margin=None if notional is None or rate is None else notional * rate,
        unrealized_pnl=profit,
    )
    check_profit(position, warnings)
    return position


def _guessed(market: str) -> Instrument:
    return perpetual(market.split("-")[0], CASH)


def check_form(fields: Mapping[str, str]) -> None:
    """Raise `BadCredentials` unless the key is a dYdX address; shout where it looks like a secret."""
    address = fields.get("key", "").strip()
    refuse_secrets(address, wanted="the public address")
    if not _ADDRESS.fullmatch(address):
        raise BadCredentials("not an address", advice=_MALFORMED)


_MALFORMED = (
    "This is not a dYdX address: it starts with dydx1 and has 43 characters. Copy it from your profile at dydx.trade; "
    "the Ethereum address (0x…) is another one. Nothing was stored."
)


INFO = VenueInfo(
    id="dydx",
    title="dYdX",
    fields=(("key", "dYdX address"),),
    instructions=(
        "Send the public dYdX address of the account (dydx1…, shown in your profile at dydx.trade): no key is needed. "
        "Never send a private key or a seed phrase, to me or to anyone. All sub-accounts of the address are read."
    ),
    aliases=("dydxv4",),
)
_UNKNOWN = "dYdX knows no account at this address. Check that it is the dydx1… address and that it was ever funded."
FAULTS = {
    "no subaccounts found": Fault(KeyRefused, _UNKNOWN),
    "no subaccount found": Fault(KeyRefused, _UNKNOWN),
}
FACTS = Facts(
    modes="cross, isolated; all sub-accounts",
    ratio_from="equity and sizes, recomputed from maintenance rates",
    evidence=(Evidence.RECORDED,),
    weight="1 of 100 in 10 s and address",
    estimates="how old the indexer's answer is",
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
