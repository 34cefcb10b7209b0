"""Kraken Futures: the multi-collateral wallet (`flex`) and the older single-collateral ones (`fi_xbtusd` and so on).

    wallet    pool                     equity           maintenance margin
    flex      cross, in USD            marginEquity     maintenanceMargin
    fi_*      one each, in its coin    auxiliary.pv     marginRequirements.mm

Sources: docs.kraken.com "Get wallets", "Get open positions", "Get instruments"; support.kraken.com on multi-collateral
margin and liquidation. How the pools follow: `krakenfutures_pools`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marginbot.domain.margin import Pool, Snapshot
from marginbot.domain.tiers import LeverageTier
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
    record,
    rows,
)
from marginbot.exchanges.venues.krakenfutures_pools import flex_pools, single_pool
from marginbot.exchanges.venues.krakenfutures_positions import Held, held_positions
from marginbot.flow.ports import VenueInfo


async def fetch(api: Api) -> Payloads:
    """Wallets, positions, and the mark prices, which neither of the two holds."""
    accounts, positions, tickers = await together(
        api.call("privateGetAccounts"), api.call("privateGetOpenpositions"), api.optional("publicGetTickers")
    )
    return {"accounts": accounts, "positions": positions, "tickers": tickers}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of all wallets."""
    warnings: list[str] = []
    accounts = record(payloads, "accounts", "accounts")
    held = held_positions(accounts, rows(payloads, "positions", "openPositions"), payloads.get("tickers"), reference)
    warnings += held.warnings
    flex = accounts.get("flex")
    pools = flex_pools(flex if isinstance(flex, dict) else None, held.of("flex"), warnings)
    singles = _singles(accounts, held, warnings)
    staked = [pool for pool in [*pools, *singles] if pool.positions or pool.maintenance_margin or pool.has_debt]
    shown = staked or [pool for pool in [*pools, *singles] if pool.equity]
    modes = ["multi-collateral" if pools else "", "single-collateral" if set(singles) & set(shown) else ""]
    return Snapshot(
        exchange=INFO.id,
        mode="+".join(mode for mode in modes if mode) or "multi-collateral",
        taken_at=now,
        pools=tuple(shown),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _singles(accounts: Mapping[str, Any], held: Held, warnings: list[str]) -> list[Pool]:
    names = [name for name, row in accounts.items() if isinstance(row, dict) and row.get("type") == "marginAccount"]
    wallets = list(dict.fromkeys([*names, *(name for name in held.wallets if name != "flex")]))
    return [single_pool(name, accounts.get(name), held.of(name), warnings) for name in wallets]


async def fetch_tiers(api: Api) -> Any:
    """All instruments with their margin levels."""
    return await api.call("publicGetInstruments")


def parse_tiers(raw: Any, instruments: Mapping[str, Instrument]) -> dict[str, tuple[LeverageTier, ...]]:
    """Levels by unified symbol. Bounds: dollars, both for contracts of one dollar and for the linear ones."""
    found = {}
    for row in rows(raw, "instruments"):
        instrument = instruments.get(str(row.get("symbol")))
        if instrument is not None and row.get("marginLevels"):
            found[instrument.symbol] = _levels(rows(row, "marginLevels"))
    return found


def _levels(listed: list[dict[str, Any]]) -> tuple[LeverageTier, ...]:
    """The rate of a level counts for the whole position: no deduction is documented."""
    starts = sorted(
        (amount(row, "contracts", "numNonContractUnits"), amount(row, "maintenanceMargin")) for row in listed
    )
    caps = [floor for floor, _ in starts[1:]]
    return tuple(LeverageTier(floor, cap, rate) for (floor, rate), cap in zip(starts, [*caps, None], strict=True))


INFO = VenueInfo(
    id="krakenfutures",
    title="Kraken Futures",
    fields=(("key", "API key"), ("secret", "private key of the API key")),
    instructions=(
        "At futures.kraken.com open Settings, API keys, and create a key with general access “Read only” and no "
        "access to withdrawals. Kraken's spot account needs a key of its own."
    ),
    aliases=("kraken futures", "cryptofacilities"),
)
FACTS = Facts(
    modes="multi-collateral, single-collateral; isolated as an estimate",
    ratio_from="margin equity and maintenance margin, recomputed from margin levels",
    evidence=(Evidence.DOCUMENTED,),
    weight="2 requests of 2 each, of 500 in 10 s, and the public tickers",
    estimates="isolated positions: what backs them is not told",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD:USD", "{0}/USD:{0}"),
    fetch_tiers=fetch_tiers,
    parse_tiers=parse_tiers,
)
