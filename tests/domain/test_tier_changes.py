"""What has changed about a venue's terms, and what that does to a pool."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.margin import Collateral, Pool, PoolState, Side
from marginbot.domain.room import room_of
from marginbot.domain.tier_changes import Change, Effect, Kind, Terms, changed, effects, merged, under
from marginbot.domain.tiers import LeverageTier, with_deductions
from tests.builders import HOURLY, T0, pool, position, snapshot

D = Decimal
BTC = "BTC/USDT:USDT"


def ladder(*rungs: tuple[str, str | None]) -> tuple[LeverageTier, ...]:
    """Rates with their caps."""
    floors = [D(0), *(D(cap) for _, cap in rungs if cap)]
    rows = [
        LeverageTier(floor, D(cap) if cap else None, D(rate)) for floor, (rate, cap) in zip(floors, rungs, strict=False)
    ]
    return with_deductions(rows)


OLD = ladder(("0.004", "50000"), ("0.005", "250000"), ("0.01", None))
RAISED = ladder(("0.004", "50000"), ("0.02", "250000"), ("0.03", None))


def terms(tiers: tuple[LeverageTier, ...], **rates: str) -> Terms:
    return Terms(tiers={BTC: tiers}, collateral_rates={coin: D(rate) for coin, rate in rates.items()})


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(OLD, [], id="nothing"),
        pytest.param(
            RAISED,
            [(Kind.RATE_RAISED, "0.005", "0.02", 2), (Kind.RATE_RAISED, "0.01", "0.03", 3)],
            id="rates raised",
        ),
        pytest.param(
            ladder(("0.003", "50000"), ("0.005", "250000"), ("0.01", None)),
            [(Kind.RATE_LOWERED, "0.004", "0.003", 1)],
            id="a rate lowered",
        ),
        pytest.param(
            ladder(("0.004", "40000"), ("0.005", "250000"), ("0.01", None)),
            [(Kind.TIER_CUT, "50000", "40000", 1)],
            id="a tier ends earlier",
        ),
        pytest.param(
            ladder(("0.004", "50000"), ("0.005", "300000"), ("0.01", None)),
            [(Kind.TIER_WIDENED, "250000", "300000", 2)],
            id="a tier ends later",
        ),
        pytest.param(
            ladder(("0.004", "50000"), ("0.005", "250000"), ("0.01", "900000"), ("0.02", None)),
            [(Kind.TIER_CUT, None, "900000", 3)],
            id="a rung is added on top",
        ),
        pytest.param(
            ladder(("0.004", "50000"), ("0.005", None)), [(Kind.TIER_WIDENED, "250000", None, 2)], id="one less"
        ),
    ],
)
def test_a_change_of_tiers_is_named_rung_by_rung(
    new: tuple[LeverageTier, ...], expected: list[tuple[Kind, str | None, str | None, int]]
) -> None:
    found = changed(terms(OLD), terms(new))
    wanted = [
        Change(kind=kind, name=BTC, old=D(a) if a else None, new=D(b) if b else None, rung=rung)
        for kind, a, b, rung in expected
    ]
    assert list(found) == wanted


def test_collateral_rates_are_compared_and_what_only_one_side_lists_is_no_change() -> None:
    old = Terms(tiers={"X": OLD}, collateral_rates={"BTC": D("0.95"), "ETH": D("0.9"), "SOL": D("0.8")})
    new = Terms(tiers={"Y": RAISED}, collateral_rates={"BTC": D("0.9"), "ETH": D("0.92"), "XRP": D("0.1")})
    assert [(change.kind, change.name) for change in changed(old, new)] == [
        (Kind.COLLATERAL_CUT, "BTC"),
        (Kind.COLLATERAL_RAISED, "ETH"),
    ]
    both = merged(old, new)
    assert both.tiers == {"X": OLD, "Y": RAISED}
    assert both.collateral_rates == {"BTC": D("0.9"), "ETH": D("0.92"), "SOL": D("0.8"), "XRP": D("0.1")}


def held(tiers: tuple[LeverageTier, ...] = OLD, *, required: str, equity: str = "20000") -> Pool:
    """100000 long of BTC: 450 by the old tiers (0.5 % - 50), 1200 by the raised ones (2 % - 800)."""
    return pool(position(notional="100000", tiers=tiers), equity=equity, maintenance_margin=required)


@pytest.mark.parametrize(
    ("required", "before", "after"),
    [
        pytest.param("450", "450", "1200", id="read under the old terms"),
        pytest.param("1200", "450", "1200", id="read under the new terms: the venue was faster"),
        pytest.param("500", "500", "1333.333", id="with something added by the venue"),
        pytest.param("1300", "487.5", "1300", id="the same, under the new terms"),
    ],
)
def test_the_terms_in_force_are_recognised(required: str, before: str, after: str) -> None:
    old, new = under(held(required=required), terms(OLD), terms(RAISED))
    assert old.maintenance_margin is not None
    assert new.maintenance_margin is not None
    assert abs(old.maintenance_margin - D(before)) < D("0.001")
    assert abs(new.maintenance_margin - D(after)) < D("0.001")
    assert (old.equity, old.positions[0].tiers, new.positions[0].tiers) == (D(20000), OLD, RAISED)


def test_room_shrinks_as_the_pool_is_judged_under_the_new_terms() -> None:
    (found,) = effects(snapshot(held(required="450")), HOURLY, label="main", old=terms(OLD), new=terms(RAISED), now=T0)
    assert found.room_before is not None
    assert found.room_after is not None
    # 20000 + 100000 x = 500 (1 + x) - 50, and 20000 + 100000 x = 2000 (1 + x) - 800
    assert found.room_before == pytest.approx(-19550 / 99500, rel=1e-6)
    assert found.room_after == pytest.approx(-18800 / 98000, rel=1e-6)
    assert (found.label, found.pool, found.scenario) == ("main", "cross:USDT", "BTC")
    assert (found.ratio_before, found.ratio_after) == (D("0.0225"), D("0.06"))
    assert found.worsens


def test_a_haircut_takes_from_the_equity_what_it_takes_from_the_coin() -> None:
    """What was read is under the new rate: 7600 at 76 % were 9500 at 95 %."""
    coins = (Collateral(asset="BTC", value=D(7600)), Collateral(asset="ETH", value=D(-1000)))
    backed = replace(held(required="450", equity="10100"), collateral=coins)
    old, new = under(backed, terms(OLD, BTC="0.95", ETH="0.9"), terms(OLD, BTC="0.76", ETH="0.5"))
    assert (old.equity, new.equity, new.collateral) == (D(12000), D(10100), coins)
    assert [coin.value for coin in old.collateral] == [D(9500), D(-1000)], "a debt counts in full"
    uncut = replace(backed, collateral=tuple(replace(coin, is_cut=False) for coin in coins))
    assert under(uncut, terms(OLD, BTC="0.95"), terms(OLD, BTC="0.5"))[0].equity == D(10100)


def test_an_equity_that_is_gone_is_told() -> None:
    backed = replace(held(required="450", equity="-500"), collateral=(Collateral(asset="BTC", value=D(8000)),))
    (found,) = effects(
        snapshot(backed), HOURLY, label="a", old=terms(OLD, BTC="0.95"), new=terms(OLD, BTC="0.8"), now=T0
    )
    assert (found.ratio_before, found.ratio_after) == (D("0.45"), None)
    assert found.worsens


def test_what_the_change_does_not_touch_has_no_effect() -> None:
    other = pool(position("ETH"), name="cross:USDC")
    without_tiers = pool(position(notional="100000"), name="cross:BUSD")
    found = effects(snapshot(other, without_tiers), HOURLY, label="a", old=terms(OLD), new=terms(RAISED), now=T0)
    assert found == ()


def test_a_pool_that_cannot_be_judged_stays_so() -> None:
    unknown = replace(held(required="450"), maintenance_margin=None)
    old, new = under(unknown, terms(OLD), terms(RAISED))
    assert old.state is new.state is PoolState.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "worsens"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"ratio_after": D("0.3009")}, False, id="less than can be seen"),
        pytest.param({"ratio_after": D("0.301")}, True, id="a tenth of a per cent"),
        pytest.param({"room_after": -0.2191}, False, id="room by less than can be seen"),
        pytest.param({"room_after": -0.2189}, True, id="room by more"),
        pytest.param({"room_after": 0.17}, True, id="room the other way, nearer"),
        pytest.param({"room_after": -0.25, "ratio_after": D("0.2")}, False, id="it gets better"),
        pytest.param({"room_before": None}, True, id="it could not breach before"),
        pytest.param({"room_after": None}, False, id="it cannot breach any more"),
        pytest.param({"ratio_after": None}, True, id="the equity would be gone"),
        pytest.param({"ratio_before": None}, False, id="it was never known"),
    ],
)
def test_what_counts_as_worse(changes: dict[str, Decimal | float | None], worsens: bool) -> None:
    effect = Effect(
        label="a",
        pool="p",
        ratio_before=D("0.3"),
        ratio_after=D("0.3"),
        room_before=-0.22,
        room_after=-0.22,
        scenario="BTC",
    )
    assert replace(effect, **changes).worsens is worsens  # type: ignore[arg-type]


@given(
    st.integers(min_value=1_000, max_value=1_000_000),
    st.sampled_from([Side.LONG, Side.SHORT]),
    st.decimals(min_value=D("1.01"), max_value=D(5), places=2),
)
def test_higher_rates_never_leave_more_room(notional: int, side: Side, factor: Decimal) -> None:
    stricter = with_deductions(
        [replace(tier, maintenance_margin_rate=tier.maintenance_margin_rate * factor) for tier in OLD]
    )
    line = position(side=side, notional=str(notional), tiers=OLD)
    told = pool(line, equity=str(notional), maintenance_margin=str(D(notional) * D("0.004")))
    old, new = under(told, terms(OLD), terms(stricter))
    assert old.maintenance_margin is not None
    assert new.maintenance_margin is not None
    assert new.maintenance_margin >= old.maintenance_margin
    rooms = [room_of(one, HOURLY, T0).decisive for one in (old, new)]
    sizes = [abs(room.room) for room in rooms if room is not None and room.room is not None]
    assert len(sizes) < 2 or sizes[1] <= sizes[0] + 1e-9
