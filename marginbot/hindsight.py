"""Would I have been warned? An account read now, replayed over past days, for `marginbot replay --exchange`."""

from __future__ import annotations

import os
from collections.abc import Callable

from marginbot.app import reading, utc_now
from marginbot.config import Settings
from marginbot.lookback import spec_for
from marginbot.progress import bar
from marginbot.sim.hindsight import parse_period
from marginbot.sim.replay import Outcome, run
from marginbot.snapshot import credential_for, find_account


async def look_back(
    settings: Settings, exchange: str, key: str | None, period: str, *, ask: Callable[[str], str] | None
) -> tuple[list[Outcome], tuple[str, ...]]:
    """What each pool would have gone through, and what was left out; `BadSpec` or `CannotRead` where it cannot be."""
    days = parse_period(period)
    async with reading(settings) as reader:
        venue, snapshot = await find_account(reader, exchange, lambda v: credential_for(v, key, os.environ, ask))
        with bar("fetching past prices") as progress:
            spec, notes = await spec_for(
                reader,
                venue.id,
                snapshot,
                period=days,
                poll=settings.poll_interval,
                now=utc_now(),
                progress=progress,
            )
    with bar("replaying") as progress:
        return run(spec, progress=progress), notes
