"""Bybit V5 on loopback, as far as reading a unified account needs it."""

from __future__ import annotations

import hashlib
import hmac
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from marginbot.sim.candles import Candle, CandleSource, no_candles, periods
from tests.servers import bybit_rows as rows
from tests.servers.base import Call, Clock, LoopbackServer, Refusal, Reply, Routes, wall_clock_ms
from tests.servers.bybit_book import COINS, LISTED_MS, BybitAccount, BybitMarket, Contract

ERRORS = {
    10001: "Request parameter error.",
    10002: "invalid request, please check your server timestamp or recv_window param.",
    10003: "API key is invalid.",
    10004: "error sign! please check your signature generation algorithm.",
    10005: "Permission denied, please check your API key permissions.",
    10006: "Too many visits. Exceeded the API Rate Limit.",
    10010: "Unmatched IP, please check your API key's bound IP addresses.",
    10016: "Server error.",
    33004: "Your api key has expired.",
}
MINUTES = {"1": 1, "3": 3, "5": 5, "15": 15, "30": 30, "60": 60, "120": 120, "240": 240, "D": 1_440}
AHEAD_MS = 1_000
NEVER = "1970-01-01T00:00:00Z"
Answer = Callable[[Call, BybitAccount], Any]


@dataclass(slots=True, kw_only=True)
class BybitKey:
    """A key; its flags may be changed while the server runs."""

    secret: str
    account: BybitAccount
    can_trade: bool = False
    can_withdraw: bool = False
    may_read: bool = True
    revoked: bool = False
    ips: tuple[str, ...] = ("127.0.0.1",)
    expires_at_ms: int | None = None


@dataclass(slots=True)
class _Second:
    number: int = -1
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)


class BybitServer(LoopbackServer):
    """Several keys over one market; `set_price` moves the marks of all of them."""

    def __init__(
        self,
        market: BybitMarket | None = None,
        *,
        candles: CandleSource = no_candles,
        clock: Clock = wall_clock_ms,
        port: int = 0,
    ) -> None:
        super().__init__(clock, port=port)
        self.market = BybitMarket() if market is None else market
        self.keys: dict[str, BybitKey] = {}
        self.rate_limit = 50  # calls a second, by key and path
        self.risk_limit_page = 15  # symbols
        self._candles = candles
        self._second = _Second()

    def add_key(self, key: str, secret: str, account: BybitAccount, **flags: Any) -> BybitKey:
        self.keys[key] = BybitKey(secret=secret, account=account, **flags)
        return self.keys[key]

    def set_price(self, symbol: str, price: Decimal, *, at_ms: int | None = None) -> None:
        """Move a mark price and liquidate whoever it ruins."""
        when = self.now_ms() if at_ms is None else at_ms
        with self.lock:
            self.market.set_price(symbol, price)
            for account in {id(key.account): key.account for key in self.keys.values()}.values():
                account.settle(when)

    # -- server

    def routes(self) -> Routes:
        public: dict[str, Callable[[Call], Any]] = {
            "/v5/market/time": self._time,
            "/v5/market/instruments-info": self._instruments,
            "/v5/market/kline": lambda call: self._klines(call, _full_row),
            "/v5/market/mark-price-kline": lambda call: self._klines(call, _price_row),
            "/v5/market/tickers": self._tickers,
            "/v5/market/risk-limit": self._risk_limits,
            "/v5/spot-margin-trade/collateral": self._collateral_tiers,
        }
        private: dict[str, Answer] = {
            "/v5/account/wallet-balance": self._wallet,
            "/v5/account/info": self._info,
            "/v5/account/collateral-info": self._collateral_info,
            "/v5/position/list": self._positions,
            "/v5/asset/coin/query-info": self._coin_info,
            "/v5/asset/portfolio-margin": self._portfolio,
            "/v5/user/query-api": self._query_api,
        }
        routes: Routes = {("GET", path): self._public(answer) for path, answer in public.items()}
        return routes | {("GET", path): self._private(answer) for path, answer in private.items()}

    def rate_limited(self, call: Call) -> Reply:
        reset = {"X-Bapi-Limit-Reset-Timestamp": str(self.now_ms() // 1_000 * 1_000 + 1_000)}
        return Reply(self._envelope({}, 10006), 200, reset)

    def banned(self, call: Call) -> Reply:
        return Reply("<html><body>403 Forbidden: access too frequent</body></html>", 403)

    def not_found(self, call: Call) -> Reply:
        return Reply("404 page not found", 404)

    def _public(self, answer: Callable[[Call], Any]) -> Callable[[Call], Any]:
        return lambda call: self._envelope(answer(call))

    def _private(self, answer: Answer) -> Callable[[Call], Any]:
        return lambda call: self._envelope(answer(call, self._authenticate(call).account))

    def _envelope(self, result: Any, code: int = 0, message: str = "") -> dict[str, Any]:
        text = message or ERRORS.get(code, "OK")
        return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": self.now_ms()}

    def _refusal(self, code: int, message: str = "") -> Refusal:
        return Refusal(Reply(self._envelope({}, code, message)))

    # -- who asks

    def _authenticate(self, call: Call) -> BybitKey:
        name = call.headers.get("x-bapi-api-key", "")
        key = self.keys.get(name)
        if key is None or key.revoked:
            raise self._refusal(10003)
        self._check_clock(call)
        self._check_signature(call, name, key)
        if key.expires_at_ms is not None and self.now_ms() >= key.expires_at_ms:
            raise self._refusal(33004)
        if key.ips and "127.0.0.1" not in key.ips:
            raise self._refusal(10010)
        if not key.may_read and call.path != "/v5/user/query-api":
            raise self._refusal(10005)
        self._count(name, call)
        return key

    def _check_clock(self, call: Call) -> None:
        timestamp = call.headers.get("x-bapi-timestamp", "")
        if not timestamp.isdecimal():
            raise self._refusal(10002)
        lag = self.now_ms() - int(timestamp)
        window = int(call.headers.get("x-bapi-recv-window", "5000"))
        if lag > window or lag <= -AHEAD_MS:
            times = f"req_timestamp[{timestamp}],server_timestamp[{self.now_ms()}],recv_window[{window}]"
            raise self._refusal(10002, f"{ERRORS[10002]} {times}")

    def _check_signature(self, call: Call, name: str, key: BybitKey) -> None:
        window = call.headers.get("x-bapi-recv-window", "")
        signed = call.headers["x-bapi-timestamp"] + name + window + (call.body or call.query)
        expected = hmac.new(key.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if call.headers.get("x-bapi-sign") != expected:
            raise self._refusal(10004, f"{ERRORS[10004]} origin_string[{signed}]")

    def _count(self, name: str, call: Call) -> None:
        now = self.now_ms() // 1_000
        if now != self._second.number:
            self._second = _Second(now)
        self._second.calls[name, call.path] += 1
        if self._second.calls[name, call.path] > self.rate_limit:
            raise Refusal(self.rate_limited(call))

    # -- public answers

    def _time(self, call: Call) -> Any:
        return {"timeSecond": str(self.now_ms() // 1_000), "timeNano": f"{self.now_ms()}000000"}

    def _contracts(self, call: Call) -> list[Contract]:
        """The contracts of the category asked for, narrowed by symbol or base coin."""
        asked = call.params
        return [
            contract
            for contract in self.market.contracts.values()
            if contract.category == asked.get("category")
            and asked.get("symbol") in (None, contract.symbol)
            and asked.get("baseCoin") in (None, contract.base)
        ]

    def _known_contracts(self, call: Call) -> list[Contract]:
        found = self._contracts(call)
        if "symbol" in call.params and not found:
            raise self._refusal(10001, "params error: symbol invalid")
        return found

    def _instruments(self, call: Call) -> Any:
        category = call.params.get("category")
        listed: list[Any] = []
        if category == "spot":
            listed = [rows.spot_row(coin) for coin in rows.spot_coins()]
        elif "status" not in call.params or call.params["status"] == "Trading":
            listed = [rows.instrument_row(contract) for contract in self._contracts(call)]
        return {"category": category, "list": listed, "nextPageCursor": ""}

    def _tickers(self, call: Call) -> Any:
        category = call.params.get("category")
        if category == "spot":
            listed = [rows.spot_ticker_row(self.market, coin) for coin in rows.spot_coins()]
        else:
            listed = [rows.ticker_row(self.market, c, self.now_ms()) for c in self._known_contracts(call)]
        return {"category": category, "list": listed}

    def _risk_limits(self, call: Call) -> Any:
        contracts = self._known_contracts(call)
        start = int(call.params.get("cursor") or "0")
        end = start + self.risk_limit_page
        listed = [rows.risk_limit_row(c, limit) for c in contracts[start:end] for limit in c.limits]
        cursor = str(end) if end < len(contracts) else ""
        return {"category": call.params.get("category"), "list": listed, "nextPageCursor": cursor}

    def _collateral_tiers(self, call: Call) -> Any:
        return {"list": [rows.collateral_tiers_row(self.market, coin) for coin in _asked_coins(call)]}

    def _klines(self, call: Call, row: Callable[[Candle], list[str]]) -> Any:
        asked = call.params
        minutes = MINUTES.get(asked.get("interval", ""))
        if minutes is None or not (asked.get("category") == "spot" or self._known_contracts(call)):
            raise self._refusal(10001)
        start = int(asked["start"]) if "start" in asked else None
        end = min(int(asked.get("end", self.now_ms())), self.now_ms())
        limit = min(int(asked.get("limit", "200")), 1_000)
        found = periods(self._candles, asked["symbol"], minutes, start, end, limit)
        newest_first = [row(candle) for candle in reversed(found)]
        return {"category": asked.get("category"), "symbol": asked["symbol"], "list": newest_first}

    # -- private answers

    def _wallet(self, call: Call, account: BybitAccount) -> Any:
        if call.params.get("accountType") != "UNIFIED":
            raise self._refusal(10001, "accountType only support UNIFIED.")
        return {"list": [rows.wallet_row(account)]}

    def _info(self, call: Call, account: BybitAccount) -> Any:
        return {
            "marginMode": account.mode,
            "updatedTime": str(LISTED_MS),
            "unifiedMarginStatus": 6,
            "dcpStatus": "OFF",
            "timeWindow": 10,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }

    def _collateral_info(self, call: Call, account: BybitAccount) -> Any:
        return {"list": [rows.collateral_info_row(account, coin) for coin in _asked_coins(call)]}

    def _coin_info(self, call: Call, account: BybitAccount) -> Any:
        return {"rows": [rows.coin_info_row(coin) for coin in COINS]}

    def _positions(self, call: Call, account: BybitAccount) -> Any:
        asked = call.params
        category = asked.get("category")
        if category not in ("linear", "inverse", "option"):
            raise self._refusal(10001, "params error: category invalid")
        if category == "linear" and not {"symbol", "settleCoin", "baseCoin"} & asked.keys():
            missing = "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin"
            raise self._refusal(10001, missing)
        contracts = {contract.symbol for contract in self._known_contracts(call)}
        settle = asked.get("settleCoin")
        listed = [
            rows.position_row(account, position)
            for position in account.positions
            if position.contract.symbol in contracts and settle in (None, position.contract.settle)
        ]
        if not listed and "symbol" in asked:
            listed = [rows.empty_position_row(account, self.market.contracts[asked["symbol"]])]
        return {"category": category, **_page(listed, asked)}

    def _portfolio(self, call: Call, account: BybitAccount) -> Any:
        if account.mode != "PORTFOLIO_MARGIN":
            raise self._refusal(10001, "only supported in portfolio margin mode")
        asked = call.params.get("baseCoin")
        return rows.portfolio_row(account, [asked] if asked else account.bases())

    def _query_api(self, call: Call, account: BybitAccount) -> Any:
        key = self.keys[call.headers["x-bapi-api-key"]]
        return {
            "id": "2208369",
            "note": "marginbot",
            "apiKey": call.headers["x-bapi-api-key"],
            "readOnly": 0 if key.can_trade or key.can_withdraw else 1,
            "secret": "",
            "permissions": _permissions(key),
            "ips": list(key.ips) or ["*"],
            "type": 1,
            "deadlineDay": -2 if key.expires_at_ms is None else (key.expires_at_ms - self.now_ms()) // 86_400_000,
            "expiredAt": NEVER if key.expires_at_ms is None else _iso(key.expires_at_ms),
            "createdAt": _iso(LISTED_MS),
            "unified": 0,
            "uta": 1,
            "userID": 1_448_939,
            "inviterID": 0,
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
            "affiliateID": 0,
            "rsaPublicKey": "",
            "isMaster": True,
            "parentUid": "0",
        }


def _permissions(key: BybitKey) -> dict[str, list[str]]:
    trading = {"ContractTrade": ["Order", "Position"], "Derivatives": ["DerivativesTrade"], "Spot": ["SpotTrade"]}
    readable = key.may_read or key.can_trade
    return {
        **{name: granted if readable else [] for name, granted in trading.items()},
        "Wallet": ["AccountTransfer", *(["Withdraw"] if key.can_withdraw else [])],
        "Options": ["OptionsTrade"] if readable else [],
        "Exchange": [],
        "Earn": [],
        "NFT": [],
    }


def _page(listed: list[Any], asked: Mapping[str, str]) -> dict[str, Any]:
    """One page. The cursor of a page that is not empty is not blank, even when nothing follows."""
    limit = min(int(asked.get("limit", "20")), 200)
    cursors = [f"{row['symbol']}%2C{row['updatedTime']}%2C{row['positionIdx']}" for row in listed]
    after = asked.get("cursor")
    start = 0
    if after:
        start = [unquote(cursor) for cursor in cursors].index(unquote(after)) + 1
    page = listed[start : start + limit]
    return {"list": page, "nextPageCursor": cursors[start + len(page) - 1] if page else ""}


def _asked_coins(call: Call) -> list[str]:
    asked = call.params.get("currency")
    return [coin for coin in COINS if asked in (None, coin)]


def _price_row(candle: Candle) -> list[str]:
    return [str(candle.open_ms), *(f"{price:f}" for price in candle[1:5])]


def _full_row(candle: Candle) -> list[str]:
    return [*_price_row(candle), f"{candle.volume:f}", f"{candle.volume * candle.close:f}"]


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
