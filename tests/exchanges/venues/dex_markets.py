"""The markets of the account in `dex_payloads`, by each venue's own names."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from marginbot.exchanges.venue import Instrument, Reference

D = Decimal


def perpetuals(quote: str, settle: str, ids: Mapping[str, str], **sizes: str) -> Reference:
    """BTC, ETH and SOL by the venue's own names."""
    return Reference(
        instruments={
            name: Instrument(
                symbol=f"{coin}/{quote}:{settle}",
                underlying=coin,
                settle=settle,
                contract_size=D(sizes.get(coin, "1")),
            )
            for coin, name in ids.items()
        }
    )


DYDX = perpetuals("USDC", "USDC", {coin: f"{coin}-USD" for coin in ("BTC", "ETH", "SOL")})
LIGHTER = perpetuals("USDC", "USDC", {"ETH": "0", "BTC": "1", "SOL": "2"})
DERIVE = perpetuals("USDC", "USDC", {"BTC": "BTC-PERP", "ETH": "ETH-PERP"})
PARADEX = perpetuals("USD", "USDC", {coin: f"{coin}-USD-PERP" for coin in ("BTC", "ETH", "SOL")})
EXTENDED = perpetuals("USDC", "USDC", {coin: f"{coin}-USD" for coin in ("BTC", "ETH", "SOL")})
BACKPACK = perpetuals("USDC", "USDC", {coin: f"{coin}_USDC_PERP" for coin in ("BTC", "ETH", "SOL")})
WOO = perpetuals("USDT", "USDT", {coin: f"PERP_{coin}_USDT" for coin in ("BTC", "ETH", "SOL")})
BLOFIN = perpetuals("USDT", "USDT", {coin: f"{coin}-USDT" for coin in ("BTC", "ETH", "SOL")}, BTC="0.001", ETH="0.01")
WHITEBIT = perpetuals("USDT", "USDT", {coin: f"{coin}_PERP" for coin in ("BTC", "ETH", "SOL")})
