"""A market crash while the bot is killed again and again, and the account of it afterwards."""

from __future__ import annotations

import json
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.running import RunningBot, running_bot
from tests.servers.base import wall_clock_ms
from tests.servers.telegram import Message, TelegramServer, threaded
from tests.servers.threads import on_a_thread
from tests.sim.books import wallets

FULL_PRICE = 60_000
FLOOR = 0.802  # where five times leveraged accounts are in an emergency
REPEAT = "(may be a repeat)"
HEAD = re.compile(r"· acc\d+ ·")  # of an alert: grade, account, what to do
ABOUT = re.compile(r"(?i:\bread) \d\d:|Blind since")  # which reading, or which blindness, a message is about


# A reading at WARNING or worse that is worse than the one before it, without a notice of a grade as bad between the
# two. The record of readings is written a little at a time: of the last ones before a kill there may be none.
UNWRITTEN = """
WITH steps AS (
    SELECT h.account_id, h.pool, r.at_ms, r.grade,
        lag(r.grade) OVER series AS before, lag(r.at_ms) OVER series AS after_ms
    FROM history_readings r JOIN history_series h ON h.id = r.series_id
    WINDOW series AS (PARTITION BY r.series_id ORDER BY r.at_ms)
)
SELECT s.account_id, s.pool, s.at_ms, s.before, s.grade FROM steps s
WHERE s.grade >= 2 AND s.grade > coalesce(s.before, 0) AND NOT EXISTS (
    SELECT 1 FROM notices n WHERE n.account_id = s.account_id AND n.subject = s.pool AND n.number > 0
    AND json_extract(n.facts, '$.grade') >= s.grade
    AND (julianday(json_extract(n.facts, '$.read_at')) - 2440587.5) * 86400000
        BETWEEN coalesce(s.after_ms, 0) + 2 AND s.at_ms + 2
)
"""


@dataclass(frozen=True, slots=True)
class Told:
    """A row of the outbox."""

    id: int
    account_id: int
    label: str
    subject: str
    grade: int | None
    reason: str
    chat_id: int
    status: str
    drop_reason: str | None
    message_id: int | None


@dataclass(slots=True)
class Aftermath:
    """What is left after the crash, in the database and at Telegram."""

    kills: int
    outbox: list[Told] = field(default_factory=list)
    unwritten: list[str] = field(default_factory=list)  # rises that were read, and of which there is no notice
    alerts: dict[int, list[Message]] = field(default_factory=dict)

    @property
    def lost(self) -> list[Told]:
        """Notices that Telegram has not got, unless newer news of the subject arrived in their place."""
        return [t for t in self.outbox if not (self._arrived(t) or self._replaced(t) or self._told_together(t))]

    def _arrived(self, told: Told) -> bool:
        messages = [m for m in self.alerts.get(told.chat_id, []) if m.message_id == told.message_id]
        return told.status == "sent" and any(f"· {told.label} ·" in message.text for message in messages)

    def _told_together(self, told: Told) -> bool:
        """Sight lost or back of several accounts of a person: one message names them all."""
        same = [n for n in self.outbox if (n.chat_id, n.reason) == (told.chat_id, told.reason)]
        return told.drop_reason == "venue_outage_told" and any(self._arrived(n) for n in same)

    def _replaced(self, told: Told) -> bool:
        """By news that is as bad or worse; what only eases a message that is there, by any."""
        newer = [
            n for n in self.outbox if (n.account_id, n.subject) == (told.account_id, told.subject) and n.id > told.id
        ]
        enough = [n for n in newer if told.reason == "eased" or (n.grade or 0) >= (told.grade or 0)]
        return told.drop_reason == "overtaken" and any(self._arrived(n) for n in enough)

    def unrecorded(self, chat_id: int) -> list[Message]:
        """Messages that arrived without the bot living to write it down."""
        known = {told.message_id for told in self.outbox if told.chat_id == chat_id}
        return [message for message in self.alerts[chat_id] if message.message_id not in known]

    def unmarked_repeats(self, chat_id: int) -> list[str]:
        """Alerts told a second time that do not say so: the same head about the same reading, or the same blindness."""
        seen: set[tuple[str, str]] = set()
        found = []
        for message in self.alerts[chat_id]:
            text = message.history[0] if message.history else message.text
            for block in text.split("\n\n"):
                lines = block.split("\n")
                read = next((line for line in text.split("\n") if ABOUT.search(line)), "")
                if HEAD.search(lines[0]) and (lines[0], read) in seen and REPEAT not in text:
                    found.append(lines[0])
                seen.add((lines[0], read))
        return found


class Crash:
    """Accounts at one exchange, two to a person, and the bot that watches them."""

    def __init__(self, folder: Path, tg: TelegramServer, accounts: int) -> None:
        self.folder, self.tg = folder, tg
        self.market = Market()
        self.market.set_price("BTCUSDT", Decimal(FULL_PRICE))
        self.exchange = SimulatedExchange(self.market, wall_clock_ms, weight_limit=1_000_000)
        self.people = {n: 7_001 + n // 2 for n in range(accounts)}
        for n in self.people:
            account = Account(self.market, wallets(USDT="10000"), liquidates=False)
            account.open("BTCUSDT", Decimal("0.8333") - Decimal(n % 5) * Decimal("0.002"))
            self.exchange.add_key(f"api-key-number-{n:04}", f"canary-secret-{n:04}", account)

    @property
    def environment(self) -> dict[str, str]:
        """Settings of the bot."""
        return {
            "MARGINBOT_TELEGRAM_API_URL": self.tg.url,
            "MARGINBOT_EXCHANGE_URLS": json.dumps({"binanceusdm": self.exchange.url}),
            "MARGINBOT_POLL_INTERVAL": "0.5",
            "MARGINBOT_STALE_AFTER": "120",
        }

    def register(self) -> None:
        """Everybody adds what they have."""
        for n, user in self.people.items():
            asked = self.tg.private(user, f"/add binanceusdm acc{n} api-key-number-{n:04} canary-secret-{n:04}")
            self.tg.wait_for_sync(user, "Watching", 60.0, after=asked)

    def fall(self, bot: RunningBot, kills: int, seconds: float, chance: random.Random, *, waves: int = 1) -> None:
        """The price falls to the floor while the bot is killed at random moments, and started again at once.

        In more than one wave it is back at the top in between; the last one ends at the floor.
        """
        began = time.monotonic()
        gaps = (chance.uniform(0.3, 2 * seconds / kills - 0.3) for _ in range(kills))
        moments = list(accumulate(gaps))
        while (passed := time.monotonic() - began) < seconds or moments:
            share = 1.0 - (1.0 - FLOOR) * depth(passed / seconds, waves)
            self.market.set_price("BTCUSDT", Decimal(FULL_PRICE) * Decimal(f"{share:.5f}"))
            if moments and moments[0] <= passed:
                moments.pop(0)
                bot.kill()
                bot.start()
            time.sleep(0.05)
        self.market.set_price("BTCUSDT", Decimal(FULL_PRICE) * Decimal(str(FLOOR)))

    def aftermath(self, kills: int) -> Aftermath:
        """What the database and Telegram know."""
        with database(self.folder) as conn:
            rows = conn.execute(
                "SELECT n.id, n.account_id, a.label, n.subject, json_extract(n.facts, '$.grade'), "
                "json_extract(n.facts, '$.reason'), n.chat_id, n.status, n.drop_reason, n.message_id "
                "FROM notices n JOIN accounts a ON a.id = n.account_id WHERE n.number > 0 ORDER BY n.id"
            ).fetchall()
            unwritten = conn.execute(UNWRITTEN).fetchall()
        alerts = {
            user: [m for m in self.tg.messages(user) if HEAD.search(m.text.split("\n")[0])]
            for user in set(self.people.values())
        }
        return Aftermath(kills, [Told(*row) for row in rows], [str(row) for row in unwritten], alerts)

    def is_over(self) -> bool:
        """Every account's emergency was written, and nothing waits any more."""
        with database(self.folder) as conn:
            told = conn.execute(
                "SELECT count(DISTINCT account_id) FROM notices WHERE json_extract(facts, '$.grade') >= 4"
            ).fetchone()[0]
            waiting = conn.execute("SELECT count(*) FROM notices WHERE status = 'pending'").fetchone()[0]
        return bool(told == len(self.people) and waiting == 0)


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    """The bot's database, to read."""
    conn = sqlite3.connect(folder / "bot.db", timeout=10)
    try:
        yield conn
    finally:
        conn.close()


def depth(passed: float, waves: int) -> float:
    """How deep the price is at a share of the time: down, and up and down again, at equal speed; 1 from the end on."""
    at = min(1.0, passed) * (2 * waves - 1)
    return at % 2 if at % 2 <= 1 else 2 - at % 2


def live_through(
    folder: Path, *, accounts: int, kills: int, seconds: float, seed: int, waves: int = 1, answers_after: float = 0.0
) -> Aftermath:
    """The whole crash; what is left of it. `answers_after`: Telegram takes a message at once and says so that late."""
    with threaded() as tg:
        crash = Crash(folder, tg, accounts)
        with on_a_thread(crash.exchange), running_bot(folder, crash.environment) as bot:
            bot.wait_until_healthy()
            crash.register()
            late = tg.faults.add("sendMessage", times=None, kind="slow", delay=answers_after) if answers_after else None
            crash.fall(bot, kills, seconds, random.Random(seed), waves=waves)
            if late is not None:
                tg.faults.remove(late)
            bot.wait_until_healthy()
            tg.wait_until_sync(lambda: crash.is_over() or None, 180.0, lambda: bot.log.read_text()[-3000:])
            assert bot.stop() == 0
            assert tg.violations == []
            assert tg.refusals == []
            return crash.aftermath(kills)
