"""Deribit on loopback, as far as reading an account needs it: `DeribitServer`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.servers.base import Call, Clock, LoopbackServer, Refusal, Reply, Routes, wall_clock_ms
from tests.servers.deribit_book import DeribitAccount, DeribitBook, DeribitPosition
from tests.servers.deribit_market import DeribitMarket, Instrument
from tests.servers.deribit_rows import (
    currency_row,
    instrument_row,
    number,
    position_row,
    summary_row,
    ticker_row,
)
from tests.servers.quotes import CandleSource, gentle, openings

__all__ = ["DeribitAccount", "DeribitBook", "DeribitMarket", "DeribitPosition", "DeribitServer"]

PRICES = {"BTC": Decimal(60000), "ETH": Decimal(3000)}
TIMESTAMP_TOLERANCE_MS = 60_000
MOST_CANDLES = 5000
ERRORS = {
    10028: (429, "too_many_requests"),
    10041: (503, "settlement_in_progress"),
    11051: (503, "system_maintenance"),
    13004: (400, "invalid_credentials"),
    13009: (401, "unauthorized"),
    13020: (400, "not_found"),
    13021: (403, "forbidden"),
    -32601: (400, "Method not found"),
    -32602: (400, "Invalid params"),
}


class DeribitServer(LoopbackServer):
    """Several keys over one market; `set_price` moves the marks of all of them."""

    def __init__(
        self,
        accounts: Sequence[DeribitAccount] | None = None,
        *,
        prices: Mapping[str, Decimal] | None = None,
        iv: float = 0.6,
        candles: CandleSource | None = None,
        clock: Clock = wall_clock_ms,
        port: int = 0,
    ) -> None:
        super().__init__(clock, port=port)
        self.accounts = [DeribitAccount()] if accounts is None else list(accounts)
        self.market = DeribitMarket({**PRICES, **(prices or {})}, self.now_ms, iv=iv)
        self._candles: CandleSource = candles or self._gentle

    def set_price(self, name: str, price: Decimal | int | str) -> None:
        """Of a coin in USD ("BTC") or the mark of one instrument ("BTC-PERPETUAL"; options in coin)."""
        with self.lock:
            self.market.set_price(name, Decimal(price))

    def margin_ratio(self, pool: str, account: DeribitAccount | None = None) -> Decimal:
        """Requirement over margin balance, 1 at liquidation; pools as in `DeribitBook.margin_ratio`."""
        with self.lock:
            return self._book(account or self.accounts[0]).margin_ratio(pool)

    def routes(self) -> Routes:
        public: dict[str, Callable[[Call], Any]] = {
            "get_time": lambda _call: self.now_ms(),
            "get_currencies": lambda _call: [currency_row(name) for name in ("BTC", "ETH", "USDC", "USDT")],
            "get_instruments": self._instruments,
            "get_tradingview_chart_data": self._chart,
            "ticker": lambda call: ticker_row(self.market, self._instrument(call), self.now_ms()),
            "get_index_price": self._index_price,
            "auth": self._auth,
        }
        private: dict[str, tuple[str, Callable[[Call, DeribitAccount], Any]]] = {
            "get_account_summaries": ("account", self._summaries),
            "get_account_summary": ("account", self._summary),
            "get_positions": ("trade", self._positions),
        }
        routes: Routes = {("GET", f"/api/v2/public/{name}"): self._result(answer) for name, answer in public.items()}
        for name, (scope, answer) in private.items():
            routes["GET", f"/api/v2/private/{name}"] = self._signed(scope, answer)
        return routes

    def not_found(self, call: Call) -> Reply:
        return self._error(-32601)

    def rate_limited(self, call: Call) -> Reply:
        return self._error(10028)

    def banned(self, call: Call) -> Reply:
        return Reply("<html><body>error code: 1006</body></html>", 403)

    # -- JSON-RPC

    def _envelope(self) -> dict[str, Any]:
        micros = self.now_ms() * 1000
        return {"jsonrpc": "2.0", "usIn": micros, "usOut": micros + 450, "usDiff": 450, "testnet": False}

    def _result(self, answer: Callable[[Call], Any]) -> Callable[[Call], Any]:
        return lambda call: self._envelope() | {"result": answer(call)}

    def _error(self, code: int, data: dict[str, Any] | None = None) -> Reply:
        status, message = ERRORS[code]
        error: dict[str, Any] = {"code": code, "message": message}
        return Reply(self._envelope() | {"error": error | ({"data": data} if data else {})}, status)

    def _require(self, condition: object, code: int, **data: Any) -> None:
        if not condition:
            raise Refusal(self._error(code, data))

    # -- who is asking

    def _signed(self, scope: str, answer: Callable[[Call, DeribitAccount], Any]) -> Callable[[Call], Any]:
        def answer_signed(call: Call) -> Any:
            account = self._caller(call)
            granted = account.scope.split()
            self._require({f"{scope}:read", f"{scope}:read_write"} & {*granted}, 13021)
            return answer(call, account)

        return self._result(answer_signed)

    def _caller(self, call: Call) -> DeribitAccount:
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        self._require(scheme == "deri-hmac-sha256", 13009, reason="missing_signature")
        fields = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
        account = self._account(fields.get("id"))
        signed_at = fields.get("ts", "")
        self._require(signed_at.isdigit(), 13009, reason="invalid_timestamp")
        fresh = abs(int(signed_at) - self.now_ms()) <= TIMESTAMP_TOLERANCE_MS
        self._require(fresh, 13009, reason="expired_signature")
        expected = _signature(account, signed_at, fields.get("nonce", ""), call)
        self._require(fields.get("sig") == expected, 13004)
        self._require(account.refusal is None, account.refusal or 0)
        return account

    def _account(self, client_id: str | None) -> DeribitAccount:
        account = next((a for a in self.accounts if a.client_id == client_id), None)
        if account is None:
            raise Refusal(self._error(13004))
        return account

    def _auth(self, call: Call) -> dict[str, Any]:
        asked = call.params
        self._require(asked.get("grant_type") == "client_credentials", -32602, param="grant_type")
        account = self._account(asked.get("client_id"))
        self._require(asked.get("client_secret") == account.client_secret, 13004)
        return {
            "access_token": "loopback-access",
            "refresh_token": "loopback-refresh",
            "token_type": "bearer",
            "expires_in": 900,
            "scope": account.scope,
            "enabled_features": [],
            "sid": "",
        }

    def _book(self, account: DeribitAccount) -> DeribitBook:
        return DeribitBook(account, self.market)

    # -- private

    def _summaries(self, call: Call, account: DeribitAccount) -> dict[str, Any]:
        book = self._book(account)
        summaries = [summary_row(book, currency) for currency in book.currencies()]
        return self._user(call, account) | {"summaries": summaries}

    def _summary(self, call: Call, account: DeribitAccount) -> dict[str, Any]:
        book, currency = self._book(account), call.params.get("currency")
        self._require(currency in book.currencies(), -32602, param="currency")
        return self._user(call, account) | summary_row(book, str(currency))

    def _user(self, call: Call, account: DeribitAccount) -> dict[str, Any]:
        if call.params.get("extended") != "true":
            return {}
        return {"id": account.user_id, "username": "user", "system_name": "user", "type": "main"}

    def _positions(self, call: Call, account: DeribitAccount) -> list[Any]:
        book, asked = self._book(account), call.params
        currency, kind = asked.get("currency", "any"), asked.get("kind")
        return [
            position_row(book, held)
            for held in book.held
            if currency in ("any", held.instrument.settlement) and kind in (None, held.instrument.kind)
        ]

    # -- public

    def _instruments(self, call: Call) -> list[Any]:
        currency, kind = call.params.get("currency", "any"), call.params.get("kind")
        return [
            instrument_row(instrument, count)
            for count, instrument in enumerate(self.market.instruments.values())
            if currency in ("any", instrument.settlement) and kind in (None, instrument.kind)
        ]

    def _instrument(self, call: Call) -> Instrument:
        instrument = self.market.instruments.get(call.params.get("instrument_name", ""))
        if instrument is None:
            raise Refusal(self._error(13020))
        return instrument

    def _index_price(self, call: Call) -> dict[str, float]:
        names = {i.index_name: i for i in self.market.instruments.values()}
        instrument = names.get(call.params.get("index_name", ""))
        if instrument is None:
            raise Refusal(self._error(-32602, {"param": "index_name"}))
        price = number(self.market.index(instrument), 2)
        return {"index_price": price, "estimated_delivery_price": price}

    def _chart(self, call: Call) -> dict[str, Any]:
        asked, name = call.params, self._instrument(call).name
        resolution = asked.get("resolution", "")
        self._require(resolution == "1D" or resolution.isdigit(), -32602, param="resolution")
        step = 86_400_000 if resolution == "1D" else int(resolution) * 60_000
        end = min(int(asked["end_timestamp"]), self.now_ms())
        ticks = openings(int(asked["start_timestamp"]), end, step, latest=MOST_CANDLES)
        found = [(tick, c) for tick in ticks if (c := self._candles(name, tick, step)) is not None]
        chart: dict[str, Any] = {
            field: [number(getattr(candle, field), 4) for _, candle in found]
            for field in ("open", "high", "low", "close", "volume")
        }
        cost = [number(candle.volume * candle.close, 4) for _, candle in found]
        status = "ok" if found else "no_data"
        return chart | {"ticks": [tick for tick, _ in found], "cost": cost, "status": status}

    def _gentle(self, name: str, opens_at: int, step_ms: int) -> Any:
        return gentle(self.market.mark(self.market.instruments[name]), opens_at, step_ms)


def _signature(account: DeribitAccount, signed_at: str, nonce: str, call: Call) -> str:
    target = f"{call.path}?{call.query}" if call.query else call.path
    text = f"{signed_at}\n{nonce}\n{call.method}\n{target}\n{call.body}\n"
    return hmac.new(account.client_secret.encode(), text.encode(), hashlib.sha256).hexdigest()
