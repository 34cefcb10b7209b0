"""The auditor: checks in the database alone that nobody is left untold, and tells the operators of every hole.

It shares nothing with what it checks: a connection of its own, a way to Telegram of its own, no outbox.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from marginbot.domain.holes import AuditRules, Kind, Violation
from marginbot.domain.notices import Notice

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=60)
AGAIN_AFTER = timedelta(seconds=10)  # while something is wrong, so that its end is noticed soon
DEAD_AFTER = timedelta(minutes=3)
REPORT_EVERY = timedelta(hours=1)  # each kind of hole
SETTLING = timedelta(seconds=30)  # after a start the first cycle and its messages catch up; nobody is alarmed yet
TIMEOUT_SECONDS = 45.0
MOST_SHOWN = 3


class Ledger(Protocol):
    """Where the truth is: answers from a thread of its own."""

    def holes(self, rules: AuditRules, now: datetime) -> Sequence[Violation]:
        """Everything that is wrong now."""


class Operators(Protocol):
    """The way to the people who run the bot; not the one that alerts take."""

    async def tell(self, operator: int, words: str) -> bool:
        """Send plain words; whether they were accepted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an audit came to. `checked_at` None: there was none yet."""

    checked_at: datetime | None
    violations: Sequence[Violation]

    @property
    def ok(self) -> bool:
        """Whether an audit was made, and found nothing."""
        return self.checked_at is not None and not self.violations

    @property
    def by_kind(self) -> Mapping[Kind, int]:
        """How many of each kind, zeros included."""
        counts = Counter(violation.kind for violation in self.violations)
        return {kind: counts[kind] for kind in Kind}


class Auditor:
    """Audits when it is time, remembers the last verdict, reports each kind of hole once an hour."""

    def __init__(
        self,
        ledger: Ledger,
        operators: Operators,
        *,
        admins: Collection[int],
        rules: AuditRules,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._operators = operators
        self._admins = sorted(admins)
        self._rules = rules
        self._clock = clock
        self._started_at = clock()
        self._checked_at: datetime | None = None
        self._violations: Sequence[Violation] = ()
        self._before: Sequence[Violation] = ()  # of the audit before: what lasts is reported, not what passes
        self._told_at: dict[tuple[int, Kind], datetime] = {}

    def verdict(self) -> Verdict:
        """The last audit's, worse if there should have been another by now."""
        found, since = list(self._violations), self._checked_at or self._started_at
        age = self._clock() - since
        if age > DEAD_AFTER:
            found.append(Violation(kind=Kind.AUDIT_DEAD, detail=f"{age.total_seconds():.0f} s"))
        return Verdict(self._checked_at, found)

    def is_due(self) -> bool:
        """Every minute; sooner while something is wrong."""
        every = AGAIN_AFTER if self._violations else EVERY
        return self._checked_at is None or self._clock() - self._checked_at >= every

    async def check(self) -> Verdict:
        """Audit now, and report what is new."""
        self._before, self._violations = self._violations, await self._found()
        self._checked_at = self._clock()
        if self._checked_at - self._started_at >= SETTLING:
            await self._report()
        return self.verdict()

    async def _found(self) -> Sequence[Violation]:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await asyncio.to_thread(self._ledger.holes, self._rules, self._clock())
        except Exception as error:
            # Whatever it was: what could not be checked is not well.
            log.exception("the audit failed")
            return [Violation(kind=Kind.AUDIT_FAILED, detail=type(error).__name__)]

    async def _report(self) -> None:
        known = {(violation.kind, violation.about) for violation in self._before}
        lasting = [violation for violation in self._violations if (violation.kind, violation.about) in known]
        for operator in self._admins:
            fresh = {v.kind for v in lasting if self._is_fresh(operator, v.kind)}
            if fresh and await self._tell(operator, [v for v in lasting if v.kind in fresh]):
                self._told_at |= {(operator, kind): self._clock() for kind in fresh}

    def _is_fresh(self, operator: int, kind: Kind) -> bool:
        told_at = self._told_at.get((operator, kind))
        return told_at is None or self._clock() - told_at >= REPORT_EVERY

    async def _tell(self, operator: int, violations: Sequence[Violation]) -> bool:
        log.error("audit: %s", "; ".join(str(violation) for violation in violations[:20]))
        try:
            return await self._operators.tell(operator, report(violations))
        except Exception:
            log.exception("an operator could not be told of the audit")
            return False


def report(violations: Sequence[Violation]) -> str:
    """The holes in plain words: by kind, a few examples each."""
    lines = ["⚠️ Audit: somebody may not have been told."]
    for kind in dict.fromkeys(violation.kind for violation in violations):
        those = [violation for violation in violations if violation.kind is kind]
        lines += ["", f"{kind} ({len(those)}): {those[0].advice}"]
        lines += [f"- {v.about or 'the audit'}: {v.detail}" for v in those[:MOST_SHOWN]]
        lines += [f"- and {len(those) - MOST_SHOWN} more"] if len(those) > MOST_SHOWN else []
    return "\n".join(lines)


def lost(notice: Notice) -> str:
    """That a person could not be told, in plain words."""
    grade = "not readable" if notice.facts.grade is None else notice.facts.grade.name
    return (
        f"⚠️ Person {notice.user_id} could not be told of account {notice.account_id} ({grade}): Telegram delivers "
        "nothing to them, they blocked the bot or are gone. I keep watching, and their other channels ring at once. "
        "Reach them in another way; they are told again when they write to the bot. /users shows their name."
    )
