"""Status: worst first, own accounts only, groups see what was shared with them."""

from __future__ import annotations

import pytest

from marginbot.domain.errors import KeyRefused, NoSuchAccount, VenueDown
from marginbot.domain.grading import Grade
from marginbot.flow.ports import Standing
from marginbot.flow.status import Status, age_seconds, grade_of, is_blind
from tests.builders import long_at, pool, position, snapshot
from tests.flow.conftest import ALICE, BOB, CHARLIE, World


def labels(found: object) -> list[str]:
    assert isinstance(found, list)
    return [standing.account.label for standing in found if isinstance(standing, Standing)]


@pytest.fixture
async def status(world: World) -> Status:
    """Six accounts of Alice's, from calm to worst, two of them not watched; one of Bob's."""
    world.register(ALICE, "calm", lambda: long_at(101, at=world.clock.now))
    world.register(ALICE, "tighter", long_at(100))
    world.register(ALICE, "notice", long_at(96.5))
    world.register(ALICE, "critical", long_at(91.9))
    world.register(ALICE, "unread", long_at(101))
    world.register(ALICE, "refused", KeyRefused("401"))
    world.register(BOB, "main", long_at(89))
    await world.after(0)
    world.reader.accounts["11-unread"] = VenueDown("no answer")
    for _ in range(7):
        await world.after(30)
    return Status(world.store)


def test_own_accounts_worst_first_and_blind_before_calm(status: Status) -> None:
    found = status.own(11)
    assert labels(found) == ["critical", "unread", "refused", "notice", "tighter", "calm"]
    grades = [grade_of(standing) for standing in found]
    assert grades == [Grade.CRITICAL, Grade.OK, None, Grade.NOTICE, Grade.OK, Grade.OK]
    assert [is_blind(standing) for standing in found] == [False, True, True, False, False, False]


def test_ages_tell_how_old_each_reading_is(status: Status, world: World) -> None:
    ages = {s.account.label: age_seconds(s, world.clock.now) for s in status.own(11)}
    assert ages["calm"] == 0
    assert ages["refused"] is None
    assert ages["unread"] == 210


def test_one_label_in_any_case(status: Status) -> None:
    assert labels(status.own(11, "CALM")) == ["calm"]


def test_another_s_accounts_are_not_there(status: Status) -> None:
    with pytest.raises(NoSuchAccount):
        status.own(11, "main")
    with pytest.raises(NoSuchAccount):
        status.own(CHARLIE.user_id, "calm")
    assert status.own(CHARLIE.user_id) == []


def test_a_group_sees_what_was_shared_with_it_and_amounts_only_where_allowed(status: Status, world: World) -> None:
    for person, label, amounts in ((11, "calm", False), (11, "critical", True), (22, "main", False)):
        world.store.share(-100, world.store.account(person, label).id, amounts=amounts, now=world.clock.now)
    found = status.group(-100)
    assert [(s.account.label, s.shared_amounts) for s in found] == [
        ("main", False),
        ("critical", True),
        ("calm", False),
    ]
    assert labels(status.group(-100, "Calm")) == ["calm"]
    for chat_id, label in ((-100, "notice"), (-200, "calm")):
        with pytest.raises(NoSuchAccount):
            status.group(chat_id, label)
    assert status.group(-200) == []


async def test_an_account_with_a_pool_that_cannot_be_judged_is_shown_as_not_watched(world: World) -> None:
    unknown = pool(position("ETH"), maintenance_margin=None, name="isolated:ETH")
    world.register(ALICE, "mixed", snapshot(pool(position(notional="1000")), unknown))
    for _ in range(8):
        await world.after(30)
    [standing] = Status(world.store).own(11)
    assert is_blind(standing)
    assert grade_of(standing) is Grade.OK
