"""Shocks and rescue over a person's own accounts, from what is stored."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.domain.errors import NoSuchAccount, RequestError
from marginbot.domain.grading import DEFAULT_LADDERS, RATIO_RELEASE, Grade
from marginbot.domain.margin import Pool, Side
from marginbot.domain.report import assess
from marginbot.domain.rescue import CLEAR
from marginbot.domain.shocks import parse_shock
from marginbot.domain.shortfall import Target
from marginbot.flow.cycle import Cycle
from marginbot.flow.ports import Account, Credential, CycleRecord, LastReading, Person
from marginbot.flow.whatif import WhatIf, parse_target
from marginbot.store import open_store
from tests.builders import HOURLY, T0, Clock, pool, position, snapshot
from tests.fakes import FakeReader
from tests.flow.conftest import ALICE, BOB, CHARLIE, SETTINGS, Ledger

OLDEST = T0 - timedelta(seconds=180)


def account(store: Ledger, label: str, exchange: str = "binanceusdm", person: Person = ALICE) -> Account:
    return store.add_account(person, person.user_id, exchange, label, Credential("key", "secret"), T0)


def read(store: Ledger, owned: Account, *pools: Pool, age: float = 0.0) -> None:
    """The account was read, so long ago."""
    reading = snapshot(*pools, at=T0 - timedelta(seconds=age))
    report = assess(reading, HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0)
    record = CycleRecord(
        account_id=owned.id,
        at=T0,
        report=report,
        states={},
        notices=[],
        next_due_at=T0,
        reading=LastReading(reading, HOURLY),
    )
    store.record(record)


WAITING = parse_shock(["funding", "16h"])
LONG = pool(position(), equity="8000")
SHORT = pool(position(side=Side.SHORT), equity="20000")


@pytest.fixture
def hedge(store: Ledger) -> WhatIf:
    """A long on one venue, a short on another."""
    read(store, account(store, "long"), LONG)
    read(store, account(store, "short", "bybit"), SHORT)
    return WhatIf(store)


def test_a_hedge_on_two_venues_shows_which_leg_dies_and_what_the_other_could_spare(hedge: WhatIf) -> None:
    found = hedge.stress(ALICE.user_id, None, parse_shock(["-20"]))
    assert [one.account.label for one in found.accounts] == ["long", "short"]
    assert found.accounts[0].breaks_at == pytest.approx(7_500 / (100_000 - 500) / 0.2, rel=1e-3)
    assert found.accounts[1].breaks_at is None
    [(source, currency, spare)] = found.spare
    assert (source.label, currency) == ("short", "USDT")
    # At the moment the long dies the short has won 7 538, and keeps what it needs to stay calm: seven ordinary hours.
    assert spare == pytest.approx(20_000 + 7_538 - 0.07 * 92_462 - 0.005 * 92_462 * 1.07, rel=0.01)


def test_funding_is_what_each_venue_announces_for_its_own_contracts(store: Ledger) -> None:
    """0.02 % of 100 000 twice, paid by the long; the other venue announces nothing, so the usual is paid there."""
    read(store, account(store, "long"), LONG)
    read(store, account(store, "short", "bybit"), SHORT)
    whatif = WhatIf(store, {"binanceusdm": {"BTC/USDT:USDT": 0.0002}})
    found = {one.account.label: one.outcomes[0] for one in whatif.stress(ALICE.user_id, None, WAITING).accounts}
    reports = {label: outcome.after for label, outcome in found.items()}
    assert {label: float(after.equity or 0) for label, after in reports.items() if after} == pytest.approx(
        {"long": 8_000 - 40, "short": 20_000 - 20}
    )
    assert [note.partition(":")[0] for one in ("long", "short") for note in found[one].notes] == [
        "funding announced, each 8 h",
        "funding not announced, the usual taken",
    ]


def test_upwards_the_other_leg_is_in_front(hedge: WhatIf) -> None:
    found = hedge.stress(ALICE.user_id, None, parse_shock(["+40"]))
    assert [one.account.label for one in found.accounts] == ["short", "long"]


def test_one_account_is_asked_about_alone(hedge: WhatIf) -> None:
    found = hedge.stress(ALICE.user_id, "SHORT", parse_shock(["-20"]))
    assert [one.account.label for one in found.accounts] == ["short"]


def test_a_coin_that_moves_nothing_is_an_error_and_not_a_calm_answer(hedge: WhatIf) -> None:
    with pytest.raises(RequestError, match="no such coin"):
        hedge.stress(ALICE.user_id, None, parse_shock(["MIAN", "-20"]))
    with pytest.raises(RequestError, match="no such coin"):
        hedge.stress(ALICE.user_id, None, parse_shock(["DAI=0.9"]))


def test_strangers_have_no_accounts_to_ask_about(hedge: WhatIf) -> None:
    for ask in (
        lambda: hedge.stress(CHARLIE.user_id, "long", parse_shock(["-20"])),
        lambda: hedge.maps(CHARLIE.user_id, "long"),
        lambda: hedge.sheets(CHARLIE.user_id, "long", None, stale_before=OLDEST),
    ):
        with pytest.raises(NoSuchAccount):
            ask()
    assert hedge.stress(CHARLIE.user_id, None, parse_shock(["-20"])).accounts == ()
    assert hedge.maps(CHARLIE.user_id, None) == []
    assert hedge.split_label(CHARLIE.user_id, ["long", "-20"]) == (None, ["long", "-20"])


def test_other_peoples_spare_collateral_is_no_way_out(store: Ledger, hedge: WhatIf) -> None:
    read(store, account(store, "rich", person=BOB), pool(equity="1000000"))
    found = hedge.sheets(ALICE.user_id, "long", Target(cushion=12), stale_before=OLDEST)
    assert found.sheets[0].sheet is not None
    assert [t.source.label for t in found.sheets[0].sheet.transfers] == ["short"]


def test_without_a_target_a_pool_in_danger_goes_where_its_alarm_lets_go(store: Ledger) -> None:
    read(store, account(store, "main"), pool(position(), equity="3500"))
    whatif = WhatIf(store)
    [found] = whatif.sheets(ALICE.user_id, None, None, stale_before=OLDEST).sheets
    assert found.pool.grade is Grade.WARNING
    assert found.sheet is not None
    assert found.sheet.target == Target(ratio=0.65 - RATIO_RELEASE, cushion=DEFAULT_LADDERS.cushion[1] * CLEAR)
    assert found.sheet.missing > 0
    assert found.minutes_left is not None


def test_calm_accounts_need_no_sheet_and_say_what_that_rests_on(hedge: WhatIf) -> None:
    found = hedge.sheets(ALICE.user_id, None, None, stale_before=OLDEST)
    assert found.sheets == ()
    assert [(one.label, taken_at) for one, taken_at in found.read] == [("long", T0), ("short", T0)]


def test_a_pool_that_cannot_be_judged_is_never_passed_over_as_calm(store: Ledger) -> None:
    read(store, account(store, "main"), pool(position(), maintenance_margin=None))
    [found] = WhatIf(store).sheets(ALICE.user_id, None, None, stale_before=OLDEST).sheets
    assert found.sheet is None
    assert found.pool.grade is None


def test_an_account_never_read_is_shown_as_such(store: Ledger) -> None:
    account(store, "new")
    whatif = WhatIf(store)
    assert whatif.sheets(ALICE.user_id, None, None, stale_before=OLDEST).read[0][1] is None
    [stressed] = whatif.stress(ALICE.user_id, None, parse_shock(["BTC", "-20"])).accounts
    assert (stressed.taken_at, stressed.outcomes) == (None, ())
    [mapped] = whatif.maps(ALICE.user_id, "new")
    assert (mapped.taken_at, mapped.pools) == (None, ())


@pytest.mark.parametrize(("age", "sources"), [(179, ["short"]), (181, [])])
def test_collateral_is_not_moved_from_an_account_read_long_ago(store: Ledger, age: float, sources: list[str]) -> None:
    read(store, account(store, "long"), pool(position(), equity="2000"))
    read(store, account(store, "short", "bybit"), SHORT, age=age)
    [found] = WhatIf(store).sheets(ALICE.user_id, "long", None, stale_before=OLDEST).sheets
    assert found.sheet is not None
    assert [t.source.label for t in found.sheet.transfers] == sources


def test_within_an_account_the_cross_wallet_backs_an_isolated_position_at_once(store: Ledger) -> None:
    isolated = pool(position(), equity="1500", name="isolated:BTC/USDT:USDT:long")
    read(store, account(store, "main"), pool(equity="9000"), isolated)
    [found] = WhatIf(store).sheets(ALICE.user_id, "main", None, stale_before=OLDEST).sheets
    assert found.sheet is not None
    [transfer] = found.sheet.transfers
    assert transfer.source.same_account
    assert transfer.minutes == (0, 1)
    assert transfer.amount == found.sheet.missing


def test_one_pool_by_name(store: Ledger) -> None:
    read(store, account(store, "main"), pool(position(), name="a"), pool(position(), equity="900", name="b"))
    whatif = WhatIf(store)
    for name in ("a", "b"):
        [found] = whatif.sheets(ALICE.user_id, "main", None, stale_before=OLDEST, pool=name).sheets
        assert found.pool.name == name


async def test_the_cycle_keeps_what_a_what_if_needs(store: Ledger, clock: Clock) -> None:
    owned = account(store, "main")
    reader = FakeReader()
    reader.accounts["key"] = snapshot(LONG)
    cycle = Cycle(reader, store, settings=SETTINGS, clock=clock)
    await cycle.run()
    kept = store.last_reading(owned.id)
    assert kept is not None
    assert kept == LastReading(snapshot(LONG), {"BTC": HOURLY["BTC"]})


@pytest.mark.parametrize(
    ("words", "target"),
    [
        pytest.param([], None, id="the grade's own"),
        pytest.param(["40"], Target(ratio=0.40), id="a ratio"),
        pytest.param(["37.5%"], Target(ratio=0.375), id="with its sign"),
        pytest.param(["3x"], Target(cushion=3.0), id="a cushion"),
    ],
)
def test_targets(words: list[str], target: Target | None) -> None:
    assert parse_target(words) == target


@pytest.mark.parametrize("words", [["0"], ["100"], ["0x"], ["-5"], ["mian"], ["40", "3x"]])
def test_what_is_no_target_is_refused(words: list[str]) -> None:
    with pytest.raises(RequestError, match="not a target"):
        parse_target(words)


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "marginbot.db"
    first = Ledger(open_store(path, bytes(32)))
    read(first, account(first, "main"), pool(position(), equity="2500"))
    before = WhatIf(first).sheets(ALICE.user_id, None, None, stale_before=OLDEST)
    first.close()
    second = open_store(path, bytes(32))
    try:
        assert WhatIf(second).sheets(ALICE.user_id, None, None, stale_before=OLDEST) == before
    finally:
        second.close()
