"""OKX position tiers of the families in which something is held.

Tiers belong to a family (BTC-USDT of swaps, say), count contracts, and are not marginal: the rate of the tier that a
position reaches applies to all of it. With them the room knows that the requirement jumps as a position gains value;
what is required now stays OKX's own amount. Rates here include the liquidation fee, as all requirements do. In
portfolio mode requirements come from stress tests instead. Source: www.okx.com/docs-v5, "Get position tiers".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, dig, number, rows
from marginbot.exchanges.venues.okx_positions import CONTRACT_FEE, Holding, Row

_KINDS = frozenset({"SWAP", "FUTURES"})
_MOST_FAMILIES = 20  # asked for at once; further ones go without

Key = tuple[str, str, str]  # kind, margin mode, family


async def fetch_tiers(api: Api, positions: Any) -> dict[Key, Any]:
    """The tiers of each family in which something is held; what is not answered is None."""
    listed = dig(positions, "data")
    held = (row for row in listed if isinstance(row, dict)) if isinstance(listed, list) else ()
    keys = sorted({key for row in held if (key := _key(row)) and number(row, "pos")})[:_MOST_FAMILIES]
    asked = ({"instType": kind, "tdMode": mode, "instFamily": family} for kind, mode, family in keys)
    answers = await together(*(api.shared("publicGetPublicPositionTiers", params) for params in asked))
    return dict(zip(keys, answers, strict=True))


def _key(row: Row) -> Key | None:
    kind, mode = str(row.get("instType")), str(row.get("mgnMode"))
    parts = str(row.get("instId") or "").split("-")
    if kind not in _KINDS or mode not in ("cross", "isolated") or len(parts) < 3:
        return None
    return kind, mode, "-".join(parts[:2])


def with_tiers(holding: Holding, told: Mapping[Key, Any], warnings: list[str]) -> Holding:
    """The holding with its tiers in the currency of its pool, where they are known."""
    key, position = _key(holding.row), holding.position
    answer = told.get(key) if key is not None else None
    if key is None or answer is None or not position.notional or not position.contracts:
        return holding
    try:
        listed = [row for row in rows(answer, "data") if row.get("instFamily") == key[2]]
        tiers = _tiers(listed, position.notional / position.contracts)
    except BadPayload as error:
        warnings.append(f"{position.symbol}: its position tiers cannot be read ({error})")
        return holding
    return replace(holding, position=replace(position, tiers=tiers))


def _tiers(listed: Iterable[Row], per_contract: Decimal) -> tuple[LeverageTier, ...]:
    """All rows or none: a table with a hole would leave out a step."""
    found = []
    for row in listed:
        floor, cap, rate = number(row, "minSz"), number(row, "maxSz"), number(row, "mmr")
        if floor is None or cap is None or rate is None or rate <= 0 or cap <= floor:
            raise BadPayload("a bound or a rate is missing")
        found.append(LeverageTier(floor * per_contract, cap * per_contract, rate + CONTRACT_FEE))
    return tuple(sorted(found, key=lambda tier: tier.floor))
