"""A single number of a recorded account gone or wrong never makes it look calmer without a word.

Every number of every case is taken in turn: null, blank, negative, a thousand times too large, or not there. Either
the ratio comes out right by the other way, or a warning says so, or the pool is unknown, or the answer is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from marginbot.domain.errors import BadPayload
from marginbot.exchanges.venues import VENUES
from tests.exchanges.test_corpus import KNOWN, READ, exchange_of
from tests.exchanges.test_redaction import recorded
from tests.exchanges.venues.kit import judged, looks_calmer, number_paths, spoiled
from tests.servers.corpus import cases

# What the check cannot be held against, and why.
EXEMPT = {
    "binance-usdm/gobinance-v2-isolated": "answers of two accounts, which contradict each other as they stand",
    "extended/ccxtsrc": "answers of two accounts: only the liquidation price speaks of the positions that are there",
    "whitebit/jkorf": "positions alone: one number is all that tells the equity, and it is told as an estimate",
}


@pytest.mark.skipif(not cases(), reason="MARGINBOT_CORPUS does not name a folder with recorded payloads")
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case["case"])
        for case in cases()
        if exchange_of(case) in READ and case["case"] not in {*KNOWN, *EXEMPT} and case["has_open_position"]
    ],
)
async def test_no_number_of_a_recorded_account_can_go_wrong_in_silence(case: Any) -> None:
    exchange = exchange_of(case)
    venue, recording = VENUES[exchange], await recorded(exchange, case)
    try:
        sound = judged(recording.snapshot(venue))
    except BadPayload:
        pytest.skip("refused as it stands")
    found = []
    for path in number_paths(recording.payloads):
        for how, changed in spoiled(recording.payloads, path):
            calmer = looks_calmer(sound, venue, changed, recording.reference)
            if calmer is not None:
                found.append(f"{'.'.join(map(str, path))} {how}: {calmer}")
    assert not found, "\n".join(found)
