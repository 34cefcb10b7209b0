"""The auditor as a job: what it remembers, whom it tells, and that its own failure is no silence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.domain.errors import KeyRefused, RateLimited, VenueDown
from marginbot.domain.grading import Grade
from marginbot.domain.holes import ADVICE, AuditRules, Kind, Violation
from marginbot.domain.outcomes import Outcome, TryAgain, Unreachable
from marginbot.flow.audit import Auditor
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.flow.preferences import Preferences
from marginbot.store import open_store
from marginbot.store.audit import holes
from tests.builders import Clock, long_at
from tests.fakes import Answer, FakeMessenger, FakeReader
from tests.flow.conftest import ALICE, SETTINGS, Ledger, World

RULES = AuditRules(poll_interval=SETTINGS.poll_interval, stale_after=SETTINGS.stale_after)
OLGA, OTTO = 501, 502
UNTOLD = Violation(kind=Kind.UNTOLD, about="account 1 (bybit), cross:USDT", detail="episode 1, message 1")
UNREAD = Violation(kind=Kind.UNREAD, about="account 2 (okx)", detail="last read 400 s ago")


class Books:
    """A ledger that answers what a test arranged."""

    def __init__(self) -> None:
        self.answer: Sequence[Violation] | Exception = ()
        self.asked = 0

    def holes(self, rules: AuditRules, now: datetime) -> Sequence[Violation]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Lines:
    """Telegram as the operators see it."""

    def __init__(self) -> None:
        self.accepts: set[int] = {OLGA, OTTO}
        self.told: list[tuple[int, str]] = []

    async def tell(self, operator: int, words: str) -> bool:
        if operator in self.accepts:
            self.told.append((operator, words))
        return operator in self.accepts


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def auditor(books: Books, lines: Lines, clock: Clock) -> Auditor:
    made = Auditor(books, lines, admins={OLGA, OTTO}, rules=RULES, clock=clock)
    clock.advance(60)
    return made


async def test_a_clean_audit_is_ok_and_tells_nobody(auditor: Auditor, lines: Lines) -> None:
    assert not auditor.verdict().ok, "nothing was checked yet"
    assert (await auditor.check()).ok
    assert lines.told == []


async def test_what_lasts_is_told_to_every_operator_once_an_hour(
    auditor: Auditor, books: Books, lines: Lines, clock: Clock
) -> None:
    books.answer = [UNTOLD]
    assert not (await auditor.check()).ok
    assert lines.told == [], "it may pass"
    for _ in range(60 * 6):
        clock.advance(10)
        await auditor.check()
    assert [operator for operator, _ in lines.told] == [OLGA, OTTO]
    clock.advance(10)
    await auditor.check()
    assert len(lines.told) == 4
    assert ADVICE[Kind.UNTOLD] in lines.told[0][1]
    assert UNTOLD.about in lines.told[0][1]


async def test_another_kind_is_told_at_once(auditor: Auditor, books: Books, lines: Lines, clock: Clock) -> None:
    for answer in ([UNTOLD], [UNTOLD], [UNTOLD, UNREAD], [UNTOLD, UNREAD]):
        books.answer = answer
        await auditor.check()
        clock.advance(10)
    assert ["untold" in words for operator, words in lines.told if operator == OLGA] == [True, False]
    assert "unread" in lines.told[-1][1]


async def test_an_operator_who_was_not_reached_is_tried_again(auditor: Auditor, books: Books, lines: Lines) -> None:
    books.answer = [UNTOLD]
    lines.accepts = {OTTO}
    await auditor.check()
    await auditor.check()
    lines.accepts = {OTTO, OLGA}
    await auditor.check()
    assert [operator for operator, _ in lines.told] == [OTTO, OLGA]


async def test_right_after_a_start_nobody_is_alarmed_yet(books: Books, lines: Lines, clock: Clock) -> None:
    auditor = Auditor(books, lines, admins={OLGA}, rules=RULES, clock=clock)
    books.answer = [UNTOLD]
    for _ in range(3):
        assert not (await auditor.check()).ok
        clock.advance(10)
    assert lines.told == []
    await auditor.check()
    assert len(lines.told) == 1


async def test_an_audit_that_fails_is_a_violation(auditor: Auditor, books: Books, lines: Lines) -> None:
    books.answer = OSError("disk")
    verdict = await auditor.check()
    assert [violation.kind for violation in verdict.violations] == [Kind.AUDIT_FAILED]
    await auditor.check()
    assert "OSError" in lines.told[0][1]
    books.answer = ()
    assert (await auditor.check()).ok


async def test_an_audit_that_stopped_is_a_violation(auditor: Auditor, clock: Clock) -> None:
    await auditor.check()
    clock.advance(180)
    assert auditor.verdict().ok
    clock.advance(1)
    assert [violation.kind for violation in auditor.verdict().violations] == [Kind.AUDIT_DEAD]
    assert auditor.verdict().by_kind[Kind.AUDIT_DEAD] == 1


async def test_it_is_due_every_minute_and_sooner_while_something_is_wrong(
    auditor: Auditor, books: Books, clock: Clock
) -> None:
    assert auditor.is_due()
    await auditor.check()
    clock.advance(59)
    assert not auditor.is_due()
    clock.advance(1)
    assert auditor.is_due()
    books.answer = [UNREAD]
    await auditor.check()
    clock.advance(10)
    assert auditor.is_due()


def test_every_kind_says_what_to_do() -> None:
    assert set(ADVICE) == set(Kind)


PRICES = st.sampled_from([100, 95, 94, 92.5, 91.9, 91, 90.5, 89])
ANSWERS: st.SearchStrategy[float | Exception] = PRICES | st.sampled_from(
    [VenueDown("503"), RateLimited("429"), KeyRefused("401")]
)
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from([TryAgain("NetworkError"), Unreachable("Forbidden")])
STEPS = st.tuples(
    ANSWERS, st.integers(1, 40), st.sampled_from(["", "", "", "ack", "retry", "restart"]), st.none() | OUTCOMES
)


@settings(max_examples=60)
@given(timeline=st.lists(STEPS, max_size=12))
async def test_whatever_happens_a_working_bot_leaves_no_hole(
    timeline: list[tuple[float | Exception, int, str, Outcome | None]],
) -> None:
    store, clock, reader, messenger = Ledger(open_store(":memory:", bytes(32))), Clock(), FakeReader(), FakeMessenger()
    world = World(store, reader, clock, Cycle(reader, store, settings=SETTINGS, clock=clock))
    delivery = Delivery(store, messenger, clock=clock)
    account = world.register(ALICE, "main", long_at(100))
    for answer, turns, deed, outcome in timeline:
        if outcome is not None:
            messenger.script[ALICE.user_id].append(outcome)
        for turn in range(turns):
            read: Answer = answer if isinstance(answer, Exception) else long_at(answer, at=clock.now)
            reader.accounts["11-main"] = read
            await world.cycle.run()
            await delivery.run()
            assert holes(store._db.conn, RULES, clock.now) == []
            if turn == 0 and deed == "ack":
                Preferences(store).acknowledge(ALICE.user_id, None, clock.now)
            elif turn == 0 and deed == "retry":
                store.resume(account.id, clock.now)
            elif turn == 0 and deed == "restart":
                world.cycle = Cycle(reader, store, settings=SETTINGS, clock=clock)
                delivery = Delivery(store, messenger, clock=clock)
            clock.advance(10)
            assert all(v.kind is not Kind.UNTOLD for v in holes(store._db.conn, RULES, clock.now))
    store.close()


async def test_a_reminder_that_never_comes_is_noticed(world: World) -> None:
    """Nothing runs any more, and the books alone show it."""
    world.register(ALICE, "main", long_at(91.9))
    await world.after(0)
    world.clock.advance(timedelta(minutes=25).total_seconds())
    kinds = {violation.kind for violation in holes(world.store._db.conn, RULES, world.clock.now)}
    assert kinds == {Kind.OVERDUE, Kind.UNREAD, Kind.UNREMINDED}
    assert world.store.states(1)["cross:USDT"].grade is Grade.CRITICAL
