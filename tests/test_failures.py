"""Alerts that never arrived, elsewhere: the stories whose guard is the whole bot, or a rule written down.

Each story of the collection has a number; a test that covers it has that number in its name, wherever it stands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr

from marginbot.app import Bot, utc_now
from marginbot.config import Settings
from marginbot.domain.alerting import AlertState
from marginbot.domain.grading import DEFAULT_LADDERS, Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Notice
from marginbot.domain.outcomes import Outcome
from marginbot.domain.report import assess
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.cycle import Cycle
from marginbot.flow.deliver import Delivery
from marginbot.flow.ports import Credential, CycleRecord
from marginbot.store.sqlite_store import SqliteStore, open_store
from tests.builders import HOURLY, T0, long_at, pool, position, snapshot
from tests.fakes import FakeMessenger
from tests.flow.conftest import ALICE, SETTINGS, World, clock, reader, store, world
from tests.running import MASTER_KEY

__all__ = ["clock", "reader", "store", "world"]

STORIES = range(1, 32)
CREDENTIAL = Credential("key", "secret")
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_every_story_has_a_test_that_bears_its_number() -> None:
    sources = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py")]
    covered = {int(number) for text in sources for number in re.findall(r"def test_failure_(\d\d)_\w", text)}
    assert set(STORIES) - covered == set()


async def test_failure_16_collateral_that_is_missing_is_no_liquidation_and_is_told_as_not_watched(world: World) -> None:
    """What the venue leaves out is not zero: neither safe, nor lost."""
    unknown = pool(position(), equity=None)
    report = assess(snapshot(unknown), HOURLY, ladders=DEFAULT_LADDERS, previous={}, now=T0)
    assert (report.state, report.grade) == (PoolState.UNKNOWN, None)
    account = world.register(ALICE, "main", lambda: long_at(100, at=world.clock.now))
    await world.after(0)
    world.reader.accounts["11-main"] = lambda: snapshot(unknown, at=world.clock.now)
    for _ in range(8):
        await world.after(31)
    assert world.store.told(account) == ["cross:USDT went_blind OK"]


class Raising(SqliteStore):
    """Every pass ends in a name that nobody has defined."""

    def record(self, record: CycleRecord) -> None:
        raise NameError("name 'x' is not defined")


async def test_failure_21_a_loop_that_fails_each_pass_is_not_called_running(world: World) -> None:
    """Health comes from results: nothing was completed, so nothing is well."""
    world.register(ALICE, "main", long_at(100))
    broken = Cycle(world.reader, Raising(world.store._db, world.store._vault), settings=SETTINGS, clock=world.clock)
    for _ in range(5):
        await broken.run()
        world.clock.advance(60)
    assert broken.completed_at is None, "what the health page and the heartbeat go by"
    assert await world.cycle.run() == 1
    assert world.cycle.completed_at == world.clock.now


class Beats:
    """A dead man's switch: counts how often it was fetched."""

    def __init__(self) -> None:
        self.count = 0
        self.url = ""

    async def take(self, _: web.Request) -> web.Response:
        self.count += 1
        return web.Response()


@pytest.fixture
async def beats() -> AsyncIterator[Beats]:
    found, app = Beats(), web.Application()
    app.router.add_get("/ping", found.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/ping"
    yield found
    await runner.cleanup()


@pytest.fixture
async def bot(tmp_path: Path, beats: Beats) -> AsyncIterator[Bot]:
    settings = Settings(  # type: ignore[call-arg]
        _env_file=None,
        database=tmp_path / "bot.db",
        master_key=SecretStr(MASTER_KEY),
        http_listen="",
        heartbeat_url=beats.url,
    )
    opened, exchanges = open_store(settings.database, bytes(range(32))), CcxtReader({})
    made = Bot(settings, opened, exchanges, "123456:TEST")
    made.parts.telegram.health.answered_at = utc_now()
    yield made
    await exchanges.close()
    opened.close()


async def test_failure_22_one_heartbeat_a_cycle_and_none_without(bot: Bot, beats: Beats) -> None:
    """Whatever beats lives from the work itself: there is nothing that could outlive the worker."""
    await bot.parts.watches.auditor.check()
    await bot._heartbeat()
    assert beats.count == 0, "before a cycle is complete"
    bot.parts.watch.cycle.completed_at = utc_now()
    for _ in range(3):
        await bot._heartbeat()
    assert beats.count == 1, "once for this cycle, however often it is time"
    await bot.parts.watch.cycle.run()
    await bot._heartbeat()
    assert beats.count == 2


async def test_failure_23_silence_is_noticed_outside_because_the_heartbeat_stops(bot: Bot, beats: Beats) -> None:
    """A monitor that is down cannot say so. What can be tested: any hole stops the beat. The rest is a rule."""
    bot.parts.watch.cycle.completed_at = utc_now()
    await bot._heartbeat()
    assert beats.count == 0, "no audit yet, so nothing is known to be well"
    bot._store.remember_person(ALICE, ALICE.user_id, T0)
    await bot.parts.watches.auditor.check()
    state = AlertState(grade=Grade.CRITICAL, announced=Grade.CRITICAL, episode=1, number=1, spoke_at=T0, seen_at=T0)
    account = bot._store.add_account(ALICE, ALICE.user_id, "bybit", "main", CREDENTIAL, T0)
    record = CycleRecord(account_id=account.id, at=T0, report=None, states={"x": state}, notices=[], next_due_at=T0)
    bot._store.record(record)
    assert not (await bot.parts.watches.auditor.check()).ok
    await bot._heartbeat()
    assert beats.count == 0, "an alert that nobody was told"
    assert "point it at a dead man's switch\n  outside" in README
    assert "`MARGINBOT_HEARTBEAT_URL`" in README


class Stuck(FakeMessenger):
    """A Telegram that takes everything and answers nothing."""

    async def send_bundle(self, notices: Sequence[Notice], now: datetime) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("never")


async def test_failure_24_trouble_with_telegram_stops_no_reading(world: World) -> None:
    account = world.register(ALICE, "main", lambda: long_at(92, at=world.clock.now))
    delivery = Delivery(world.store, Stuck(), clock=world.clock)
    await world.after(0)
    assert delivery.dispatch() == 1
    world.reader.accounts["11-main"] = lambda: long_at(91, at=world.clock.now)
    for _ in range(3):
        await world.after(31)
        delivery.dispatch()
    told = world.store.told(account)
    assert told[:2] == ["cross:USDT first_sight CRITICAL", "cross:USDT worsened EMERGENCY"]
    assert world.cycle.completed_at == world.clock.now
    await delivery.stop(0.0)


def test_failure_27_a_muted_chat_is_warned_of_and_an_exercise_shows_it() -> None:
    """Nobody can ask Telegram whether a chat is muted. The rule: say it, exercise it, ring another way."""
    section = README.split("## When it must not fail")[1].split("\n## ")[0]
    for rule in ("unmuted", "`/drill`", "`/channels`"):
        assert rule in section


def test_failure_31_nothing_depends_on_a_service_of_ours() -> None:
    """Services close. The rule: hosted by its user, exportable, no account anywhere."""
    section = README.split("## When it must not fail")[1].split("\n## ")[0]
    for rule in ("no service of ours", "`marginbot backup FILE`", "MIT"):
        assert rule in section
