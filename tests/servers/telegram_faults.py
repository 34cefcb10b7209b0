"""What can go wrong at the Bot API: refusals, arranged faults and flood limits."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

FaultKind = Literal["429", "500", "502", "400", "403", "409", "reset", "reset_after", "slow", "migrate"]

BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.parameters = parameters

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return body | ({"parameters": self.parameters} if self.parameters else {})


def bad_request(description: str, **parameters: int) -> ApiError:
    return ApiError(400, f"Bad Request: {description}", **parameters)


def too_many(retry_after: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)


def migrated(chat_id: int) -> ApiError:
    return bad_request("group chat was upgraded to a supergroup chat", migrate_to_chat_id=chat_id)


@dataclass(slots=True, kw_only=True)
class Fault:
    """Something to go wrong with the next requests that match."""

    kind: FaultKind
    method: str | None
    chat_id: int | None
    times: int | None  # None: until removed
    retry_after: int
    delay: float
    migrate_to: int | None
    description: str | None
    hits: int = 0

    def matches(self, method: str, chat_id: object) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        return self.chat_id in (None, chat_id) and self.method in (None, "*", method)

    def error(self) -> ApiError | None:
        """The refusal of this fault, or None when it is not a refusal."""
        match self.kind:
            case "429":
                return too_many(self.retry_after)
            case "500":
                return ApiError(500, self.description or "Internal Server Error")
            case "400":
                return ApiError(400, self.description or "Bad Request: message can't be sent")
            case "403":
                return ApiError(403, self.description or "Forbidden: bot was blocked by the user")
            case "409":
                return ApiError(409, self.description or "Conflict: terminated by other getUpdates request")
            case "migrate":
                return migrated(self.migrate_to or -1_000_000_000_001)
        return None


class Faults:
    """The arranged faults; the oldest that matches wins."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(
        self,
        method: str | None = None,
        chat_id: int | None = None,
        times: int | None = 1,
        *,
        kind: FaultKind,
        retry_after: int = 1,
        delay: float = 1.0,
        migrate_to: int | None = None,
        description: str | None = None,
    ) -> Fault:
        """Without a method the fault hits everything but getUpdates; "*" hits that too."""
        fault = Fault(
            kind=kind,
            method=method,
            chat_id=chat_id,
            times=times,
            retry_after=retry_after,
            delay=delay,
            migrate_to=migrate_to,
            description=description,
        )
        self._faults.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        self._faults.remove(fault)

    def clear(self) -> None:
        self._faults.clear()

    def hit(self, method: str, chat_id: object) -> Fault | None:
        """The fault that befalls this request, counted as used."""
        for fault in self._faults:
            if fault.method is None and method == "getUpdates":
                continue
            if fault.matches(method, chat_id):
                fault.hits += 1
                return fault
        return None


class Window(NamedTuple):
    requests: int
    seconds: float


class Throttle:
    """Telegram's flood limits: 30 a second, 20 a minute in a group, about one a second in a private chat."""

    overall = Window(30, 1)
    group = Window(20, 60)
    private = Window(5, 5)  # short bursts are tolerated

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[int | None, deque[float]] = defaultdict(deque)

    def admit(self, chat_id: int) -> None:
        """Counts a message to this chat, or refuses it without counting."""
        now = self._clock()
        windows = {None: self.overall, chat_id: self.private if chat_id > 0 else self.group}
        waits = [self._wait(self._seen[key], window, now) for key, window in windows.items()]
        if max(waits) > 0:
            raise too_many(max(1, math.ceil(max(waits))))
        for key in windows:
            self._seen[key].append(now)

    @staticmethod
    def _wait(seen: deque[float], window: Window, now: float) -> float:
        while seen and seen[0] <= now - window.seconds:
            seen.popleft()
        return seen[0] + window.seconds - now if len(seen) >= window.requests else 0.0
