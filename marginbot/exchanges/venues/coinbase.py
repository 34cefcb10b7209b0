"""Coinbase Advanced: US derivatives (CFM), one cross pool in dollars.

Positions are liquidated when the funds available for collateral fall to the liquidation threshold, so the threshold is
the requirement, and the equity is the threshold plus the liquidation buffer. `available_margin` is the same sum, and
the buffer in percent of the threshold checks both. Source: docs.cdp.coinbase.com "Get Futures Balance Summary", "List
Futures Positions". Amounts are objects with `value` and `currency`, in older answers plain text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadCredentials, BadPayload
from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.exchanges.reconcile import apart, requirement
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Instrument,
    Payloads,
    Reference,
    Venue,
    amount,
    candles_of,
    number,
    price,
    record,
    rows,
    total,
)
from marginbot.flow.ports import VenueInfo

Row = Mapping[str, Any]

_SECRET_SIZE = 64  # bytes of an Ed25519 key with its public half


async def fetch(api: Api) -> Payloads:
    """Margin and positions."""
    summary, positions = await together(
        api.call("v3PrivateGetBrokerageCfmBalanceSummary"), api.call("v3PrivateGetBrokerageCfmPositions")
    )
    return {"summary": summary, "positions": positions}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    told = _plain(record(payloads, "summary", "balance_summary"))
    listed = [_plain(row) for row in rows(payloads, "positions", "positions")]
    found = (_position(row, reference, warnings) for row in listed)
    pool = _pool(told, [position for position in found if position is not None], warnings)
    return Snapshot(
        exchange=INFO.id,
        mode="US derivatives",
        taken_at=now,
        pools=(pool,),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _plain(row: Row) -> dict[str, Any]:
    """Amounts without their currency, which is US dollars throughout."""
    return {
        name: value["value"] if isinstance(value, dict) and "value" in value else value for name, value in row.items()
    }


def _pool(told: Row, positions: Sequence[Position], warnings: list[str]) -> Pool:
    threshold, equity = price(told, "liquidation_threshold"), _equity(told, warnings)
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USD",
        equity=equity,
        maintenance_margin=Decimal(0),
        positions=tuple(positions),
    )
    if not positions and threshold is None:
        return pool
    _mind_the_night(told, warnings)
    own = threshold if positions else None
    summed = total(position.maintenance_margin for position in positions) if positions else None
    if summed is not None and (threshold is None or (summed > threshold and apart(summed, threshold))):
        warnings.append(
            f"cross: the positions require {summed:.2f}, the threshold is missing or less; the larger counts"
        )
        own = summed
    reported = _reported(told)
    needed = own or threshold
    if equity is None or equity > 0:
        needed = requirement("cross", equity, own=needed, reported=reported, warnings=warnings)
    return Pool(
        name=pool.name,
        margin_mode=pool.margin_mode,
        currency=pool.currency,
        equity=equity,
        maintenance_margin=needed,
        positions=pool.positions,
        has_debt=not positions,
        reported_ratio=reported,
    )


def _equity(told: Row, warnings: list[str]) -> Decimal | None:
    """Threshold and buffer; the available margin is meant to be the same sum, the smaller one counts."""
    summed = total((number(told, "liquidation_threshold"), number(told, "liquidation_buffer_amount")))
    known = [value for value in (summed, number(told, "available_margin")) if value is not None]
    if len(known) < 2:
        warnings.append("cross: a part of the margin is missing, so it counts unchecked or is unknown")
    elif apart(known[0], known[1]):
        warnings.append(f"cross: the margin is {known[0]:.2f} and {known[1]:.2f} by Coinbase; the smaller counts")
    return min(known, default=None)


def _reported(told: Row) -> Decimal | None:
    """The buffer is given in percent of the threshold: 2400 means that a 25th of the margin is required."""
    percent = number(told, "liquidation_buffer_percentage")
    return 100 / (100 + percent) if percent is not None and percent > -100 else None


def _mind_the_night(told: Row, warnings: list[str]) -> None:
    """Requirements rise overnight; Coinbase says by how much the buffer shrinks."""
    night = told.get("overnight_margin_window_measure")
    now, then = number(told, "liquidation_buffer_percentage"), None
    if isinstance(night, dict):
        then = number(_plain(night), "liquidation_buffer_percentage")
    if now is not None and then is not None and then < now and then > -100:
        warnings.append(f"cross: with overnight margins the ratio is {100 / (100 + then):.1%}")


def _position(row: Row, reference: Reference, warnings: list[str]) -> Position | None:
    contracts = abs(amount(row, "number_of_contracts"))
    if contracts == 0:
        return None
    name, side = str(row.get("product_id") or ""), str(row.get("side")).lower()
    if side not in ("long", "short"):
        raise BadPayload("the direction of a position is missing")
    instrument = reference.instruments.get(name)
    if instrument is None:
        warnings.append(f"{name}: not in the market list, its underlying is not known")
        instrument = Instrument(symbol=name, underlying=name.split("-")[0], settle="USD", contract_size=Decimal(0))
    mark = price(row, "current_price")
    return Position(
        symbol=instrument.symbol,
        underlying=instrument.underlying,
        side=Side(side),
        contracts=contracts,
        notional=_notional(row, contracts, instrument, mark=mark, warnings=warnings),
        entry_price=price(row, "avg_entry_price"),
        mark_price=mark,
        liquidation_price=price(row, "liquidation_price"),
        maintenance_margin=price(row, "mm_contribution"),
        unrealized_pnl=number(row, "unrealized_pnl"),
    )


def _notional(
    row: Row, contracts: Decimal, instrument: Instrument, *, mark: Decimal | None, warnings: list[str]
) -> Decimal | None:
    size = price(row, "contract_size") or instrument.contract_size
    ours = contracts * size * mark if mark is not None and size > 0 else None
    known = [value for value in (price(row, "position_notional"), ours) if value]
    if not known:
        warnings.append(f"{instrument.symbol}: its value is not told and cannot be worked out")
    elif apart(min(known), max(known)):
        warnings.append(f"{instrument.symbol}: its value does not fit its size, the larger figure counts")
    return max(known, default=None)


def check_form(fields: Mapping[str, str]) -> None:
    """Only keys with an Ed25519 secret fit into a message; the other kind is a file of several lines."""
    secret = fields["secret"]
    try:
        size = len(base64.b64decode(re.sub(r"\s", "", secret), validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != _SECRET_SIZE:
        raise BadCredentials(
            "not an Ed25519 secret",
            advice="That is not the secret of an Ed25519 key. When you create the key at Coinbase, choose the "
            "signature algorithm Ed25519 and send its secret, one line of 88 characters. Nothing was stored.",
        )


INFO = VenueInfo(
    id="coinbase",
    title="Coinbase Advanced",
    fields=(("key", "name of the API key"), ("secret", "secret of the API key")),
    instructions=(
        "At portal.cdp.coinbase.com create a secret API key with the permission View alone and, under advanced "
        "settings, the signature algorithm Ed25519. I need its name, which looks like organizations/…/apiKeys/…, and "
        "the secret."
    ),
    aliases=("coinbase advanced", "coinbase futures"),
)
FACTS = Facts(
    modes="US derivatives (CFM)",
    ratio_from="liquidation threshold and buffer, checked by the buffer in percent",
    evidence=(Evidence.DOCUMENTED,),
    weight="2 requests, 30 private ones a second",
    estimates="rights of the key are not checked",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD:USD", "{0}/USDC:USDC"),
    check_form=check_form,
)
