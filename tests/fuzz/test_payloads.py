"""Any answer of any shape from any venue: a snapshot, or an error that the reader turns into one of ours."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import ReadingError
from marginbot.exchanges.faults import PARSE_ERRORS
from marginbot.exchanges.venues import VENUES
from tests.exchanges.test_corpus import KNOWN, READ, exchange_of
from tests.exchanges.test_redaction import recorded
from tests.exchanges.venues.kit import judged
from tests.fuzz.conftest import EXAMPLES
from tests.servers.corpus import cases

STRANGE: list[Any] = [None, "", "0", "-1", "NaN", "1e400", [], {}, [[]], [None], True, 0, 10**40, "x" * 5000, {"": ""}]
CASES = [c for c in cases() if exchange_of(c) in READ and c["case"] not in KNOWN and c["has_open_position"]]


def paths(payload: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(payload, dict | list):
        items = payload.items() if isinstance(payload, dict) else enumerate(payload)
        for key, value in items:
            found += paths(value, (*at, key))
    return found


@pytest.mark.skipif(not CASES, reason="MARGINBOT_CORPUS does not name a folder with recorded payloads")
@pytest.mark.parametrize("case", [pytest.param(case, id=case["case"]) for case in CASES])
async def test_answers_of_a_strange_shape(case: Any) -> None:
    venue, recording = VENUES[exchange_of(case)], await recorded(exchange_of(case), case)
    places = paths(recording.payloads)

    @EXAMPLES
    @given(st.lists(st.tuples(st.sampled_from(places), st.sampled_from(STRANGE)), min_size=1, max_size=4))
    def changed(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
        payloads = copy.deepcopy(recording.payloads)
        for path, value in changes:
            put(payloads, path, value)
        try:
            judged(venue.parse(payloads, recording.reference, recording.taken_at))
        except (ReadingError, *PARSE_ERRORS):
            pass  # what the reader turns into "the answer could not be read"

    changed()


def put(payloads: Any, path: tuple[Any, ...], value: Any) -> None:
    for step in path[:-1]:
        try:
            payloads = payloads[step]
        except (LookupError, TypeError):
            return  # an earlier change took it away
    if isinstance(payloads, dict) or (
        isinstance(payloads, list) and isinstance(path[-1], int) and path[-1] < len(payloads)
    ):
        payloads[path[-1]] = copy.deepcopy(value)  # one object in two places could come to hold itself
