"""What may be asked is never more than the venue allows, in any window; and nearly all of it can be used."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import Banned, RateLimited
from marginbot.exchanges.budget import AT_ONCE, LIMITS, SHARE, Budget, Limit, Request
from marginbot.exchanges.traffic import Budgets, Traffic

SMALL = Limit(name="small", paths=("",), weight=100, seconds=0.5, cost=lambda _: 10)
EACH = Limit(name="each", paths=("",), weight=20, seconds=0.5, cost=lambda _: 10, per_account=True)


@given(st.lists(st.tuples(st.floats(0, 3), st.sampled_from([1, 2, 5, 10, 30])), max_size=120), st.floats(0, 60))
def test_no_window_of_any_phase_holds_more_than_the_limit(steps: list[tuple[float, int]], phase: float) -> None:
    budget, now = Budget(100, 60), 0.0
    spent: list[tuple[float, int]] = []
    for pause, weight in steps:
        now += pause
        now += budget.wait(weight, now)
        assert budget.wait(weight, now) == 0, "after the wait it may be spent"
        budget.spend(weight, now)
        spent.append((now, weight))
    for start in [phase + 60 * n for n in range(-1, 200)]:
        assert sum(weight for at, weight in spent if start <= at < start + 60) <= 100


def test_nearly_all_of_a_limit_can_be_used() -> None:
    budget, now, spent = Budget(2400, 60), 0.0, 0
    while now < 600:
        now += budget.wait(10, now)
        budget.spend(10, now)
        spent += 10
    assert spent / 10 >= 0.9 * 2400


def test_a_limit_that_was_used_in_a_burst_is_used_evenly_from_then_on() -> None:
    budget, now, spent = Budget(2400, 60), 0.0, list[float]()
    while now < 600:
        now += max(budget.pace(10, now), budget.wait(10, now))
        budget.spend(10, now)
        spent.append(now)
    assert sum(at < 1 for at in spent) * 10 == pytest.approx(AT_ONCE * budget.limit, rel=0.06), "at once"
    later = [at for at in spent if at >= 300]
    assert len(later) * 10 >= 0.94 * 2400 * 5, "and nothing is given away by it"
    assert max(after - before for before, after in pairwise(later)) < 2.5, "whoever is in danger waits no longer"


def test_what_is_far_from_the_limit_is_not_held_up() -> None:
    budget = Budget(2400, 60)
    for minute in range(10):
        for _ in range(100):  # all accounts at once
            assert budget.pace(10, minute * 61) == 0
            budget.spend(10, minute * 61)


def test_a_request_larger_than_what_may_run_ahead_has_its_turn() -> None:
    budget, now = Budget(100, 60), 0.0
    for _ in range(20):
        now += max(budget.pace(20, now), budget.wait(20, now))
        assert budget.pace(20, now) == 0
        budget.spend(20, now)
    assert now <= 20 / 4 * 61, "four of them fit at a time"


def test_what_the_venue_has_counted_wins_where_it_is_more() -> None:
    budget = Budget(100, 60)
    budget.answered(budget.spend(10, 0), 10, 0)
    assert budget.used == 10
    budget.answered(budget.spend(1, 1), 61, 1)  # somebody else asks from the same address
    assert budget.used == 61
    budget.answered(budget.spend(0, 2), 61, 2)
    assert budget.used == 61, "counted once"
    budget.answered(budget.spend(0, 3), 5, 3)  # its next window
    assert budget.used == 61, "less is not believed: requests may be under way"
    budget.answered(budget.spend(0, 4), 50, 4)
    assert budget.used == 106
    assert budget.wait(1, 4) > 50


@given(st.permutations(range(40)), st.integers(0, 40))
def test_answers_that_overtake_each_other_are_no_new_window(order: list[int], later: int) -> None:
    budget = Budget(10_000, 60)
    left = [budget.spend(10, 0) for _ in order]
    for number in order[:later]:
        budget.answered(left[number], 10 * number + 10, 1)
    left += [budget.spend(10, 1) for _ in range(10)]
    for number in (*order[later:], *range(40, 50)):
        budget.answered(left[number], 10 * number + 10, 1)
    assert budget.used == 500


@given(st.permutations(range(40)), st.integers(1, 40))
def test_a_new_window_in_the_middle_of_what_is_under_way_is_nobody_else_asking(order: list[int], old: int) -> None:
    budget = Budget(10_000, 60)
    for number in range(40):
        budget.answered(budget.spend(10, 0), 10 * number + 10, 0)
    left = [budget.spend(10, 60) for _ in order]
    for number in order:
        budget.answered(left[number], 400 + 10 * number + 10 if number < old else 10 * (number - old) + 10, 60)
    for number in range(40):
        budget.answered(budget.spend(10, 60), 10 * (40 - old) + 10 * number + 10, 60)
    assert budget.used == 400 + 400 + 400


def test_a_stop_holds_until_it_is_over() -> None:
    budget = Budget(100, 60)
    budget.stop(30)
    budget.stop(20)
    assert budget.wait(1, 0) == 30
    assert budget.wait(1, 30) == 0


@pytest.mark.parametrize(
    ("venue", "request_", "weight"),
    [
        ("binanceusdm", Request("/fapi/v3/account", "", ""), 5),
        ("binanceusdm", Request("/fapi/v1/multiAssetsMargin", "", ""), 30),
        ("binanceusdm", Request("/fapi/v1/klines", "symbol=BTCUSDT&limit=99", ""), 1),
        ("binanceusdm", Request("/fapi/v1/klines", "symbol=BTCUSDT&limit=1500", ""), 10),
        ("hyperliquid", Request("/info", "", '{"type":"clearinghouseState"}'), 2),
        ("hyperliquid", Request("/info", "", '{"type":"meta"}'), 20),
        ("hyperliquid", Request("/info", "", "no JSON"), 20),
        ("hyperliquid", Request("/info", "", '{"type":"candleSnapshot","req":{"startTime":0,"endTime":7200000}}'), 22),
        ("hyperliquid", Request("/info", "", '{"type":"candleSnapshot","req":{}}'), 20 + 5000 / 60),
        ("bybit", Request("/v5/account/wallet-balance", "", ""), 1),
    ],
)
def test_prices(venue: str, request_: Request, weight: float) -> None:
    limit = next(one for one in LIMITS[venue] if any(request_.path.startswith(path) for path in one.paths))
    assert limit.cost(request_) == weight


def traffic(limit: Limit, **options: Any) -> Traffic:
    return Traffic("venue", Budgets(), limits={"venue": (limit,)}, **options)


async def test_who_came_first_leaves_first_and_within_the_limit() -> None:
    one, left = traffic(SMALL), []

    async def leave(number: int) -> None:
        await one.leave("http://venue/", None, "")
        left.append((asyncio.get_running_loop().time(), number))

    await asyncio.gather(*(leave(number) for number in range(15)))
    assert [number for _, number in left] == list(range(15))
    assert left[9][0] - left[0][0] >= SMALL.seconds, "the tenth does not fit beside the first nine"


async def test_an_account_that_has_used_its_own_limit_keeps_nobody_else() -> None:
    one, left = traffic(EACH), []

    async def leave(account: str) -> None:
        await one.leave("http://venue/", None, account)
        left.append(account)

    await asyncio.gather(*(leave(account) for account in ["busy", "busy", "busy", "calm"]))
    assert left.index("calm") < len(left) - 1


async def test_each_proxy_has_a_budget_of_its_own() -> None:
    one = traffic(SMALL, proxies=("http://a:1", "http://b:1"))
    leaves = [await one.leave("http://venue/", None, "account") for _ in range(18)]
    assert sorted({leave.proxy for leave in leaves if leave.proxy}) == ["http://a:1", "http://b:1"]
    assert not any(leave.waited for leave in leaves)
    one.told(leaves[0], 429, {"Retry-After": "30"})
    other = await one.leave("http://venue/", None, "account")
    assert other.proxy != leaves[0].proxy, "the other address was not told to stop"


@pytest.mark.parametrize(
    ("status", "headers", "error", "left"),
    [(429, {"Retry-After": "30"}, RateLimited, 30), (429, {}, RateLimited, 10), (418, {}, Banned, 120)],
)
async def test_a_venue_that_complains_is_left_alone(
    status: int, headers: dict[str, str], error: type[Exception], left: int
) -> None:
    one, other = traffic(SMALL), Traffic("other", Budgets(), limits={})
    one.told(await one.leave("http://venue/", None, ""), status, headers)
    with pytest.raises(error, match=f"another {left} s"):
        await one.leave("http://venue/", None, "")
    assert one.ready_in(0) > left - 1
    await other.leave("http://venue/", None, "")


async def test_readiness_counts_what_is_under_way() -> None:
    one = traffic(SMALL)
    one.expected = 20.0
    assert one.ready_in(3) == 0
    for _ in range(2):
        await one.leave("http://venue/", None, "")
    assert one.used() == 20 / (100 * SHARE)
    assert one.ready_in(2) == 0
    assert one.ready_in(3) > 0


async def test_a_reading_in_turn_leaves_something_for_those_in_danger() -> None:
    one, free = traffic(SMALL), Traffic("other", Budgets(), limits={"other": (EACH,)})
    assert one.pace(0) == 0
    for _ in range(8):
        await one.leave("http://venue/", None, "")
    assert one.ready_in(0) == 0, "there is room"
    assert one.pace(0) > 0, "but no hurry"
    assert one.pace(1) > 0
    await free.leave("http://other/", None, "account")
    assert free.pace(100) == 0, "a limit of each account is no matter between accounts"


async def test_what_a_reading_weighs_is_learned() -> None:
    one = traffic(Limit(name="wide", paths=("",), weight=100_000, seconds=60, cost=lambda _: 10))

    async def reading() -> None:
        with one.weighed():
            await asyncio.gather(*(one.leave("http://venue/", None, "") for _ in range(3)))

    for _ in range(60):
        await asyncio.gather(reading(), reading())
    assert one.expected == pytest.approx(30, rel=0.01)


async def test_a_turn_that_does_not_come_is_told_as_our_own_limit() -> None:
    one = traffic(replace(SMALL, seconds=0.25), patience=0.3)
    found = await asyncio.gather(*(one.leave("http://venue/", None, "") for _ in range(40)), return_exceptions=True)
    refused = [error for error in found if isinstance(error, RateLimited)]
    assert refused
    assert len(refused) + sum(not isinstance(one, BaseException) for one in found) == 40
    assert "our share of its limit" in str(refused[0])
