"""What follows from a reading: grades, alert states, notices, and when to read again. Nothing here waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from marginbot.domain.actions import acted_on
from marginbot.domain.alerting import (
    ACCOUNT,
    DEFAULT_REMINDERS,
    AlertState,
    Decision,
    Observation,
    Policy,
    Reason,
    Reminders,
    Seen,
    Unseen,
)
from marginbot.domain.calm import is_calm
from marginbot.domain.errors import Cause, OurFault
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.losses import Loss, described, losses
from marginbot.domain.margin import PoolState, Snapshot
from marginbot.domain.notices import UNNUMBERED, Facts, NewNotice, Note, NoteKind
from marginbot.domain.report import AccountReport, PoolReport, assess, with_way_back
from marginbot.domain.transition import blindness_due_at, step, watch
from marginbot.domain.volatility import Volatility
from marginbot.flow.intervals import SHORTEST_INTERVAL, interval, strained_interval
from marginbot.flow.ports import (
    Account,
    CycleRecord,
    LastReading,
    Reading,
    Unreadable,
)

log = logging.getLogger(__name__)

BAN_PAUSE = timedelta(seconds=60)
ENDINGS = frozenset({Reason.RECOVERED, Reason.LIQUIDATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleSettings:
    """How often to read, and when silence becomes news."""

    poll_interval: timedelta
    stale_after: timedelta
    read_timeout: timedelta = timedelta(seconds=25)
    second_opinion_after: timedelta = timedelta(seconds=2)


def our_fault(error: Exception) -> Unreadable:
    """A bug is told as such: it must not pass for silence."""
    return Unreadable(Cause.OUR_FAULT, type(error).__name__, OurFault.advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What is known of an account when a reading of it arrives."""

    account: Account
    states: Mapping[str, AlertState]
    ladders: Ladders
    settings: CycleSettings
    now: datetime
    strained: bool = False
    reminders: Reminders = DEFAULT_REMINDERS
    last: Callable[[], AccountReport | None] = lambda: None  # of the last good reading

    @property
    def policy(self) -> Policy:
        """The part that bears on alerts; going blind takes at least two missed readings."""
        stale_after = max(self.settings.stale_after, 2 * self.settings.poll_interval)
        return Policy(stale_after=stale_after, reminders=self.reminders)


def judged(context: Context, reading: Reading, volatilities: Mapping[str, Volatility]) -> CycleRecord:
    """`decide`, where a bug of ours makes the account unreadable: it must not pass for silence."""
    try:
        return decide(context, reading, volatilities)
    except Exception as error:
        log.exception("account %s: judging failed", context.account.id)
        return decide(context, our_fault(error), {})


def decide(context: Context, reading: Reading, volatilities: Mapping[str, Volatility]) -> CycleRecord:
    """What a reading leads to: new states, notices, and when to read again. Pure."""
    if isinstance(reading, Unreadable):
        return _decide_unreadable(context, reading)
    report = _assessed(context, reading, volatilities)
    states: dict[str, AlertState] = {}
    notices: list[NewNotice] = []
    last = context.last() if _may_be_gone(report, context.states) else None
    lost = {} if last is None else losses(last, report)
    for subject, observation, pool in _observations(context, report, lost):
        before = context.states.get(subject, AlertState())
        judge = watch if subject == ACCOUNT else step
        decision = judge(before, observation, policy=context.policy, now=context.now)
        states[subject] = decision.state
        if decision.speak:
            told = pool and with_way_back(pool, reading, volatilities, ladders=context.ladders, now=context.now)
            facts = replace(_facts(context, decision, before, report=report, pool=told), loss=lost.get(subject))
            notices.append(notice_of(context, subject, decision, facts))
    return CycleRecord(
        account_id=context.account.id,
        at=context.now,
        report=report,
        states=states,
        notices=notices,
        notes=[note_of_end(notice) for notice in notices if notice.facts.reason in ENDINGS],
        next_due_at=context.now + _wait(context, report),
        reading=LastReading(reading, volatilities),
        calm=is_calm(report, states.values(), context.ladders),
    )


def _assessed(context: Context, reading: Snapshot, volatilities: Mapping[str, Volatility]) -> AccountReport:
    """Judged after the grades before it, but for the pools whose owner has done something about them."""
    previous = {name: state.grade for name, state in context.states.items() if state.grade is not None}
    report = assess(reading, volatilities, ladders=context.ladders, previous=previous, now=context.now)
    last = context.last() if any(pool.is_held for pool in report.pools) else None
    acted = set() if last is None else acted_on(last, report)
    if not acted:
        return report
    kept = {name: grade for name, grade in previous.items() if name not in acted}
    return assess(reading, volatilities, ladders=context.ladders, previous=kept, now=context.now)


def _decide_unreadable(context: Context, reading: Unreadable) -> CycleRecord:
    before = context.states.get(ACCOUNT, AlertState())
    decision = watch(before, Unseen(reading.cause), policy=context.policy, now=context.now)
    notices = []
    if decision.speak:
        facts = replace(_facts(context, decision, before, report=None, pool=None), advice=reading.advice)
        notices.append(notice_of(context, ACCOUNT, decision, facts))
    wait = interval(context.settings.poll_interval, before.grade, before.cushion)
    blind_at = blindness_due_at(decision.state, context.policy.stale_after)
    if reading.cause in (Cause.BANNED, Cause.RATE_LIMITED):
        wait = max(wait, context.settings.poll_interval, BAN_PAUSE if reading.cause is Cause.BANNED else wait)
    elif blind_at is not None:
        wait = min(wait, max(blind_at - context.now, SHORTEST_INTERVAL))  # not later than silence becomes news
    return CycleRecord(
        account_id=context.account.id,
        at=context.now,
        report=None,
        states={ACCOUNT: decision.state},
        notices=notices,
        next_due_at=context.now + wait,
        refused=reading.cause if reading.cause.owner_must_act else None,
    )


def without_reading(
    context: Context, states: Mapping[str, AlertState], notices: Sequence[NewNotice], *, wait: timedelta
) -> CycleRecord | None:
    """What was decided on other grounds than a reading; None where nothing was."""
    if not states:
        return None
    return CycleRecord(
        account_id=context.account.id,
        at=context.now,
        report=None,
        states=states,
        notices=notices,
        next_due_at=context.now + wait,
    )


def _may_be_gone(report: AccountReport, states: Mapping[str, AlertState]) -> bool:
    """Whether a pool that had something to lose has no position any more."""
    held = {pool.name for pool in report.pools if pool.state is not PoolState.FLAT} | {ACCOUNT}
    return any(
        name not in held and (state.cushion is not None or (state.grade or Grade.OK) > Grade.OK)
        for name, state in states.items()
    )


def _observations(
    context: Context, report: AccountReport, lost: Mapping[str, Loss]
) -> list[tuple[str, Observation, PoolReport | None]]:
    """The account itself first, then its pools; a pool that is gone was closed: the snapshot is complete."""
    grade = report.grade or Grade.OK
    cushions = [pool.cushion for pool in report.pools if pool.cushion is not None]
    found: list[tuple[str, Observation, PoolReport | None]] = [
        (ACCOUNT, Seen(grade, min(cushions, default=None)), report.worst)
    ]
    for pool in report.pools:
        found.append((pool.name, _seen(pool, is_lost=pool.name in lost), pool))
    present = {pool.name for pool in report.pools} | {ACCOUNT}
    states = context.states.items()
    left = [name for name, state in states if name not in present and (name in lost or not state.is_settled)]
    return found + [(name, Seen(Grade.OK, is_gone=True, is_lost=name in lost), None) for name in left]


def _seen(pool: PoolReport, *, is_lost: bool) -> Observation:
    if pool.grade is None:
        return Unseen(Cause.POOL_UNKNOWN)
    flat = pool.state is PoolState.FLAT
    return Seen(pool.grade, pool.cushion, is_gone=flat, is_lost=is_lost, afresh=pool.afresh)


def _facts(
    context: Context, decision: Decision, before: AlertState, *, report: AccountReport | None, pool: PoolReport | None
) -> Facts:
    state = decision.state
    held = [p for p in report.positions if p.pool == pool.name] if report and pool else []
    return Facts(
        label=context.account.label,
        exchange=context.account.exchange,
        mode=report.mode if report else "",
        reason=decision.reason,
        at=context.now,
        read_at=report.taken_at if report else None,
        grade=state.grade,
        previous=before.grade,
        pool=pool,
        positions=tuple(described(p.side, p.contracts, p.symbol) for p in held),
        cause=state.blind_cause,
        blind_since=_unwatched_since(decision, before),
        last_cushion=before.cushion,
        warnings=report.warnings if report else (),
        episode_worst=None if before.grade is None else before.worst,
    )


def _unwatched_since(decision: Decision, before: AlertState) -> datetime | None:
    if decision.reason is Reason.SIGHT_BACK:
        return before.blind_since or before.seen_at
    return decision.state.blind_since


def notice_of(context: Context, subject: str, decision: Decision, facts: Facts) -> NewNotice:
    """The message of a decision, to the chat where the account was registered."""
    return NewNotice(
        account_id=context.account.id,
        subject=subject,
        episode=decision.state.episode,
        number=decision.state.number,
        user_id=context.account.user_id,
        chat_id=context.account.chat_id,
        sound=decision.sound,
        facts=facts,
    )


def _wait(context: Context, report: AccountReport) -> timedelta:
    cushion = min((pool.cushion for pool in report.pools if pool.cushion is not None), default=None)
    usual = interval(context.settings.poll_interval, report.grade, cushion)
    return strained_interval(usual, report.grade, cushion, context.policy) if context.strained else usual


def note_of_end(ending: NewNotice) -> NewNotice:
    """The episode's message shows its end, too: its buttons have lost their use."""
    facts = ending.facts
    over = Facts(
        label=facts.label,
        exchange=facts.exchange,
        mode=facts.mode,
        reason=Reason.UNCHANGED,
        at=facts.at,
        grade=None,
        note=Note(NoteKind.OVER),
    )
    return replace(ending, number=UNNUMBERED, sound=False, facts=over)
