"""Maintenance margin from tiers: published deductions, and no jump at a boundary."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.tiers import LeverageTier, maintenance_margin, tier_for, with_deductions

D = Decimal

# Binance BTCUSDT as in its published example: 0.4 % to 50 k, 0.5 % to 250 k, 1 % to 1 M, 2.5 % above.
BINANCE = with_deductions(
    (
        LeverageTier(D(0), D(50_000), D("0.004")),
        LeverageTier(D(50_000), D(250_000), D("0.005")),
        LeverageTier(D(250_000), D(1_000_000), D("0.01")),
        LeverageTier(D(1_000_000), None, D("0.025")),
    )
)


def test_deductions_are_those_that_binance_publishes() -> None:
    assert [tier.deduction for tier in BINANCE] == [0, 50, 1300, 16300]


@pytest.mark.parametrize(
    ("notional", "expected"),
    [
        ("0", "0"),
        ("49999.99", "199.99996"),
        ("50000", "200"),
        ("250000", "1200"),
        ("250000.01", "1200.0001"),
        ("1000000", "8700"),
        ("2000000", "33700"),
    ],
)
def test_maintenance_margin(notional: str, expected: str) -> None:
    assert maintenance_margin(D(notional), BINANCE) == D(expected)


def test_a_cap_belongs_to_the_next_tier() -> None:
    assert tier_for(D("49999.99"), BINANCE) is BINANCE[0]
    assert tier_for(D(50_000), BINANCE) is BINANCE[1]


def test_beyond_the_last_cap_the_last_tier_holds() -> None:
    capped = (LeverageTier(D(0), D(100), D("0.01")), LeverageTier(D(100), D(200), D("0.02"), D(1)))
    assert maintenance_margin(D(1000), capped) == D(19)


def test_a_deduction_never_makes_the_requirement_negative() -> None:
    assert maintenance_margin(D(10), (LeverageTier(D(0), None, D("0.01"), D(5)),)) == 0


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 300)), min_size=1, max_size=8))
def test_marginal_tiers_are_continuous_and_never_fall(steps: list[tuple[int, int]]) -> None:
    floor, rate, tiers = D(0), D(0), []
    for width, rise in steps:
        rate += D(rise) / 10_000
        tiers.append(LeverageTier(floor, floor + width, rate))
        floor += width
    filled = with_deductions(tiers)
    for lower, upper in pairwise(filled):
        edge = upper.floor
        below = edge * lower.maintenance_margin_rate - lower.deduction
        assert below == maintenance_margin(edge, filled)
        assert maintenance_margin(edge + 1, filled) > maintenance_margin(edge, filled)


def test_binance_publishes_the_deductions_that_the_recursion_gives() -> None:
    corpus = os.environ.get("MARGINBOT_CORPUS")
    if not corpus:
        pytest.skip("set MARGINBOT_CORPUS to the folder that holds binance-leverage-tiers.json")
    symbols = json.loads((Path(corpus) / "binance-leverage-tiers.json").read_text(encoding="utf-8"), parse_float=D)
    for rows in list(symbols.values())[::10]:
        published = [D(str(row["info"]["cum"])) for row in rows]
        tiers = [
            LeverageTier(D(str(row["minNotional"])), D(str(row["maxNotional"])), D(str(row["maintenanceMarginRate"])))
            for row in rows
        ]
        assert [tier.deduction for tier in with_deductions(tiers)] == pytest.approx(published, rel=D("1e-6"))
