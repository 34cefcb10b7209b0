"""States of a pool: what is unknown is never called safe, and a deficit never divided away."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.margin import Option, Pool, PoolState, Side
from tests.builders import T0, D, pool, position, snapshot

BOUGHT = replace(
    position(),
    option=Option(is_call=True, strike=D(1), expires_at=T0, underlying_price=D(1), mark_usd=D(1)),
)
SOLD = replace(BOUGHT, side=Side.SHORT)
LONG = position()


@pytest.mark.parametrize(
    ("judged", "state", "ratio"),
    [
        pytest.param(pool(equity="10"), PoolState.FLAT, None, id="money and nothing else"),
        pytest.param(pool(equity=None, maintenance_margin=None), PoolState.FLAT, None, id="nothing held, nothing said"),
        pytest.param(pool(LONG, equity="1000"), PoolState.OK, D("0.5"), id="ratio is requirement over equity"),
        pytest.param(pool(LONG, equity="500"), PoolState.OK, D(1), id="at the trigger"),
        pytest.param(pool(LONG, equity="0.01"), PoolState.OK, D(50_000), id="far past the trigger"),
        pytest.param(pool(LONG, equity="0"), PoolState.DEFICIT, None, id="equity of zero"),
        pytest.param(pool(LONG, equity="-1"), PoolState.DEFICIT, None, id="losses outran the collateral"),
        pytest.param(pool(LONG, equity=None), PoolState.UNKNOWN, None, id="failure_16: equity missing is not zero"),
        pytest.param(pool(LONG, maintenance_margin=None), PoolState.UNKNOWN, None, id="requirement missing"),
        pytest.param(pool(LONG, maintenance_margin="0"), PoolState.UNKNOWN, None, id="failure_15: zero is not safe"),
        pytest.param(pool(LONG, maintenance_margin="-1"), PoolState.UNKNOWN, None, id="negative requirement"),
        pytest.param(
            pool(has_debt=True, maintenance_margin="0"), PoolState.UNKNOWN, None, id="debt without requirement"
        ),
        pytest.param(pool(has_debt=True, maintenance_margin=None), PoolState.UNKNOWN, None, id="debt, nothing said"),
        pytest.param(
            pool(has_debt=True, maintenance_margin="100"), PoolState.OK, D("0.01"), id="debt that needs margin"
        ),
        pytest.param(pool(maintenance_margin="100"), PoolState.OK, D("0.01"), id="open orders need margin"),
        pytest.param(pool(BOUGHT, maintenance_margin="0"), PoolState.OK, D(0), id="bought options need none"),
        pytest.param(pool(SOLD, maintenance_margin="0"), PoolState.UNKNOWN, None, id="sold options do"),
        pytest.param(pool(BOUGHT, LONG, maintenance_margin="0"), PoolState.UNKNOWN, None, id="options and a perpetual"),
        pytest.param(
            pool(BOUGHT, maintenance_margin="0", has_debt=True), PoolState.UNKNOWN, None, id="options and a debt"
        ),
        pytest.param(
            pool(BOUGHT, maintenance_margin="0", equity="0"), PoolState.UNKNOWN, None, id="options, no equity"
        ),
    ],
)
def test_state_and_ratio(judged: Pool, state: PoolState, ratio: Decimal | None) -> None:
    assert (judged.state, judged.margin_ratio) == (state, ratio)


amounts = st.none() | st.decimals(-(10**9), 10**9, places=2)


@given(amounts, amounts, st.lists(st.sampled_from([LONG, BOUGHT, SOLD]), max_size=2), st.booleans())
def test_never_ok_without_both_amounts(
    equity: Decimal | None, requirement: Decimal | None, held: list[object], has_debt: bool
) -> None:
    judged = replace(
        pool(has_debt=has_debt),
        equity=equity,
        maintenance_margin=requirement,
        positions=tuple(held),  # type: ignore[arg-type]
    )
    if judged.state is PoolState.OK:
        assert equity is not None
        assert equity > 0
        assert requirement is not None
        assert judged.margin_ratio == requirement / equity
    else:
        assert judged.margin_ratio is None
    if judged.state is PoolState.FLAT:
        assert not held
        assert not has_debt


def test_buffer_is_what_can_be_lost_and_negative_past_the_trigger() -> None:
    assert pool(LONG, equity="800").buffer == D(300)
    assert pool(LONG, equity="100").buffer == D(-400)
    assert pool(LONG, equity=None).buffer is None
    assert pool(LONG, maintenance_margin=None).buffer is None


CALM, TIGHT = pool(LONG, equity="5000", name="calm"), pool(LONG, equity="600", name="tight")
UNKNOWN, DEFICIT = pool(LONG, equity=None, name="unknown"), pool(LONG, equity="-1", name="deficit")
FLAT = pool(name="flat")


@pytest.mark.parametrize(
    ("pools", "worst", "state"),
    [
        pytest.param((FLAT, CALM), "calm", PoolState.OK, id="ok before flat"),
        pytest.param((TIGHT, CALM), "tight", PoolState.OK, id="the higher ratio"),
        pytest.param((UNKNOWN, TIGHT), "unknown", PoolState.UNKNOWN, id="unknown before ok"),
        pytest.param((UNKNOWN, DEFICIT, TIGHT), "deficit", PoolState.DEFICIT, id="deficit before all"),
    ],
)
def test_an_account_is_as_bad_as_its_worst_pool(pools: tuple[Pool, ...], worst: str, state: PoolState) -> None:
    for order in (pools, pools[::-1]):
        judged = snapshot(*order)
        assert judged.worst is not None
        assert (judged.worst.name, judged.state) == (worst, state)
        assert judged.margin_ratio == judged.worst.margin_ratio


def test_an_account_without_pools_is_flat() -> None:
    assert (snapshot().state, snapshot().margin_ratio, snapshot().worst) == (PoolState.FLAT, None, None)
