"""Daily reports at an hour of one's choice, and the story of a bad episode once it is over.

Who is sent what is written before it is sent: a crash may cost a report, and never makes it two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Protocol

from marginbot.domain.chart import Frame
from marginbot.domain.digest import DAY, AccountDay, NearMiss, account_day, near_miss
from marginbot.domain.history import Series
from marginbot.domain.notices import Facts
from marginbot.domain.outcomes import Outcome, TryAgain
from marginbot.domain.record import Telling
from marginbot.flow.ports import Account, Standing
from marginbot.flow.status import Status, is_blind

MOST_MESSAGES = 500
STORIES_AT_ONCE = 5
PATIENCE = timedelta(minutes=10)  # so long the story waits for the message that the episode is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An episode that a stored message closed."""

    notice_id: int
    account_id: int
    user_id: int
    subject: str
    episode: int
    told: bool  # that message was accepted, or given up
    at: datetime


class ReportStore(Protocol):
    """What reports need to survive a kill."""

    def zone_of(self, user_id: int) -> tzinfo: ...
    def report_time(self, user_id: int) -> int | None: ...
    def set_report_time(self, user_id: int, minute: int | None, now: datetime) -> None: ...
    def due_reports(self, now: datetime) -> Sequence[int]: ...
    def claim_report(self, user_id: int, day: date) -> bool: ...
    def release_report(self, user_id: int, day: date) -> None: ...
    def ended_episodes(self, limit: int) -> Sequence[Ended]: ...
    def pass_episode(self, ended: Ended) -> None: ...
    def episode_facts(self, account_id: int, subject: str, episode: int) -> Sequence[Facts]: ...
    def account_by_id(self, account_id: int) -> Account: ...
    def tellings(self, account_ids: Sequence[int], limit: int) -> Sequence[Telling]: ...
    def history(
        self, account_id: int, since: datetime, until: datetime, pools: Collection[str] | None = None
    ) -> Sequence[Series]: ...


class ReportTeller(Protocol):
    """Tells reports to people, quietly."""

    async def daily(self, user_id: int, days: Sequence[AccountDay], now: datetime) -> Outcome: ...
    async def near_miss(self, user_id: int, story: NearMiss, now: datetime) -> Outcome: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reports:
    """Everything about reports that a person, or the clock, may ask for."""

    store: ReportStore
    status: Status
    pause: timedelta  # between readings; a longer one is blindness

    async def day(self, user_id: int, now: datetime) -> Sequence[AccountDay]:
        """The last 24 hours of a person's accounts, worst first."""
        return [await self._account(standing, now) for standing in self.status.own(user_id)]

    def time_of(self, user_id: int) -> int | None:
        """The minute of their day at which a person is sent their report; None: never."""
        return self.store.report_time(user_id)

    def choose(self, user_id: int, minute: int | None, now: datetime) -> None:
        """Send a daily report at this minute of the day, or none any more."""
        self.store.set_report_time(user_id, minute, now)

    async def send_due(self, teller: ReportTeller, now: datetime) -> int:
        """Send the reports of today whose time has come; how many. What was surely not taken is tried again."""
        sent = 0
        for user_id in self.store.due_reports(now):
            today = now.astimezone(self.store.zone_of(user_id)).date()
            days = await self.day(user_id, now)
            if not self.store.claim_report(user_id, today) or not days:
                continue
            outcome = await teller.daily(user_id, days, now)
            if isinstance(outcome, TryAgain) and outcome.after is not None:
                self.store.release_report(user_id, today)
            sent += 1
        return sent

    async def send_stories(self, teller: ReportTeller, now: datetime) -> int:
        """Tell what nearly happened in episodes that are over, once each; how many."""
        sent = 0
        for ended in self.store.ended_episodes(STORIES_AT_ONCE):
            if not ended.told and now - ended.at < PATIENCE:
                break
            story = await self._story(ended)
            self.store.pass_episode(ended)
            if story is not None:
                await teller.near_miss(ended.user_id, story, now)
                sent += 1
        return sent

    async def _account(self, standing: Standing, now: datetime) -> AccountDay:
        account, frame = standing.account, Frame(since=now - DAY, until=now, patience=self.pause)
        told = [t for t in self.store.tellings([account.id], MOST_MESSAGES) if t.decided_at >= frame.since]
        series = self.store.history(account.id, frame.since, now)
        watched = replace(frame, since=max(frame.since, account.created_at))

        def whole() -> AccountDay:
            return account_day(
                standing.report,
                {one.pool: one.load() for one in series},
                watched,
                label=account.label,
                exchange=account.exchange,
                is_blind=is_blind(standing),
                alerts=len(told),
            )

        return await asyncio.to_thread(whole)

    async def _story(self, ended: Ended) -> NearMiss | None:
        told = self.store.episode_facts(ended.account_id, ended.subject, ended.episode)
        if not told:
            return None
        series = self.store.history(ended.account_id, told[0].known_at, ended.at, [ended.subject])
        points = await asyncio.to_thread(lambda: [point for one in series for point in one.load()])
        return near_miss(ended.subject, told, points)
