"""The smallest breaching move: exact between knots, found among many knots, found on curves."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.roots import Shape, first_breach


def test_a_straight_line_is_solved_exactly() -> None:
    assert first_breach(lambda move: 1 + 3 * move, -0.99, [], Shape.LINEAR) == pytest.approx(-1 / 3, rel=1e-15)


def test_what_never_falls_to_zero_has_no_root() -> None:
    assert first_breach(lambda move: 1.0, -0.99, [-0.2, -0.4], Shape.LINEAR) is None
    assert first_breach(lambda move: 1 + 3 * move, 5.0, [], Shape.LINEAR) is None


def test_a_coin_settled_line_is_straight_in_the_inverse() -> None:
    root = first_breach(lambda move: 2 - 1 / (1 + move), -0.99, [], Shape.INVERSE)
    assert root == pytest.approx(-0.5, rel=1e-14)


def bent(move: float) -> float:
    """Slope 1 up to 0.2, then 4."""
    return 1 - move if move < 0.2 else 0.8 - 4 * (move - 0.2)


def test_a_bend_at_a_knot_is_followed() -> None:
    assert first_breach(bent, 5.0, [0.2], Shape.LINEAR) == pytest.approx(0.4, rel=1e-14)


def test_knots_behind_or_beyond_change_nothing() -> None:
    assert first_breach(bent, 5.0, [-0.2, 0.0, 0.2, 7.0], Shape.LINEAR) == pytest.approx(0.4, rel=1e-14)


def test_among_many_knots_the_right_piece_is_found() -> None:
    knots = [n / 100 for n in range(1, 400)]
    assert first_breach(bent, 5.0, knots, Shape.LINEAR) == pytest.approx(0.4, rel=1e-12)


def test_the_first_of_two_roots_counts() -> None:
    """Down to -0.1 at 0.3, up again: a window of danger between two knots."""
    window = lambda move: abs(move - 0.3) - 0.1  # noqa: E731
    assert first_breach(window, 5.0, [0.3], Shape.LINEAR) == pytest.approx(0.2, rel=1e-12)


@given(st.floats(0.02, 4.5))
def test_a_curve_is_bisected_to_the_last_digits(root: float) -> None:
    found = first_breach(lambda move: math.exp(root) - math.exp(move), 5.0, [], Shape.CURVED)
    assert found == pytest.approx(root, rel=1e-9)
