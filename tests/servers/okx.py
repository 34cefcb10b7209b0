"""OKX on loopback, as far as reading an account needs it: `OkxServer`, read by the real ccxt client."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from tests.servers.base import Call, Clock, LoopbackServer, Refusal, Reply, Routes, wall_clock_ms
from tests.servers.okx_book import Instrument, OkxAccount, OkxBook, OkxMarket, OkxPosition
from tests.servers.okx_rows import (
    balance_row,
    candle_row,
    config_row,
    instrument_row,
    position_row,
    risk_row,
    tier_rows,
)
from tests.servers.quotes import CandleSource, gentle, openings, plain

__all__ = ["OkxAccount", "OkxBook", "OkxMarket", "OkxPosition", "OkxServer"]

PRICES = {"BTC": Decimal(60000), "ETH": Decimal(3000)}
TIMESTAMP_TOLERANCE_MS = 30_000
CALLER_IP = "127.0.0.1"
ERRORS = {
    "50001": (503, "Service temporarily unavailable. Please try again later."),
    "50011": (429, "Too Many Requests"),
    "50102": (401, "Timestamp request expired"),
    "50103": (401, "Request header OK-ACCESS-KEY can not be empty."),
    "50105": (401, "Request header OK-ACCESS-PASSPHRASE incorrect."),
    "50110": (401, "Your IP is not included in your API key's IP whitelist."),
    "50111": (401, "Invalid OK-ACCESS-KEY"),
    "50112": (401, "Invalid OK-ACCESS-TIMESTAMP"),
    "50113": (401, "Invalid Sign"),
    "50114": (401, "Invalid Authorization"),
    "51000": (200, "Parameter error"),
    "51001": (200, "Instrument ID or Spread ID doesn't exist"),
}
BARS_MS = {"m": 60_000, "H": 3_600_000, "D": 86_400_000, "W": 604_800_000}


class OkxServer(LoopbackServer):
    """Several keys over one market; `set_price` moves the marks of all of them."""

    def __init__(
        self,
        accounts: Sequence[OkxAccount] | None = None,
        *,
        prices: Mapping[str, Decimal] | None = None,
        candles: CandleSource | None = None,
        clock: Clock = wall_clock_ms,
        port: int = 0,
    ) -> None:
        super().__init__(clock, port=port)
        self.accounts = [OkxAccount()] if accounts is None else list(accounts)
        self.market = OkxMarket({**PRICES, **(prices or {})})
        self._candles: CandleSource = candles or self._gentle

    def set_price(self, name: str, price: Decimal | int | str) -> None:
        """Of a coin in USD ("BTC", "USDT") or of one instrument ("BTC-USDT-SWAP")."""
        with self.lock:
            self.market.set_price(name, Decimal(price))

    def margin_ratio(self, pool: str, account: OkxAccount | None = None) -> Decimal:
        """Requirement over equity, 1 at liquidation; pool names as in `OkxBook.margin_ratio`."""
        with self.lock:
            return self._book(account or self.accounts[0]).margin_ratio(pool)

    def routes(self) -> Routes:
        public = {
            "public/time": self._time,
            "public/instruments": self._instruments,
            "public/mark-price": self._mark_prices,
            "public/position-tiers": lambda call: tier_rows(_family(call) or ""),
            "market/ticker": self._ticker,
            "market/tickers": self._tickers,
            "market/candles": self._candle_rows,
            "market/history-candles": self._candle_rows,
            "market/mark-price-candles": self._candle_rows,
            "market/history-mark-price-candles": self._candle_rows,
        }
        signed = {
            "account/config": lambda _call, account: [config_row(account)],
            "account/balance": self._balance,
            "account/positions": self._positions,
            "account/account-position-risk": lambda _call, a: [risk_row(self._book(a), self.now_ms())],
            "asset/currencies": lambda _call, account: self._currencies(account),
        }
        routes: Routes = {("GET", f"/api/v5/{path}"): _enveloped(answer) for path, answer in public.items()}
        for path, answer in signed.items():
            routes["GET", f"/api/v5/{path}"] = self._signed(answer)
        return routes

    def not_found(self, call: Call) -> Reply:
        return Reply({"code": "404", "msg": "Not Found", "data": []}, 404)

    def rate_limited(self, call: Call) -> Reply:
        return _error("50011")

    def banned(self, call: Call) -> Reply:
        return Reply("<html><body>error code: 1006</body></html>", 403)

    # -- who is asking

    def _signed(self, answer: Callable[[Call, OkxAccount], Any]) -> Callable[[Call], Any]:
        return lambda call: _envelope(answer(call, self._caller(call)))

    def _caller(self, call: Call) -> OkxAccount:
        key = call.headers.get("ok-access-key")
        _require(key, "50103")
        account = next((a for a in self.accounts if a.key == key), None)
        if account is None:
            raise Refusal(_error("50111"))
        _require(call.headers.get("ok-access-passphrase") == account.passphrase, "50105")
        timestamp = call.headers.get("ok-access-timestamp", "")
        _require(abs(_epoch_ms(timestamp) - self.now_ms()) <= TIMESTAMP_TOLERANCE_MS, "50102")
        _require(call.headers.get("ok-access-sign") == _signature(account, timestamp, call), "50113")
        _require(not account.ip or CALLER_IP in account.ip.split(","), "50110")
        if account.refusal:
            raise Refusal(_error(account.refusal))
        return account

    def _book(self, account: OkxAccount) -> OkxBook:
        return OkxBook(account, self.market)

    # -- signed answers

    def _balance(self, call: Call, account: OkxAccount) -> list[Any]:
        row = balance_row(self._book(account), self.now_ms())
        wanted = call.params.get("ccy")
        if wanted:
            row["details"] = [detail for detail in row["details"] if detail["ccy"] in wanted.split(",")]
        return [row]

    def _positions(self, call: Call, account: OkxAccount) -> list[Any]:
        book = self._book(account)
        rows = [position_row(book, e, number, self.now_ms()) for number, e in enumerate(book.exposures)]
        types, ids = call.params.get("instType"), call.params.get("instId")
        return [
            row
            for row in rows
            if (not types or row["instType"] == types) and (not ids or row["instId"] in ids.split(","))
        ]

    def _currencies(self, account: OkxAccount) -> list[Any]:
        names = ["USDT", "USDC", "BTC", "ETH", *account.balances]
        return [
            {"ccy": name, "name": name, "chain": f"{name}-Main", "canDep": True, "canWd": True, "minWd": "0"}
            | {"maxWd": "1000000", "fee": "0", "wdTickSz": "8"}
            for name in dict.fromkeys(names)
        ]

    # -- public answers

    def _time(self, call: Call) -> list[Any]:
        return [{"ts": str(self.now_ms())}]

    def _wanted(self, call: Call) -> Iterable[Instrument]:
        asked = call.params
        family = _family(call)
        for instrument in self.market.instruments.values():
            of_type = asked.get("instType") in (None, instrument.inst_type)
            of_id = asked.get("instId") in (None, instrument.inst_id)
            if of_type and of_id and family in (None, instrument.family):
                yield instrument

    def _instruments(self, call: Call) -> list[Any]:
        _require("instType" in call.params, "51000")
        return [instrument_row(instrument) for instrument in self._wanted(call)]

    def _mark_prices(self, call: Call) -> list[Any]:
        return [
            {"instType": i.inst_type, "instId": i.inst_id, "markPx": self._mark(i), "ts": str(self.now_ms())}
            for i in self._wanted(call)
            if i.inst_type != "SPOT"
        ]

    def _ticker(self, call: Call) -> list[Any]:
        _require(call.params.get("instId") in self.market.instruments, "51001")
        return self._tickers(call)

    def _tickers(self, call: Call) -> list[Any]:
        return [self._ticker_row(instrument) for instrument in self._wanted(call)]

    def _ticker_row(self, instrument: Instrument) -> dict[str, str]:
        prices = ("last", "askPx", "bidPx", "open24h", "high24h", "low24h", "sodUtc0", "sodUtc8")
        sizes = ("lastSz", "askSz", "bidSz", "volCcy24h", "vol24h")
        row = {"instType": instrument.inst_type, "instId": instrument.inst_id, "ts": str(self.now_ms())}
        return row | dict.fromkeys(prices, self._mark(instrument)) | dict.fromkeys(sizes, "1")

    def _mark(self, instrument: Instrument) -> str:
        return plain(self.market.mark(instrument.inst_id), 8)

    def _candle_rows(self, call: Call) -> list[Any]:
        inst_id, bar = call.params.get("instId", ""), call.params.get("bar", "1m").removesuffix("utc")
        _require(inst_id in self.market.instruments, "51001")
        _require(bar[-1:] in BARS_MS and bar[:-1].isdigit(), "51000")
        step = int(bar[:-1]) * BARS_MS[bar[-1]]
        mark = "mark-price" in call.path
        limit = min(int(call.params.get("limit", "100")), 100 if mark else 300)
        now = self.now_ms()
        end = min(int(call.params.get("after", now + 1)) - 1, now)
        start = int(call.params.get("before", -1)) + 1
        rows = [
            candle_row(opens_at, candle, mark=mark, closed=opens_at + step <= now)
            for opens_at in openings(start, end, step, latest=limit)
            if (candle := self._candles(inst_id, opens_at, step)) is not None
        ]
        return rows[::-1]

    def _gentle(self, inst_id: str, opens_at: int, step_ms: int) -> Any:
        return gentle(self.market.mark(inst_id), opens_at, step_ms)


def _family(call: Call) -> str | None:
    return call.params.get("instFamily") or call.params.get("uly")


def _enveloped(answer: Callable[[Call], Any]) -> Callable[[Call], Any]:
    return lambda call: _envelope(answer(call))


def _envelope(data: Any) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": data}


def _error(code: str) -> Reply:
    status, message = ERRORS[code]
    return Reply({"code": code, "msg": message, "data": []}, status)


def _require(condition: object, code: str) -> None:
    if not condition:
        raise Refusal(_error(code))


def _epoch_ms(timestamp: str) -> int:
    try:
        return int(datetime.fromisoformat(timestamp).timestamp() * 1000)
    except ValueError:
        raise Refusal(_error("50112")) from None


def _signature(account: OkxAccount, timestamp: str, call: Call) -> str:
    target = f"{call.path}?{call.query}" if call.query else call.path
    text = timestamp + call.method + target + call.body
    digest = hmac.new(account.secret.encode(), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
