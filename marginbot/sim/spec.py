"""What a replay is made of, and how it is read from a specification and its price files."""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from marginbot.domain.errors import MarginbotError
from marginbot.domain.margin import MarginMode, Side
from marginbot.domain.volatility import Bar

BAR = 60_000  # ms
STEP = BAR // 4


class BadSpec(MarginbotError):
    """The replay specification, or a file it names, cannot be used; the message is fit for people."""

    def __init__(self, message: str) -> None:
        super().__init__(message, advice=f"{message[:1].upper()}{message[1:]}.")


@dataclass(frozen=True, slots=True)
class History:
    """One asset's bars and the path through them."""

    bars: tuple[Bar, ...]
    opened: tuple[int, ...]

    def price_at(self, at: int) -> float:
        """Price of the path at a time (ms); before the first bar its open."""
        index = max(0, bisect_right(self.opened, at) - 1)
        bar = self.bars[index]
        point = min(3, max(0, at - bar.opened_at) // STEP)
        middle = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
        return (bar.open, *middle, bar.close)[point]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position of a portfolio; notional None: leverage times equity."""

    asset: str
    side: Side
    leverage: float
    notional: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """Positions that share (cross) or split (isolated) an equity."""

    name: str
    margin_mode: MarginMode
    equity: float
    maintenance_margin_rate: float
    positions: tuple[Holding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A complete replay."""

    prices: Mapping[str, History]
    start: int
    end: int
    poll_interval: float
    portfolios: tuple[Portfolio, ...]


def load(path: Path) -> Spec:
    """A specification and its price files; `BadSpec` names what is wrong."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        prices = {asset: read_prices(path.parent / file) for asset, file in raw["prices"].items()}
        portfolios = tuple(_portfolio(entry, prices) for entry in raw["portfolios"])
        spec = Spec(
            prices=prices,
            start=_millis(raw["start"]),
            end=_millis(raw["end"]),
            poll_interval=float(raw.get("poll_interval", 30)),
            portfolios=portfolios,
        )
    except OSError as error:
        raise BadSpec(f"cannot read {error.filename}: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise BadSpec(f"the file {path.name} is not JSON: line {error.lineno}") from None
    except KeyError as error:
        raise BadSpec(f"the file {path.name} lacks {error.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise BadSpec(f"in {path.name}: {error}") from None
    return checked(spec)


def checked(spec: Spec) -> Spec:
    """The specification between the first price of every asset from its start on and the last one before its end."""
    if not spec.start < spec.end:
        raise BadSpec("start must be before end")
    if not 0.1 <= spec.poll_interval <= 86400:
        raise BadSpec("poll_interval must be between 0.1 and 86400 seconds")
    start, end = spec.start, spec.end
    for asset, history in spec.prices.items():
        first = bisect_left(history.opened, spec.start)
        if first == len(history.opened) or history.opened[first] >= spec.end:
            raise BadSpec(f"there are no prices of {asset} between start and end")
        start, end = max(start, history.opened[first]), min(end, history.opened[-1] + BAR)
    if not start < end:
        raise BadSpec("the prices of the assets do not overlap between start and end")
    return replace(spec, start=start, end=end)


def _portfolio(raw: Mapping[str, Any], prices: Mapping[str, History]) -> Portfolio:
    holdings = tuple(
        Holding(
            asset=entry["asset"],
            side=Side(entry["side"]),
            leverage=_positive(entry.get("leverage", 1) if entry.get("notional") else entry["leverage"], "leverage"),
            notional=None if entry.get("notional") is None else _positive(entry["notional"], "notional"),
        )
        for entry in raw["positions"]
    )
    missing = sorted({holding.asset for holding in holdings} - set(prices))
    if missing or not holdings:
        raise BadSpec(
            f"portfolio {raw['name']!r}: " + (f"no prices for {', '.join(missing)}" if missing else "no positions")
        )
    return Portfolio(
        name=str(raw["name"]),
        margin_mode=MarginMode(raw.get("margin_mode", "cross")),
        equity=_positive(raw["equity"], "equity"),
        maintenance_margin_rate=_positive(raw.get("maintenance_margin_rate", 0.005), "maintenance_margin_rate"),
        positions=holdings,
    )


def _positive(value: Any, name: str) -> float:
    result = float(value)
    if not math.isfinite(result) or result <= 0:
        raise ValueError(f"{name} must be a positive number")
    return result


def read_prices(path: Path) -> History:
    """A CSV or CSV.gz of one-minute bars, in order."""
    try:
        bars = sorted(_bars(path), key=lambda bar: bar.opened_at)
    except (ValueError, TypeError, OverflowError, EOFError, csv.Error, zlib.error, gzip.BadGzipFile):
        raise BadSpec(f"the file {path.name} is not a price file: timestamp,open,high,low,close expected") from None
    if not bars:
        raise BadSpec(f"the file {path.name} holds no prices")
    return History(tuple(bars), tuple(bar.opened_at for bar in bars))


def _bars(path: Path) -> Iterator[Bar]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.reader(lines):
            if row and row[0].strip().lower() not in ("timestamp", "time", "open_time"):
                yield Bar(int(float(row[0])), *(_positive(value, "price") for value in row[1:5]))


def _millis(text: str) -> int:
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
