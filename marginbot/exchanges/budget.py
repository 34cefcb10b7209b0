"""How much may be asked of a venue: its documented limits in our own table, and what is left of them now.

ccxt prices some requests at a fifth of what the venue does and others at seven times as much, so it does not limit
anything here. A limit is counted over a sliding window, which no fixed window of the venue's can exceed. What the
venue itself says it has counted wins where it is more: others may share the address.

Sources, read in November 2026 and to be read again before a release: the venues' pages on rate limits (Binance
"Limits", "Account Information V3"; Bybit "Rate Limit Rules"; OKX "Rate Limit"; Deribit "Rate Limits"; Hyperliquid
"Rate limits and user limits").
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import orjson

SHARE = 0.96  # of the documented limit is used; the rest is for clocks that differ and requests under way
_SLOTS = 240  # what is spent within one is free again with the last of it
AT_ONCE = 0.75  # of a limit may be spent in a burst; what goes beyond is spread evenly over its time
_AHEAD = 0.03  # of a limit, by which that may run ahead: what was not asked for in a moment can be made good
INSTANT = 1e-6  # seconds; a sum of times is not exact


@dataclass(frozen=True, slots=True)
class Request:
    """What decides the price of a request."""

    path: str
    query: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`weight` in `seconds` for each address, or for each account and path."""

    name: str
    paths: tuple[str, ...]  # prefixes; "" is every path
    weight: float
    seconds: float
    cost: Callable[[Request], float]
    per_account: bool = False
    used_header: str = ""  # in which the venue says what it has counted in its present window


def _one(_: Request) -> float:
    return 1


def _by_bars(request: Request, paths: Mapping[str, float], *, default: float) -> float:
    """Binance: candles by how many are asked for, the rest by the table."""
    if not request.path.endswith("/klines"):
        return paths.get(request.path, default)
    limit = int(parse_qs(request.query).get("limit", ["500"])[0])
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


_FAPI = {
    "/fapi/v2/account": 5,
    "/fapi/v3/account": 5,
    "/fapi/v2/positionRisk": 5,
    "/fapi/v3/positionRisk": 5,
    "/fapi/v1/accountConfig": 5,
    "/fapi/v1/multiAssetsMargin": 30,
    "/fapi/v1/positionSide/dual": 30,
    "/fapi/v1/assetIndex": 10,
    "/fapi/v1/forceOrders": 50,
    "/fapi/v1/premiumIndex": 10,
}
_DAPI = {"/dapi/v1/account": 5, "/dapi/v1/premiumIndex": 10}
_PAPI = {"/papi/v1/account": 20, "/papi/v1/balance": 20, "/papi/v1/um/positionRisk": 5, "/papi/v1/cm/positionRisk": 1}
_SAPI = {"/sapi/v1/margin/account": 10, "/sapi/v1/margin/isolated/account": 10, "/sapi/v1/portfolio/collateralRate": 50}
_MOST_CANDLES = 5000
_INFO = {"l2Book": 2, "allMids": 2, "clearinghouseState": 2, "orderStatus": 2, "spotClearinghouseState": 2}


def _hyperliquid(request: Request) -> float:
    """By the type in the body; candles cost one more for each sixty."""
    try:
        asked: Any = orjson.loads(request.body or "{}")
    except ValueError:
        return 20
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind == "userRole":
        return 60
    if kind == "candleSnapshot":
        return 20 + _minutes(asked.get("req")) / 60
    return _INFO.get(str(kind), 20)


def _minutes(asked: Any) -> float:
    """One-minute candles between the two times that are asked for; the most there can be where they are not told."""
    try:
        return float(min(_MOST_CANDLES, max(0, (asked["endTime"] - asked["startTime"]) / 60_000)))
    except (TypeError, KeyError):
        return _MOST_CANDLES


_USED = "x-mbx-used-weight-1m"
_BINANCE = (
    Limit(
        name="binance fapi",
        paths=("/fapi/",),
        weight=2400,
        seconds=60,
        cost=lambda request: _by_bars(request, _FAPI, default=1),
        used_header=_USED,
    ),
    Limit(
        name="binance dapi",
        paths=("/dapi/",),
        weight=2400,
        seconds=60,
        cost=lambda request: _by_bars(request, _DAPI, default=1),
        used_header=_USED,
    ),
    Limit(
        name="binance papi",
        paths=("/papi/",),
        weight=6000,
        seconds=60,
        cost=lambda request: _PAPI.get(request.path, 1),
        used_header=_USED,
    ),
    Limit(
        name="binance sapi",
        paths=("/sapi/",),
        weight=12000,
        seconds=60,
        cost=lambda request: _SAPI.get(request.path, 1),
        used_header="x-sapi-used-ip-weight-1m",
    ),
)
# Venues that are not here publish no limit we could count in one number; they are only obeyed when they complain.
LIMITS: Mapping[str, tuple[Limit, ...]] = {
    "binance": _BINANCE,
    "binanceusdm": _BINANCE,
    "binancecoinm": _BINANCE,
    "bybit": (Limit(name="bybit", paths=("",), weight=600, seconds=5, cost=_one),),
    "okx": (Limit(name="okx", paths=("/api/v5/account/",), weight=10, seconds=2, cost=_one, per_account=True),),
    "deribit": (Limit(name="deribit", paths=("",), weight=20, seconds=1, cost=_one, per_account=True),),
    "hyperliquid": (Limit(name="hyperliquid", paths=("",), weight=1200, seconds=60, cost=_hyperliquid),),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """A request that has left, and what the venue had counted as far as was known then."""

    weight: float
    reported: float
    window: int


class Budget:
    """One limit as it stands. Times are seconds of a clock that only goes forward."""

    __slots__ = (
        "_beyond",
        "_level",
        "_level_at",
        "_rate",
        "_reported",
        "_since_reset",
        "_slot",
        "_spent",
        "_under_way",
        "_window",
        "limit",
        "seconds",
        "stopped_until",
        "used",
    )

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit * SHARE
        self.seconds = seconds
        self.used = 0.0
        self.stopped_until = 0.0
        self._slot = seconds / _SLOTS
        self._rate = self.limit / (seconds + self._slot)
        self._spent: deque[list[float]] = deque()  # when it is free again, weight
        self._under_way = 0.0  # spent, and not answered yet
        self._level, self._level_at = 0.0, 0.0  # spent ahead of an even course
        self._reported = self._since_reset = self._beyond = 0.0
        self._window = 0  # the venue's, as far as its beginning was seen

    def wait(self, weight: float, now: float) -> float:
        """Seconds until so much may be spent; what is larger than the whole limit may go when nothing else was."""
        self._release(now)
        stopped = max(0.0, self.stopped_until - now)
        over = self.used + weight - self.limit
        if over <= 0 or not self._spent:
            return stopped
        free_at = self._spent[-1][0]
        for at, freed in self._spent:
            over -= freed
            if over <= 0:
                free_at = at
                break
        return max(stopped, free_at - now)

    def pace(self, weight: float, now: float) -> float:
        """Seconds until so much may be spent without leaving the rest of the time with nothing.

        A limit that is used up in a burst is free again in a burst, one whole time later, and until then the most
        endangered wait with everybody else.
        """
        self._release(now)
        if self.used + weight <= AT_ONCE * self.limit:
            return 0.0
        over = self._drained(now) - max(0.0, _AHEAD * self.limit - weight)
        return over / self._rate if over > INSTANT else 0.0

    def spend(self, weight: float, now: float) -> Spent:
        """It leaves now; to be given back with the answer."""
        self._release(now)
        self._since_reset += weight
        self._under_way += weight
        self._add(weight, now)
        return Spent(weight, self._reported, self._window)

    def answered(self, spent: Spent, counted: float | None, now: float) -> None:
        """It was answered, or given up; `counted` is what the venue has counted in its present window, if it says.

        More than ours: somebody else asks as well. Answers are seen in any order, so only a count smaller than one
        that was known before the request left is that of a new window, in which all that is under way may be counted.
        What left before that was seen may have been counted in either, so its count says nothing.
        """
        if counted is not None and spent.window == self._window:
            if counted < spent.reported:
                self._window += 1
                self._since_reset, self._beyond, self._reported = counted + self._under_way, 0.0, counted
            self._reported = max(self._reported, counted)
            more = counted - self._since_reset - self._beyond
            if more > 0:
                self._beyond += more
                self._add(more, now)
        self._under_way = max(0.0, self._under_way - spent.weight)

    def stop(self, until: float) -> None:
        """Nothing more until then."""
        self.stopped_until = max(self.stopped_until, until)

    def _add(self, weight: float, now: float) -> None:
        self.used += weight
        self._level, self._level_at = self._drained(now) + weight, now
        free_at = now + self.seconds + self._slot
        if self._spent and free_at - self._spent[-1][0] < self._slot:
            self._spent[-1][1] += weight
        else:
            self._spent.append([free_at, weight])

    def _drained(self, now: float) -> float:
        return max(0.0, self._level - (now - self._level_at) * self._rate)

    def _release(self, now: float) -> None:
        while self._spent and self._spent[0][0] <= now + INSTANT:
            self.used -= self._spent.popleft()[1]
        if not self._spent:
            self.used = 0.0
