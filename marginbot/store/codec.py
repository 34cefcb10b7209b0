"""Values to text and back, exactly: documents as JSON, times as ISO 8601 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter

from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.by_object import ByObject
from marginbot.domain.grading import Ladders
from marginbot.domain.notices import Facts
from marginbot.domain.passport import KeyCheck
from marginbot.domain.report import AccountReport
from marginbot.domain.tier_changes import Terms
from marginbot.domain.tiers import LeverageTier
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


class ReadingCodec(Codec[LastReading]):
    """Leverage tiers are most of the text and the same for all accounts: theirs is made once."""

    def encode(self, value: LastReading) -> str:
        """The value as JSON text, the same as without the short cut."""
        text = self._adapter.dump_json((value,), exclude=_WITHOUT_TIERS).decode()[1:-1]
        tiers = [position.tiers for pool in value.snapshot.pools for position in pool.positions]
        # No string of JSON holds a quotation mark that stands by itself, so what comes after tiers is nowhere else.
        pieces = text.split(_AFTER_TIERS)
        if len(pieces) != len(tiers) + 1:
            return super().encode(value)
        parts = (f'{piece},"tiers":{_text_of_tiers(own)}' for piece, own in zip(pieces, tiers, strict=False))
        return _AFTER_TIERS.join([*parts, pieces[-1]])


_WITHOUT_TIERS: Any = {0: {"snapshot": {"pools": {"__all__": {"positions": {"__all__": {"tiers"}}}}}}}
_AFTER_TIERS = ',"option":'
_TIERS: TypeAdapter[Any] = TypeAdapter(tuple[LeverageTier, ...], config=_CONFIG)
_text_of_tiers: ByObject[tuple[LeverageTier, ...], str] = ByObject(lambda tiers: _TIERS.dump_json(tiers).decode())

STATE = Codec(AlertState)
MUTE = Codec(Mute)
REPORT = Codec(AccountReport)
FACTS = Codec(Facts)
LADDERS = Codec(Ladders)
KEY_CHECK = Codec(KeyCheck)
TERMS = Codec(Terms)
READING = ReadingCodec(LastReading)
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
