"""Shows live boards in groups, through Telegram."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from telegram import Bot
from telegram.error import TelegramError

from marginbot.bot import render_group
from marginbot.bot.figures import read_in
from marginbot.bot.language import _, later, read_in_language
from marginbot.bot.messenger import LanguageOf, ZoneOf
from marginbot.bot.render_status import View
from marginbot.bot.wire import Letter, amend, outcome_of, post
from marginbot.domain.board import Board
from marginbot.domain.outcomes import NotEditable, Outcome
from marginbot.flow.ports import Standing

log = logging.getLogger(__name__)

ENDED = later("📌 <i>This board has ended and is no longer kept up to date. /status shows how things are.</i>")
LOST = later("📌 The message of the live board was deleted, so the board has ended. /board starts another.")
NO_PIN = later(
    "📌 I may not pin messages here, so the board is not pinned; it is kept up to date all the same. To change that, "
    "make me an administrator of this group with the right “Pin messages”, then send /board off and /board."
)
NO_VOICE = later(
    "📌 I may no longer write in a group, so its live board has ended. To have it back, let me send messages there "
    "(group settings, Permissions, or make me an administrator) and send /board in the group."
)


class TelegramBoards:
    """A `BoardScreen`."""

    def __init__(
        self, bot: Bot, language_of: LanguageOf, stale_after: timedelta, zone_of: ZoneOf = lambda _: UTC
    ) -> None:
        self._bot = bot
        self._language_of = language_of
        self._zone_of = zone_of
        self._stale_after = stale_after

    def digest(self, board: Board, standings: Sequence[Standing], now: datetime) -> str:
        """Of what would be shown, and whether it would be shown as history."""
        view = self._view(now)
        with self._read_by(board):
            shown = render_group.board(standings, view)
        return hashlib.sha256(f"{render_group.is_dark(standings, view)} {shown}".encode()).hexdigest()[:32]

    async def post(self, board: Board, standings: Sequence[Standing], now: datetime) -> Outcome:
        """Without a sound: it is not news."""
        return await post(self._bot, self._letter(board, self._face(board, standings, now), silent=True))

    async def edit(self, board: Board, standings: Sequence[Standing], now: datetime) -> Outcome | NotEditable:
        """What shows that already is fine as it is."""
        assert board.message_id is not None
        return await amend(self._bot, self._letter(board, self._face(board, standings, now)), board.message_id)

    async def pin(self, board: Board, message_id: int) -> None:
        """Without a sound; a board that cannot be pinned is a board all the same."""
        try:
            await self._bot.pin_chat_message(board.chat_id, message_id, disable_notification=True)
        except TelegramError as error:
            log.info("a board could not be pinned: %s", outcome_of(error))
            await post(self._bot, self._letter(board, self._said(board, NO_PIN), silent=True))

    async def worse(self, board: Board, standings: Sequence[Standing], now: datetime) -> Outcome:
        """Loudly."""
        with self._read_by(board):
            html = render_group.worse(standings, self._view(now))
        return await post(self._bot, self._letter(board, html))

    async def ended(self, board: Board) -> Outcome | NotEditable:
        """The figures go: nobody shall take them for today's."""
        assert board.message_id is not None
        outcome = await amend(self._bot, self._letter(board, self._said(board, ENDED)), board.message_id)
        try:
            await self._bot.unpin_chat_message(board.chat_id, board.message_id)
        except TelegramError as error:
            log.info("a board could not be unpinned: %s", outcome_of(error))
        return outcome

    async def lost(self, board: Board) -> Outcome:
        """Once, where the board was."""
        return await post(self._bot, self._letter(board, self._said(board, LOST), silent=True))

    async def silenced(self, board: Board) -> None:
        """In the language of who started it."""
        if board.user_id is None:
            return
        with read_in_language(self._language_of(board.user_id)):
            html = _(NO_VOICE)
        await post(self._bot, Letter(chat_id=board.user_id, html=html))

    def _face(self, board: Board, standings: Sequence[Standing], now: datetime) -> str:
        view = self._view(now)
        with self._read_by(board):
            return render_group.boarded(render_group.board(standings, view), now, standings, view)

    def _said(self, board: Board, words: str) -> str:
        with self._read_by(board):
            return _(words)

    @contextmanager
    def _read_by(self, board: Board) -> Iterator[None]:
        """What is rendered inside is in the group's language and by its clock."""
        with read_in_language(self._language_of(board.chat_id)), read_in(self._zone_of(board.chat_id)):
            yield

    def _letter(self, board: Board, html: str, *, silent: bool = False) -> Letter:
        return Letter(chat_id=board.chat_id, thread_id=board.thread_id, html=html, silent=silent)

    def _view(self, now: datetime) -> View:
        return View(now=now, stale_after=self._stale_after)
