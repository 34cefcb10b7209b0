"""Long polling for updates: never gives up, stops at once, and knows when Telegram last answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from telegram import Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from marginbot.bot.types import App
from marginbot.bot.wire import outcome_of
from marginbot.domain.outcomes import TryAgain

log = logging.getLogger(__name__)

POLL = timedelta(seconds=25)
LONGEST_PAUSE = 10.0
UNREADABLE_PAUSE = 1.0
MOST_READINGS = 3  # of a batch of updates in which one cannot be read
SOMEBODY_ELSE = "another program uses this bot's token"
WEBHOOK_SET = "somebody set a webhook on this bot's token"
ALLOWED = [
    Update.MESSAGE,
    Update.EDITED_MESSAGE,
    Update.CHANNEL_POST,
    Update.CALLBACK_QUERY,
    Update.INLINE_QUERY,
    Update.MY_CHAT_MEMBER,
    Update.CHAT_MEMBER,
]


@dataclass(slots=True)
class TelegramHealth:
    """Whether Telegram answers."""

    answered_at: datetime | None = None  # last successful getUpdates
    trouble: str = ""  # why the last one failed; empty: it did not


def _headline(error: TelegramError) -> tuple[int, str]:
    """Level and words of the log line; a conflict hides commands from this bot, so it is an error."""
    if not isinstance(error, Conflict):
        return logging.WARNING, "Telegram does not answer: %s"
    return logging.ERROR, (
        "%s (409): commands do not reach this bot meanwhile, alerts do go out. Stop the other program; if there is "
        "none, the token has leaked: make a new one with /revoke at @BotFather"
    )


class Poller:
    """Fetches updates into the application's queue."""

    def __init__(
        self, application: App, health: TelegramHealth, clock: Callable[[], datetime], poll: timedelta = POLL
    ) -> None:
        self._application = application
        self._health = health
        self._clock = clock
        self._poll = poll
        self._next_id = 0

    async def run(self) -> None:
        """Until cancelled. What was said while we were away is not dropped."""
        failures = unreadable = 0
        while True:
            try:
                if unreadable < MOST_READINGS:
                    await self._once(self._poll)
                else:
                    await self._one_by_one()
            except TelegramError as error:
                failures += 1
                await self._mend(error)
                await asyncio.sleep(self._trouble(error, failures))
            except Exception:
                # An update the library cannot read must not end listening for good, nor hold up the later ones.
                unreadable += 1
                log.exception("updates could not be read")
                await asyncio.sleep(UNREADABLE_PAUSE if unreadable <= MOST_READINGS else LONGEST_PAUSE)
            else:
                failures = unreadable = 0

    async def confirm(self) -> None:
        """Tell Telegram what was fetched, so that it is not sent again after a restart."""
        if not self._next_id:
            return
        try:
            async with asyncio.timeout(2):
                await self._application.bot.get_updates(offset=self._next_id, limit=1, timeout=0)
        except (TelegramError, TimeoutError) as error:
            log.info("fetched updates not confirmed, they may come again: %s", type(error).__name__)

    async def _once(self, poll: timedelta) -> None:
        updates = await self._application.bot.get_updates(offset=self._next_id, timeout=poll, allowed_updates=ALLOWED)
        self._answered()
        for update in updates:
            self._next_id = update.update_id + 1
            await self._application.update_queue.put(update)

    async def _one_by_one(self) -> None:
        """Take what waits as Telegram sent it: what can be read is handled, what cannot is stepped over."""
        bot = self._application.bot
        for raw in await bot.request.post(f"{bot.base_url}/getUpdates?offset={self._next_id}&timeout=0"):
            number = int(raw["update_id"])
            self._next_id = number + 1  # before it is looked at: whatever happens, it is behind us
            try:
                update = Update.de_json(raw, bot)
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                # Its text may hold a key: only its number and the kind of failure are told.
                log.error("update %d cannot be read and is skipped: %s", number, type(error).__name__)
            else:
                await self._application.update_queue.put(update)
        self._answered()

    async def _mend(self, error: TelegramError) -> None:
        """A webhook takes all updates away; as at the start it is removed. Other conflicts end with the other side."""
        if not isinstance(error, Conflict) or "webhook" not in str(error).lower():
            return
        try:
            await self._application.bot.delete_webhook(drop_pending_updates=False)
        except TelegramError as refused:
            log.warning("the webhook could not be removed: %s", outcome_of(refused))

    def _answered(self) -> None:
        if self._health.trouble:
            log.warning("Telegram answers again")
        self._health.answered_at, self._health.trouble = self._clock(), ""

    def _trouble(self, error: TelegramError, failures: int) -> float:
        """Note the first failure and changes of its kind, nothing in between; how long to pause."""
        outcome = outcome_of(error)
        told = outcome.error if isinstance(outcome, TryAgain) else str(outcome)
        if isinstance(error, Conflict):
            told = WEBHOOK_SET if "webhook" in told.lower() else SOMEBODY_ELSE
        if told != self._health.trouble:
            log.log(*_headline(error), told)
        self._health.trouble = told
        if isinstance(error, RetryAfter) and isinstance(outcome, TryAgain) and outcome.after:
            return outcome.after.total_seconds()
        if isinstance(error, InvalidToken | Conflict):
            return LONGEST_PAUSE
        return min(LONGEST_PAUSE, 0.5 * 2.0 ** min(failures - 1, 10))
