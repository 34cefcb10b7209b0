"""A venue's outage concerns many accounts at once: one message a person, not one an account.

The first account to go blind (or to be readable again) speaks and names the others that are not read either. One
that was named like that is silent when its own turn comes shortly after, unless it is worse than was told: at
WARNING and above every account speaks for itself. States are kept account by account as ever, and what was not
said is recorded as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from marginbot.domain.alerting import ACCOUNT, AlertState, Reason
from marginbot.domain.errors import Cause
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Companion, DropReason, NewNotice
from marginbot.flow.ports import Account, CycleRecord, Store

WINDOW = timedelta(minutes=2)
LOST = frozenset({Reason.WENT_BLIND, Reason.STILL_BLIND})


def joined(
    record: CycleRecord, account: Account, store: Store, *, cause: Cause | None, unread_after: timedelta
) -> CycleRecord:
    """The record with its news of sight joined to those of the owner's other accounts at the venue."""
    if not any(_is_about_sight(notice) for notice in record.notices):
        return record
    others = [a for a in store.accounts_of(account.user_id) if a.exchange == account.exchange and a.id != account.id]
    watched = [other for other in others if other.refused is None]
    unread = [found for other in watched if (found := _unread(other, store, cause, record.at - unread_after))]
    told = store.account_notices([other.id for other in others], record.at - WINDOW)
    notices = [_joined(notice, unread, told) if _is_about_sight(notice) else notice for notice in record.notices]
    return replace(record, notices=notices)


def _is_about_sight(notice: NewNotice) -> bool:
    return notice.subject == ACCOUNT and (notice.facts.reason in LOST or notice.facts.reason is Reason.SIGHT_BACK)


def _unread(account: Account, store: Store, cause: Cause | None, since: datetime) -> Companion | None:
    """The account as last known, if it is not read either, for the same cause as far as that is known."""
    state = store.states(account.id).get(ACCOUNT, AlertState())
    if state.seen_at is None or state.seen_at > since or state.blind_cause not in (None, cause):
        return None
    return Companion(account_id=account.id, label=account.label, grade=state.grade, cushion=state.cushion)


def _joined(notice: NewNotice, unread: Sequence[Companion], told: Sequence[NewNotice]) -> NewNotice:
    if any(_covers(other, notice) for other in told):
        return replace(notice, dropped=DropReason.VENUE_OUTAGE_TOLD)
    return replace(notice, facts=replace(notice.facts, others=tuple(unread)))


def _covers(told: NewNotice, notice: NewNotice) -> bool:
    """Whether what was told names this account, for the same reason, and no better than it is."""
    ours, theirs = notice.facts, told.facts
    grade = ours.grade or Grade.OK
    same = (ours.reason in LOST) is (theirs.reason in LOST) and _is_about_sight(told) and ours.cause is theirs.cause
    named = [c for c in theirs.others if c.account_id == notice.account_id]
    return same and grade < Grade.WARNING and any(grade <= (c.grade or Grade.OK) for c in named)
