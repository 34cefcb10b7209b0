"""Hyperliquid's public reads on loopback: `HyperliquidServer`; every question is a POST to /info."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.servers.base import Call, Clock, LoopbackServer, Refusal, Reply, Routes, wall_clock_ms
from tests.servers.hyperliquid_book import (
    DEXES,
    HyperliquidAccount,
    HyperliquidBook,
    HyperliquidMarket,
    HyperliquidPosition,
)
from tests.servers.hyperliquid_rows import (
    SPOT_PAIRS,
    TOKENS,
    asset_contexts,
    candle_row,
    clearinghouse_state,
    dex_row,
    meta,
    spot_contexts,
    spot_meta,
    spot_state,
    text,
)
from tests.servers.quotes import CandleSource, gentle, openings

__all__ = [
    "HyperliquidAccount",
    "HyperliquidBook",
    "HyperliquidMarket",
    "HyperliquidPosition",
    "HyperliquidServer",
]

PRICES = {
    "BTC": Decimal(60000),
    "ETH": Decimal(3000),
    "SOL": Decimal(150),
    "HYPE": Decimal(40),
    "PURR": Decimal("0.15"),
    "xyz:XYZ100": Decimal(25000),
    "xyz:TSLA": Decimal(400),
}
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
UNREADABLE = Reply("Failed to deserialize the JSON body into the target type", 422)
MOST_CANDLES = 5000
UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
Question = dict[str, Any]


class HyperliquidServer(LoopbackServer):
    """Several addresses over one market; `set_price` moves the marks of all of them.

    Every address may be asked about: one that is not here is empty, as on the venue. Since all
    questions share a path, `refusals` breaks a single kind of them, and `asked` lists its calls.
    """

    def __init__(
        self,
        accounts: Sequence[HyperliquidAccount] | None = None,
        *,
        prices: Mapping[str, Decimal] | None = None,
        candles: CandleSource | None = None,
        clock: Clock = wall_clock_ms,
        port: int = 0,
    ) -> None:
        super().__init__(clock, port=port)
        self.accounts = [HyperliquidAccount()] if accounts is None else list(accounts)
        self.market = HyperliquidMarket({**PRICES, **(prices or {})})
        self.refusals: dict[str, Reply] = {}  # by the question's "type"
        self._candles: CandleSource = candles or self._gentle

    def set_price(self, coin: str, price: Decimal | int | str) -> None:
        with self.lock:
            self.market.set_price(coin, Decimal(price))

    def margin_ratio(self, pool: str, account: HyperliquidAccount | None = None) -> Decimal:
        """Requirement over equity, 1 at liquidation; pools as in `HyperliquidBook.margin_ratio`."""
        with self.lock:
            return self._book(account or self.accounts[0]).margin_ratio(pool)

    def asked(self, kind: str) -> list[Question]:
        """The questions of this type so far, oldest first."""
        return [call.json for call in self.seen("/info") if call.json.get("type") == kind]

    def routes(self) -> Routes:
        return {("POST", "/info"): self._info}

    def rate_limited(self, call: Call) -> Reply:
        return Reply("null", 429)

    def banned(self, call: Call) -> Reply:
        return Reply("<html><body>403 ERROR: The request could not be satisfied.</body></html>", 403)

    def _answers(self) -> dict[str, Callable[[Question], Any]]:
        return {
            "meta": lambda q: meta(_dex(q)),
            "metaAndAssetCtxs": lambda q: [meta(_dex(q)), asset_contexts(self.market, _dex(q))],
            "spotMeta": lambda _q: spot_meta(),
            "spotMetaAndAssetCtxs": lambda _q: [spot_meta(), spot_contexts(self.market)],
            "perpDexs": lambda _q: [None, *(dex_row(name) for name in DEXES if name)],
            "allMids": self._mids,
            "candleSnapshot": self._candle_rows,
            "exchangeStatus": lambda _q: {"specialStatuses": None, "time": self.now_ms()},
            "clearinghouseState": lambda q: self._perp_state(self._asked_about(q), _dex(q)),
            "spotClearinghouseState": lambda q: spot_state(self._book(self._asked_about(q))),
            "userAbstraction": lambda q: Reply(json.dumps(self._asked_about(q).abstraction)),
            "userRole": self._role,
            "subAccounts": self._sub_accounts,
        }

    def _info(self, call: Call) -> Any:
        try:
            question = call.json
        except ValueError:
            return UNREADABLE
        kind = question.get("type") if isinstance(question, dict) else None
        answer = self._answers().get(str(kind))
        if answer is None:
            return UNREADABLE
        return self.refusals.get(str(kind)) or answer(question)

    # -- accounts

    def _known(self) -> dict[str, HyperliquidAccount]:
        everyone = [*self.accounts, *(sub for account in self.accounts for sub in account.sub_accounts)]
        return {account.address.lower(): account for account in everyone}

    def _asked_about(self, question: Question) -> HyperliquidAccount:
        address = question.get("user")
        if not isinstance(address, str) or not ADDRESS.fullmatch(address):
            raise Refusal(UNREADABLE)
        return self._known().get(address.lower(), HyperliquidAccount(address=address, cash={}))

    def _book(self, account: HyperliquidAccount) -> HyperliquidBook:
        return HyperliquidBook(account, self.market)

    def _perp_state(self, account: HyperliquidAccount, dex: str) -> dict[str, Any]:
        return clearinghouse_state(self._book(account), dex, self.now_ms())

    def _role(self, question: Question) -> dict[str, Any]:
        account = self._asked_about(question)
        if account.address.lower() not in self._known():
            return {"role": "missing"}
        master = next((a for a in self.accounts if account in a.sub_accounts), None)
        return {"role": "subAccount", "data": {"master": master.address}} if master else {"role": "user"}

    def _sub_accounts(self, question: Question) -> list[dict[str, Any]] | None:
        account = self._asked_about(question)
        rows = [
            {
                "name": sub.name,
                "subAccountUser": sub.address,
                "master": account.address,
                "clearinghouseState": self._perp_state(sub, ""),
                "spotState": spot_state(self._book(sub)),
            }
            for sub in account.sub_accounts
        ]
        return rows or None

    # -- market

    def _mids(self, question: Question) -> dict[str, str]:
        dex = _dex(question)
        mids = {name: text(self.market.mark(name), 8) for name, coin in self.market.coins.items() if coin.dex == dex}
        spot = zip(SPOT_PAIRS, TOKENS[1:], strict=True)
        return mids | ({} if dex else {pair: text(self.market.spot(token), 8) for pair, token in spot})

    def _candle_rows(self, question: Question) -> Any:
        asked = question.get("req", {})
        coin, interval = asked.get("coin"), str(asked.get("interval", ""))
        if interval[-1:] not in UNITS_MS or not interval[:-1].isdigit() or "startTime" not in asked:
            return UNREADABLE
        step = int(interval[:-1]) * UNITS_MS[interval[-1]]
        end = min(int(asked.get("endTime") or self.now_ms()), self.now_ms())
        return [
            candle_row(coin, interval, opens_at, step, candle)
            for opens_at in openings(int(asked["startTime"]), end, step, latest=MOST_CANDLES)
            if (candle := self._candles(coin, opens_at, step)) is not None
        ]

    def _gentle(self, coin: str, opens_at: int, step_ms: int) -> Any:
        return gentle(self.market.mark(coin), opens_at, step_ms) if coin in self.market.coins else None


def _dex(question: Question) -> str:
    dex = question.get("dex") or ""
    if dex not in DEXES:
        raise Refusal(Reply("null", 500))
    return str(dex)
