"""Where the numbers of a report came from."""

from __future__ import annotations

from datetime import UTC, datetime

from marginbot.domain.margin import MarginMode, Pool, Position, Side, Snapshot
from marginbot.exchanges.origins import origins
from marginbot.exchanges.recording import Recording
from marginbot.exchanges.venue import Payloads, Reference, amount, record

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TOLD = {"account": {"version": 3, "wallet": "100", "pnl": "-20.5", "mm": "4", "size": "0.5", "mark": 200, "note": "x"}}


def parse(payloads: Payloads, _: Reference, now: datetime) -> Snapshot:
    row = record(payloads, "account")
    size, mark = amount(row, "size"), amount(row, "mark")
    position = Position(
        symbol="BTC/USDT:USDT", underlying="BTC", side=Side.LONG, contracts=size, notional=size * mark, mark_price=mark
    )
    pool = Pool(
        name="cross",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=amount(row, "wallet") + amount(row, "pnl"),
        maintenance_margin=amount(row, "mm"),
        positions=(position,),
    )
    return Snapshot(exchange="tiny", mode="cross", taken_at=now, pools=(pool,))


class Tiny:
    """As much of a venue as tracing needs."""

    parse = staticmethod(parse)


def test_a_figure_of_the_venue_is_told_apart_from_one_of_ours() -> None:
    recording = Recording(
        exchange="tiny", taken_at=NOW, payloads=TOLD, reference=Reference(instruments={}), volatilities={}
    )
    found = origins(recording, Tiny())
    assert found[("cross", "maintenance_margin")].as_told
    assert found[("cross", "maintenance_margin")].paths == ("account.mm",)
    assert found[("cross", "equity")].paths == ("account.wallet", "account.pnl")
    assert not found[("cross", "equity")].as_told
    assert found[("cross", "BTC/USDT:USDT", "long", "notional")].paths == ("account.size", "account.mark")
    assert ("cross", "reported_ratio") not in found
    assert TOLD["account"]["wallet"] == "100"
