"""Bybit unified account: what is asked of it, and what its error codes mean.

Sources: Bybit V5 API documentation, "Get Wallet Balance", "Get Account Info", "Get Position Info", "Get Risk
Limit", "Get Tiered Collateral Ratio" and "Error Codes". How the ratio follows: `bybit_parse`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, Banned, KeyRefused, NoPermission, Unsupported, VenueDown
from marginbot.domain.tiers import LeverageTier, with_deductions
from marginbot.exchanges import permissions
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Instrument,
    Payloads,
    Venue,
    amount,
    candles_of,
    dig,
    number,
    rows,
)
from marginbot.exchanges.venues.bybit_parse import parse
from marginbot.exchanges.venues.bybit_push import PUSHES
from marginbot.flow.ports import VenueInfo

_PAGE = 200
_MOST_PAGES = 25
_MOST_TIER_PAGES = 100
_MOST_OPTION_TICKERS = 20

_INFO = VenueInfo(
    id="bybit",
    title="Bybit Unified Trading Account",
    fields=(("key", "API key"), ("secret", "API secret")),
    instructions=(
        "At Bybit open API → Create New Key → System-generated. Choose “Read-Only”, tick Contracts, USDC contracts "
        "and Unified Trading, and give it this server's IP address (without one it expires after 90 days)."
    ),
    aliases=("bybit uta", "bybit unified"),
)

_OLD_ACCOUNT = "Only Bybit's unified trading account is supported. Upgrade the account at Bybit, then try again."
_FAULTS = {
    "10003": Fault(
        KeyRefused,
        "Bybit does not know this API key. Check that it is complete, was not deleted, and is not one of the testnet.",
    ),
    "10004": Fault(
        KeyRefused,
        "Bybit knows the key, but the signature is wrong: the API secret is probably mistyped or belongs to another "
        "key. Bybit shows the secret only once, so you may need a new key.",
    ),
    "10005": Fault(
        NoPermission,
        "The key is valid but may not read positions and balances. Give it read permission for contracts and unified "
        "trading at Bybit (never withdrawal).",
    ),
    "10010": Fault(
        NoPermission,
        "The key is valid, but its IP list at Bybit does not admit this server. Add the server's address to the key.",
    ),
    "33004": Fault(
        KeyRefused,
        "This API key has expired; Bybit ends keys without an IP list after 90 days. Make a new one, best with this "
        "server's address in its IP list.",
    ),
    "10009": Fault(Banned),
    "10000": Fault(VenueDown),
    "10016": Fault(VenueDown),
    "10020": Fault(Unsupported, _OLD_ACCOUNT),
    "10028": Fault(Unsupported, _OLD_ACCOUNT),
    "access too frequent": Fault(Banned),
}


async def fetch(api: Api) -> Payloads:
    """The mode, the wallet and every kind of position, asked for at once so that they show the same moment."""
    info, wallet, usdt, usdc, inverse, option = await together(
        api.optional("privateGetV5AccountInfo"),
        api.call("privateGetV5AccountWalletBalance", {"accountType": "UNIFIED"}),
        _positions(api.call, category="linear", settleCoin="USDT"),
        _positions(api.call, category="linear", settleCoin="USDC"),
        _positions(api.call, category="inverse"),
        _positions(api.optional, category="option"),
    )
    return {
        "info": info,
        "wallet": wallet,
        "positions": {
            "linear": None if usdt is None or usdc is None else usdt + usdc,
            "inverse": inverse,
            "option": option,
        },
        "collateral": await api.shared("publicGetV5SpotMarginTradeCollateral"),
        "tickers": await _option_tickers(api, option or []),
    }


async def _positions(ask: Callable[..., Awaitable[Any]], **params: str) -> list[Any] | None:
    """All pages of one kind of position; None where it is optional and not answered."""
    found: list[Any] = []
    cursor = ""
    for _ in range(_MOST_PAGES):
        answer = await ask(
            "privateGetV5PositionList", {**params, "limit": _PAGE, **({"cursor": cursor} if cursor else {})}
        )
        if answer is None:
            return None
        page = rows(answer, "result", "list")
        found += page
        cursor = str(dig(answer, "result", "nextPageCursor") or "")
        # The last page has a cursor too.
        if not cursor or len(page) < _PAGE:
            return found
    raise BadPayload(f"more than {_MOST_PAGES} pages of {params['category']} positions")


async def _option_tickers(api: Api, positions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Prices of the underlyings, which the option positions themselves do not tell."""
    symbols = [str(row.get("symbol")) for row in positions if number(row, "size")][:_MOST_OPTION_TICKERS]
    asked = [api.optional("publicGetV5MarketTickers", {"category": "option", "symbol": symbol}) for symbol in symbols]
    answers = await together(*asked)
    return {symbol: dig(answer, "result", "list", 0) for symbol, answer in zip(symbols, answers, strict=True)}


async def fetch_tiers(api: Api) -> Any:
    """The risk limits of all perpetuals, page by page."""
    found: list[Any] = []
    for category in ("linear", "inverse"):
        cursor = ""
        for _ in range(_MOST_TIER_PAGES):
            params = {"category": category, **({"cursor": cursor} if cursor else {})}
            answer = await api.call("publicGetV5MarketRiskLimit", params)
            found += rows(answer, "result", "list")
            cursor = str(dig(answer, "result", "nextPageCursor") or "")
            if not cursor:
                break
    return found


def parse_tiers(raw: Any, instruments: Mapping[str, Instrument]) -> dict[str, tuple[LeverageTier, ...]]:
    """Tiers by unified symbol; bounds in the settlement coin."""
    by_symbol: dict[str, list[dict[str, Any]]] = {}
    for row in rows(raw):
        by_symbol.setdefault(str(row.get("symbol")), []).append(row)
    return {instruments[name].symbol: _tiers(listed) for name, listed in by_symbol.items() if name in instruments}


def _tiers(listed: list[dict[str, Any]]) -> tuple[LeverageTier, ...]:
    listed = sorted(listed, key=lambda row: amount(row, "riskLimitValue"))
    floors = [Decimal(0), *(amount(row, "riskLimitValue") for row in listed)]
    tiers = [
        LeverageTier(floor, amount(row, "riskLimitValue"), _rate(row), number(row, "mmDeduction") or Decimal(0))
        for floor, row in zip(floors, listed, strict=False)
    ]
    return tuple(tiers) if any(tier.deduction for tier in tiers) else with_deductions(tiers)


def _rate(row: Mapping[str, Any]) -> Decimal:
    """A fraction. Older rows are in percent, which shows when the rate does not fit the highest leverage."""
    rate, leverage = amount(row, "maintenanceMargin"), number(row, "maxLeverage")
    return rate / 100 if leverage and rate * leverage > 1 else rate


async def fetch_rates(api: Api) -> Any:
    """How much of coins counts as collateral."""
    return await api.shared("publicGetV5SpotMarginTradeCollateral")


def parse_rates(raw: Any) -> dict[str, Decimal]:
    """By coin, of the first step: of larger quantities less counts."""
    found = {}
    for row in rows(raw, "result", "list"):
        steps = sorted(rows(row, "collateralRatioList"), key=lambda step: number(step, "minQty") or Decimal(0))
        rate = number(steps[0], "collateralRatio") if steps else None
        if rate is not None and rate > 0:
            found[str(row.get("currency"))] = rate
    return found


FACTS = Facts(
    modes="unified account: cross, isolated, portfolio margin",
    ratio_from="account totals; isolated: the liquidation price",
    evidence=(Evidence.RECORDED, Evidence.DOCUMENTED, Evidence.SIMULATED),
    weight="6 requests of 600 in 5 s and address",
    estimates="equity behind an isolated position",
)
VENUE = Venue(
    info=_INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDC:USDC", "{0}/USD:{0}"),
    options={"fetchMarkets": {"types": ["linear", "inverse", "option"]}},
    fetch_tiers=fetch_tiers,
    parse_tiers=parse_tiers,
    fetch_rates=fetch_rates,
    parse_rates=parse_rates,
    permissions=permissions.BYBIT,
    pushes=PUSHES,
    faults=_FAULTS,
)
