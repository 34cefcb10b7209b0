"""Margin pools of Phemex perpetuals. Phemex prints no ratio: both halves are worked out from the rows.

    mode       pool              equity                                                         maintenance margin
    cross      one per coin      balance - assigned to isolated - closing fees + profit         maintMarginReq x value
    isolated   one per position  assigned - closing fee (`positionMargin`) + profit             the same

`value` is the value at entry, so that the requirement does not move with the mark; `bankruptComm` is the closing fee.
With that the documented isolated row is liquidated within a tick of where Phemex says. A leverage of zero or less
means cross, whatever `crossMargin` says. Sources: see `phemex`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from marginbot.domain.errors import BadPayload
from marginbot.domain.margin import MarginMode, Pool, Snapshot
from marginbot.exchanges.priced import least_equity
from marginbot.exchanges.reconcile import apart
from marginbot.exchanges.venue import Payloads, Reference, dig, number, record, rows, total
from marginbot.exchanges.venues.phemex_rows import Holding, Row, holding_of

_SCALES = {"USD": 4}  # of amounts that come as integers
_SCALE = 8


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    pools: list[Pool] = []
    hedged = False
    answers = {coin: answer for coin, answer in record(payloads, "accounts").items() if answer is not None}
    if not answers:
        raise BadPayload("no account was read")
    for asked, answer in answers.items():
        coin = asked
        account = dig(answer, "data", "account")
        told = str(dig(account, "currency") or coin)
        if told != coin:
            warnings.append(f"Phemex was asked for the account in {coin} and answered for {told}")
            if told in answers:
                continue
            coin = told
        listed = rows(answer, "data", "positions")
        found = (holding_of(row, coin, reference, warnings) for row in listed if row.get("currency") in (None, coin))
        held = [holding for holding in found if holding is not None]
        hedged = hedged or any(holding.hedged for holding in held)
        pools += _pools(coin, account if isinstance(account, dict) else None, held, warnings)
    missing = sorted(set(payloads["accounts"]) - set(answers))
    if missing:
        warnings.append(f"Phemex did not answer for {', '.join(missing)}: positions settled in it are not watched")
    return Snapshot(
        exchange="phemex",
        mode="hedge" if hedged else "one-way",
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


# -- pools


def _pools(coin: str, account: Row | None, held: Sequence[Holding], warnings: list[str]) -> list[Pool]:
    cross = [holding for holding in held if not holding.isolated]
    pool = _cross_pool(coin, account, cross, held=held, warnings=warnings)
    kept = [pool] if pool.positions or (pool.equity or 0) > 0 else []
    return kept + [_isolated_pool(holding, coin, warnings) for holding in held if holding.isolated]


def _cross_pool(
    coin: str, account: Row | None, cross: Sequence[Holding], *, held: Sequence[Holding], warnings: list[str]
) -> Pool:
    name, positions = f"cross:{coin}", tuple(holding.position for holding in cross)
    balance = _balance(account or {}, coin)
    if balance is None and cross:
        balance = _balance_of_rows(held)
        if balance is not None:
            warnings.append(f"{name}: Phemex gives no balance; it is taken from the margin of the positions")
    elif len(cross) == len(held) == 1:
        repeated = _balance_of_rows(held)
        if repeated is not None and balance is not None and repeated < balance and apart(repeated, balance):
            warnings.append(f"{name}: balance and margin of the position do not fit; the smaller counts")
            balance = repeated
    taken = total([holding.assigned for holding in held if holding.isolated] + [holding.fee for holding in cross])
    profit = total(position.unrealized_pnl for position in positions)
    known = balance is not None and taken is not None and profit is not None
    told = balance - taken + profit if known else None  # type: ignore[operator]
    return Pool(
        name=name,
        margin_mode=MarginMode.CROSS,
        currency=coin,
        equity=least_equity(name, told, positions, warnings) if positions else told,
        maintenance_margin=total(position.maintenance_margin for position in positions),
        positions=positions,
    )


def _balance(account: Row, coin: str) -> Decimal | None:
    told = number(account, "accountBalanceRv")
    scaled = number(account, "accountBalanceEv")
    if told is None and scaled is not None:
        return scaled.scaleb(-_SCALES.get(coin, _SCALE))
    return told


def _balance_of_rows(held: Sequence[Holding]) -> Decimal | None:
    """A cross row repeats the balance as its margin, less the fee of closing it; the least of them counts."""
    margins = [total((holding.margin, holding.fee)) for holding in held if not holding.isolated]
    taken = total(holding.assigned for holding in held if holding.isolated)
    return total([min((margin for margin in margins if margin is not None), default=None), taken])


def _isolated_pool(holding: Holding, coin: str, warnings: list[str]) -> Pool:
    position = holding.position
    name = f"isolated:{position.symbol}:{position.side}"
    return Pool(
        name=name,
        margin_mode=MarginMode.ISOLATED,
        currency=coin,
        equity=least_equity(name, holding.equity, [position], warnings),
        maintenance_margin=position.maintenance_margin,
        positions=(position,),
    )
