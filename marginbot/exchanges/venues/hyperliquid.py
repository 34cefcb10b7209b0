"""Hyperliquid, read by public address: the main dex and the dexes of other builders (HIP-3).

Ordinary accounts have one cross pool a dex (`crossMaintenanceMarginUsed / crossMarginSummary.accountValue`) and
a pool for each isolated position. Unified accounts back the cross pools of all dexes with the spot balance,
portfolio accounts with the whole spot wallet (trigger at `portfolioMarginRatio` 0.95); of these two the venue
documents little, so they are marked as estimates. Source: hyperliquid.gitbook.io, "Info endpoint".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marginbot.domain.margin import Snapshot
from marginbot.domain.tiers import LeverageTier
from marginbot.exchanges import permissions
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import PUBLIC_ADDRESS, Api, Evidence, Facts, Instrument, Payloads, Reference, Venue
from marginbot.exchanges.venues.hyperliquid_address import check_form
from marginbot.exchanges.venues.hyperliquid_pools import Dex, dex_pools, portfolio_pools, unified_pools
from marginbot.exchanges.venues.hyperliquid_positions import symbol_of, tiers_of
from marginbot.flow.ports import VenueInfo

INFO_METHOD = "publicPostInfo"
MOST_DEXES = 24  # each costs a request; the venue lists far fewer than this on its main network
MODES = {
    "default": "per dex",
    "disabled": "per dex",
    "dexAbstraction": "per dex, abstracted",
    "unifiedAccount": "unified",
    "portfolioMargin": "portfolio",
}


async def fetch(api: Api) -> Payloads:
    """Perpetuals of every dex, spot balances and the account's mode."""
    dexes = await api.shared(INFO_METHOD, {"type": "perpDexs"})
    names = ["", *_dex_names(dexes)]
    asked = names[: MOST_DEXES + 1]
    mode, spot, *states = await together(
        api.recent(INFO_METHOD, {"type": "userAbstraction", "user": api.key}),
        api.call(INFO_METHOD, {"type": "spotClearinghouseState", "user": api.key}),
        *(api.call(INFO_METHOD, _state_of(api.key, name)) for name in asked),
    )
    mids = await api.optional(INFO_METHOD, {"type": "allMids"}) if _mode_of(mode) == "portfolioMargin" else None
    return {
        "mode": mode,
        "spot": spot,
        "dexes": dict(zip(asked, states, strict=True)),
        "mids": mids,
        "left_out": len(names) - len(asked),
        "dexes_known": dexes is not None,
    }


def _state_of(address: str, dex: str) -> dict[str, str]:
    return {"type": "clearinghouseState", "user": address} | ({"dex": dex} if dex else {})


def _dex_names(answer: Any) -> list[str]:
    """The main dex is null in this list."""
    listed = answer if isinstance(answer, list) else []
    return [str(row["name"]) for row in listed if isinstance(row, dict) and row.get("name")]


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the address."""
    warnings: list[str] = []
    mode = _mode_of(payloads.get("mode"))
    spot = payloads.get("spot")
    if mode not in MODES:
        portfolio = isinstance(spot, dict) and spot.get("portfolioMarginEnabled") is True
        mode = "portfolioMargin" if portfolio else "default"
        warnings.append("Hyperliquid did not say the account's mode; a unified account would be misjudged")
    dexes = [Dex.of(name, state, reference, warnings) for name, state in payloads["dexes"].items()]
    _tell_limits(payloads, dexes, now, warnings)
    if mode == "unifiedAccount":
        pools = unified_pools(dexes, spot, warnings)
    elif mode == "portfolioMargin":
        pools = portfolio_pools(dexes, spot, payloads.get("mids"), warnings)
    else:
        pools = [pool for dex in dexes for pool in dex_pools(dex, warnings)]
    if mode == "dexAbstraction":
        warnings.append("Hyperliquid moves collateral between dexes by itself here; each is judged for itself")
    return Snapshot(
        exchange=INFO.id,
        mode=MODES[mode],
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _mode_of(answer: Any) -> str:
    return answer.strip().strip('"') if isinstance(answer, str) else ""


def _tell_limits(payloads: Payloads, dexes: Sequence[Dex], now: datetime, warnings: list[str]) -> None:
    if not payloads.get("dexes_known", True):
        warnings.append("Hyperliquid did not list the dexes of other builders (HIP-3): positions there are not seen")
    if payloads.get("left_out"):
        warnings.append(f"{payloads['left_out']} further dexes of other builders are not read")
    oldest = max((dex.age_seconds(now) for dex in dexes), default=0.0)
    if oldest > 120:
        warnings.append(f"Hyperliquid's answer is {oldest / 60:.0f} minutes old")


# -- what all accounts share


async def fetch_tiers(api: Api) -> Any:
    """Margin tables of every dex."""
    names = ["", *_dex_names(await api.shared(INFO_METHOD, {"type": "perpDexs"}))][: MOST_DEXES + 1]
    return await together(
        *(api.call(INFO_METHOD, {"type": "meta"} | ({"dex": name} if name else {})) for name in names)
    )


def parse_tiers(answer: Any, _: Mapping[str, Instrument]) -> Mapping[str, tuple[LeverageTier, ...]]:
    """Tiers by unified symbol."""
    return {symbol: tiers for meta in answer for symbol, tiers in tiers_of(meta).items()}


def candle_symbols(underlying: str) -> tuple[str, ...]:
    """Markets whose candles may stand for an underlying."""
    return (symbol_of(underlying),)


INFO = VenueInfo(
    id="hyperliquid",
    title="Hyperliquid",
    fields=(("key", "wallet address"),),
    instructions=(
        "Send the public address of the account, 0x and 40 hexadecimal digits, as app.hyperliquid.xyz shows it at "
        "the top right: no key is needed. Never send a private key or a seed phrase, to me or to anyone. A "
        "sub-account or vault has an address of its own; an API wallet's address shows nothing."
    ),
    aliases=("hl", "hyper"),
)
FACTS = Facts(
    modes="cross, isolated; per dex, unified, portfolio",
    ratio_from="account summary, recomputed from leverage tiers",
    evidence=(Evidence.RECORDED, Evidence.SIMULATED),
    weight="2 and 2 a dex of 1,200 a minute and address, 20 more every ten minutes",
    estimates="unified and portfolio accounts",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candle_symbols,
    fetch_tiers=fetch_tiers,
    parse_tiers=parse_tiers,
    check_form=check_form,
    permissions=permissions.PUBLIC_ADDRESS,
    signs_with=PUBLIC_ADDRESS,
)
