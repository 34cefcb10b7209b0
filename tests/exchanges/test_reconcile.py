"""Two figures for the same thing: the worse one counts, and the gap is told."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marginbot.exchanges.reconcile import apart, inverted, requirement

D = Decimal


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param("100", "98", False, id="just at the tolerance"),
        pytest.param("100", "97.9", True, id="just over"),
        pytest.param("0", "0", False, id="nothing"),
        pytest.param("1", "-1", True, id="opposite signs"),
    ],
)
def test_apart(one: str, other: str, expected: bool) -> None:
    assert apart(D(one), D(other)) is expected
    assert apart(D(other), D(one)) is expected


@pytest.mark.parametrize(("safety", "expected"), [(D(4), D("0.25")), (D(-2), D("-0.5")), (D(0), None), (None, None)])
def test_inverted(safety: Decimal | None, expected: Decimal | None) -> None:
    assert inverted(safety) == expected


@pytest.mark.parametrize(
    ("equity", "own", "reported", "expected", "word"),
    [
        pytest.param("1000", "101", "0.1", "100", "", id="in agreement the venue's figure counts"),
        pytest.param("1000", "150", "0.1", "150", "ours is 15.00%", id="ours is worse"),
        pytest.param("1000", "50", "0.1", "100", "ours is 5.00%", id="theirs is worse"),
        pytest.param("1000", "2", "0.001", "2", "", id="both idle: the worse, without a word"),
        pytest.param("1000", "100", None, "100", "recomputed", id="the venue says nothing"),
        pytest.param("1000", "100", "-0.1", "100", "recomputed", id="the venue says the impossible"),
        pytest.param("1000", None, "0.1", "100", "unchecked", id="ours is unknown"),
        pytest.param("1000", "-5", "0.1", "100", "unchecked", id="ours is impossible"),
        pytest.param("1000", None, None, None, "cannot be judged", id="neither is known"),
        pytest.param("-10", "100", "-10", "100", "", id="losses beyond the equity"),
        pytest.param(None, "100", "0.1", "100", "recomputed", id="no equity to scale by"),
    ],
)
def test_requirement(
    equity: str | None, own: str | None, reported: str | None, expected: str | None, word: str
) -> None:
    warnings: list[str] = []
    found = requirement("cross", _maybe(equity), own=_maybe(own), reported=_maybe(reported), warnings=warnings)
    assert found == _maybe(expected)
    assert len(warnings) == bool(word)
    assert word in "".join(warnings)


def _maybe(text: str | None) -> Decimal | None:
    return None if text is None else D(text)
