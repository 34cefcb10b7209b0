"""A single number gone or wrong must never make an account look calmer without a word."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marginbot.exchanges.venue import Payloads, Reference, Venue
from marginbot.exchanges.venues.deribit import VENUE as DERIBIT
from marginbot.exchanges.venues.hyperliquid import VENUE as HYPERLIQUID
from marginbot.exchanges.venues.okx import VENUE as OKX
from tests.exchanges.venues import deribit_payloads as deribit
from tests.exchanges.venues import hyperliquid_payloads as hyperliquid
from tests.exchanges.venues import okx_payloads as okx
from tests.exchanges.venues.kit import NOTHING, NOW, Path_, judged, looks_calmer, number_paths, spoiled
from tests.servers.hyperliquid import HyperliquidPosition
from tests.servers.okx import OkxPosition

D = Decimal


def deribit_in_use(model: str) -> Payloads:
    """Without the currencies that hold nothing."""
    held = (deribit.LONG, deribit.LINEAR, deribit.SHORT_PUT)
    told = deribit.payloads(deribit.holding(model, *held))
    summaries = told["summaries"]["result"]["summaries"]
    told["summaries"]["result"]["summaries"] = [row for row in summaries if row["currency"] in deribit.HOLDINGS]
    return told


def okx_told(level: str, *positions: OkxPosition) -> tuple[Venue, Reference, Payloads]:
    return OKX, okx.MARKETS, okx.payloads(okx.holding(level, *positions))


def hyperliquid_told(
    mode: str, *positions: HyperliquidPosition, left: str | None = None, **spot: Decimal
) -> tuple[Venue, Reference, Payloads]:
    wallet = {"spot": spot} if spot else {}
    account = hyperliquid.holding(*positions, mode=mode, **wallet)
    return HYPERLIQUID, hyperliquid.TIERS, hyperliquid.payloads(account, left=left)


POOLED = (hyperliquid.BTC, hyperliquid.HYPE, hyperliquid.XYZ)
SOUND: dict[str, tuple[Venue, Reference, Payloads]] = {
    "okx futures": okx_told("2", okx.LONG, okx.COIN_SHORT, okx.ISOLATED),
    "okx multi-currency": okx_told("3", okx.LONG, okx.COIN_SHORT),
    "okx portfolio": okx_told("4", okx.LONG, okx.COIN_SHORT),
    "okx isolated inverse": okx_told("2", okx.ISOLATED_COIN),
    **{f"deribit {model}": (DERIBIT, NOTHING, deribit_in_use(model)) for model in deribit.MODELS},
    "hyperliquid per dex": hyperliquid_told("disabled", *hyperliquid.BOOK),
    "hyperliquid unified": hyperliquid_told("unifiedAccount", *POOLED, hyperliquid.ETH, left="9150.0"),
    "hyperliquid portfolio": hyperliquid_told("portfolioMargin", *POOLED, USDC=D(14000), UBTC=D("0.1")),
}
REPORTS = {name: judged(venue.parse(told, reference, NOW)) for name, (venue, reference, told) in SOUND.items()}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name} {'.'.join(map(str, path[-3:]))}")
        for name, (_, _, told) in SOUND.items()
        for path in number_paths(told)
    ],
)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str, path: Path_) -> None:
    venue, reference, told = SOUND[name]
    for how, changed in spoiled(told, path):
        assert looks_calmer(REPORTS[name], venue, changed, reference) is None, how
