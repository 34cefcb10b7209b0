"""The supported venues: one row each. Adding one means adding a module and naming it here.

`OWN` are those with an adapter, regional branches of the same exchange included. `VENUES` also knows every other
exchange that can be read in the general way of `generic`; their rows are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from marginbot.exchanges.venue import Venue
from marginbot.exchanges.venues import (
    aster,
    backpack,
    binance,
    binancecoinm,
    binanceusdm,
    bingx,
    bitget,
    blofin,
    bybit,
    coinbase,
    cryptocom,
    deribit,
    derive,
    dydx,
    extended,
    gate,
    generic,
    htx,
    hyperliquid,
    kraken,
    krakenfutures,
    kucoinfutures,
    lighter,
    mexc,
    okx,
    paradex,
    phemex,
    whitebit,
    woo,
)
from marginbot.exchanges.venues.twins import twin
from marginbot.flow.ports import VenueInfo

_MODULES: Mapping[str, Venue] = {
    module.VENUE.info.id: module.VENUE
    for module in (
        binanceusdm,
        binancecoinm,
        binance,
        bybit,
        okx,
        deribit,
        hyperliquid,
        bitget,
        coinbase,
        gate,
        kucoinfutures,
        htx,
        mexc,
        bingx,
        krakenfutures,
        kraken,
        phemex,
        cryptocom,
        dydx,
        lighter,
        derive,
        paradex,
        aster,
        extended,
        backpack,
        woo,
        blofin,
        whitebit,
    )
}
_BRANCHES = {"bybiteu": "bybit", "bybitid": "bybit", "gateeu": "gate", "myokx": "okx", "okxus": "okx"}
OWN: Mapping[str, Venue] = {
    **_MODULES,
    **{name: twin(_MODULES[original], name) for name, original in _BRANCHES.items()},
}


class _Venues(Mapping[str, Venue]):
    """Own rows first, then the general ones by name."""

    def __init__(self) -> None:
        taken = {name for venue in OWN.values() for name in (venue.info.id, *venue.info.aliases)}
        self._others = tuple(name for name in generic.candidates() if name not in taken and not generic.refusal(name))
        self._made: dict[str, Venue] = {}

    def __getitem__(self, name: str) -> Venue:
        if name in OWN:
            return OWN[name]
        if name not in self._others:
            raise KeyError(name)
        return self._made.setdefault(name, generic.generic_venue(name))

    def __iter__(self) -> Iterator[str]:
        return iter((*OWN, *self._others))

    def __len__(self) -> int:
        return len(OWN) + len(self._others)


VENUES: Mapping[str, Venue] = _Venues()


def refused() -> dict[str, VenueInfo]:
    """Exchanges that ccxt could read, but we do not: each with its reason."""
    return {
        name: generic.refused_info(name) for name in generic.candidates() if name not in OWN and generic.refusal(name)
    }
