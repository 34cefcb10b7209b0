"""A position that the venue itself reduced: by liquidation, or by deleveraging it for somebody else's. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class ForcedKind(StrEnum):
    """Why the venue traded."""

    LIQUIDATION = "liquidation"
    DELEVERAGING = "auto-deleveraging"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForcedClose:
    """The first fill that is heard of an order of the venue's own, in its words; what it does not say is None or empty.

    `order` names it once and for all, so that it is told once, whatever comes of it later.
    """

    kind: ForcedKind
    order: str  # the venue's id, never empty
    symbol: str  # as the venue writes it
    side: str  # "buy" closes a short, "sell" a long
    quantity: Decimal | None = None  # in the venue's unit: coins, contracts or dollars
    price: Decimal | None = None
    profit: Decimal | None = None  # realised; negative: lost. In the currency the contract settles in
    at: datetime | None = None  # set: it was found out afterwards, and happened then
