"""Plays a scenario: moves the market, turns the bot's wheel, hands what happens to the stage."""

from __future__ import annotations

import asyncio
import math
import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from marginbot.app import utc_now
from marginbot.bot import figures, render_account, render_alert
from marginbot.bot.render import to_plain, to_rich
from marginbot.demo.scenarios import Scenario, Twist
from marginbot.demo.stage import Board, Stage
from marginbot.demo.story import Story, Told
from marginbot.domain.alerting import BLINDNESS, Reason
from marginbot.domain.grading import Grade
from marginbot.domain.margin import PoolState
from marginbot.domain.notices import Notice, Shown
from marginbot.domain.outcomes import Outcome, Sent
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.decide import CycleSettings
from marginbot.flow.ports import Person, Standing
from marginbot.flow.status import grade_of, is_blind
from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from marginbot.store import SqliteStore, new_master_key, open_store, parse_master_key
from marginbot.wiring import Desk, Watch, build_desk, build_watch

YOU = Person(1, "you")
WALL_LIMIT = 40.0  # seconds; a slow machine sees fewer readings, not a longer demo
TICK = timedelta(seconds=15)
QUIET_LINE_EVERY = timedelta(minutes=30)
STALE = "STALE"


class DemoMessenger:
    """The messenger of the demo: the chat is the stage."""

    def __init__(self, stage: Stage, story: Story) -> None:
        self._stage = stage
        self._story = story
        self._sent = 0
        self._shown: set[int] = set()

    async def send(self, notice: Notice, now: datetime) -> Outcome:
        """Show a notice; it always arrives."""
        self._sent += 1
        self._shown.add(notice.id)
        facts = notice.facts
        html = render_alert.alert(notice, now)
        blind = facts.reason in BLINDNESS
        grade = facts.grade or Grade.OK
        self._story.told.append(Told(now, None if blind else grade, facts.reason))
        self._stage.event(
            "alert",
            now,
            grade=STALE if blind else grade.name,
            reason=str(facts.reason),
            sound=notice.sound,
            text=to_plain(html),
            markup=to_rich(html),
        )
        return Sent(self._sent)

    async def send_bundle(self, notices: Sequence[Notice], now: datetime) -> Outcome:
        """Show them one after the other."""
        for notice in notices:
            await self.send(notice, now)
        return Sent(self._sent)

    async def amend(self, message_id: int, told: Sequence[Shown], now: datetime) -> Outcome:
        """A terminal keeps what it showed: what is new is shown below."""
        for one in told:
            if one.notice.id not in self._shown:
                await self.send(one.notice, now)
        return Sent(message_id)


class Clock:
    """Simulated time, moved by hand."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        """The simulated now."""
        return self.now

    def millis(self) -> int:
        """The simulated now for candles."""
        return int(self.now.timestamp() * 1000)


async def play(scenario: Scenario, stage: Stage, *, speed: float, tick: timedelta = TICK) -> Story:
    """Run a scenario to its end; `tick` is the simulated time between two moves of the market."""
    story, clock = Story(), Clock(scenario.starts_at)
    account = _position(scenario)

    def wall() -> int:
        return int(utc_now().timestamp() * 1000)

    # Hours pass in seconds here, so a budget of requests per real minute would mean nothing, on either side.
    exchange = SimulatedExchange(
        account.market, wall, candles=scenario.path.candles, candle_clock=clock.millis, weight_limit=1_000_000
    )
    with tempfile.TemporaryDirectory(prefix="marginbot-demo-") as folder, stage.open():
        store = open_store(Path(folder) / "demo.db", parse_master_key(new_master_key()))
        try:
            async with exchange:
                reader = CcxtReader({"binanceusdm": exchange.url}, limits={})
                try:
                    show = _Show(scenario, stage, story, clock, exchange, account, tick)
                    await show.run(store, reader, speed=speed)
                finally:
                    await reader.close()
        finally:
            store.close()
    return story


def _position(scenario: Scenario) -> Account:
    """The account of the scenario at its first price."""
    market, symbol = Market(), scenario.path.symbol
    market.set_price(symbol, scenario.path.mark(scenario.starts_at))
    account = Account(market, {scenario.asset: scenario.wallet}, multi_assets=scenario.peg is not None)
    account.open(symbol, (scenario.wallet * scenario.leverage / market.mark(symbol)).quantize(Decimal("0.001")))
    return account


@dataclass(slots=True)
class _Show:
    scenario: Scenario
    stage: Stage
    story: Story
    clock: Clock
    exchange: SimulatedExchange
    account: Account
    tick: timedelta
    key: str = ""
    answered: bool = False
    twists: list[tuple[datetime, Twist]] = field(default_factory=list)

    async def run(self, store: SqliteStore, reader: CcxtReader, *, speed: float) -> None:
        self.twists = [(self.clock() + after, twist) for after, twist in self.scenario.twists]
        desk = build_desk(store, reader, Access(AccessMode.OPEN, frozenset(), store))
        watch = build_watch(
            store,
            reader,
            DemoMessenger(self.stage, self.story),
            settings=CycleSettings(poll_interval=timedelta(seconds=60), stale_after=timedelta(seconds=180)),
            clock=self.clock,
        )
        self.stage.event("scene", self.clock(), title=self.scenario.title, speed=speed)
        await self._register(desk, store)
        try:
            await self._live_through(desk, watch, store, speed)
        finally:
            await watch.delivery.stop(0)
        self.stage.event("summary", self.clock(), **self.story.summary())

    async def _register(self, desk: Desk, store: SqliteStore) -> None:
        """Make a key at the exchange and send it to the bot."""
        self.key, secret = secrets.token_hex(8), secrets.token_hex(16)
        self.exchange.add_key(self.key, secret, self.account)
        self.stage.event("you", self.clock(), text=f"/add binanceusdm main {self.key[:4]}… {secret[:4]}…")
        request = desk.registration.request(YOU.user_id, "binanceusdm", "main", [self.key, secret])
        report = await desk.registration.probe(request, self.clock())
        self._say(render_account.found(request, report))
        account = desk.registration.store_account(YOU, YOU.user_id, request, self.clock())
        self._say(render_account.watching(account, store.ladders(account.id)))

    def _say(self, html: str) -> None:
        self.stage.event("bot", self.clock(), text=to_plain(html), markup=to_rich(html))

    async def _live_through(self, desk: Desk, watch: Watch, store: SqliteStore, speed: float) -> None:
        began, started, quiet_at = time.monotonic(), self.clock(), self.clock()
        while self.clock() < self.scenario.path.ends_at:
            await watch.cycle.run()
            await watch.delivery.run()
            self._acknowledge(desk)
            standing = desk.status.own(YOU.user_id)[0]
            if self.story.liquidated_at is None:
                self.story.saw_ratio(_ratio(standing), self.clock())
            board = self._board(standing)
            self.stage.board(self.clock(), board)
            if self.clock() >= quiet_at:
                self.stage.event("quiet", self.clock(), price=board.price, line=_in_words(board))
                quiet_at = self.clock() + QUIET_LINE_EVERY
            if self.story.liquidated_at is not None and self._told_after(self.story.liquidated_at):
                return
            late = time.monotonic() - began > WALL_LIMIT
            self.clock.now += self.tick * (4 if late else 1)
            self._move_market()
            await self._twist(desk, store)
            ahead = (self.clock() - started).total_seconds() / speed - (time.monotonic() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)

    def _acknowledge(self, desk: Desk) -> None:
        """You answer the second repeat in a row, once: from then on it is seen what that does and does not quiet."""
        repeats = [told.reason == Reason.REMINDER_DUE for told in self.story.told[-2:]]
        if self.answered or repeats != [True, True]:
            return
        self.answered, now = True, self.clock()
        self.stage.event("you", now, text="/ack main")
        done = desk.preferences.acknowledge(YOU.user_id, "main", now, by=YOU.name)
        self._say(render_account.quieted(done, "Acknowledged", [figures.until(one.mute.until, now) for one in done]))

    def _told_after(self, moment: datetime) -> bool:
        return bool(self.story.told) and self.story.told[-1].at >= moment

    def _move_market(self) -> None:
        now, price = self.clock(), self.scenario.path.mark(self.clock())
        if self.scenario.peg is not None:
            with self.exchange.lock:
                self.exchange.market.set_asset_index(self.scenario.asset, self.scenario.peg.index(now))
        self.exchange.set_price(self.scenario.path.symbol, price, at_ms=self.clock.millis())
        if self.account.liquidations and self.story.liquidated_at is None:
            self.story.liquidated_at, self.story.liquidation_price = now, price
            self.stage.event("liquidation", now, price=float(price))

    async def _twist(self, desk: Desk, store: SqliteStore) -> None:
        """Let happen what is due beside the price."""
        while self.twists and self.twists[0][0] <= self.clock():
            _, twist = self.twists.pop(0)
            self.stage.event("twist", self.clock(), what=twist.name, text=str(twist))
            match twist:
                case Twist.OUTAGE:
                    self.exchange.faults.add("503")
                case Twist.BACK:
                    self.exchange.faults.clear()
                case Twist.REVOKED:
                    self.exchange.keys[self.key].revoked = True
                case Twist.NEW_KEY:
                    await self._register(desk, store)

    def _board(self, standing: Standing) -> Board:
        price = float(self.scenario.path.mark(self.clock()))
        grade = STALE if is_blind(standing) else (grade_of(standing) or Grade.OK).name
        worst = standing.report.worst if standing.report else None
        note = "" if self.scenario.peg is None else f"{self.scenario.asset} {self.scenario.peg.index(self.clock())} $"
        if worst is None:
            return Board(price=price, grade=grade, note=note)
        return Board(
            price=price,
            grade=grade,
            ratio=figures.ratio_of(worst),
            room=figures.room(worst),
            cushion="–" if worst.cushion is None else figures.multiple(worst.cushion),
            note=note,
        )


def _ratio(standing: Standing) -> float | None:
    """What an alarm by the ratio alone looks at; past every rung where the equity is gone."""
    worst = standing.report.worst if standing.report else None
    if worst is None:
        return None
    if worst.state is PoolState.DEFICIT:
        return math.inf
    return None if worst.margin_ratio is None else float(worst.margin_ratio)


def _in_words(board: Board) -> str:
    """The board as one line."""
    note = f"; {board.note}" if board.note else ""
    if board.grade == STALE:
        return f"stale: not watched at the moment{note}"
    word = "calm" if board.grade == "OK" else board.grade.lower()
    return f"{word}, room {board.room}, cushion {board.cushion}, ratio {board.ratio}{note}"
