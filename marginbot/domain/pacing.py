"""How fast the bot may speak. Pure: the time is given, nothing waits in here.

Telegram tolerates about 30 messages a second in all, one a second in a private chat and 20 a minute in a group.
The private chat's short burst is 3, never more than 5 in 5 seconds. What a chat asks for by `retry_after` binds
that chat alone. News that cannot wait may use the whole overall rate, all other news somewhat less of it: so a few
slots of every second are free for an alarm, however long the queue.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

EVENLY_PER_SECOND = 29.5  # spread over the second, so that an alarm never finds it used up
AT_ONCE = 10  # alarms after a while without any: nobody waits for evenness alone
CALM_PER_SECOND = 25.0
SPARE = 3  # places that calm news leave free, also where alarms have used some: a run of them finds room
SECOND = timedelta(seconds=1)
OVERALL = (30, SECOND)
PRIVATE = ((3, 2 * SECOND), (5, 5.1 * SECOND))
GROUP = ((3, 2 * SECOND), (20, 61 * SECOND))
MOST_IDLE_CHATS = 2_000  # remembered before those that may speak freely again are forgotten
IDLE_AFTER = 70 * SECOND
PROBE_EVERY = 0.5 * SECOND
PROBE_YOUNG_EVERY = 0.125 * SECOND  # three in a row may fail by chance, and nobody must wait for that
YOUNG = 120 * SECOND  # most troubles are over by then
PROBE_A_CHAT_EVERY = 1.1 * SECOND  # where the probe may have arrived: leaves the chat its short burst
TROUBLE_FROM = 3  # failures in a row
SEND_SECONDS = 12.0
URGENT_SEND_SECONDS = 4.0  # the first time


class Bucket:
    """A token bucket: `burst` at once, then one every `1 / per_second`; n < burst + seconds x rate in any window."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._every = SECOND / per_second
        self._slack = self._every * (burst - 1)
        self._full_at: datetime | None = None  # when the bucket will be full again

    def ready_at(self, now: datetime) -> datetime:
        """The earliest time, not before `now`, at which a token is there."""
        full_at = self._full_at
        if full_at is None or full_at > now + self._slack + self._every:  # the clock was set back
            return now
        return max(now, full_at - self._slack)

    def take(self, now: datetime) -> None:
        """Use a token. Only when `ready_at` says now."""
        start = now if self._full_at is None or self._full_at > now + self._slack + self._every else self._full_at
        self._full_at = max(start, now) + self._every


class Window:
    """At most `most` within any `span`, exactly, as the other side counts: at some time between `take` and `done`."""

    def __init__(self, most: int, span: timedelta) -> None:
        self._most, self._span = most, span
        self._done: deque[datetime] = deque(maxlen=most)
        self._in_flight = 0

    def ready_at(self, now: datetime, *, spare: int = 0) -> datetime:
        """The earliest time, not before `now`, at which there is room, and so many further places."""
        free = max(1, self._most - self._in_flight - spare)
        if len(self._done) < free or self._done[-1] > now:  # or the clock was set back
            return now
        return max(now, self._done[-free] + self._span)

    def take(self, now: datetime) -> None:
        """Use a place. Only when `ready_at` says now."""
        if self._done and self._done[-1] > now:
            self._done.clear()
        self._in_flight += 1

    def done(self, now: datetime, *, counts: bool = True) -> None:
        """What used a place was answered, or given up; it gets its place back where it did not count."""
        self._in_flight -= 1
        if counts:
            self._done.append(now)


class ChatPace:
    """What one chat takes."""

    def __init__(self, chat_id: int) -> None:
        rules = PRIVATE if chat_id > 0 else GROUP
        self._windows = [Window(most, span) for most, span in rules]
        self.flooded_until: datetime | None = None
        self.used_at: datetime | None = None
        self.counted_at: datetime | None = None

    def ready_at(self, now: datetime) -> datetime:
        """The earliest time at which this chat takes another message."""
        ready = max(window.ready_at(now) for window in self._windows)
        return ready if self.flooded_until is None else max(ready, self.flooded_until)

    def take(self, now: datetime) -> None:
        """Count a message."""
        self.used_at = now
        for window in self._windows:
            window.take(now)

    def done(self, now: datetime, *, counts: bool = True) -> None:
        """It was answered."""
        if counts:
            self.counted_at = now
        for window in self._windows:
            window.done(now, counts=counts)

    def is_idle(self, now: datetime) -> bool:
        """Nothing is remembered that could still bind."""
        flooded = self.flooded_until is not None and self.flooded_until > now
        return not flooded and (self.used_at is None or abs(now - self.used_at) > IDLE_AFTER)


class Pacing:
    """All limits together."""

    def __init__(self) -> None:
        self._limit = Window(*OVERALL)
        self._evenly = Bucket(burst=AT_ONCE, per_second=EVENLY_PER_SECOND)
        self._calm = Bucket(burst=1, per_second=CALM_PER_SECOND)
        self._chats: dict[int, ChatPace] = {}

    def lane_ready_at(self, now: datetime, *, urgent: bool) -> datetime:
        """When the next message of this lane may leave, whoever it is for."""
        overall = max(self._limit.ready_at(now), self._evenly.ready_at(now))
        if urgent:
            return overall
        return max(overall, self._calm.ready_at(now), self._limit.ready_at(now, spare=SPARE))

    def chat_ready_at(self, chat_id: int, now: datetime) -> datetime:
        """When this chat takes its next message."""
        pace = self._chats.get(chat_id)
        return now if pace is None else pace.ready_at(now)

    def take(self, chat_id: int, now: datetime, *, urgent: bool) -> None:
        """A message leaves now."""
        self._limit.take(now)
        self._evenly.take(now)
        if not urgent:
            self._calm.take(now)
        self._pace(chat_id, now).take(now)

    def done(self, chat_id: int, now: datetime, *, taken: bool = True) -> None:
        """A message that left was answered: the places it took are free again some time after now.

        What did certainly not arrive used no place of its chat; overall every request is counted.
        """
        self._limit.done(now)
        self._pace(chat_id, now).done(now, counts=taken)

    def rest(self, chat_id: int, now: datetime) -> timedelta | None:
        """How long ago this chat was last tried, if that is long enough to find out with it whether a trouble is over.

        Long enough leaves the chat its short burst for when it is.
        """
        pace = self._chats.get(chat_id)
        if pace is None or pace.used_at is None:
            return timedelta.max
        if pace.ready_at(now) > now or (pace.counted_at and abs(now - pace.counted_at) < PROBE_A_CHAT_EVERY):
            return None
        return abs(now - pace.used_at)

    def flooded(self, chat_id: int, until: datetime, now: datetime) -> None:
        """This chat asked for quiet."""
        self._pace(chat_id, now).flooded_until = until

    def _pace(self, chat_id: int, now: datetime) -> ChatPace:
        pace = self._chats.get(chat_id)
        if pace is None:
            if len(self._chats) >= MOST_IDLE_CHATS:
                self._chats = {chat: pace for chat, pace in self._chats.items() if not pace.is_idle(now)}
            pace = self._chats[chat_id] = ChatPace(chat_id)
        return pace


def patience(unanswered: int, *, urgent: bool) -> float:
    """Seconds to wait for an answer, of which so many did not come. What is urgent is sooner sent again.

    But each time after twice as long: a service that is only slow has so taken it a few times at most.
    """
    return min(SEND_SECONDS, URGENT_SEND_SECONDS * 2.0 ** min(unanswered, 10)) if urgent else SEND_SECONDS


class LineTrouble:
    """Whether anything gets through. What failed in trouble need not wait once something does again."""

    def __init__(self) -> None:
        self.failed: set[int] = set()  # since the last success
        self.failures = 0
        self._own: Counter[int] = Counter()  # of each notice, outside of a trouble that is over
        self._unanswered: Counter[int] = Counter()  # those of them that may have arrived all the same
        self._since: datetime | None = None  # when the first of them failed
        self.probe_at: datetime | None = None

    def did_not_pass(self, ids: Iterable[int], now: datetime, *, untaken: bool = False) -> None:
        """These notices did not get through, for no fault of theirs."""
        failed = list(ids)
        self.failed.update(failed)
        self._own.update(failed)
        if not untaken:
            self._unanswered.update(failed)
        self.failures += 1
        self._since = self._since or now
        self.probe_at = self.probe_at or now + self._probe_every(now)

    def own_failures(self, ids: Iterable[int]) -> int:
        """How often the line failed one of these, as far as that says anything about the line now."""
        return max((self._own[notice_id] for notice_id in ids), default=0)

    def unanswered(self, ids: Iterable[int]) -> int:
        """How often one of these may have arrived without our hearing of it, as far as that counts."""
        return max((self._unanswered[notice_id] for notice_id in ids), default=0)

    def arrived(self, ids: Iterable[int]) -> None:
        """These need no memory any more."""
        for notice_id in ids:
            self._own.pop(notice_id, None)
            self._unanswered.pop(notice_id, None)

    def passed(self) -> Sequence[int]:
        """Something got through: the notices that were held up until now. A few single failures are no trouble."""
        held_up = sorted(self.failed) if self.failures >= TROUBLE_FROM else []
        if held_up:
            self._own.clear()  # what failed in the trouble is not to wait longer for that
            self._unanswered.clear()
        self.failed, self.failures, self._since, self.probe_at = set(), 0, None, None
        return held_up

    def is_probe_due(self, now: datetime) -> bool:
        """Whether one of those that failed should find out if the trouble is over."""
        return self.probe_at is not None and self.probe_at <= now

    def probed(self, now: datetime) -> None:
        """One was sent to find out, or none could be."""
        self.probe_at = now + self._probe_every(now)

    def _probe_every(self, now: datetime) -> timedelta:
        is_young = self._since is None or now - self._since < YOUNG
        return PROBE_YOUNG_EVERY if is_young else PROBE_EVERY
