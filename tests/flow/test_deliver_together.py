"""Delivery: what a chat is told next, what leaves together, and what happens when it does not get through."""

from __future__ import annotations

import pytest

from marginbot.domain.grading import Grade
from marginbot.domain.outcomes import TryAgain
from marginbot.flow.deliver import Delivery
from tests.builders import Clock
from tests.fakes import FakeMessenger
from tests.flow.conftest import ALICE, BOB, Ledger
from tests.flow.test_deliver import Post

CRITICAL, EMERGENCY, WARNING = Grade.CRITICAL, Grade.EMERGENCY, Grade.WARNING


@pytest.fixture
def post(store: Ledger, clock: Clock) -> Post:
    return Post(store, clock)


async def test_a_bundle_that_is_refused_goes_one_by_one_and_one_in_trouble_holds_up_no_other(post: Post) -> None:
    account = post.account(ALICE)
    post.write(account, EMERGENCY, subject="a")
    post.write(account, WARNING, subject="b")
    post.messenger.script[11] = [TryAgain("refused"), TryAgain("refused")]
    await post.after(0)
    assert post.messenger.told(11) == ["worsened WARNING"]
    await post.after(2)
    assert post.messenger.told(11) == ["worsened WARNING", "worsened EMERGENCY"]


async def test_a_notice_that_cannot_be_rendered_is_tried_again_and_holds_up_nobody(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    account = post.account(ALICE)
    post.write(account, EMERGENCY, subject="a")
    post.write(account, WARNING, subject="b")
    post.messenger.poisoned = {"a"}
    await post.after(0)
    await post.after(0.1)
    assert post.messenger.told(11) == ["worsened WARNING"]
    post.messenger.poisoned = set()
    await post.after(2)
    assert post.messenger.told(11) == ["worsened WARNING", "worsened EMERGENCY"]
    assert "could not be sent" in caplog.text


async def test_an_emergency_goes_before_older_calmer_news_of_a_chat_that_is_being_worked(post: Post) -> None:
    account = post.account(ALICE)
    first = post.write(account, WARNING, subject="a")
    post.messenger.script[11] = [TryAgain("refused")]
    await post.after(0)  # it waits for its next try
    for n in range(12):
        post.write(account, Grade.NOTICE, subject=f"calm:{n}")
    written: list[int] = []

    def write_once() -> None:
        if not written:
            written.append(post.write(account, EMERGENCY, subject="z"))

    post.messenger.while_sending = write_once
    for _ in range(40):
        await post.after(0.1)
    told = [notice.id for notice in post.messenger.accepted]
    assert told.index(written[0]) == 10, "after the one message that was on its way when it was written"
    assert set(told) >= {first, *range(first, written[0] + 1)}
    assert post.pending == []


async def test_one_message_for_all_that_is_due_recorded_with_one_number(post: Post) -> None:
    main, other = post.account(ALICE), post.account(ALICE, "other")
    ids = [post.write(main, WARNING), post.write(main, Grade.NOTICE, subject="b"), post.write(other, EMERGENCY)]
    await post.after(0)
    assert post.messenger.messages == 1
    assert [notice.id for notice in post.messenger.accepted] == [ids[2], ids[0], ids[1]]
    together = post.store.notices_with(ids[1])
    assert [notice.id for notice in together] == ids
    answered = post.store.notice_of_message(11, 1001)
    assert answered is not None
    assert answered.id == ids[2], "what a reply is about is the worst"


async def test_what_another_loop_is_sending_is_left_to_it_until_its_lease_is_over(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    other = Delivery(post.store, FakeMessenger(), clock=post.clock)
    assert other.dispatch() == 1
    await post.delivery.run()
    assert post.messenger.tried == []
    await other.tasks.settle()
    await post.after(60)
    assert post.messenger.tried == []


async def test_after_an_outage_nobody_waits_for_the_end_of_a_long_pause(post: Post) -> None:
    post.write(post.account(ALICE), CRITICAL)
    post.write(post.account(BOB), WARNING)
    outage = TryAgain("connection refused", line=True)
    post.messenger.script.update({11: [outage] * 999, 22: [outage] * 999})
    for _ in range(120):
        await post.after(0.5)
    post.messenger.script.clear()
    for _ in range(4):
        await post.after(0.5)
    assert post.messenger.told(11) == ["worsened CRITICAL"]
    assert post.messenger.told(22) == ["worsened WARNING"]
