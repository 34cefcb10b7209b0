"""Binance beyond its futures wallets: Portfolio Margin, Portfolio Margin Pro, or spot margin, whichever the key has.

What kind of account it is, is asked at every reading, because accounts change; only an answer is remembered, and for
ten minutes at most. A refusal means "not this kind"; silence of the venue means nothing and ends the reading. Sources:
developers.binance.com, "Account Information" of Portfolio Margin and of Portfolio Margin Pro, "Query Cross Margin
Account Details", "Query Isolated Margin Account Info", "Get Account Info". How ratios follow: `binance_portfolio`,
`binance_margin`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import BadPayload, KeyRefused, NoPermission, OurFault, ReadingError, Unsupported
from marginbot.domain.margin import Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges import permissions
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import Api, Evidence, Facts, Payloads, Reference, Venue, candles_of, dig, number, rows
from marginbot.exchanges.venues import binance_margin, binance_portfolio
from marginbot.exchanges.venues.binance_push import PUSHES
from marginbot.exchanges.venues.binanceusdm import FAULTS
from marginbot.flow.ports import VenueInfo

_UNIFIED = "isPortfolioMarginRetailEnabled"
_FUTURES = ("fapiPrivateV3GetPositionRisk", "dapiPrivateGetPositionRisk")
_REFUSALS = (BadPayload, KeyRefused, NoPermission, OurFault, Unsupported)

INFO = VenueInfo(
    id="binance",
    title="Binance Portfolio Margin and spot margin",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At Binance open Account → API Management → Create API → System generated. Leave only “Enable Reading” "
        "ticked and, if you can, restrict the key to this server's IP address. Futures wallets outside Portfolio "
        "Margin are other accounts here: binanceusdm and binancecoinm."
    ),
    aliases=("binance margin", "binance spot margin", "binance portfolio", "binance portfolio margin", "binance pm"),
)


async def fetch(api: Api) -> Payloads:
    """The kind of account, and what it consists of."""
    info = await api.recent("sapiGetAccountInfo")
    unified = dig(info, _UNIFIED)
    if unified is not False:
        found, refusal = await _portfolio(api)
        if found is not None:
            return found
        if unified is True and refusal is not None:
            # What was remembered may be out of date; said once more, the refusal is about the key.
            again = await api.optional("sapiGetAccountInfo")
            if dig(again, _UNIFIED) is not False:
                raise refusal
    pro, _ = await _asked(api, "sapiGetPortfolioAccount")
    if dig(pro, "uniMMR") is not None:
        return await _portfolio_pro(api, pro)
    has_futures = dig(info, "isFutureEnabled") is not False
    return {**await _margin(api, has_futures=has_futures), "is_certain": unified is not None}


async def _portfolio(api: Api) -> tuple[Payloads | None, ReadingError | None]:
    """Portfolio Margin; or the refusal of the venue to speak of one."""
    (account, refusal), (balances, _) = await together(_asked(api, "papiGetAccount"), _asked(api, "papiGetBalance"))
    if account is None and balances is None:
        return None, refusal
    (um, _), (cm, _) = await together(_asked(api, "papiGetUmPositionRisk"), _asked(api, "papiGetCmPositionRisk"))
    rates, prices, brackets = await together(
        _recent(api, "sapiGetPortfolioCollateralRate"),
        _recent(api, "sapiGetPortfolioAssetIndexPrice"),
        _brackets(api, {"papiGetUmLeverageBracket": um, "papiGetCmLeverageBracket": cm}),
    )
    told = {"account": account, "balances": balances, "um": um, "cm": cm, "rates": rates, "prices": prices}
    return {"kind": "portfolio", **told, "brackets": brackets}, None


async def _portfolio_pro(api: Api, account: Any) -> Payloads:
    """Portfolio Margin Pro keeps its positions in the futures accounts."""
    (um, _), (cm, _) = await together(
        _asked(api, "fapiPrivateV3GetPositionRisk", "papiGetUmPositionRisk"),
        _asked(api, "dapiPrivateGetPositionRisk", "papiGetCmPositionRisk"),
    )
    brackets = await _brackets(api, {"fapiPrivateGetLeverageBracket": um, "dapiPrivateV2GetLeverageBracket": cm})
    return {"kind": "pro", "account": account, "um": um, "cm": cm, "brackets": brackets}


async def _brackets(api: Api, positions: Mapping[str, Any]) -> dict[str, Any]:
    """The brackets of the open positions' symbols, as they apply to this very account; positions by who tells."""
    asked = [(method, name) for method, listed in positions.items() for name in _held(listed)]
    answers = await together(*(_recent(api, method, {"symbol": name}) for method, name in asked))
    found = {}
    for (_, name), answer in zip(asked, answers, strict=True):
        listed = answer if isinstance(answer, list) else [answer]
        found[name] = next((row for row in listed if dig(row, "symbol") == name), None)
    return found


def _held(positions: Any) -> list[str]:
    listed = rows(positions) if positions is not None else []
    return sorted({str(row.get("symbol")) for row in listed if number(row, "positionAmt")})


async def _margin(api: Api, *, has_futures: bool) -> Payloads:
    """Cross and isolated margin; one of them may be closed to the key, not both."""
    (cross, refusal), (isolated, _), coefficients, *elsewhere = await together(
        _asked(api, "sapiGetMarginAccount"),
        _asked(api, "sapiGetMarginIsolatedAccount"),
        _recent(api, "sapiGetMarginTradeCoeff"),
        *(_recent(api, method) for method in (_FUTURES if has_futures else ())),
    )
    um, cm = elsewhere or (None, None)
    if cross is None and isolated is None:
        raise refusal or BadPayload("binance: neither cross nor isolated margin is answered")
    pairs = binance_margin.indebted_pairs(isolated) if isolated is not None else []
    tiers = await together(*(_recent(api, "sapiGetMarginIsolatedMarginTier", {"symbol": pair}) for pair in pairs))
    prices = await _spot_prices(api, binance_margin.priced_assets(cross) if cross is not None else [])
    told = {"cross": cross, "isolated": isolated, "coefficients": coefficients, "prices": prices}
    return {"kind": "margin", **told, "tiers": dict(zip(pairs, tiers, strict=True)), "um": um, "cm": cm}


async def _spot_prices(api: Api, assets: Sequence[str]) -> Any:
    """Prices in USDT of coins; all of the market's where one of them is not traded against it."""
    wanted = sorted({asset for asset in assets if asset not in STABLE} | {"BTC"}) if assets else []
    if not wanted:
        return None
    symbols = json.dumps([f"{asset}USDT" for asset in wanted], separators=(",", ":"))
    return await api.optional("publicGetTickerPrice", {"symbols": symbols}) or await api.optional(
        "publicGetTickerPrice"
    )


async def _asked(api: Api, *methods: str) -> tuple[Any, ReadingError | None]:
    """The first answer, or the first refusal. What is no refusal (silence, limits, our clock) is raised."""
    refusal: ReadingError | None = None
    for method in methods:
        try:
            return await api.call(method), None
        except _REFUSALS as error:
            refusal = refusal or error
    return None, refusal


async def _recent(api: Api, method: str, params: Mapping[str, Any] | None = None) -> Any:
    """An extra that may also be refused."""
    try:
        return await api.recent(method, params)
    except ReadingError:
        return None


async def fetch_rates(api: Api) -> Any:
    """How much of each coin counts in Portfolio Margin."""
    return await _recent(api, "sapiGetPortfolioCollateralRate")


def parse_rates(raw: Any) -> dict[str, Decimal]:
    """By coin."""
    told = ((str(row.get("asset")), number(row, "collateralRate")) for row in rows(raw))
    return {asset: rate for asset, rate in told if rate is not None and rate > 0}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot of whichever kind it is; pure."""
    if payloads.get("kind") == "margin":
        return binance_margin.parse(payloads, now)
    return binance_portfolio.parse(payloads, reference, now)


FACTS = Facts(
    modes="Portfolio Margin, Portfolio Margin Pro, spot margin: cross (classic, Pro), isolated",
    ratio_from="`uniMMR` and account amounts; margin level and assets against debts",
    evidence=(Evidence.DOCUMENTED,),
    weight="Portfolio Margin 46 of 6,000, spot margin 24 of 12,000 a minute and address",
    estimates="Cross Margin Pro's trigger; Portfolio Margin Pro's room leaves out what backs it; SPAN is not read",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USDC:USDC"),
    options={"fetchMarkets": {"types": ["linear", "inverse"]}},
    fetch_rates=fetch_rates,
    parse_rates=parse_rates,
    permissions=permissions.BINANCE,
    pushes=PUSHES,
    faults=FAULTS,
)
