"""Deribit's instruments and their prices; options are priced with Black-76 at one volatility."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from tests.servers.base import Clock

D = Decimal
ZERO = D(0)
PERPETUAL_EXPIRY_MS = 32503708800000
YEAR_MS = 365 * 86_400_000
MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]


@dataclass(frozen=True, slots=True)
class Instrument:
    name: str
    kind: Literal["future", "option", "spot"]
    contract_size: Decimal

    @property
    def base(self) -> str:
        return self.name.split("-")[0].split("_")[0]

    @property
    def settlement(self) -> str:
        """USDC for the linear ones, else the coin itself."""
        return self.name.split("-")[0].split("_")[-1]

    @property
    def linear(self) -> bool:
        return self.settlement != self.base

    @property
    def counter(self) -> str:
        return self.settlement if self.linear else "USD"

    @property
    def index_name(self) -> str:
        return f"{self.base}_{self.counter}".lower()

    @property
    def expiry_ms(self) -> int:
        date = self.name.split("-")[1] if "-" in self.name else "PERPETUAL"
        if date == "PERPETUAL":
            return PERPETUAL_EXPIRY_MS
        day, month, year = int(date[:-5]), MONTHS.index(date[-5:-2]) + 1, 2000 + int(date[-2:])
        return int(datetime(year, month, day, 8, tzinfo=UTC).timestamp() * 1000)

    @property
    def strike(self) -> Decimal:
        return D(self.name.split("-")[2])

    @property
    def is_put(self) -> bool:
        return self.name.endswith("-P")


INSTRUMENTS = (
    Instrument("BTC-PERPETUAL", "future", D(10)),
    Instrument("ETH-PERPETUAL", "future", D(1)),
    Instrument("BTC-31DEC27", "future", D(10)),
    Instrument("BTC_USDC-PERPETUAL", "future", D("0.001")),
    Instrument("ETH_USDC-PERPETUAL", "future", D("0.01")),
    Instrument("BTC-31DEC27-50000-P", "option", D(1)),
    Instrument("BTC-31DEC27-50000-C", "option", D(1)),
    Instrument("BTC-31DEC27-100000-C", "option", D(1)),
    Instrument("BTC_USDC", "spot", D("0.0001")),
)


@dataclass(frozen=True, slots=True)
class Greeks:
    """Of one option on one coin; `price` in USD, vega for 1 % of volatility, theta for a day."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def black76(forward: float, strike: float, years: float, iv: float, *, is_put: bool) -> Greeks:
    deviation = iv * math.sqrt(years)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    call = forward * _cumulative(d1) - strike * _cumulative(d1 - deviation)
    return Greeks(
        price=call + strike - forward if is_put else call,
        delta=_cumulative(d1) - (1 if is_put else 0),
        gamma=density / (forward * deviation),
        vega=forward * density * math.sqrt(years) / 100,
        theta=-forward * density * iv / (2 * math.sqrt(years)) / 365,
    )


def _cumulative(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


class DeribitMarket:
    """Prices: a coin in USD moves everything written on it, an instrument's own mark comes first."""

    def __init__(self, prices: Mapping[str, Decimal], clock: Clock, *, iv: float = 0.6) -> None:
        self.instruments = {instrument.name: instrument for instrument in INSTRUMENTS}
        self.iv = iv
        self._clock = clock
        self._usd = {"USD": D(1), "USDC": D(1), "USDT": D(1), **prices}
        self._marks: dict[str, Decimal] = {}

    def set_price(self, name: str, price: Decimal) -> None:
        """Of a coin in USD, or the mark of one instrument (an option's in its coin)."""
        if name in self.instruments:
            self._marks[name] = price
            return
        self._usd[name] = price
        for mark in [i for i in self._marks if name in (self.instruments[i].base, self.instruments[i].counter)]:
            del self._marks[mark]

    def moved(self, base: str, factor: Decimal) -> DeribitMarket:
        """A copy in which the coin and the futures on it have moved by `factor`."""
        copy = DeribitMarket({**self._usd, base: self._usd[base] * factor}, self._clock, iv=self.iv)
        for name, mark in self._marks.items():
            instrument = self.instruments[name]
            if instrument.base != base:
                copy._marks[name] = mark
            elif instrument.kind == "future":
                copy._marks[name] = mark * factor
        return copy

    def usd(self, currency: str) -> Decimal:
        return self._usd[currency]

    def index(self, instrument: Instrument) -> Decimal:
        return self.usd(instrument.base) / self.usd(instrument.counter)

    def mark(self, instrument: Instrument) -> Decimal:
        if instrument.name in self._marks:
            return self._marks[instrument.name]
        if instrument.kind != "option":
            return self.index(instrument)
        return round(D(self.greeks(instrument).price) / self.index(instrument), 6)

    def greeks(self, instrument: Instrument, *, move: float = 0.0, iv_factor: float = 1.0) -> Greeks:
        return black76(
            float(self.index(instrument)) * (1 + move),
            float(instrument.strike),
            max(instrument.expiry_ms - self._clock(), 3_600_000) / YEAR_MS,
            self.iv * iv_factor,
            is_put=instrument.is_put,
        )
