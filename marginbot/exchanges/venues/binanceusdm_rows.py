"""One Binance position out of two answers: `account` knows its margin, `positionRisk` its prices.

Both are read, because either may lack a field (the versions differ) and because two figures for the same thing
check each other. Where they differ the worse one counts and a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import Position, Side
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Instrument, Reference, number, price, rows

Row = Mapping[str, Any]
_SIGNS_OF_LIFE = ("notional", "maintMargin", "isolatedMargin", "isolatedWallet", "entryPrice", "unRealizedProfit")
Key = tuple[str, str]  # the venue's symbol, position side

_PARTS = re.compile(r"(?P<base>.+?)(?P<quote>USDT|USDC|FDUSD|BUSD|USD1|U|BTC)(?:_(?P<expiry>\d{6}))?")
_COIN_PARTS = re.compile(r"(?P<base>.+)USD_(?:PERP|(?P<expiry>\d{6}))")
_DOLLARS_A_CONTRACT = {"BTC": Decimal(100)}  # of COIN-M; all others have 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An open position with what decides which pool it belongs to."""

    position: Position
    asset: str  # margin asset, '' when unknown
    is_isolated: bool | None  # None: the answers do not tell
    isolated_equity: Decimal | None
    is_hedged: bool  # one leg of a symbol that may be held both ways


def differing(account: Any, risk: Any) -> list[str]:
    """Symbols that the two answers give different sizes for."""
    return _differing(_by_side(rows(account, "positions")), _by_side(rows(risk)))


def _differing(ours: Mapping[Key, Row], theirs: Mapping[Key, Row]) -> list[str]:
    return sorted({key[0] for key in ours.keys() | theirs.keys() if _differ(ours.get(key), theirs.get(key))})


def held_positions(account: Row, risk: Sequence[Row], reference: Reference, warnings: list[str]) -> list[Held]:
    """All open positions, in a stable order."""
    ours, theirs = _by_side(rows(account, "positions")), _by_side(risk)
    for symbol in _differing(ours, theirs):
        warnings.append(f"{symbol}: Binance gave two different sizes, it was being traded; the larger one counts")
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        sources = [row for row in (theirs.get(key), ours.get(key)) if row is not None]
        amount = _amount(key[0], sources, warnings)
        if amount:
            found.append(_held(key, amount, sources, reference=reference, warnings=warnings))
    return found


def _held(key: Key, amount: Decimal, sources: Sequence[Row], *, reference: Reference, warnings: list[str]) -> Held:
    instrument = reference.instruments.get(key[0])
    if instrument is None:
        warnings.append(f"{key[0]}: not in the market list, its name was taken apart")
        instrument = _guessed(key[0])
    side = Side.LONG if amount > 0 else Side.SHORT
    if key[1] in ("LONG", "SHORT") and key[1] != side.upper():
        warnings.append(f"{instrument.symbol}: Binance calls it {key[1].lower()} and prints the size of a {side}")
    notional, mark = _notional_and_mark(abs(amount), sources, instrument)
    tiers = reference.tiers.get(instrument.symbol, ())
    isolated = _is_isolated(sources)
    equity = _isolated_equity(instrument.symbol, sources, warnings) if isolated else None
    told = _undisputed(sources, notional, tiers)
    position = Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=side,
        contracts=abs(amount),
        notional=notional,
        entry_price=_first_price(sources, "entryPrice"),
        mark_price=mark,
        liquidation_price=_first_price(sources, "liquidationPrice"),
        maintenance_margin=told,
        unrealized_pnl=_first(_pnl(row) for row in reversed(sources)),
        coin_settled=instrument.is_inverse,
        tiers=tiers,
    )
    if notional is None:
        warnings.append(f"{position.symbol}: Binance gives neither its value nor a mark price")
    if told is None:
        position = replace(position, maintenance_margin=_requirement(position, equity, sources, warnings))
    return Held(
        position=position,
        asset=str(_first(row.get("marginAsset") for row in sources) or instrument.settle),
        is_isolated=isolated,
        isolated_equity=equity,
        is_hedged=key[1] in ("LONG", "SHORT"),
    )


def _amount(symbol: str, sources: Sequence[Row], warnings: list[str]) -> Decimal:
    told = [number(row, "positionAmt") for row in sources]
    known = [amount for amount in told if amount is not None]
    if not known:
        if any(number(row, name) for row in sources for name in _SIGNS_OF_LIFE):
            raise BadPayload(f"the size of {symbol} is missing")
        return Decimal(0)
    if len(known) < len(told):
        warnings.append(f"{symbol}: its size is missing in one of Binance's two answers")
    return max(known, key=abs)


def _notional_and_mark(
    size: Decimal, sources: Sequence[Row], instrument: Instrument
) -> tuple[Decimal | None, Decimal | None]:
    """Value (of COIN-M: in the coin) and mark price; each is found from the other where only one is given."""
    mark = _first_price(sources, "markPrice")
    values = [abs(value) for row in sources if (value := number(row, "notional", "notionalValue"))]
    face = size * instrument.contract_size
    if not values:
        if mark is None:
            return None, None
        return (face / mark if instrument.is_inverse else face * mark), mark
    notional = max(values)
    if mark is None:
        mark = face / notional if instrument.is_inverse else notional / face
    return notional, mark


def _told(sources: Sequence[Row]) -> Decimal | None:
    return max((value for row in sources if (value := number(row, "maintMargin"))), default=None)


def _undisputed(sources: Sequence[Row], notional: Decimal | None, tiers: Sequence[LeverageTier]) -> Decimal | None:
    """The maintenance margin by the venue where the leverage tiers say the same; None where it needs a closer look."""
    told = _told(sources)
    if told is None or told <= 0 or (tiers and notional is None):
        return None
    own = maintenance_margin(notional, tiers) if tiers and notional is not None else None
    return None if own and apart(told, own) else told


def _requirement(
    position: Position, equity: Decimal | None, sources: Sequence[Row], warnings: list[str]
) -> Decimal | None:
    """Maintenance margin by the venue, checked against the leverage tiers; None when nothing tells.

    `equity` is that of an isolated position, whose liquidation price then tells as well.
    """
    told = _told(sources)
    tiers, notional = position.tiers, position.notional
    own = maintenance_margin(notional, tiers) if tiers and notional is not None else None
    if told is None or told <= 0:
        found = own or _implied_requirement(position, equity)
        how = "taken from the leverage tiers" if own else "worked out from the liquidation price"
        warnings.append(
            f"{position.symbol}: Binance gives no maintenance margin, {how if found else 'so it is unknown'}"
        )
        return found or None
    if own and apart(told, own):
        digits = 8 if position.coin_settled else 2
        figures = f"{told:.{digits}f} by Binance, {own:.{digits}f} by its leverage tiers"
        warnings.append(f"{position.symbol}: maintenance margin is {figures}; the larger counts")
        return max(told, own)
    return told


def _implied_requirement(position: Position, equity: Decimal | None) -> Decimal | None:
    """What is left of an isolated position's equity at its liquidation price, scaled to its value at the mark."""
    mark, liquidation, notional = position.mark_price, position.liquidation_price, position.notional
    if equity is None or mark is None or liquidation is None or notional is None:
        return None
    growth = mark / liquidation if position.coin_settled else liquidation / mark
    gain = position.side.sign * notional * (1 - growth if position.coin_settled else growth - 1)
    left = equity + gain
    return left / growth if left > 0 else None


def _is_isolated(sources: Sequence[Row]) -> bool | None:
    for row in sources:
        if isinstance(row.get("isolated"), bool):
            return bool(row["isolated"])
        if row.get("marginType"):
            return str(row["marginType"]).lower() == "isolated"
    # The third version has no flag: only an isolated position has a wallet of its own.
    told = [number(row, name) for row in sources for name in ("isolatedWallet", "isolatedMargin")]
    known = [value for value in told if value is not None]
    return any(known) if known else None


def _isolated_equity(symbol: str, sources: Sequence[Row], warnings: list[str]) -> Decimal | None:
    """Isolated wallet plus profit. `isolatedMargin` is meant to be the same sum; the smallest figure counts."""
    sums = [number(row, "isolatedMargin") for row in sources]
    for row in sources:
        wallet, pnl = number(row, "isolatedWallet"), _pnl(row)
        sums.append(None if wallet is None or pnl is None else wallet + pnl)
    known = [value for value in sums if value is not None]
    if not known:
        warnings.append(f"{symbol}: Binance gives no isolated margin, so what backs it is unknown")
        return None
    if apart(min(known), max(known)):
        warnings.append(f"{symbol}: Binance gives different figures for its isolated margin; the smallest counts")
    return min(known)


def _pnl(row: Row) -> Decimal | None:
    return number(row, "unRealizedProfit", "unrealizedProfit")


def _by_side(listed: Iterable[Row]) -> dict[Key, Row]:
    return {(name_of(row, "symbol"), str(row.get("positionSide") or "BOTH")): row for row in listed}


def name_of(row: Row, field: str) -> str:
    """A name that must be there."""
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise BadPayload(f"field {field} is missing")
    return value


def _differ(one: Row | None, other: Row | None) -> bool:
    """Whether the sizes differ; a position that is not listed has none."""
    if one is not None and other is not None and one.get("positionAmt") == other.get("positionAmt"):
        return False  # the usual case, and text is quickly compared
    sizes = [Decimal(0) if row is None else number(row, "positionAmt") for row in (one, other)]
    return None not in sizes and sizes[0] != sizes[1]


def _first_price(sources: Sequence[Row], name: str) -> Decimal | None:
    for row in sources:
        found = price(row, name)
        if found is not None:
            return found
    return None


def _first(values: Iterable[Any]) -> Any:
    return next((value for value in values if value is not None), None)


def _guessed(symbol: str) -> Instrument:
    """An instrument by its name alone: BTCUSDT, BTCUSDC_261225, BTCUSD_PERP."""
    coin = _COIN_PARTS.fullmatch(symbol)
    if coin is not None:
        return _guessed_coin(coin["base"], coin["expiry"])
    parts = _PARTS.fullmatch(symbol)
    if parts is None:
        return Instrument(symbol=symbol, underlying=symbol, settle="", contract_size=Decimal(1))
    base, quote, expiry = parts["base"], parts["quote"], parts["expiry"]
    unified = f"{base}/{quote}:{quote}" + (f"-{expiry}" if expiry else "")
    return Instrument(symbol=unified, underlying=base, settle=quote, contract_size=Decimal(1))


def _guessed_coin(base: str, expiry: str | None) -> Instrument:
    return Instrument(
        symbol=f"{base}/USD:{base}" + (f"-{expiry}" if expiry else ""),
        underlying=base,
        settle=base,
        contract_size=_DOLLARS_A_CONTRACT.get(base, Decimal(10)),
        is_inverse=True,
    )
