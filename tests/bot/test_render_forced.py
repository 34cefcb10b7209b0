"""What is said when the exchange itself reduced a position, word for word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from marginbot.bot import render_alert
from marginbot.domain.alerting import Reason
from marginbot.domain.forced import ForcedClose, ForcedKind
from tests.bot.builders import NOW, facts, notice
from tests.bot.golden import check

CLOSE = ForcedClose(
    kind=ForcedKind.LIQUIDATION,
    order="8886774",
    symbol="BTCUSDT",
    side="sell",
    quantity=Decimal("0.5"),
    price=Decimal("96422.1"),
    profit=Decimal("-120.50"),
)


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("liquidation", CLOSE),
        ("deleveraging", replace(CLOSE, kind=ForcedKind.DELEVERAGING, side="buy", profit=Decimal(12))),
        ("afterwards", replace(CLOSE, at=NOW - timedelta(minutes=12))),
        ("little_said", replace(CLOSE, symbol="<b>", side="", quantity=None, price=None, profit=None)),
    ],
)
def test_forced(name: str, close: ForcedClose) -> None:
    about = facts(grade=None, previous=None, pool=None, positions=(), reason=Reason.UNCHANGED, forced=close)
    told = notice(about, subject=f"{close.kind} {close.order}")
    check(f"forced_{name}", render_alert.alert(told, NOW), render_alert.buttons(told))


def test_the_short_form_still_says_what_was_lost() -> None:
    about = facts(grade=None, pool=None, positions=(), reason=Reason.UNCHANGED, forced=CLOSE)
    assert "Lost with it: 120.5" in render_alert.short(notice(about, subject="liquidation 8886774"))
