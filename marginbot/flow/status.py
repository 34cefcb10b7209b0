"""Who may see what of which account, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from marginbot.domain.alerting import ACCOUNT
from marginbot.domain.errors import NoSuchAccount
from marginbot.domain.grading import Grade
from marginbot.flow.ports import Standing, Store


@dataclass(frozen=True, slots=True)
class Status:
    """Answers "are we fine?" from the last good readings, and says how old they are."""

    store: Store

    def own(self, user_id: int, label: str | None = None) -> Sequence[Standing]:
        """A person's own accounts with amounts; `NoSuchAccount` for a label that is not theirs."""
        accounts = [self.store.account(user_id, label)] if label else self.store.accounts_of(user_id)
        return sorted((self.store.standing(account) for account in accounts), key=_worst_first)

    def group(self, chat_id: int, label: str | None = None) -> Sequence[Standing]:
        """The accounts shared with a group; amounts are marked hidden unless their owner allowed them."""
        shared = self.store.shared_with(chat_id)
        found = [
            replace(self.store.standing(account), shared_amounts=amounts)
            for account, amounts in shared
            if label is None or account.label.casefold() == label.casefold()
        ]
        if label is not None and not found:
            raise NoSuchAccount("not shared here", advice="No account of that label is shared with this group.")
        return sorted(found, key=_worst_first)


def worst_first(standings: Iterable[Standing]) -> Sequence[Standing]:
    """In the order in which `/status` shows accounts."""
    return sorted(standings, key=_worst_first)


def grade_of(standing: Standing) -> Grade | None:
    """The worst grade of an account's pools as the alerts see it; None while nothing was ever judged."""
    grades = [state.grade for name, state in standing.states.items() if name != ACCOUNT and state.grade is not None]
    if grades:
        return max(grades)
    return standing.report.grade if standing.report else None


def is_blind(standing: Standing) -> bool:
    """Whether the account, or one of its pools, is not watched at the moment."""
    return standing.account.refused is not None or any(s.blind_since is not None for s in standing.states.values())


def age_seconds(standing: Standing, now: datetime) -> float | None:
    """Seconds since the last good reading."""
    return (now - standing.report.taken_at).total_seconds() if standing.report else None


def _worst_first(standing: Standing) -> tuple[int, int, float]:
    grade = grade_of(standing)
    rank = -1 if grade is None else int(grade)
    rank = max(rank, Grade.WARNING) if is_blind(standing) else rank
    worst = standing.report.worst if standing.report else None
    ratio = float(worst.margin_ratio) if worst and worst.margin_ratio is not None else 0.0
    return -rank, 0 if is_blind(standing) else 1, -ratio
