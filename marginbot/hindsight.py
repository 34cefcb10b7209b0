"""Would I have been warned? An account read now, replayed over past days, for `marginbot replay --exchange`."""

from __future__ import annotations

import os
from collections.abc import Callable

from marginbot.app import reading, utc_now
from marginbot.config import Settings
from marginbot.domain.margin import Snapshot
from marginbot.sim.hindsight import WARM_UP, parse_period, portfolios_of, spec_of
from marginbot.sim.replay import BadSpec, Outcome, run
from marginbot.snapshot import credential_for, find_account


async def look_back(
    settings: Settings, exchange: str, key: str | None, period: str, *, ask: Callable[[str], str] | None
) -> tuple[list[Outcome], tuple[str, ...]]:
    """What each pool would have gone through, and what was left out; `BadSpec` or `CannotRead` where it cannot be."""
    days = parse_period(period)
    async with reading(settings) as reader:
        venue, snapshot = await find_account(reader, exchange, lambda v: credential_for(v, key, os.environ, ask))
        portfolios, notes = portfolios_of(snapshot)
        if not portfolios:
            raise BadSpec("; ".join(notes) or "the account holds no position: there is nothing to replay")
        bars = {
            name: await reader.history(venue.id, name, days[0] - WARM_UP, days[1], utc_now())
            for name in _underlyings(snapshot, {portfolio.name for portfolio in portfolios})
        }
    return run(spec_of(portfolios, bars, days, settings.poll_interval)), notes


def _underlyings(snapshot: Snapshot, pools: set[str]) -> list[str]:
    return sorted({p.underlying for pool in snapshot.pools if pool.name in pools for p in pool.positions})
