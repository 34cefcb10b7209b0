"""Binance COIN-M futures: the USDⓈ-M dialect with pools kept in coins.

One pool for each coin, `crossWalletBalance + crossUnPnl` against the maintenance margin of its cross positions, and
one for each isolated position. A contract is worth a fixed number of dollars (100 of BTC, 10 of the others), so its
value in the coin is `contracts x dollars / mark`; brackets are in the coin too. Sources: developers.binance.com,
COIN-M "Account Information", "Position Information", "Notional Bracket for Symbol"; Binance FAQ on the liquidation
price of coin-margined contracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Snapshot
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges import permissions
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Instrument,
    Payloads,
    Reference,
    Venue,
    amount,
    candles_of,
    number,
    record,
    rows,
)
from marginbot.exchanges.venues.binanceusdm import FAULTS
from marginbot.exchanges.venues.binanceusdm_parse import differing, flag, pools_of
from marginbot.exchanges.venues.binanceusdm_rows import held_positions
from marginbot.flow.ports import VenueInfo

INFO = VenueInfo(
    id="binancecoinm",
    title="Binance COIN-M Futures",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At Binance open Account → API Management → Create API → System generated. Leave only “Enable Reading” "
        "ticked and, if you can, restrict the key to this server's IP address. The same key reads USDⓈ-M futures: add "
        "them as an account of their own."
    ),
    aliases=("binance coin-m", "binance coinm", "binance delivery"),
)


async def fetch(api: Api) -> Payloads:
    """The account and its positions, asked for at once so that they show the same moment; and whether it hedges."""
    account, positions, sides = await together(
        api.call("dapiPrivateGetAccount"),
        api.call("dapiPrivateGetPositionRisk"),
        api.recent("dapiPrivateGetPositionSideDual"),
    )
    if differing(account, positions):
        # Something was traded between the two answers. Once more; what then still differs is told.
        account, positions = await together(api.call("dapiPrivateGetAccount"), api.call("dapiPrivateGetPositionRisk"))
    return {"account": account, "positions": positions, "sides": sides}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """The snapshot; pure."""
    warnings: list[str] = []
    account, risk = record(payloads, "account"), rows(payloads, "positions")
    held = held_positions(account, risk, reference, warnings)
    hedge = flag(payloads.get("sides"), {}, "dualSidePosition")
    if hedge is None:
        hedge = any(position.is_hedged for position in held)
    pools = pools_of(account, held, None, multi_assets=False, warnings=warnings)
    mode = f"coin-margined/{'hedge' if hedge else 'one-way'}"
    return Snapshot(exchange=INFO.id, mode=mode, taken_at=now, pools=tuple(pools), warnings=tuple(warnings))


async def fetch_tiers(api: Api) -> Any:
    """The brackets of all symbols."""
    return await api.call("dapiPrivateV2GetLeverageBracket")


def parse_tiers(raw: Any, instruments: Mapping[str, Instrument]) -> dict[str, tuple[LeverageTier, ...]]:
    """Tiers by unified symbol, in coins. Brackets that Binance adjusted for the asking account are left out."""
    found = {}
    for row in rows(raw):
        instrument = instruments.get(str(row.get("symbol")))
        if instrument is not None and (number(row, "notionalCoef") or Decimal(1)) == 1:
            found[instrument.symbol] = coin_tiers(row)
    return {symbol: tiers for symbol, tiers in found.items() if tiers}


def coin_tiers(row: Mapping[str, Any]) -> tuple[LeverageTier, ...]:
    """The brackets of one symbol; the vendor spells the lower bound `qtyFloor` or `qtylFloor`."""
    tiers = (
        LeverageTier(
            floor=amount(bracket, "qtyFloor", "qtylFloor"),
            cap=amount(bracket, "qtyCap"),
            maintenance_margin_rate=amount(bracket, "maintMarginRatio"),
            deduction=amount(bracket, "cum"),
        )
        for bracket in rows(row, "brackets")
    )
    return tuple(sorted(tiers, key=lambda tier: tier.floor))


FACTS = Facts(
    modes="coin-margined; cross, isolated; one-way, hedge",
    ratio_from="account and position amounts of each coin, recomputed from tiers",
    evidence=(Evidence.DOCUMENTED,),
    weight="6 of 2,400 a minute and address",
    estimates="whether balances here also back USDⓈ-M positions since the two were integrated is not verified",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD:{0}"),
    options={"fetchMarkets": {"types": ["inverse"]}},
    fetch_tiers=fetch_tiers,
    parse_tiers=parse_tiers,
    permissions=permissions.BINANCE,
    faults=FAULTS,
)
