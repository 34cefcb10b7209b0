"""Derive: every sub-account of a wallet is a pool, under standard (SM) or portfolio margin.

`maintenance_margin` of a sub-account is headroom, not a requirement: collateral after haircut plus the (negative)
margin of the positions; liquidation starts below zero. So the ratio is -positions / collaterals. A position's own
margin holds its unsettled profit too, which is moved to the other side where it would hide the requirement. Private
requests are signed by a session key: only one without protocol scopes, which can read and nothing else, is wanted.
Source: docs.derive.xyz, "private/get_all_portfolios", "Session Keys", "Access Scopes".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission
from marginbot.domain.margin import Collateral, MarginMode, Option, Pool, Position, Side, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.assembly import ROUNDING, Row, instrument_of, name_of, perpetual, smaller
from marginbot.exchanges.reconcile import apart
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
    rows,
    total,
)
from marginbot.exchanges.venues.derive_keys import PERMISSIONS, check_form
from marginbot.flow.ports import VenueInfo

CASH = "USDC"
MODES = {"SM": "standard margin", "PM": "portfolio margin", "PM2": "portfolio margin"}
# Tokens whose price is that of a coin.
WRAPPED = {"WBTC": "BTC", "CBBTC": "BTC", "LBTC": "BTC", "HEMIBTC": "BTC", "WEETH": "ETH", "WSTETH": "ETH"}


async def fetch(api: Api) -> Payloads:
    """All sub-accounts with their positions and collateral in one answer."""
    return {"portfolios": await api.call("privatePostGetAllPortfolios", {"wallet": api.key})}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the wallet."""
    warnings: list[str] = []
    accounts = rows(payloads, "portfolios", "result")
    pools = [_pool(row, reference, warnings) for row in accounts]
    modes = sorted({MODES.get(str(row.get("margin_type")), str(row.get("margin_type"))) for row in accounts})
    return Snapshot(
        exchange=INFO.id,
        mode=" and ".join(modes) or "no sub-account",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _pool(row: Row, reference: Reference, warnings: list[str]) -> Pool:
    account = number(row, "subaccount_id")
    if account is None or row.get("failed_to_fetch") is True:
        raise BadPayload("a sub-account could not be fetched")
    name, kind = f"cross:{account:f}", str(row.get("margin_type"))
    if kind not in MODES:
        warnings.append(f"{name}: a kind of margin that I do not know")
    held = [one for one in rows(row, "positions") if number(one, "amount") != 0]
    positions = tuple(_position(one, reference, warnings) for one in held)
    owes = any((number(coin, "amount") or 0) < 0 for coin in rows(row, "collaterals"))
    equity, needed = _margins(name, row, held, warnings=warnings)
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS if kind == "SM" else MarginMode.PORTFOLIO,
        currency=CASH,
        equity=equity,
        maintenance_margin=needed if positions or owes else Decimal(0),
        positions=positions,
        collateral=_collateral(rows(row, "collaterals"), warnings),
        has_debt=owes,
        reported_ratio=_reported(name, row, warnings) if positions else None,
        option_equity_counts=False,
    )


def _margins(name: str, row: Row, held: Sequence[Row], *, warnings: list[str]) -> tuple[Decimal | None, Decimal | None]:
    """What backs the sub-account, and what it needs: the difference is the venue's headroom."""
    backing = _backing(name, row, warnings)
    margin = _positions_margin(name, row, held, warnings)
    headroom = number(row, "maintenance_margin")
    own = None if backing is None or margin is None else backing + margin
    if headroom is None or own is None or (apart(headroom, own) and headroom > own):
        headroom = smaller(f"{name}: headroom", headroom, own, warnings)
    elif apart(headroom, own):
        warnings.append(f"{name}: headroom {headroom:.2f}, its parts come to {own:.2f}; the smaller counts")
    if backing is None or headroom is None:
        return backing, None
    values = total(number(one, "mark_value") for one in held if one.get("instrument_type") == "perp")
    equity = backing + max(Decimal(0), values or Decimal(0))
    if equity <= headroom:
        equity += _owed(row)
    return equity, equity - headroom


def _owed(row: Row) -> Decimal:
    """Loans. They are taken off the collateral already, which would leave nothing that is required."""
    margins = (number(coin, "maintenance_margin") or Decimal(0) for coin in rows(row, "collaterals"))
    return -sum((margin for margin in margins if margin < 0), Decimal(0))


def _backing(name: str, row: Row, warnings: list[str]) -> Decimal | None:
    own = total(number(coin, "maintenance_margin") for coin in rows(row, "collaterals"))
    return smaller(f"{name}: collateral", number(row, "collaterals_maintenance_margin"), own, warnings)


def _positions_margin(name: str, row: Row, held: Sequence[Row], warnings: list[str]) -> Decimal | None:
    """Negative or zero as a rule. Under portfolio margin no sum over the positions makes it."""
    told = number(row, "positions_maintenance_margin")
    if row.get("margin_type") != "SM":
        return told
    own = total(number(one, "maintenance_margin") for one in held)
    return smaller(f"{name}: margin of the positions", told, own, warnings)


def _reported(name: str, row: Row, warnings: list[str]) -> Decimal | None:
    """The ratio of the sub-account's two totals; at least 1 while it is being liquidated."""
    backing, margin = price(row, "collaterals_maintenance_margin"), number(row, "positions_maintenance_margin")
    told = None if backing is None or margin is None or margin >= 0 else -margin / backing
    if row.get("is_under_liquidation") is True:
        warnings.append(f"{name}: Derive is liquidating this sub-account")
        return max(told or Decimal(1), Decimal(1))
    return told


def _position(row: Row, reference: Reference, warnings: list[str]) -> Position:
    market = name_of(row, "instrument_name")
    instrument = instrument_of(reference, market, _guessed, warnings)
    size = number(row, "amount")
    if size is None:
        raise BadPayload(f"the size of {market} is missing")
    mark, index = price(row, "mark_price"), price(row, "index_price")
    margin = number(row, "maintenance_margin")
    unit = index if instrument.is_option else mark
    entry, profit = price(row, "average_price"), number(row, "unrealized_pnl")
    if unit is None:
        warnings.append(f"{instrument.symbol}: its price is missing, room is not known")
    if mark is None or entry is None or profit is None or _apart(size, mark, entry, profit):
        warnings.append(f"{instrument.symbol}: its profit does not follow from its size and prices; check it there")
    return Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=Side.LONG if size > 0 else Side.SHORT,
        contracts=abs(size),
        notional=None if unit is None else abs(size) * unit,
        entry_price=entry,
        mark_price=mark,
        liquidation_price=price(row, "liquidation_price"),
        maintenance_margin=None if margin is None else abs(margin),
        unrealized_pnl=profit,
        option=_option(instrument, mark=mark, index=index),
    )


def _apart(size: Decimal, mark: Decimal, entry: Decimal, profit: Decimal) -> bool:
    return abs(size * (mark - entry) - profit) > ROUNDING * abs(size) * mark


def _option(instrument: Instrument, *, mark: Decimal | None, index: Decimal | None) -> Option | None:
    if not instrument.is_option or index is None:
        return None
    if instrument.strike is None or instrument.is_call is None or instrument.expires_at is None:
        raise BadPayload(f"what {instrument.symbol} is an option on cannot be told")
    return Option(
        is_call=instrument.is_call,
        strike=instrument.strike,
        expires_at=instrument.expires_at,
        underlying_price=index,
        mark_usd=mark or Decimal(0),
    )


def _guessed(market: str) -> Instrument:
    """BTC-PERP, or BTC-20270924-85000-C (a strike of 0_5 is a half)."""
    base, *rest = market.split("-")
    if len(rest) != 3 or rest[2] not in ("C", "P") or not rest[0].isdigit():
        return perpetual(base, CASH)
    day = datetime.strptime(rest[0], "%Y%m%d").replace(hour=8, tzinfo=UTC)
    strike = Decimal(rest[1].replace("_", "."))
    return Instrument(
        symbol=f"{base}/{CASH}:{CASH}-{day:%y%m%d}-{strike}-{rest[2]}",
        underlying=base,
        settle=CASH,
        contract_size=Decimal(1),
        is_option=True,
        strike=strike,
        is_call=rest[2] == "C",
        expires_at=day,
    )


def _collateral(coins: Sequence[Row], warnings: list[str]) -> tuple[Collateral, ...]:
    """Coins that move with a price of their own, after the venue's haircut."""
    found = []
    for row in coins:
        asset, value = name_of(row, "asset_name"), number(row, "maintenance_margin")
        if asset in STABLE or not number(row, "amount"):
            continue
        if value is None:
            warnings.append(f"{asset}: its value as collateral is missing, room leaves it out")
        elif value:
            found.append(Collateral(asset=WRAPPED.get(asset, asset), value=value))
    return tuple(found)


INFO = VenueInfo(
    id="derive",
    title="Derive",
    fields=(("key", "wallet address"), ("secret", "private key of a read-only session key")),
    instructions=(
        "At derive.xyz open Developers, Session keys, and make a session key WITHOUT any permission to trade, transfer "
        "or withdraw, only to read account information. Send your wallet's address (as written there, capital letters "
        "count) and the session key's private key. Never send the wallet's own private key or a seed phrase: I refuse "
        "them."
    ),
    aliases=("lyra",),
)
FAULTS = {
    "14000": Fault(
        KeyRefused, "Derive knows no account of this wallet. Check that the address is that of the account."
    ),
    "14012": Fault(KeyRefused, "Derive wants the address exactly as it shows it, with its capital letters."),
    "14013": Fault(KeyRefused, "Derive says that this is no Ethereum address. Copy it again from your profile."),
    "14020": Fault(KeyRefused, "The session key does not belong to this wallet. Check that both are of one account."),
    "14014": Fault(
        KeyRefused,
        "Derive finds the signature wrong: the session key's private key is mistyped or belongs to another wallet.",
    ),
    "14023": Fault(
        KeyRefused, "The session key is not registered for this wallet. Check that both are of one account."
    ),
    "14026": Fault(
        KeyRefused, "Derive does not know this session key. Check that it was copied whole and still exists."
    ),
    "14029": Fault(NoPermission, "The session key has an IP list that lacks this server. Add its address at Derive."),
    "14030": Fault(KeyRefused, "The session key has expired. Make a new read-only one at Derive and /add it again."),
    "14031": Fault(NoPermission, "The session key may not read account information. Give it that scope at Derive."),
}
FACTS = Facts(
    modes="standard margin, portfolio margin; perpetuals, options; all sub-accounts",
    ratio_from="collateral and positions margin of each sub-account",
    evidence=(Evidence.RECORDED,),
    weight="1 request",
    estimates="portfolio margin under price moves",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDC:USDC"),
    signs_with={"walletAddress": "key", "privateKey": "secret"},
    check_form=check_form,
    permissions=PERMISSIONS,
    faults=FAULTS,
)
