"""When the next attempt is due."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.domain.outcomes import TryAgain, retry_at
from tests.builders import T0


@pytest.mark.parametrize(
    ("attempts", "asked", "seconds"),
    [
        pytest.param(1, None, 1, id="soon at first"),
        pytest.param(2, None, 2, id="then later"),
        pytest.param(6, None, 32, id="and later"),
        pytest.param(7, None, 60, id="never more than a minute"),
        pytest.param(10_000, None, 60, id="for ever"),
        pytest.param(0, None, 1, id="never at once"),
        pytest.param(1, 35.0, 35, id="as long as was asked"),
        pytest.param(9, 300.0, 300, id="even if that is long"),
        pytest.param(1, 0.0, 1, id="but not at once"),
    ],
)
def test_retry_at(attempts: int, asked: float | None, seconds: float) -> None:
    after = None if asked is None else timedelta(seconds=asked)
    assert retry_at(TryAgain("no", after), attempts, T0) == T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("attempts", "failures", "seconds"),
    [
        pytest.param(1, 1, 0.25, id="an answer that was lost: at once, nearly"),
        pytest.param(3, 1, 1, id="again: a little later"),
        pytest.param(99, 2, 2, id="never much later while others get through"),
        pytest.param(2, 7, 16, id="but nothing gets through"),
        pytest.param(2, 999, 60, id="for long"),
    ],
)
def test_trouble_on_the_line_is_not_the_message_s_fault(attempts: int, failures: int, seconds: float) -> None:
    trouble = TryAgain("reset", line=True)
    assert retry_at(trouble, attempts, T0, failures=failures) == T0 + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("untaken", "attempts", "failures", "seconds"),
    [
        pytest.param(True, 1, 1, 0.2, id="did not arrive: at once, nearly"),
        pytest.param(True, 9, 3, 0.2, id="and so each time"),
        pytest.param(True, 1, 4, 0.4, id="unless nothing gets through"),
        pytest.param(True, 1, 999, 60, id="for long"),
        pytest.param(False, 1, 1, 0.2, id="may have arrived: the same at first"),
        pytest.param(False, 2, 1, 0.4, id="but no flood of repeats"),
        pytest.param(False, 9, 1, 2, id="and never much later"),
    ],
)
def test_what_is_urgent_is_tried_again_sooner(untaken: bool, attempts: int, failures: int, seconds: float) -> None:
    trouble = TryAgain("502", line=True, untaken=untaken)
    assert retry_at(trouble, attempts, T0, failures=failures, urgent=True) == T0 + timedelta(seconds=seconds)


def test_urgency_shortens_no_wait_that_was_asked_for() -> None:
    flooded = TryAgain("429", timedelta(seconds=35))
    assert retry_at(flooded, 1, T0, urgent=True) == T0 + timedelta(seconds=35)
