"""The live board of a group, from /board to its end, against a loopback Bot API and a real database."""

from __future__ import annotations

import asyncio
import re
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from telegram.ext import ExtBot

from marginbot.bot.board_screen import TelegramBoards
from marginbot.bot.budget import STRANGER
from marginbot.bot.build import TelegramSide, build_bot
from marginbot.bot.language import LANGUAGES, _, read_in_language
from marginbot.bot.presence import ASK_AGAIN_AFTER
from marginbot.domain.alerting import AlertState
from marginbot.domain.board import BETWEEN_CHANGES, BETWEEN_LOOKS, Board
from marginbot.domain.grading import Grade
from marginbot.domain.pacing import Pacing
from marginbot.flow.boards import ALERTS_FIRST, BoardKeeper
from marginbot.flow.ports import Account, Credential, CycleRecord, Person
from marginbot.store.sqlite_store import SqliteStore, open_store
from tests.bot.builders import ALICE, BOB, GROUP, OPERATOR, pool, report
from tests.bot.conftest import Desk
from tests.post_office import WallClock, post_office
from tests.servers.telegram import TOKEN, Message, TelegramServer

SUPERGROUP = -1001234567890
TOPIC = 12
KEY = bytes(range(32))
STALE_AFTER = timedelta(seconds=180)
MAY_NOT_PIN = "Bad Request: not enough rights to manage pinned messages in the chat"


@dataclass
class Stage:
    """A group that sees an account of Alice's."""

    desk: Desk
    tg: TelegramServer
    side: TelegramSide
    keeper: BoardKeeper
    account: Account

    def read(self, grade: Grade = Grade.OK, ratio: str = "0.123", cushion: float = 31.0) -> None:
        """A reading of the account, a second ago."""
        record(self.desk.store, self.account, self.desk.clock() - timedelta(seconds=1), grade, ratio, cushion)

    async def later(self, seconds: float) -> None:
        self.desk.clock.ahead += timedelta(seconds=seconds)
        await self.keeper.run()
        await self.keeper.stop(1)

    async def started(self, *, chat_id: int = GROUP, thread_id: int | None = None) -> Message:
        """The board, after /board."""
        asked = self.tg.say(chat_id, ALICE, "/board", thread_id=thread_id)
        await self.tg.wait_for(chat_id, "keep it up to date", after=asked)
        await self.keeper.run()
        return await self.tg.wait_for(chat_id, "Live board", after=asked)

    def said_since(self, message: Message) -> list[str]:
        return [m.text for m in self.tg.messages(message.chat_id) if m.message_id > message.message_id]


def record(
    store: SqliteStore, account: Account, at: datetime, grade: Grade, ratio: str = "0.82", cushion: float = 1.4
) -> None:
    found = pool(grade=grade, margin_ratio=Decimal(ratio), cushion=cushion)
    store.record(
        CycleRecord(
            account_id=account.id,
            at=at,
            report=report(found, taken_at=at),
            states={found.name: AlertState(grade=grade, seen_at=at)},
            notices=[],
            next_due_at=at,
        )
    )


def keeper_of(desk: Desk, side: TelegramSide) -> BoardKeeper:
    screen = TelegramBoards(side.application.bot, desk.store.language_of, STALE_AFTER, desk.store.zone_of)
    return BoardKeeper(
        desk.store, screen, Pacing(), clock=desk.clock, moved=side.voice.follow, check_owners=side.presence.check_owners
    )


@pytest.fixture
def stage(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> Stage:
    found = Stage(desk, tg, bot, keeper_of(desk, bot), desk.add(ALICE))
    tg.set_member(GROUP, ALICE, "member")
    desk.store.share(GROUP, found.account.id, amounts=False, now=desk.clock())
    found.read()
    return found


async def test_a_board_is_posted_and_pinned_without_a_sound_and_changed_in_place(stage: Stage) -> None:
    board = await stage.started()
    assert (board.pinned, board.silent, "12.3%" in board.text) == (True, True, True)
    stage.read(ratio="0.2")
    await stage.later(BETWEEN_CHANGES.total_seconds())
    assert "20.0%" in board.text
    assert stage.said_since(board) == []


async def test_changes_keep_well_below_what_a_group_takes_however_often_the_figures_move(stage: Stage) -> None:
    await stage.started()
    before = len(stage.tg.calls("editMessageText"))
    for n in range(60):
        stage.read(ratio=f"0.1{n:02}")
        await stage.later(1)
    assert 3 <= len(stage.tg.calls("editMessageText")) - before <= 4


async def test_without_other_figures_only_its_time_moves_on_once_a_minute(stage: Stage) -> None:
    await stage.started()
    for _again in range(11):
        await stage.later(5)
    assert stage.tg.calls("editMessageText") == []
    await stage.later(BETWEEN_LOOKS.total_seconds() - 55)
    assert len(stage.tg.calls("editMessageText")) == 1


async def test_a_message_of_its_own_only_when_it_gets_worse_and_only_once(stage: Stage) -> None:
    board = await stage.started()
    stage.read(Grade.CRITICAL, "0.82", 1.4)
    await stage.later(1)
    [told] = stage.said_since(board)
    assert told.startswith("🔴 CRITICAL · main")
    assert not stage.tg.messages(GROUP)[-1].silent
    for _again in range(3):
        await stage.later(20)
    stage.read(Grade.OK)
    await stage.later(20)
    assert stage.said_since(board) == [told]
    stage.read(Grade.WARNING, "0.66", 3.0)
    await stage.later(20)
    assert len(stage.said_since(board)) == 2, "a relapse is news again"


async def test_what_became_worse_is_told_without_amounts_and_its_end_in_place(stage: Stage) -> None:
    board = await stage.started()
    stage.read(Grade.CRITICAL, "0.82", 1.4)
    await stage.later(20)
    stage.read()
    await stage.later(60)
    [told] = stage.said_since(board)
    assert not re.search(r"USDT|equity|buffer|bybit|binance", told + board.text)
    assert "82.0%" in told
    assert "✅ All fine" in board.text


async def test_times_on_the_board_are_by_the_clock_of_the_group(stage: Stage) -> None:
    board = await stage.started()
    asked = stage.tg.say(GROUP, 700, "/timezone Istanbul")
    await stage.tg.wait_for(GROUP, "only people who use me", after=asked)
    asked = stage.tg.say(GROUP, ALICE, "/timezone Asia/Istanbul")
    await stage.tg.wait_for(GROUP, "Asia/Istanbul", after=asked)
    await stage.later(60)
    assert "+03" in board.text


async def test_status_in_a_group_is_refreshed_in_place_by_anybody_within_what_commands_may_cost(stage: Stage) -> None:
    asked = stage.tg.say(GROUP, ALICE, "/status")
    shown = await stage.tg.wait_for(GROUP, "12.3%", after=asked)
    stage.read(ratio="0.2")
    presses = [stage.tg.press_button(GROUP, "🔄 Refresh", 700) for _again in range(50)]
    await stage.tg.wait_until(lambda: presses[-1] in stage.tg.callback_answers)
    assert "20.0%" in shown.text
    assert 1 <= len(stage.tg.calls("editMessageText")) <= STRANGER.burst
    assert stage.said_since(shown) == []


async def test_a_refresh_in_a_group_shows_only_what_it_may_still_see(stage: Stage) -> None:
    asked = stage.tg.say(GROUP, ALICE, "/status main")
    shown = await stage.tg.wait_for(GROUP, "12.3%", after=asked)
    stage.desk.store.unshare(GROUP, stage.account.id)
    query = stage.tg.press_button(GROUP, "🔄 Refresh", ALICE)
    await stage.tg.wait_until(lambda: query in stage.tg.callback_answers)
    await stage.tg.wait_until(lambda: "no longer shared" in shown.text)
    assert "%" not in shown.text
    assert shown.buttons == []


async def test_news_that_telegram_did_not_take_are_told_later(stage: Stage) -> None:
    board = await stage.started()
    stage.read(Grade.EMERGENCY, "0.95", 0.4)
    stage.tg.faults.add("sendMessage", GROUP, kind="500")
    await stage.later(1)
    assert stage.said_since(board) == []
    await stage.later(30)
    assert len(stage.said_since(board)) == 1


async def test_it_greys_out_by_itself_when_the_readings_are_old(stage: Stage) -> None:
    board = await stage.started()
    await stage.later(STALE_AFTER.total_seconds() + 1)
    assert board.text.startswith("❔ Board, out of date")
    assert "blind since then" in board.text
    stage.read()
    await stage.later(BETWEEN_CHANGES.total_seconds())
    assert board.text.startswith("📌 Live board")


async def test_without_the_right_to_pin_it_says_which_one_is_missing_and_goes_on(stage: Stage) -> None:
    stage.tg.faults.add("pinChatMessage", GROUP, kind="400", description=MAY_NOT_PIN)
    board = await stage.started()
    [told] = stage.said_since(board)
    assert "the right “Pin messages”" in told
    stage.read(ratio="0.2")
    await stage.later(60)
    assert not board.pinned
    assert "20.0%" in board.text


async def test_board_off_ends_it_unpins_it_and_takes_the_figures_away(stage: Stage) -> None:
    board = await stage.started()
    stage.tg.say(GROUP, ALICE, "/board off")
    await stage.tg.wait_for(GROUP, "The live board ends here")
    await stage.later(1)
    assert "has ended" in board.text
    assert "%" not in board.text
    assert not board.pinned
    assert stage.desk.store.boards() == []


@pytest.mark.parametrize("how", ["unshare", "remove", "forget"])
async def test_it_ends_with_the_last_share(stage: Stage, how: str) -> None:
    board = await stage.started()
    store = stage.desk.store
    if how == "unshare":
        store.unshare(GROUP, stage.account.id)
    elif how == "remove":
        store.remove_account(ALICE, "main")
    else:
        store.forget_person(ALICE)
    await stage.later(1)
    assert "has ended" in board.text
    assert store.boards() == []


async def test_an_owner_who_left_without_the_bot_being_told_is_shown_no_longer(stage: Stage) -> None:
    board = await stage.started()
    stage.tg.leave(GROUP, ALICE, told=False)
    stage.read(ratio="0.777")
    await stage.later(ASK_AGAIN_AFTER.total_seconds())
    await stage.later(1)
    assert "77.7%" not in "".join([board.text, *board.history])
    assert "has ended" in board.text


async def test_it_ends_when_the_bot_is_removed(stage: Stage) -> None:
    board = await stage.started()
    stage.desk.store.end_shares(GROUP)
    stage.tg.set_member(GROUP, stage.tg.bot.id, "kicked")
    await stage.later(1)
    assert stage.desk.store.boards() == []
    assert "has ended" not in board.text


async def test_when_the_bot_may_no_longer_write_who_started_it_is_told_how_to_have_it_back(stage: Stage) -> None:
    await stage.started()
    description = "Bad Request: not enough rights to send text messages to the chat"
    stage.tg.faults.add("editMessageText", GROUP, kind="400", description=description)
    await stage.later(60)
    assert "I may no longer write in a group" in (await stage.tg.wait_for(ALICE, "live board has ended")).text
    assert stage.desk.store.boards() == []


async def test_a_deleted_board_has_ended_and_it_says_so_once(stage: Stage) -> None:
    board = await stage.started()
    del stage.tg.chat(GROUP).messages[board.message_id]
    for _again in range(3):
        await stage.later(60)
    assert len([text for text in stage.tg.texts(GROUP) if "was deleted" in text]) == 1
    assert stage.desk.store.boards() == []


async def test_board_again_looks_at_once_so_a_deleted_one_is_found(stage: Stage) -> None:
    board = await stage.started()
    del stage.tg.chat(GROUP).messages[board.message_id]
    stage.tg.say(GROUP, ALICE, "/board")
    await stage.tg.wait_for(GROUP, "There is a live board here already")
    await stage.later(1)
    assert "was deleted" in stage.tg.texts(GROUP)[-1]


async def test_while_the_last_one_is_ending_another_must_wait(stage: Stage) -> None:
    await stage.started()
    stage.desk.store.close_board(GROUP)
    stage.tg.say(GROUP, ALICE, "/board")
    await stage.tg.wait_for(GROUP, "just ending")


async def test_failure_06_a_flood_wait_of_one_board_holds_up_no_other_board_and_no_alert(stage: Stage) -> None:
    board = await stage.started()
    other = -777
    stage.tg.set_member(other, ALICE, "member")
    stage.desk.store.share(other, stage.account.id, amounts=False, now=stage.desk.clock())
    stage.tg.say(other, ALICE, "/board")
    await stage.tg.wait_for(other, "keep it up to date")
    await stage.keeper.run()
    stage.tg.faults.add("editMessageText", GROUP, kind="429", retry_after=300)
    stage.read(ratio="0.2")
    for _again in range(4):
        await stage.later(30)
    assert "12.3%" in board.text
    assert "20.0%" in (await stage.tg.wait_for(other, "Live board")).text
    for _again in range(6):
        stage.read(ratio="0.2")
        await stage.later(60)
    assert "20.0%" in board.text


async def test_many_boards_are_posted_without_waiting_for_the_next_look(stage: Stage) -> None:
    for chat_id in range(-612, -600):
        stage.tg.set_member(chat_id, ALICE, "member")
        stage.desk.store.share(chat_id, stage.account.id, amounts=False, now=stage.desk.clock())
        stage.desk.store.start_board(Board(chat_id=chat_id, thread_id=None, user_id=None, told={}), stage.desk.clock())
    stage.keeper.look()
    for chat_id in range(-612, -608):
        await stage.tg.wait_for(chat_id, "Live board")
    for _look in range(20):
        await stage.keeper.run()
        await asyncio.sleep(0.05)
    await stage.keeper.stop(1)
    assert all(board.message_id for board in stage.desk.store.boards())


async def test_alerts_that_are_due_go_first_but_not_for_ever() -> None:
    async with post_office() as post:
        account = post.account(ALICE)
        post.store.share(GROUP, account.id, amounts=False, now=post.clock())
        async with build_bot(TOKEN, post.tg.url) as bot:
            screen = TelegramBoards(bot, post.store.language_of, STALE_AFTER)
            keeper = BoardKeeper(post.store, screen, post.delivery.pacing, clock=post.clock)
            post.write(account, Grade.CRITICAL)
            post.store.start_board(Board(chat_id=GROUP, thread_id=None, user_id=ALICE, told={}), post.clock())
            await keeper.run()
            assert post.tg.texts(GROUP) == []
            await post.delivery.run()
            await keeper.run()
            assert len(post.tg.texts(GROUP)) == 1
            post.write(account, Grade.CRITICAL, 2)
            post.clock.ahead += BETWEEN_LOOKS
            await keeper.run()
            assert post.tg.calls("editMessageText") == []
            post.clock.ahead += ALERTS_FIRST
            await keeper.run()
            assert len(post.tg.calls("editMessageText")) == 1


async def test_a_board_stays_in_the_topic_it_was_started_in(stage: Stage) -> None:
    desk, tg = stage.desk, stage.tg
    tg.chat(SUPERGROUP).topics = {TOPIC: True}
    tg.set_member(SUPERGROUP, ALICE, "member")
    desk.store.share(SUPERGROUP, stage.account.id, amounts=False, now=desk.clock())
    board = await stage.started(chat_id=SUPERGROUP, thread_id=TOPIC)
    assert board.thread_id == TOPIC
    stage.read(Grade.CRITICAL, "0.82", 1.4)
    await stage.later(1)
    assert (await tg.wait_for(SUPERGROUP, "CRITICAL · main", after=board.message_id)).thread_id == TOPIC
    tg.chat(SUPERGROUP).topics = {99: True}
    stage.read(Grade.EMERGENCY, "0.92", 0.4)
    await stage.later(20)
    assert (await tg.wait_for(SUPERGROUP, "EMERGENCY · main", after=board.message_id)).thread_id is None


async def test_failure_07_the_board_follows_a_group_that_becomes_a_supergroup(stage: Stage) -> None:
    await stage.started()
    stage.tg.chat(SUPERGROUP, "supergroup")
    stage.tg.set_member(SUPERGROUP, ALICE, "member")
    stage.tg.faults.add("editMessageText", GROUP, kind="migrate", migrate_to=SUPERGROUP)
    await stage.later(60)
    await stage.tg.wait_for(ALICE, "became a supergroup")
    await stage.later(1)
    assert (await stage.tg.wait_for(SUPERGROUP, "Live board")).pinned
    assert [b.chat_id for b in stage.desk.store.boards()] == [SUPERGROUP]


@pytest.mark.parametrize(
    ("who", "may"),
    [
        pytest.param(ALICE, True, id="owner of what is shared"),
        pytest.param(OPERATOR, True, id="operator"),
        pytest.param(BOB, False, id="member who shares nothing here"),
        pytest.param(700, False, id="stranger"),
    ],
)
async def test_failure_37_who_may_start_and_end_a_board(stage: Stage, who: int, may: bool) -> None:
    desk, tg = stage.desk, stage.tg
    desk.add(BOB, "desk")
    asked = tg.say(GROUP, who, f"/board@{tg.bot.username}")
    told = await tg.wait_for(GROUP, lambda message: True, after=asked)
    assert ("keep it up to date" in told.text) is may
    assert ("Only somebody who shares an account" in told.text) is not may
    assert bool(desk.store.boards()) is may
    if not may:
        await stage.started()
        asked = tg.say(GROUP, who, "/board off")
        await tg.wait_for(GROUP, "Only somebody who shares", after=asked)
        assert not desk.store.boards()[0].ending


async def test_where_nothing_is_shared_there_is_no_board(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE)
    tg.say(-888, ALICE, "/board")
    await tg.wait_for(-888, "nothing to put on a board")
    tg.say(-888, ALICE, "/board now")
    await tg.wait_for(-888, "Send it like this: /board [off]")


@pytest.mark.parametrize("code", LANGUAGES)
async def test_in_the_language_of_the_group(stage: Stage, code: str) -> None:
    stage.desk.store.set_language(GROUP, code)
    stage.desk.store.start_board(Board(chat_id=GROUP, thread_id=None, user_id=ALICE, told={}), stage.desk.clock())
    await stage.keeper.run()
    with read_in_language(code):
        assert _("Live board") in stage.tg.texts(GROUP)[0]


class Died(BaseException):
    """The process ends here."""


class Dying(SqliteStore):
    """A store in whose process nothing about a board is written any more."""

    def post_board(self, *_: object, **__: object) -> None:
        raise Died

    def tell_board(self, *_: object, **__: object) -> None:
        raise Died


@pytest.mark.parametrize("at", ["post", "worse"])
async def test_failure_02_killed_between_telegram_and_the_record_it_is_told_again_never_less(
    tg: TelegramServer, tmp_path: Path, at: str
) -> None:
    clock, path = WallClock(), tmp_path / "bot.db"
    async with build_bot(TOKEN, tg.url) as bot:
        with closing(open_store(path, KEY)) as store:
            account = store.add_account(Person(ALICE, "Alice"), ALICE, "bybit", "main", Credential("k", "s"), clock())
            store.share(GROUP, account.id, amounts=False, now=clock())
            store.start_board(Board(chat_id=GROUP, thread_id=None, user_id=ALICE, told={account.id: Grade.OK}), clock())
            if at == "worse":
                await life(store, bot, clock)
                record(store, account, clock(), Grade.CRITICAL)
            before = len(tg.texts(GROUP))
            await life(Dying(store._db, store._vault), bot, clock)
        assert len(tg.texts(GROUP)) == before + 1, "Telegram took it, and the process died"
        with closing(open_store(path, KEY)) as store:
            for _life in range(3):
                await life(store, bot, clock)
            assert len(tg.texts(GROUP)) == before + 2
            assert tg.texts(GROUP)[-1] == tg.texts(GROUP)[-2]


async def life(store: SqliteStore, bot: ExtBot[None], clock: WallClock) -> None:
    """One look of a process that has just begun."""
    await BoardKeeper(store, TelegramBoards(bot, store.language_of, STALE_AFTER), Pacing(), clock=clock).run()
