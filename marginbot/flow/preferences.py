"""What people may set: thresholds, quiet, and who else may look."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from marginbot.domain.alerting import ACKNOWLEDGED_FOR, AlertState, Mute, MuteKind, Reason, Reminders
from marginbot.domain.errors import BadDuration, BadReminders, BadThresholds, NotAllowed, RequestError
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.hours import find_zone, parse_quiet
from marginbot.domain.notices import Notice
from marginbot.flow.ports import Account, Store

DURATION = re.compile(r"(\d{1,5})\s*(m|min|h|hr|hours?|d|days?)", re.IGNORECASE)
LONGEST_SNOOZE = timedelta(days=7)
_REMINDER_ADVICE = (
    "WARNING can be repeated every 5m to 24h, CRITICAL every 1m to 1h, EMERGENCY every 1m to 15m, and what is worse "
    "at least as often. For instance: /remind WARNING 1h CRITICAL 10m EMERGENCY 3m. Nothing was changed."
)


@dataclass(frozen=True, slots=True)
class Quieted:
    """A pool whose present grade was acknowledged or snoozed."""

    account: Account
    subject: str
    mute: Mute


@dataclass(frozen=True, slots=True)
class Preferences:
    """Changes to a person's own settings; every one names an account the person owns."""

    store: Store

    def thresholds(self, user_id: int, label: str | None) -> Ladders:
        """The ladders of an account, or a person's defaults."""
        if label is None:
            return self.store.user_ladders(user_id)
        return self.store.ladders(self.store.account(user_id, label).id)

    def set_thresholds(self, user_id: int, label: str | None, kind: str, values: Sequence[str]) -> Ladders:
        """Replace one ladder; `BadThresholds` leaves everything as it was."""
        numbers = _four_numbers(values)
        current = self.thresholds(user_id, label)
        changed = _with_ladder(current, kind, numbers)
        if label is not None:
            self.store.set_ladders(user_id, label, changed)
            return changed
        # An account with ladders of its own keeps the one that is not being set.
        own = {account.label: self.store.ladders(account.id) for account in self.store.accounts_of(user_id)}
        special = {name: _with_ladder(ladders, kind, numbers) for name, ladders in own.items() if ladders != current}
        with self.store.together():
            self.store.set_ladders(user_id, None, changed)
            for name, ladders in special.items():
                self.store.set_ladders(user_id, name, ladders)
        return changed

    def reminders(self, user_id: int) -> Reminders:
        """How often a person's alerts are repeated."""
        return self.store.reminders(user_id)

    def set_reminders(self, user_id: int, chosen: Mapping[Grade, timedelta]) -> Reminders:
        """Change some of the intervals; `BadReminders` leaves everything as it was."""
        now = self.store.reminders(user_id)
        fields = {grade.name.lower(): after for grade, after in chosen.items()}
        try:
            changed = replace(now, **fields)
        except (ValueError, TypeError) as error:
            raise BadReminders(str(error), advice=_REMINDER_ADVICE) from None
        self.store.set_reminders(user_id, changed)
        return changed

    def acknowledge(self, user_id: int, label: str | None, now: datetime, *, by: str = "") -> Sequence[Quieted]:
        """Acknowledge everything announced on the person's accounts (or one of them)."""
        return [
            self._mute(account, subject, Mute(MuteKind.ACKNOWLEDGED, grade, now + ACKNOWLEDGED_FOR[grade], now), by)
            for account, subject, grade in self._announced(user_id, label)
        ]

    def snooze(
        self, user_id: int, label: str | None, wait: timedelta, now: datetime, *, by: str = ""
    ) -> Sequence[Quieted]:
        """Quiet the present grades for a while."""
        return [
            self._mute(account, subject, Mute(MuteKind.SNOOZED, grade, now + wait, now), by)
            for account, subject, grade in self._announced(user_id, label)
        ]

    def quiet_notice(
        self, user_id: int, notice: Notice, wait: timedelta | None, now: datetime, *, by: str = ""
    ) -> Quieted | None:
        """Acknowledge (wait None) or snooze the pool of one message; None if it is calm again.

        `RequestError` when it is worse by now: nobody is to quiet a grade that they have not seen.
        """
        account = self.owned(user_id, notice.account_id)
        state = self.store.states(account.id).get(notice.subject, AlertState())
        grade = state.grade or Grade.OK
        _require_not_worse(notice, grade)
        if grade is Grade.OK and state.blind_since is None:
            return None
        kind = MuteKind.ACKNOWLEDGED if wait is None else MuteKind.SNOOZED
        until = now + (ACKNOWLEDGED_FOR[grade] if wait is None else wait)
        return self._mute(account, notice.subject, Mute(kind, grade, until, now), by)

    def quiet_message(
        self, user_id: int, notice: Notice, wait: timedelta | None, now: datetime, *, by: str = ""
    ) -> Sequence[Quieted]:
        """A button or reply on one message; the one that an account is readable again stands for all its pools."""
        if notice.subject or notice.facts.reason is not Reason.SIGHT_BACK:
            done = self.quiet_notice(user_id, notice, wait, now, by=by)
            return [done] if done else []
        account = self.owned(user_id, notice.account_id)
        state = self.store.states(account.id).get(notice.subject, AlertState())
        _require_not_worse(notice, state.grade or Grade.OK)
        label = account.label
        if wait is None:
            return self.acknowledge(user_id, label, now, by=by)
        return self.snooze(user_id, label, wait, now, by=by)

    def acknowledge_messages(
        self, user_id: int, notices: Sequence[Notice], now: datetime, *, by: str = ""
    ) -> Sequence[Quieted]:
        """Everything that one message told together, except what is worse by now; refused when all of it is."""
        done: list[Quieted] = []
        refusal: RequestError | None = None
        for notice in notices:
            try:
                done += self.quiet_message(user_id, notice, None, now, by=by)
            except RequestError as error:
                refusal = refusal or error
        if refusal is not None and not done:
            raise refusal
        return done

    def share(self, user_id: int, chat_id: int, label: str, *, amounts: bool, now: datetime) -> Account:
        """Let a group see an account of one's own."""
        account = self.store.account(user_id, label)
        self.store.share(chat_id, account.id, amounts=amounts, now=now)
        return account

    def unshare(self, user_id: int, chat_id: int, label: str) -> Account:
        """Take an account of one's own out of a group's sight."""
        account = self.store.account(user_id, label)
        if not self.store.unshare(chat_id, account.id):
            raise RequestError("not shared", advice=f"{account.label} is not shared with this group.")
        return account

    def set_zone(self, user_id: int, words: str, now: datetime) -> None:
        """Show times as in this city; `RequestError` when it is not known."""
        self.store.set_zone(user_id, find_zone(words).key, now)

    def set_group_zone(self, chat_id: int, words: str) -> None:
        """Show times in a group as in this city; `RequestError` when it is not known."""
        self.store.set_group_zone(chat_id, find_zone(words).key)

    def set_quiet(self, user_id: int, words: str, now: datetime) -> None:
        """Hold what is not grave in these hours, or never (`off`); `RequestError` when they make no sense."""
        hours = None if words.strip().lower() == "off" else parse_quiet(words)
        self.store.set_quiet_hours(user_id, hours, now)

    def owned(self, user_id: int, account_id: int | None) -> Account:
        """The account if it is theirs; `NotAllowed` if it is not, or is none."""
        for account in self.store.accounts_of(user_id):
            if account.id == account_id:
                return account
        raise NotAllowed("not the owner", advice="Only the owner of this account may do that.")

    def _announced(self, user_id: int, label: str | None) -> list[tuple[Account, str, Grade]]:
        accounts = [self.store.account(user_id, label)] if label else self.store.accounts_of(user_id)
        found = []
        for account in accounts:
            for subject, state in self.store.states(account.id).items():
                grade = state.grade or Grade.OK
                in_danger = bool(subject) and state.announced is not None and grade > Grade.OK
                if in_danger or state.blind_since is not None:
                    found.append((account, subject, grade))
        return found

    def _mute(self, account: Account, subject: str, mute: Mute, by: str) -> Quieted:
        self.store.set_mute(account.id, subject, mute, by)
        return Quieted(account, subject, mute)


def _require_not_worse(notice: Notice, grade: Grade) -> None:
    if grade > (notice.facts.grade or Grade.OK):
        raise RequestError(
            "worse by now",
            advice=f"It has become worse since this message: {grade.name}. Look at the newest one. "
            "Nothing was changed.",
        )


def parse_duration(text: str) -> timedelta:
    """`30m`, `2h`, `1d`; `BadDuration` otherwise."""
    match = DURATION.fullmatch(text.strip())
    if match is None:
        raise BadDuration(
            "malformed duration", advice="Say how long: 30m, 2h or 1d, for instance. Nothing was changed."
        )
    unit = {"m": "minutes", "h": "hours", "d": "days"}[match[2][0].lower()]
    wait = timedelta(**{unit: int(match[1])})
    if not timedelta(0) < wait <= LONGEST_SNOOZE:
        raise BadDuration("duration out of range", advice="Between a minute and 7 days, please. Nothing was changed.")
    return wait


def _with_ladder(current: Ladders, kind: str, numbers: tuple[float, float, float, float]) -> Ladders:
    if kind == "cushion":
        return replace(current, cushion=numbers)
    if kind != "ratio":
        raise BadThresholds("unknown ladder", advice="Say which ladder: ratio or cushion. Nothing was changed.")
    notice, warning, critical, emergency = (number / 100 for number in numbers)
    return replace(current, ratio=(notice, warning, critical, emergency))


def _four_numbers(values: Sequence[str]) -> tuple[float, float, float, float]:
    try:
        notice, warning, critical, emergency = (float(v.strip().rstrip("%x").replace(",", ".")) for v in values)
    except ValueError:
        raise BadThresholds(
            "four numbers expected",
            advice="Give four numbers, from NOTICE to EMERGENCY: /thresholds ratio 50 65 80 90 or "
            "/thresholds cushion 7 5 2.6 1.25. Nothing was changed.",
        ) from None
    return notice, warning, critical, emergency
