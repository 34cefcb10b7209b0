"""Margin pools of a MEXC futures account. MEXC prints neither a ratio nor a requirement nor a mark.

    mode       pool              equity                                maintenance margin
    cross      one per coin      `equity` without isolated positions   (rate of the risk level + closing fee) x value
    isolated   one per position  `im` + profit at the mark             the same

Rate and fee come from the public contract terms, marks from the public ticker. What the liquidation prices say is the
second opinion: the recorded isolated row (100x ETH) is liquidated within 0.1 % of where this model does it.
Sources: the documentation of the endpoints named in `mexc`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.domain.tiers import LeverageTier, maintenance_margin
from marginbot.exchanges.listing import Listing, contract, listing_of, value_of
from marginbot.exchanges.priced import least_equity
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Payloads, Reference, amount, dig, number, price, rows, total

Row = Mapping[str, Any]

FAR = Decimal("0.20")  # a mark this far from the last price is doubted
_MOST_LEVELS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An open position with what decides its pool."""

    position: Position
    currency: str
    isolated: bool
    equity: Decimal | None  # behind it, if it is isolated


@dataclass(frozen=True, slots=True)
class _Public:
    """Contract terms and tickers by MEXC's symbol."""

    terms: Mapping[str, Row]
    tickers: Mapping[str, Row]


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    assets = {str(row.get("currency")): row for row in rows(payloads, "assets", "data")}
    public = _Public(_by_symbol([payloads.get("contracts")]), _by_symbol(payloads.get("tickers") or []))
    listed = [row for row in rows(payloads, "positions", "data") if _is_open(row)]
    held = [
        _holding(row, public, reference, assets=assets, alone=_alone(row, listed), warnings=warnings) for row in listed
    ]
    names = dict.fromkeys([*assets, *(holding.currency for holding in held)])
    made = [_cross_pool(name, assets.get(name), held, warnings) for name in names]
    pools = [pool for pool in made if pool.positions or (pool.equity or 0) > 0]
    pools += [_isolated_pool(holding, warnings) for holding in held if holding.isolated]
    return Snapshot(
        exchange="mexc",
        mode="futures",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _by_symbol(answers: Sequence[Any]) -> dict[str, Row]:
    """Rows of public lists; an answer about one symbol is an object instead of a list."""
    told = (dig(answer, "data") for answer in answers)
    listed = [row for data in told for row in (data if isinstance(data, list) else [data]) if isinstance(row, dict)]
    return {str(row.get("symbol")): row for row in listed}


def _is_open(row: Row) -> bool:
    size = number(row, "holdVol")
    if not size and (size is None or number(row, "im")):
        raise BadPayload(f"the size of {row.get('symbol')} is missing")
    return bool(size)


def _alone(row: Row, listed: Sequence[Row]) -> bool:
    """Whether the account's unrealised profit is that of this position."""
    return len(listed) == 1 and listed[0] is row


# -- positions


def _holding(
    row: Row,
    public: _Public,
    reference: Reference,
    *,
    assets: Mapping[str, Row],
    alone: bool,
    warnings: list[str],
) -> Holding:
    market = str(row.get("symbol") or "")
    terms = public.terms.get(market, {})
    listing = _listing(market, terms, reference, warnings)
    side, size, entry = _side(row, market), abs(amount(row, "holdVol")), price(row, "holdAvgPrice", "openAvgPrice")
    mark = _mark(public.tickers.get(market), listing.symbol, warnings)
    if mark is None and alone:  # then the account's profit is that of this position
        told = number(assets.get(listing.settle, {}), "unrealized")
        mark = _mark_of_profit(listing, side, size, entry=entry, told=told)
        warnings += _doubts(listing.symbol, mark, entry)
    notional = value_of(listing, size, mark)
    profit = _profit(notional, side, entry=entry, mark=mark, listing=listing, warnings=warnings)
    tiers = _tiers(terms, listing, mark, warnings)
    return Holding(
        position=Position(
            symbol=listing.symbol,
            underlying=listing.underlying,
            side=side,
            contracts=size,
            notional=notional,
            entry_price=entry,
            mark_price=mark,
            liquidation_price=price(row, "liquidatePrice"),
            maintenance_margin=maintenance_margin(notional, tiers) if tiers and notional is not None else None,
            unrealized_pnl=profit,
            coin_settled=listing.is_inverse,
            tiers=tiers,
        ),
        currency=listing.settle,
        isolated=_is_isolated(row, listing.symbol, warnings),
        equity=total((number(row, "im"), profit)),
    )


def _doubts(symbol: str, mark: Decimal | None, entry: Decimal | None) -> list[str]:
    """What to say of a mark price that was worked out."""
    doubts = [f"{symbol}: no mark price; it is worked out from the profit of the account"]
    if mark is None or entry is None or apart(mark, entry, FAR):
        doubts.append(f"{symbol}: by that profit its price is far from where it was bought; doubt it")
    return doubts


def _listing(market: str, terms: Row, reference: Reference, warnings: list[str]) -> Listing:
    """By the contract terms themselves, else by the market list or the name."""
    base, settle, size = terms.get("baseCoin"), terms.get("settleCoin"), price(terms, "contractSize")
    if isinstance(base, str) and isinstance(settle, str):
        if size is None:
            warnings.append(f"{market}: its contract size is missing")
        return contract(base, settle, size=size)
    return listing_of(market, reference, _guessed, warnings)


def _guessed(market: str) -> Listing | None:
    """By the name alone: BTC_USDT, BTC_USD."""
    base, _, quote = market.partition("_")
    return contract(base, base if quote == "USD" else quote) if base and quote else None


def _side(row: Row, market: str) -> Side:
    kind = str(row.get("positionType"))
    if kind not in ("1", "2"):
        raise BadPayload(f"the direction of {market} is not known")
    return Side.LONG if kind == "1" else Side.SHORT


def _is_isolated(row: Row, symbol: str, warnings: list[str]) -> bool:
    kind = str(row.get("openType"))
    if kind not in ("1", "2"):
        warnings.append(f"{symbol}: MEXC does not say whether it is cross or isolated; taken as isolated")
    if kind != "2" and price(row, "liquidatePrice") is None and number(row, "leverage") not in (None, 1):
        warnings.append(f"{symbol}: no liquidation price to check the margin behind it with")
    return kind != "2"


def _mark(ticker: Row | None, symbol: str, warnings: list[str]) -> Decimal | None:
    if ticker is None:
        return None
    mark, last = price(ticker, "fairPrice"), price(ticker, "lastPrice")
    if mark is None:
        if last is not None:
            warnings.append(f"{symbol}: no mark price, the last traded price stands in")
        return last
    if last is None or apart(mark, last, FAR):
        warnings.append(f"{symbol}: the mark price {mark:f} could not be confirmed by the last price")
    return mark


def _mark_of_profit(
    listing: Listing, side: Side, size: Decimal, *, entry: Decimal | None, told: Decimal | None
) -> Decimal | None:
    """Where the account's unrealised profit is that of one linear position, it tells the mark."""
    if entry is None or told is None or listing.contract_size is None or listing.is_inverse:
        return None
    mark = entry + side.sign * told / (size * listing.contract_size)
    return mark if mark > 0 else None


def _profit(
    notional: Decimal | None,
    side: Side,
    *,
    entry: Decimal | None,
    mark: Decimal | None,
    listing: Listing,
    warnings: list[str],
) -> Decimal | None:
    if notional is None or entry is None or mark is None:
        warnings.append(f"{listing.symbol}: contract size, entry or mark price missing, so it cannot be judged")
        return None
    return side.sign * notional * (mark / entry - 1 if listing.is_inverse else 1 - entry / mark)


def _tiers(terms: Row, listing: Listing, mark: Decimal | None, warnings: list[str]) -> tuple[LeverageTier, ...]:
    """Risk levels in the pool's currency, with the fee of closing in the rate.

    Bounds are contracts: the rate rises by `riskIncrMmr` with each step of `riskIncrVol` above `riskBaseVol`.
    """
    rate, fee = number(terms, "maintenanceMarginRate"), number(terms, "takerFeeRate")
    value = value_of(listing, Decimal(1), mark)
    if not rate or rate < 0 or value is None:
        warnings.append(f"{listing.symbol}: MEXC's contract terms are missing, so its requirement is not known")
        return ()
    if fee is None or fee < 0:
        warnings.append(f"{listing.symbol}: no fee in the contract terms, the requirement leaves it out")
    first = LeverageTier(Decimal(0), None, rate + max(fee or Decimal(0), Decimal(0)))
    base, step, rise = (number(terms, name) for name in ("riskBaseVol", "riskIncrVol", "riskIncrMmr"))
    if not base or not step or not rise or min(base, step, rise) < 0:
        return (first,)
    levels = min(int(number(terms, "riskLevelLimit") or 1), _MOST_LEVELS)
    bounds = [Decimal(0), *((base + step * level) * value for level in range(levels - 1))]
    return tuple(
        replace(first, floor=floor, cap=cap, maintenance_margin_rate=first.maintenance_margin_rate + rise * level)
        for level, (floor, cap) in enumerate(zip(bounds, [*bounds[1:], None], strict=True))
    )


# -- pools


def _isolated_pool(holding: Holding, warnings: list[str]) -> Pool:
    position = holding.position
    name = f"isolated:{position.symbol}:{position.side}"
    if position.liquidation_price is None:
        warnings.append(f"{name}: MEXC gives no liquidation price, so nothing confirms what backs it")
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=holding.currency,
        equity=least_equity(name, holding.equity, [position], warnings),
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )


def _cross_pool(currency: str, asset: Row | None, held: Sequence[Holding], warnings: list[str]) -> Pool:
    name = f"cross:{currency}"
    settled = [holding for holding in held if holding.currency == currency]
    cross = tuple(holding.position for holding in settled if not holding.isolated)
    equity, isolated = number(asset or {}, "equity"), total(h.equity for h in settled if h.isolated)
    told = None if equity is None or isolated is None else equity - isolated
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=currency,
        equity=least_equity(name, told, cross, warnings) if cross else told,
        maintenance_margin=total(position.maintenance_margin for position in cross),
        positions=cross,
    )
