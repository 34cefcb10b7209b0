"""A loopback exchange that speaks the Binance USD-M futures REST dialect.

The real ccxt client reads it once its addresses point at `url`. Keys are checked, signatures and
clocks too, weights are counted, and errors have the venue's codes, so that what works here works there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from marginbot.sim import listings, statements
from marginbot.sim.book import Account
from marginbot.sim.candles import CandleSource, klines, no_candles
from marginbot.sim.instruments import MARGIN_ASSETS, Instrument, Market
from marginbot.sim.keys import ApiKey, authenticate, error, refusal, restrictions
from marginbot.sim.positions import Position
from marginbot.sim.server import Call, Clock, Handler, LoopbackServer, Refusal, Reply, Routes

_BAD_SYMBOL = (400, -1121, "Invalid symbol.")
_NO_SYMBOL = (400, -1102, "Mandatory parameter 'symbol' was not sent.")
_BAD_INTERVAL = (400, -1120, "Invalid interval.")


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """`weight` counts with a symbol, `weight_all` without one."""

    handle: Handler
    weight: int
    weight_all: int


class SimulatedExchange(LoopbackServer):
    """Binance USD-M futures on 127.0.0.1, with as many keys and accounts as are added."""

    def __init__(
        self,
        market: Market,
        clock: Clock,
        *,
        candles: CandleSource = no_candles,
        candle_clock: Clock | None = None,
        weight_limit: int = 2_400,
        port: int = 0,
    ) -> None:
        super().__init__(clock, port=port)
        self.market = market
        self.weight_limit = weight_limit
        self.keys: dict[str, ApiKey] = {}
        self._candles = candles
        # A replayed market has a time of its own, while keys are checked against the real one.
        self._candle_clock = candle_clock or self.now_ms
        self._weight_minute = -1
        self._weight_used = 0
        self._endpoints = self._all_endpoints()

    # -- what happens at the exchange

    def add_key(
        self,
        key: str,
        secret: str,
        account: Account,
        *,
        can_trade: bool = False,
        can_withdraw: bool = False,
    ) -> ApiKey:
        """Let `key` read `account`; the returned key can be changed or revoked later."""
        added = ApiKey(secret=secret, account=account, can_trade=can_trade, can_withdraw=can_withdraw)
        self.keys[key] = added
        return added

    def set_price(self, symbol: str, price: Decimal, *, at_ms: int | None = None) -> None:
        """Move a mark price and liquidate whoever it ruins."""
        when = self.now_ms() if at_ms is None else at_ms
        with self.lock:
            self.market.set_price(symbol, price)
            for account in self.accounts():
                account.settle(when, symbol, price)

    def accounts(self) -> list[Account]:
        """Every account once, however many keys it has."""
        return list({id(key.account): key.account for key in self.keys.values()}.values())

    @property
    def used_weight(self) -> int:
        """Weight spent in the current minute."""
        return self._weight_used if self.now_ms() // 60_000 == self._weight_minute else 0

    # -- server

    def routes(self) -> Routes:
        return {("GET", path): self._answer for path in self._endpoints}

    def not_found(self, call: Call) -> Reply:
        page = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1></body></html>"
        return Reply(page, 404)

    def rate_limited(self, call: Call) -> Reply:
        limit = f"current limit of IP(127.0.0.1) is {self.weight_limit} requests per minute."
        return error((429, -1003, f"Too many requests; {limit}"), {"Retry-After": str(self._minute_left())})

    def banned(self, call: Call) -> Reply:
        until = self.now_ms() + 120_000
        text = f"Way too many requests; IP(127.0.0.1) banned until {until}."
        return error((418, -1003, text), {"Retry-After": "120"})

    def finish(self, call: Call, reply: Reply) -> Reply:
        weight = {"X-MBX-USED-WEIGHT-1M": str(self.used_weight)}
        return Reply(reply.payload, reply.status, {**reply.headers, **weight})

    def _answer(self, call: Call) -> Any:
        endpoint = self._endpoints[call.path]
        self._spend(call, endpoint)
        return endpoint.handle(call)

    def _spend(self, call: Call, endpoint: _Endpoint) -> None:
        """Count the weight; past the limit nothing is answered until the minute is over."""
        if call.path.startswith("/sapi/"):
            return  # another budget
        minute = self.now_ms() // 60_000
        if minute != self._weight_minute:
            self._weight_minute, self._weight_used = minute, 0
        weight = endpoint.weight if "symbol" in call.params else endpoint.weight_all
        if call.path == "/fapi/v1/klines":
            weight = _kline_weight(int(call.params.get("limit", "500")))
        self._weight_used += weight
        if self._weight_used > self.weight_limit:
            raise Refusal(self.rate_limited(call))

    def _minute_left(self) -> int:
        return 60 - self.now_ms() // 1_000 % 60

    # -- endpoints

    def _owner(self, call: Call) -> Account:
        return authenticate(call, self.keys, self.now_ms()).account

    def _all_endpoints(self) -> dict[str, _Endpoint]:
        def public(handle: Handler, weight: int = 1, weight_all: int = 1) -> _Endpoint:
            return _Endpoint(handle, weight, weight_all)

        def private(handle: Callable[[Call, Account], Any], weight: int = 5) -> _Endpoint:
            return _Endpoint(lambda call: handle(call, self._owner(call)), weight, weight)

        return {
            "/fapi/v1/ping": public(lambda call: {}),
            "/fapi/v1/time": public(lambda call: {"serverTime": self.now_ms()}),
            "/fapi/v1/exchangeInfo": public(lambda call: listings.exchange_info(self.market, self.now_ms())),
            "/fapi/v1/klines": public(self._klines),
            "/fapi/v1/premiumIndex": public(self._premium_index, 1, 10),
            "/fapi/v1/ticker/price": public(self._ticker_price, 1, 2),
            "/fapi/v1/assetIndex": public(self._asset_index, 1, 10),
            "/fapi/v3/account": private(lambda call, account: statements.account_v3(account)),
            "/fapi/v2/account": private(lambda call, account: statements.account_v2(account)),
            "/fapi/v3/positionRisk": private(self._position_risk_v3),
            "/fapi/v2/positionRisk": private(self._position_risk_v2),
            "/fapi/v3/balance": private(lambda call, account: statements.balances(account)),
            "/fapi/v2/balance": private(lambda call, account: statements.balances(account)),
            "/fapi/v1/accountConfig": private(lambda call, account: statements.account_config(account)),
            "/fapi/v1/multiAssetsMargin": private(
                lambda call, account: {"multiAssetsMargin": account.multi_assets}, 30
            ),
            "/fapi/v1/positionSide/dual": private(lambda call, account: {"dualSidePosition": account.hedge}, 30),
            "/fapi/v1/symbolConfig": private(self._symbol_config),
            "/fapi/v1/leverageBracket": private(self._leverage_bracket, 1),
            "/sapi/v1/account/apiRestrictions": private(self._api_restrictions, 1),
        }

    def _asked(self, call: Call) -> Sequence[Instrument]:
        """The instrument the call names, or all of them."""
        symbol = call.params.get("symbol")
        if symbol is None:
            return list(self.market.instruments.values())
        if symbol not in self.market.instruments:
            raise refusal(_BAD_SYMBOL)
        return [self.market.instruments[symbol]]

    def _klines(self, call: Call) -> Any:
        if "symbol" not in call.params:
            raise refusal(_NO_SYMBOL)
        symbol = self._asked(call)[0].symbol
        try:
            return klines(self._candles, symbol, call.params, self._candle_clock())
        except ValueError:
            raise refusal(_BAD_INTERVAL) from None

    def _premium_index(self, call: Call) -> Any:
        rows = [listings.premium_index(self.market, i.symbol, self.now_ms()) for i in self._asked(call)]
        return rows[0] if "symbol" in call.params else rows

    def _ticker_price(self, call: Call) -> Any:
        rows = [
            {"symbol": i.symbol, "price": f"{self.market.mark(i.symbol):f}", "time": self.now_ms()}
            for i in self._asked(call)
        ]
        return rows[0] if "symbol" in call.params else rows

    def _asset_index(self, call: Call) -> Any:
        asked = call.params.get("symbol")
        rows = [listings.asset_index(self.market, asset, self.now_ms()) for asset in MARGIN_ASSETS]
        if asked is None:
            return rows
        for row in rows:
            if row["symbol"] == asked:
                return row
        raise refusal(_BAD_SYMBOL)

    def _held(self, call: Call, account: Account) -> list[Position]:
        symbols = {instrument.symbol for instrument in self._asked(call)}
        return [p for p in account.positions if p.symbol in symbols]

    def _position_risk_v3(self, call: Call, account: Account) -> Any:
        return [statements.position_risk_v3(account, p) for p in self._held(call, account)]

    def _position_risk_v2(self, call: Call, account: Account) -> Any:
        rows = [statements.position_risk_v2(account, p) for p in self._held(call, account)]
        for instrument in self._asked(call):
            rows += statements.flat_risk_v2(account, instrument)
        return rows

    def _symbol_config(self, call: Call, account: Account) -> Any:
        return [statements.symbol_config(account, i) for i in self._asked(call)]

    def _leverage_bracket(self, call: Call, account: Account) -> Any:
        return [listings.leverage_bracket(i) for i in self._asked(call)]

    def _api_restrictions(self, call: Call, account: Account) -> Any:
        return restrictions(self.keys[call.headers["x-mbx-apikey"]])


def _kline_weight(limit: int) -> int:
    for below, weight in ((100, 1), (500, 2), (1_001, 5)):
        if limit < below:
            return weight
    return 10
