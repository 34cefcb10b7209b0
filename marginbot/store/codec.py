"""Values to text and back, exactly: documents as JSON, times as ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter

from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.by_object import ByObject
from marginbot.domain.grading import Ladders
from marginbot.domain.history import EPOCH
from marginbot.domain.notices import Facts
from marginbot.domain.passport import KeyCheck
from marginbot.domain.report import AccountReport
from marginbot.domain.tier_changes import Terms
from marginbot.domain.tiers import LeverageTier
from marginbot.domain.turmoil import TurmoilState
from marginbot.flow.ports import LastReading

T = TypeVar("T")

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
    """A reading and, apart, its leverage tiers: they are most of the text, and the same from reading to reading."""

    def encode(self, value: LastReading) -> str:
        """The value without tiers, as JSON text."""
        return self._adapter.dump_json((value,), exclude=_WITHOUT_TIERS).decode()[1:-1]

    def decode(self, text: str, tiers: str | None = None) -> LastReading:
        """The value with these tiers, or those in the text itself; ValueError for what is not one."""
        value = super().decode(text)
        if tiers is None:
            return value
        found = _ALL_TIERS.validate_json(tiers)
        if len(found) != sum(len(pool.positions) for pool in value.snapshot.pools):
            raise ValueError("not as many tiers as positions")
        own = iter(found)
        pools = tuple(
            replace(pool, positions=tuple(replace(position, tiers=next(own)) for position in pool.positions))
            for pool in value.snapshot.pools
        )
        return replace(value, snapshot=replace(value.snapshot, pools=pools))

    def encode_tiers(self, value: LastReading) -> str:
        """The tiers of each position in turn, as JSON text."""
        return f"[{','.join(_text_of_tiers(tiers)[0] for tiers in _tiers_of(value))}]"

    def digest_of_tiers(self, value: LastReading) -> str:
        """What tells them from others."""
        return blake2b(b"".join(_text_of_tiers(tiers)[1] for tiers in _tiers_of(value)), digest_size=16).hexdigest()


def _tiers_of(value: LastReading) -> Iterator[tuple[LeverageTier, ...]]:
    return (position.tiers for pool in value.snapshot.pools for position in pool.positions)


def _with_digest(tiers: tuple[LeverageTier, ...]) -> tuple[str, bytes]:
    text = _TIERS.dump_json(tiers)
    return text.decode(), blake2b(text, digest_size=16).digest()


_WITHOUT_TIERS: Any = {0: {"snapshot": {"pools": {"__all__": {"positions": {"__all__": {"tiers"}}}}}}}
_TIERS: TypeAdapter[Any] = TypeAdapter(tuple[LeverageTier, ...], config=_CONFIG)
_ALL_TIERS: TypeAdapter[Any] = TypeAdapter(list[tuple[LeverageTier, ...]], config=_CONFIG)
_text_of_tiers: ByObject[tuple[LeverageTier, ...], tuple[str, bytes]] = ByObject(_with_digest)

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
