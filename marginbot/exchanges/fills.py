"""What a venue says of a fill of its own, taken as it comes: a field that makes no sense must not lose the news."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload
from marginbot.domain.forced import ForcedClose, ForcedKind
from marginbot.exchanges.venue import number


def forced(
    kind: ForcedKind, *, order: Any, symbol: Any, side: Any, quantity: Any, price: Any, profit: Any, at: Any = None
) -> tuple[ForcedClose, ...]:
    """The fill; nothing where no id says which order it is of: it could not be told once.

    `at`, milliseconds since 1970, is given where it is asked for afterwards.
    """
    if order in (None, ""):
        return ()
    return (
        ForcedClose(
            kind=kind,
            order=str(order),
            symbol=str(symbol or ""),
            side=str(side or "").lower(),
            quantity=_said(quantity),
            price=_said(price),
            profit=_said(profit),
            at=_time(at),
        ),
    )


def _time(value: Any) -> datetime | None:
    milliseconds = _said(value)
    try:
        return None if milliseconds is None else datetime.fromtimestamp(float(milliseconds) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def milliseconds(at: datetime) -> int:
    """Since 1970, as venues count."""
    return int(at.timestamp() * 1000)


def _said(value: Any) -> Decimal | None:
    try:
        return number({"value": value}, "value")
    except BadPayload:
        return None
