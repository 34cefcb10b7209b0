"""The supported venues: one row each. Adding one means adding a module and naming it here."""

from __future__ import annotations

from collections.abc import Mapping

from marginbot.exchanges.venue import Venue
from marginbot.exchanges.venues import (
    aster,
    binance,
    binancecoinm,
    binanceusdm,
    bingx,
    bybit,
    deribit,
    hyperliquid,
    kucoinfutures,
    mexc,
    okx,
)

VENUES: Mapping[str, Venue] = {
    module.VENUE.info.id: module.VENUE
    for module in (
        binanceusdm,
        binancecoinm,
        binance,
        bybit,
        okx,
        deribit,
        hyperliquid,
        aster,
        kucoinfutures,
        mexc,
        bingx,
    )
}
