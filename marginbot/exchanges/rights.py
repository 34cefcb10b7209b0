"""A passport out of a list of rights, as several venues give it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from marginbot.domain.passport import Passport
from marginbot.exchanges.permissions import TRANSFERS

UNKNOWN_RIGHT = "it has a right that I do not know"


def passport_of(
    rights: Iterable[str],
    *,
    reads: Collection[str],
    trades: Collection[str],
    sends: Collection[str],
    withdraws: Collection[str] = (),
    ip_restricted: bool | None = None,
) -> Passport:
    """A right that is none of the known ones is taken for a right to trade. `sends` moves funds between accounts."""
    held = {right.strip() for right in rights} - {""}
    strange = held - {*reads, *trades, *sends, *withdraws}
    moves, leaves = bool(held & {*sends}), bool(held & {*withdraws})
    notes = ((UNKNOWN_RIGHT,) if strange else ()) + ((TRANSFERS,) if moves and not leaves else ())
    return Passport(
        can_read=None if strange else bool(held & {*reads}),
        can_trade=bool(strange or held & {*trades}),
        can_withdraw=moves or leaves,
        ip_restricted=ip_restricted,
        notes=notes,
    )


def listed(addresses: object) -> bool | None:
    """Whether addresses are listed: a text with commas or a list of texts; None for anything else."""
    if isinstance(addresses, str):
        return bool(addresses.strip(" ,"))
    if isinstance(addresses, list) and all(isinstance(address, str) for address in addresses):
        return any(address.strip() for address in addresses)
    return None
