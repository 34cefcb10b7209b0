"""`marginbot demo`: the bot on a simulated exchange, through a historic crash, with the chat in the terminal.

Everything is the code of `run`: the real ccxt client reads the exchange over HTTP, the same store, grading and
outbox work; only the messenger writes here instead of to Telegram, and time runs faster.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from marginbot.app import Desk, Watch, build_desk, build_watch, utc_now
from marginbot.bot import render_account, render_alert
from marginbot.bot.render import to_plain, to_rich
from marginbot.domain.grading import RUNGS, Grade
from marginbot.domain.notices import Notice, Outcome, Sent, Shown
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.cycle import CycleSettings
from marginbot.flow.ports import Person
from marginbot.flow.status import Status, grade_of
from marginbot.sim.book import Account, wallets
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from marginbot.sim.prices import PricePath, may_2021
from marginbot.store import SqliteStore, new_master_key, open_store, parse_master_key

PHONE = 46  # columns of a message panel, frame included
YOU = Person(1, "you")
WALL_LIMIT = 45.0  # seconds; a slow machine sees fewer readings, not a longer demo
TICK = timedelta(seconds=15)
QUIET_LINE_EVERY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A market and a position to live through it."""

    title: str
    path: PricePath
    starts_at: datetime
    wallet: Decimal
    leverage: Decimal


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "may-2021": lambda: Scenario(
        title="Bitcoin on 19 May 2021, 6x long (published highs and lows, interpolated)",
        path=may_2021(),
        starts_at=datetime(2021, 5, 19, 8, tzinfo=UTC),
        wallet=Decimal(10_000),
        leverage=Decimal(6),
    )
}


@dataclass(slots=True)
class Told:
    """One alert as it was sent."""

    at: datetime
    grade: Grade
    reason: str


@dataclass(slots=True)
class Story:
    """What happened, for the summary."""

    told: list[Told] = field(default_factory=list)
    liquidated_at: datetime | None = None
    liquidation_price: Decimal | None = None

    def first_of_last_climb(self) -> dict[Grade, datetime | None]:
        """For each grade, since when it or worse had been announced without a break, when the breach came."""
        since: dict[Grade, datetime | None] = dict.fromkeys(RUNGS)
        for alert in self.told:
            if self.liquidated_at is not None and alert.at >= self.liquidated_at:
                break
            for grade in RUNGS:
                if alert.grade < grade:
                    since[grade] = None
                elif since[grade] is None:
                    since[grade] = alert.at
        return since


class Stage:
    """Where the story is shown: panels on a terminal, or one JSON object a line."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self._console = console
        self._as_json = as_json

    def event(self, kind: str, at: datetime, **facts: Any) -> None:
        """Show one event."""
        if self._as_json:
            line = {"event": kind, "at": at.isoformat().replace("+00:00", "Z"), **facts}
            self._console.file.write(json.dumps(line) + "\n")
            self._console.file.flush()
        else:
            getattr(self, f"_show_{kind}")(at, facts)

    def _show_scene(self, _: datetime, facts: dict[str, Any]) -> None:
        self._console.rule(facts["title"])
        self._console.print(
            "A simulated exchange on this machine, the real exchange client, the real alarm; only the market is "
            f"history, running {facts['speed']:.0f} times as fast, and the chat is here instead of on your phone.\n"
        )

    def _show_you(self, at: datetime, facts: dict[str, Any]) -> None:
        bubble = Panel(facts["text"], title=f"you · {at:%H:%M}", width=PHONE, border_style="blue", title_align="left")
        self._console.print(Padding(bubble, (0, 0, 0, 6)))

    def _show_bot(self, at: datetime, facts: dict[str, Any]) -> None:
        self._console.print(Panel(facts["markup"], title=f"marginbot · {at:%H:%M}", width=PHONE, title_align="left"))

    def _show_alert(self, at: datetime, facts: dict[str, Any]) -> None:
        style = {"NOTICE": "yellow", "WARNING": "dark_orange", "CRITICAL": "red", "EMERGENCY": "bold red"}
        bell = "🔔" if facts["sound"] else "🔕"
        self._console.print(
            Panel(
                facts["markup"],
                title=f"marginbot · {at:%H:%M:%S} {bell}",
                width=PHONE,
                title_align="left",
                border_style=style.get(facts["grade"], "green"),
            )
        )

    def _show_quiet(self, at: datetime, facts: dict[str, Any]) -> None:
        self._console.print(f"[dim]{at:%H:%M}  BTC {facts['price']:>9,.0f}  {facts['line']}[/dim]", highlight=False)

    def _show_liquidation(self, at: datetime, facts: dict[str, Any]) -> None:
        self._console.print(
            Panel(
                f"{at:%H:%M:%S} UTC: the exchange liquidates the position at {facts['price']:,.2f}.",
                border_style="bold red",
                width=PHONE,
            )
        )

    def _show_summary(self, _: datetime, facts: dict[str, Any]) -> None:
        if facts["liquidated_at"] is None:
            self._console.print("The position survived.")
            return
        table = Table(title="How long before the liquidation each grade had been told", title_justify="left")
        for heading in ("grade", "told at (UTC)", "time left"):
            table.add_column(heading)
        for name, lead in facts["lead_minutes"].items():
            told = facts["first"][name]
            table.add_row(name, told[11:19] if told else "never", "–" if lead is None else f"{lead:,.1f} min")
        self._console.print(table)
        self._console.print("Try it on your own account: see the README, it takes five minutes.")


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
        grade = facts.grade or Grade.OK
        self._story.told.append(Told(now, grade, facts.reason))
        self._stage.event(
            "alert",
            now,
            grade=grade.name,
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


async def play(scenario: Scenario, stage: Stage, *, speed: float) -> Story:
    """Run a scenario to its end."""
    story, clock = Story(), Clock(scenario.starts_at)
    market = Market()
    market.set_price(scenario.path.symbol, scenario.path.mark(clock()))
    account = Account(market, wallets(USDT=f"{scenario.wallet:f}"))
    size = (scenario.wallet * scenario.leverage / market.mark(scenario.path.symbol)).quantize(Decimal("0.001"))
    account.open(scenario.path.symbol, size)

    def wall() -> int:
        return int(utc_now().timestamp() * 1000)

    # Hours pass in seconds here, so a budget of requests per real minute would mean nothing, on either side.
    exchange = SimulatedExchange(
        market, wall, candles=scenario.path.candles, candle_clock=clock.millis, weight_limit=1_000_000
    )
    key, secret = secrets.token_hex(8), secrets.token_hex(16)
    exchange.add_key(key, secret, account)
    with tempfile.TemporaryDirectory(prefix="marginbot-demo-") as folder:
        store = open_store(Path(folder) / "demo.db", parse_master_key(new_master_key()))
        try:
            async with exchange:
                reader = CcxtReader({"binanceusdm": exchange.url}, limits={})
                try:
                    show = _Show(scenario, stage, story, clock, exchange, account)
                    await show.run(store, reader, key=key, secret=secret, speed=speed)
                finally:
                    await reader.close()
        finally:
            store.close()
    return story


@dataclass(slots=True)
class _Show:
    scenario: Scenario
    stage: Stage
    story: Story
    clock: Clock
    exchange: SimulatedExchange
    account: Account

    async def run(self, store: SqliteStore, reader: CcxtReader, *, key: str, secret: str, speed: float) -> None:
        desk = build_desk(store, reader, Access(AccessMode.OPEN, frozenset(), store))
        watch = build_watch(
            store,
            reader,
            DemoMessenger(self.stage, self.story),
            settings=CycleSettings(poll_interval=timedelta(seconds=60), stale_after=timedelta(seconds=180)),
            clock=self.clock,
        )
        self.stage.event("scene", self.clock(), title=self.scenario.title, speed=speed)
        await self._register(desk, store, key, secret)
        try:
            await self._live_through(desk, watch, speed)
        finally:
            await watch.delivery.stop(0)
        self._summary()

    async def _register(self, desk: Desk, store: SqliteStore, key: str, secret: str) -> None:
        self.stage.event("you", self.clock(), text=f"/add binanceusdm main {key[:4]}… {secret[:4]}…")
        request = desk.registration.request(YOU.user_id, "binanceusdm", "main", [key, secret])
        report = await desk.registration.probe(request, self.clock())
        self._say(render_account.found(request, report))
        account = desk.registration.store_account(YOU, YOU.user_id, request, self.clock())
        self._say(render_account.watching(account, store.ladders(account.id)))

    def _say(self, html: str) -> None:
        self.stage.event("bot", self.clock(), text=to_plain(html), markup=to_rich(html))

    async def _live_through(self, desk: Desk, watch: Watch, speed: float) -> None:
        began, started, quiet_at = time.monotonic(), self.clock(), self.clock()
        while self.clock() < self.scenario.path.ends_at:
            await watch.cycle.run()
            await watch.delivery.run()
            if self.clock() >= quiet_at:
                self._quiet_line(desk.status)
                quiet_at = self.clock() + QUIET_LINE_EVERY
            if self.story.liquidated_at is not None and self._told_after(self.story.liquidated_at):
                return
            late = time.monotonic() - began > WALL_LIMIT
            self.clock.now += TICK * (4 if late else 1)
            self._move_market()
            ahead = (self.clock() - started).total_seconds() / speed - (time.monotonic() - began)
            if ahead > 0:
                await asyncio.sleep(ahead)

    def _told_after(self, moment: datetime) -> bool:
        return bool(self.story.told) and self.story.told[-1].at >= moment

    def _move_market(self) -> None:
        price = self.scenario.path.mark(self.clock())
        self.exchange.set_price(self.scenario.path.symbol, price, at_ms=self.clock.millis())
        if self.account.liquidations and self.story.liquidated_at is None:
            self.story.liquidated_at, self.story.liquidation_price = self.clock(), price
            self.stage.event("liquidation", self.clock(), price=float(price))

    def _quiet_line(self, status: Status) -> None:
        standing = status.own(YOU.user_id)[0]
        worst = standing.report.worst if standing.report else None
        grade = grade_of(standing) or Grade.OK
        price = self.scenario.path.mark(self.clock())
        line = "reading …"
        if worst is not None and worst.margin_ratio is not None:
            room = f", room {worst.room:+.1%} = {worst.cushion:.1f}x an hour" if worst.room and worst.cushion else ""
            line = f"{grade.name.lower()}, ratio {worst.margin_ratio:.1%}{room}"
        self.stage.event("quiet", self.clock(), price=float(price), line=line)

    def _summary(self) -> None:
        breach, first = self.story.liquidated_at, self.story.first_of_last_climb()
        leads = {
            grade.name: None if told is None or breach is None else round((breach - told).total_seconds() / 60, 1)
            for grade, told in first.items()
        }
        self.stage.event(
            "summary",
            self.clock(),
            liquidated_at=breach.isoformat() if breach else None,
            first={grade.name: told.isoformat() if told else None for grade, told in first.items()},
            lead_minutes=leads,
        )
