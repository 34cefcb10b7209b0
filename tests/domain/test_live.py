"""Pools at live marks: the arrays equal the exact figures, whatever was held and given up before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.domain.live import Alarm, Rungs, followable, moved
from marginbot.domain.live_book import LiveBook
from marginbot.domain.margin import Collateral, Option, Pool, Position, Side
from marginbot.domain.room import revaluation
from marginbot.domain.tiers import LeverageTier, maintenance_margin, with_deductions
from tests.builders import T0, D, pool, position

NAMES = ("BTC", "ETH", "SOL", "XRP")
LADDERS = tuple(
    with_deductions(
        (
            LeverageTier(D(0), D(50_000) * factor, D("0.004") * factor),
            LeverageTier(D(50_000) * factor, D(250_000) * factor, D("0.01") * factor),
            LeverageTier(D(250_000) * factor, None, D("0.025") * factor),
        )
    )
    for factor in (1, 2)
)


def cents(least: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(least, most).map(lambda value: D(value) / 100)


@st.composite
def positions(draw: st.DrawFn) -> Position:
    notional, mark = draw(cents(100, 100_000_000)), draw(cents(1, 10_000_000))
    tiers = draw(st.sampled_from([(), *LADDERS]))
    held = position(
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from(Side)),
        notional=str(notional),
        mark_price=str(mark),
        coin_settled=draw(st.booleans()),
        tiers=tiers,
    )
    need = maintenance_margin(notional, tiers) if tiers else notional * D("0.005")
    return replace(held, maintenance_margin=need)


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    held = draw(st.lists(positions(), min_size=1, max_size=5))
    marks = {p.symbol: p.mark_price for p in held}  # a symbol has one mark at a time
    held = [replace(p, mark_price=marks[p.symbol]) for p in held]
    equity, required = draw(cents(1, 100_000_000)), draw(cents(1, 10_000_000))
    return replace(pool(*held, equity=str(equity)), maintenance_margin=required)


factors = st.dictionaries(st.sampled_from([f"{name}/USDT:USDT" for name in NAMES]), cents(20, 300), max_size=4)


def at(held: Pool, moves: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {p.symbol: (p.mark_price or D(0)) * moves[p.symbol] for p in held.positions if p.symbol in moves}


def check(book: LiveBook, account: int, held: Pool, marks: Mapping[str, Decimal]) -> None:
    exact = moved(held, marks)
    found = book.value_of(account, held.name)
    assert found is not None
    assert exact.equity is not None
    assert exact.maintenance_margin is not None
    size = float(sum((p.notional or D(0)) for p in (*held.positions, *exact.positions)))
    assert found[0] == pytest.approx(float(exact.equity), rel=1e-9, abs=1e-12 * size)
    assert found[1] == pytest.approx(float(exact.maintenance_margin), rel=1e-9)


@given(pools(), st.lists(factors, min_size=1, max_size=4))
@settings(max_examples=60)
def test_the_arrays_equal_the_exact_figures(held: Pool, ways: list[dict[str, Decimal]]) -> None:
    assert followable(held)
    book, marks = LiveBook(), dict[str, Decimal]()
    book.hold(1, [(held, Rungs())])
    check(book, 1, held, {})
    for moves in ways:
        marks |= at(held, moves)
        book.price({name: float(mark) for name, mark in marks.items()})
        check(book, 1, held, marks)


@given(st.lists(pools(), min_size=2, max_size=6), st.data())
@settings(max_examples=30)
def test_rows_that_were_given_up_do_not_haunt_those_who_use_them_next(held: list[Pool], data: st.DataObject) -> None:
    marks: dict[str, Decimal] = {}
    held = [
        replace(one, positions=tuple(replace(p, mark_price=marks.setdefault(p.symbol, p.mark_price or D(1)))
                                     for p in one.positions))
        for one in held
    ]  # fmt: skip
    book, now = LiveBook(), dict[int, Pool]()
    for number, one in enumerate(held * 2):
        account = data.draw(st.integers(0, 2))
        if number % 4 == 3 and account in now:
            book.drop(account)
            del now[account]
        else:
            book.hold(account, [(one, Rungs())])
            now[account] = one
    moves = data.draw(factors)
    new = {name: mark * moves.get(name, D(1)) for name, mark in marks.items()}
    book.price({name: float(mark) for name, mark in new.items()})
    assert book.accounts == len(now)
    for account, one in now.items():
        check(book, account, one, new)


steps = st.tuples(st.integers(0, 39), cents(60, 160), st.sampled_from(["move", "move", "move", "read", "both", "drop"]))


@given(st.lists(positions(), min_size=40, max_size=40), st.lists(steps, min_size=70, max_size=90))
@settings(max_examples=20)
def test_where_few_prices_change_only_what_depends_on_them_is_valued_and_equals_the_exact_figures(
    held: list[Position], ways: list[tuple[int, Decimal, str]]
) -> None:
    books = [pool(replace(p, symbol=f"S{n}"), replace(held[n - 1], symbol=f"S{n - 1}")) for n, p in enumerate(held)]
    marks = {f"S{n}": p.mark_price or D(1) for n, p in enumerate(held)}
    marks["S-1"] = held[-1].mark_price or D(1)
    book, now = LiveBook(), dict(enumerate(books))
    for number, one in now.items():
        book.hold(number, [(one, Rungs())])
    book.price({name: float(mark) for name, mark in marks.items()})
    for number, factor, step in ways:
        if step in ("move", "both"):
            marks[f"S{number}"] = (held[number].mark_price or D(1)) * factor
            book.price({f"S{number}": float(marks[f"S{number}"]), "not held": 1.0})
        if step in ("read", "both"):
            for reader in (number, number, (number + 7) % 40):  # twice before anything is valued
                now[reader] = moved(books[reader], marks)
                book.hold(reader, [(now[reader], Rungs())])
        if step == "drop" and now.pop(number, None) is not None:
            book.drop(number)
        for seen in {number, (number + 1) % 40, (number + 7) % 40} & now.keys():
            check(book, seen, now[seen], marks)
    for number, one in now.items():
        check(book, number, one, marks)


def test_a_symbol_that_is_held_later_is_known_to_a_stream_that_names_the_same_ones_all_the_time() -> None:
    book, marks = LiveBook(), {"ETH/USDT:USDT": 3_000.0, "BTC/USDT:USDT": 50_000.0}
    held = pool(position(notional="100000", mark_price="50000"), equity="5000")
    book.price(marks)
    book.hold(1, [(held, Rungs())])
    book.price({name: 1.01 * mark for name, mark in marks.items()})
    book.price({})
    found = book.value_of(1, held.name)
    assert found is not None
    assert found[0] == pytest.approx(6_000)
    book.drop(1)
    assert not book.revalue()[0].any(), "nothing is left in a row that was given up"


@given(pools(), factors)
@settings(max_examples=60)
def test_what_ifs_and_live_marks_agree(held: Pool, moves: dict[str, Decimal]) -> None:
    exact = moved(held, at(held, moves))
    names = {p.symbol: p.underlying for p in held.positions}
    equity, required = revaluation(held, T0)({names[s]: float(f) - 1 for s, f in moves.items() if s in names})
    size = float(sum((p.notional or D(0)) for p in (*held.positions, *exact.positions)))
    assert equity == pytest.approx(float(exact.equity or 0), rel=1e-9, abs=1e-12 * size)
    assert required == pytest.approx(float(exact.maintenance_margin or 0), rel=1e-9)


def test_a_rung_is_reached_by_ratio_and_by_buffer_and_the_worst_comes_first() -> None:
    book = LiveBook()
    held = pool(position(notional="100000", rate="0.005"), equity="2000")
    book.hold("by ratio", [(held, Rungs(ratio=0.49))])
    book.hold("by buffer", [(replace(held, equity=D(2500)), Rungs(buffer=1600))])
    book.hold("calm", [(replace(held, equity=D(90_000)), Rungs(ratio=0.5, buffer=100))])
    assert book.alarms() == []
    book.price({"BTC/USDT:USDT": 49_500.0})
    first, second = book.alarms()
    assert (first.account_id, second.account_id) == ("by ratio", "by buffer")
    assert isinstance(first, Alarm)
    assert first.equity == pytest.approx(1000)
    assert first.maintenance_margin == pytest.approx(495)
    book.set_rungs("by ratio", held.name, Rungs(ratio=0.65))
    book.set_rungs("by buffer", held.name, Rungs())
    assert book.alarms() == []
    book.price({"BTC/USDT:USDT": 48_000.0})
    assert [alarm.account_id for alarm in book.alarms()] == ["by ratio"], "no equity left: beyond every ratio"


def test_what_marks_do_not_explain_is_not_followed() -> None:
    held = position()
    option = Option(is_call=True, strike=D(1), expires_at=T0, underlying_price=D(1), mark_usd=D(1))
    assert followable(pool(held))
    assert followable(pool(held, collateral=[Collateral(asset="USDC", value=D(5))]))
    assert not followable(pool(held, collateral=[Collateral(asset="BTC", value=D(5))]))
    assert not followable(pool(held, replace(held, option=option)))
    assert not followable(pool(replace(held, notional=None)))
    assert not followable(pool(replace(held, mark_price=None)))
    assert not followable(pool(held, equity=None))
    assert not followable(pool(held, has_debt=True))
    assert not followable(pool())


def test_an_account_that_is_not_followed_has_no_value() -> None:
    book = LiveBook()
    book.drop(5)
    assert book.value_of(5, "cross:USDT") is None
    assert book.price_of("BTC/USDT:USDT") is None
    book.price({"BTC/USDT:USDT": 1.0})
    assert book.symbols == []
    assert math.isinf(Rungs().buffer)
