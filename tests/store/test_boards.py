"""The live boards of groups survive what they must."""

from __future__ import annotations

from dataclasses import replace

from marginbot.domain.board import Board
from marginbot.domain.grading import Grade
from marginbot.store import SqliteStore
from tests.outbox import pending as pending_in
from tests.store.builders import ALICE, GROUP, MINUTE, NOW, add, cycle_record

SUPERGROUP = -1001234567890
BOARD = Board(chat_id=GROUP, thread_id=12, user_id=ALICE.user_id, told={1: Grade.WARNING, 2: Grade.OK})


def test_a_board_is_read_as_it_was_written(store: SqliteStore) -> None:
    assert store.board(GROUP) is None
    store.start_board(BOARD, NOW)
    assert store.boards() == [BOARD] == [store.board(GROUP)]
    store.post_board(GROUP, 41, "digest", NOW)
    store.tell_board(GROUP, {1: Grade.DEFICIT})
    assert store.close_board(GROUP)
    posted = replace(BOARD, message_id=41, shown="digest", shown_at=NOW, told={1: Grade.DEFICIT}, ending=True)
    assert store.board(GROUP) == posted
    store.hurry_board(GROUP)
    assert store.board(GROUP) == replace(posted, shown_at=None)
    store.drop_board(GROUP)
    assert store.boards() == []
    assert not store.close_board(GROUP)


def test_boards_that_are_not_brought_up_to_date_are_counted(store: SqliteStore) -> None:
    assert store.count_boards(NOW) == (0, 0)
    store.start_board(BOARD, NOW)
    store.start_board(replace(BOARD, chat_id=SUPERGROUP), NOW - MINUTE)
    assert store.count_boards(NOW) == (2, 1)
    store.post_board(SUPERGROUP, 41, "digest", NOW + MINUTE)
    assert store.count_boards(NOW) == (2, 0)
    assert store.count_boards(NOW + MINUTE) == (2, 1)


def test_failure_07_the_board_follows_its_group_and_is_posted_anew_there(store: SqliteStore) -> None:
    store.share(GROUP, add(store).id, amounts=False, now=NOW)
    store.start_board(BOARD, NOW)
    store.post_board(GROUP, 41, "digest", NOW)
    store.move_chat(GROUP, SUPERGROUP)
    assert [(b.chat_id, b.message_id, b.shown_at, b.told) for b in store.boards()] == [
        (SUPERGROUP, None, None, BOARD.told)
    ]


def test_a_board_goes_on_without_whoever_started_it(store: SqliteStore) -> None:
    add(store)
    store.start_board(BOARD, NOW)
    store.forget_person(ALICE.user_id)
    assert store.board(GROUP) == replace(BOARD, user_id=None)


def test_an_alert_is_due_from_its_time_on_and_not_while_it_is_held_back_or_once_it_is_sent(store: SqliteStore) -> None:
    assert not store.is_alert_due(NOW)
    store.record(cycle_record(add(store)))
    [notice] = pending_in(store)
    assert store.is_alert_due(NOW + MINUTE)
    store.hold_notice(notice.id, NOW + 3 * MINUTE)
    assert not store.is_alert_due(NOW + MINUTE)
    assert store.is_alert_due(NOW + 3 * MINUTE)
    store.begin_attempts([notice.id], NOW + 3 * MINUTE, NOW + 4 * MINUTE)
    assert not store.is_alert_due(NOW + 3 * MINUTE)
