"""Binance Portfolio Margin: the risk level, and liquidation orders, of its user data stream.

`riskLevelChange` says `MARGIN_CALL`, `REDUCE_ONLY` or `FORCE_LIQUIDATION`, of the account as a whole; Binance calls it
guidance only. Spot margin and Portfolio Margin Pro have streams of their own, which are not listened to. Source:
developers.binance.com, "User Data Streams", "Event: riskLevelChange", "Event: Order Update" of Portfolio Margin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from marginbot.domain.errors import Unsupported
from marginbot.domain.pushed import RiskPush
from marginbot.exchanges.venue import Api, dig, record
from marginbot.exchanges.venues import binanceusdm_push

STREAM = "wss://fstream.binance.com/pm/ws/"
CALM = "NORMAL"


async def address(api: Api) -> str:
    """The stream's address holds a key made for it, which only Portfolio Margin has. Raises `Unsupported`."""
    info = await api.recent("sapiGetAccountInfo")
    if dig(info, "isPortfolioMarginRetailEnabled") is False:
        raise Unsupported("binance: this account is not in Portfolio Margin, which alone sends risk levels")
    answer = record(await api.call("papiPostListenKey"))
    return f"{STREAM}{answer.get('listenKey', '')}"


async def renew(api: Api) -> object:
    """For another hour."""
    return await api.call("papiPutListenKey")


def parse(told: Mapping[str, Any]) -> RiskPush | None:
    """A risk level in Binance's own word, or a liquidation that is under way."""
    if told.get("e") != "riskLevelChange":
        return binanceusdm_push.parse(told)
    level = str(told.get("s") or "")
    if level == CALM:
        return None
    return RiskPush(f"risk level {level.replace('_', ' ').lower()}" if level else "risk level changed")


PUSHES = replace(binanceusdm_push.PUSHES, address=address, parse=parse, renew=renew)
