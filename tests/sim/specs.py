"""Price files and replay specifications, made to measure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

START = 1_621_382_400_000  # 2021-05-19T00:00:00Z
MINUTE, STEP = 60_000, 15_000
Ohlc = tuple[float, float, float, float]


def flat(price: float) -> Ohlc:
    return (price, price, price, price)


def csv_text(bars: Sequence[Ohlc], start: int = START, header: str = "timestamp,open,high,low,close,volume\n") -> str:
    rows = (f"{start + n * MINUTE},{o},{h},{low},{c},1.5" for n, (o, h, low, c) in enumerate(bars))
    return header + "\n".join(rows) + "\n"


def portfolio(**changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": "10x long",
        "margin_mode": "cross",
        "equity": 10_000,
        "maintenance_margin_rate": 0.005,
        "positions": [{"asset": "BTC", "side": "long", "leverage": 10}],
    }
    return made | changes


def spec(
    folder: Path, bars: Sequence[Ohlc] | dict[str, Sequence[Ohlc]], *portfolios: dict[str, Any], **changes: Any
) -> Path:
    series = bars if isinstance(bars, dict) else {"BTC": bars}
    for asset, prices in series.items():
        (folder / f"{asset}.csv").write_text(csv_text(prices), encoding="utf-8")
    written: dict[str, Any] = {
        "prices": {asset: f"{asset}.csv" for asset in series},
        "start": "2021-05-19T00:00:00Z",
        "end": "2021-05-19T02:00:00Z",
        "poll_interval": 30,
        "portfolios": list(portfolios) or [portfolio()],
    }
    file = folder / "spec.json"
    file.write_text(json.dumps(written | changes), encoding="utf-8")
    return file
