"""Values to text and back, exactly: documents as JSON, times as ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter

from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.grading import Ladders
from marginbot.domain.notices import Facts
from marginbot.domain.passport import KeyCheck
from marginbot.domain.report import AccountReport
from marginbot.domain.tier_changes import Terms
from marginbot.domain.turmoil import TurmoilState
from marginbot.flow.ports import LastReading

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

# JSON has no infinity; left alone it would turn into null, which means something else here.
_CONFIG = ConfigDict(ser_json_inf_nan="strings", allow_inf_nan=True)


class Codec(Generic[T]):
    """A dataclass as a JSON object: Decimals as text, digits kept; times with their zone."""

    def __init__(self, kind: type[T]) -> None:
        # Around a tuple, because pydantic takes no settings for a bare dataclass; its brackets are not stored.
        self._adapter: TypeAdapter[Any] = TypeAdapter(tuple[kind], config=_CONFIG)  # type: ignore[valid-type]

    def encode(self, value: T) -> str:
        """The value as JSON text."""
        return self._adapter.dump_json((value,)).decode()[1:-1]

    def decode(self, text: str) -> T:
        """The value again; pydantic's ValidationError (a ValueError) for what is not one."""
        (value,) = self._adapter.validate_json(f"[{text}]")
        return value  # type: ignore[no-any-return]


STATE = Codec(AlertState)
MUTE = Codec(Mute)
REPORT = Codec(AccountReport)
FACTS = Codec(Facts)
LADDERS = Codec(Ladders)
KEY_CHECK = Codec(KeyCheck)
TERMS = Codec(Terms)
READING = Codec(LastReading)
TURMOIL = Codec(TurmoilState)


def text_of(at: datetime) -> str:
    """A time as text of fixed width, so that text sorts as time does."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def optional_text_of(at: datetime | None) -> str | None:
    """Like `text_of`, None staying None."""
    return None if at is None else text_of(at)


def time_of(text: str) -> datetime:
    """The time that `text_of` wrote."""
    return datetime.fromisoformat(text)


def optional_time_of(text: str | None) -> datetime | None:
    """Like `time_of`, None staying None."""
    return None if text is None else time_of(text)


def milliseconds_of(at: datetime) -> int:
    """Milliseconds since 1970, rounded down."""
    return (at - EPOCH) // MILLISECOND


def time_of_milliseconds(milliseconds: int) -> datetime:
    """The time of a number of milliseconds since 1970."""
    return EPOCH + milliseconds * MILLISECOND
