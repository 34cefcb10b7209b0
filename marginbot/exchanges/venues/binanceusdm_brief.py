"""A brief reading of Binance USDⓈ-M: `account` alone, beside what the last full reading said of the same positions.

`account` gives each position's size, value, profit and requirement and each asset's balance; only entry and
liquidation price are in `positionRisk` alone. They are carried over while sizes, isolated wallets and balances are, to
the letter, as they were then: a fill, a transfer, a funding payment or a fee ends it. What `positionRisk` checks is
checked by others: value and profit by the carried entry price here, requirements by the leverage tiers in the parser.

Single-asset mode only: in the other one, equity depends on prices of assets which neither answer has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from marginbot.exchanges.venue import Api, Brief, Payloads, dig, rows
from marginbot.exchanges.venues.binanceusdm_rows import name_of

Row = Mapping[str, Any]
_OF_A_POSITION = ("positionAmt", "notional", "maintMargin", "unrealizedProfit", "isolatedWallet", "isolatedMargin")
_OF_AN_ASSET = ("walletBalance", "crossWalletBalance", "crossUnPnl", "marginBalance", "maintMargin")
_CARRIED = ("symbol", "positionSide", "positionAmt", "entryPrice", "liquidationPrice", "marginAsset")
_ROUNDING = 0.001  # of the value: what it and the profit may differ by from what the rounded entry price makes of them


def carried(payloads: Payloads) -> bytes | None:
    """What holds until a size, a wallet or a balance changes."""
    state = _state(payloads["account"])
    if state is None or dig(payloads, "config", "multiAssetsMargin") is not False:
        return None
    risk = [row for row in rows(payloads, "positions") if not _is_zero(row.get("positionAmt"))]
    return orjson.dumps([state, [{name: row[name] for name in _CARRIED if name in row} for row in risk]])


async def fetch(api: Api, known: bytes) -> Payloads | None:
    """The account now, with the prices of then."""
    account = await api.call("fapiPrivateV3GetAccount")
    config = await api.recent("fapiPrivateGetAccountConfig")
    state, risk = orjson.loads(known)
    if dig(config, "multiAssetsMargin") is not False or _state(account) != state:
        return None
    held = {_key(row): row for row in _open(account)}
    for row in risk:
        row["markPrice"] = _mark(held.get(_key(row), {}), row.get("entryPrice"))
    if len(risk) != len(held) or not all(row["markPrice"] for row in risk):
        return None
    return {"account": account, "positions": risk, "config": config, "index": None}


def _state(account: Any) -> list[list[list[str]]] | None:
    """What must be as it was, as text; None where a figure is missing that is needed for a brief reading."""
    held, assets = _open(account), [row for row in rows(account, "assets") if not _is_empty(row)]
    if not _is_told(held, _OF_A_POSITION) or not _is_told(assets, _OF_AN_ASSET):
        return None
    return [
        sorted([*_key(row), row["positionAmt"], row["isolatedWallet"]] for row in held),
        sorted([name_of(row, "asset"), row["walletBalance"], row["crossWalletBalance"]] for row in assets),
    ]


def _open(account: Any) -> list[dict[str, Any]]:
    return [row for row in rows(account, "positions") if not _is_zero(row.get("positionAmt"))]


def _is_empty(asset: Row) -> bool:
    return _is_zero(asset.get("walletBalance")) and _is_zero(asset.get("crossWalletBalance"))


def _is_zero(text: Any) -> bool:
    return isinstance(text, str) and text != "" and not text.strip("0.")


def _key(row: Row) -> tuple[str, str]:
    return name_of(row, "symbol"), str(row.get("positionSide") or "BOTH")


def _is_told(told: Sequence[Row], names: Iterable[str]) -> bool:
    return all(isinstance(row.get(name), str) and row[name] for row in told for name in names)


def _mark(row: Row, entry: Any) -> str | None:
    """Value over size, as venues print it; None where value and profit are not those of a position entered there."""
    try:
        value, size, profit = float(row["notional"]), float(row["positionAmt"]), float(row["unrealizedProfit"])
        if abs(value - size * float(entry) - profit) <= _ROUNDING * abs(value):
            return f"{value / size:.10g}"
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        pass  # missing or odd
    return None


BRIEF = Brief(carried=carried, fetch=fetch)
