"""How much one person, or one chat, may ask in a short time: a bucket that fills up again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from marginbot.bot.language import _
from marginbot.domain.errors import LimitReached

MOST_BUCKETS = 5000
REPEAT_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """`burst` requests at once, then one each `every`."""

    burst: int
    every: timedelta


MEMBER = Allowance(30, timedelta(seconds=2))
STRANGER = Allowance(6, timedelta(seconds=20))
GROUP = Allowance(20, timedelta(seconds=3))
REPLAY = Allowance(4, timedelta(minutes=3))


@dataclass(slots=True)
class _Bucket:
    left: float
    at: datetime
    told_at: datetime | None = None


class Budget:
    """Buckets by person and chat; the ones unused longest are forgotten."""

    def __init__(self) -> None:
        self._buckets: dict[int, _Bucket] = {}

    def allows(self, who: int, allowance: Allowance, now: datetime) -> bool:
        """Take one from the bucket; False when it is empty."""
        bucket = self._buckets.pop(who, None) or _Bucket(float(allowance.burst), now)
        passed = max(0.0, (now - bucket.at).total_seconds())
        bucket.left = min(float(allowance.burst), bucket.left + passed / allowance.every.total_seconds())
        bucket.at = now
        self._buckets[who] = bucket
        while len(self._buckets) > MOST_BUCKETS:
            del self._buckets[next(iter(self._buckets))]
        if bucket.left < 1:
            return False
        bucket.left -= 1
        return True

    def is_to_be_told(self, who: int, now: datetime) -> bool:
        """Whether to say that it is too much: once a minute, or answering would be the flood."""
        bucket = self._buckets.get(who)
        if bucket is None or (bucket.told_at is not None and now - bucket.told_at < REPEAT_AFTER):
            return False
        bucket.told_at = now
        return True


@dataclass(frozen=True, slots=True)
class Turnstile:
    """For what takes long: one at a time for each person, and not too many in a row."""

    allowance: Allowance
    _budget: Budget = field(default_factory=Budget)
    _inside: set[int] = field(default_factory=set)

    def require(self, who: int, now: datetime) -> None:
        """`LimitReached` while their last one is under way, or when they had too many."""
        self._require_outside(who)
        if not self._budget.allows(who, self.allowance, now):
            minutes = int(self.allowance.every.total_seconds() // 60)
            raise LimitReached(
                "too many in a row",
                advice=_("That was a lot of those. Ask for the next in {minutes} minutes.", minutes=minutes),
            )

    @contextmanager
    def inside(self, who: int) -> Iterator[None]:
        """While this lasts, nobody else gets in under this name."""
        self._require_outside(who)
        self._inside.add(who)
        try:
            yield
        finally:
            self._inside.discard(who)

    def _require_outside(self, who: int) -> None:
        if who in self._inside:
            raise LimitReached("one at a time", advice=_("Your last one is still under way: one at a time, please."))
