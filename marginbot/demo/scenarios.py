"""What can be lived through: a market, a position in it, and what else goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from marginbot.sim.days import (
    INVENTED_DAY,
    august_2023,
    invented_fall,
    invented_slide,
    invented_unease,
    march_2023_peg,
    may_2022,
    october_2023,
)
from marginbot.sim.prices import PricePath, may_2021

INTERPOLATED = "published highs and lows, interpolated"


class Twist(StrEnum):
    """Something beside the price that happens at the exchange, or that you do about it."""

    OUTAGE = "the exchange stops answering"
    BACK = "the exchange answers again"
    REVOKED = "the key is deleted at the exchange"
    NEW_KEY = "you make a new key and send it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A market and a position to live through it."""

    title: str
    path: PricePath
    starts_at: datetime
    leverage: Decimal  # below zero: short
    wallet: Decimal = Decimal(10_000)
    asset: str = "USDT"  # what the wallet holds
    peg: PricePath | None = None  # dollars per unit of `asset`, where it is not one
    twists: tuple[tuple[timedelta, Twist], ...] = ()  # after the start, in order


def _may_2021() -> Scenario:
    return Scenario(
        title=f"Bitcoin on 19 May 2021, 6x long ({INTERPOLATED})",
        path=may_2021(),
        starts_at=datetime(2021, 5, 19, 8, tzinfo=UTC),
        leverage=Decimal(6),
    )


def _slow_bleed() -> Scenario:
    return Scenario(
        title=f"Slow bleed: Bitcoin on 9 May 2022, 12x long ({INTERPOLATED})",
        path=may_2022(),
        starts_at=datetime(2022, 5, 9, 12, tzinfo=UTC),
        leverage=Decimal(12),
    )


def _flash_crash() -> Scenario:
    return Scenario(
        title=f"Flash crash: Bitcoin on 17 August 2023, 15x long ({INTERPOLATED})",
        path=august_2023(),
        starts_at=datetime(2023, 8, 17, 19, 30, tzinfo=UTC),
        leverage=Decimal(15),
    )


def _short_squeeze() -> Scenario:
    return Scenario(
        title=f"Short squeeze: Bitcoin on 23 October 2023, 10x short ({INTERPOLATED})",
        path=october_2023(),
        starts_at=datetime(2023, 10, 23, 19, tzinfo=UTC),
        leverage=Decimal(-10),
    )


def _depeg() -> Scenario:
    return Scenario(
        title="Stablecoin de-peg: USD Coin on 11 March 2023 backs a 14x long "
        "(its published low; the way there and Bitcoin's path are invented)",
        path=invented_unease(),
        starts_at=datetime(2023, 3, 11, 1, tzinfo=UTC),
        leverage=Decimal(14),
        asset="USDC",
        peg=march_2023_peg(),
    )


def _venue_outage() -> Scenario:
    return Scenario(
        title="Venue outage: the exchange falls silent in the middle of a slide, 8x long (an invented path)",
        path=invented_slide(),
        starts_at=INVENTED_DAY + timedelta(hours=5),
        leverage=Decimal(8),
        twists=((timedelta(minutes=110), Twist.OUTAGE), (timedelta(minutes=140), Twist.BACK)),
    )


def _key_revoked() -> Scenario:
    return Scenario(
        title="Key revoked: the key is deleted before a fall, and replaced in time, 10x long (an invented path)",
        path=invented_fall(),
        starts_at=INVENTED_DAY + timedelta(hours=5),
        leverage=Decimal(10),
        twists=((timedelta(minutes=80), Twist.REVOKED), (timedelta(minutes=105), Twist.NEW_KEY)),
    )


SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "may-2021": _may_2021,
    "slow-bleed": _slow_bleed,
    "flash-crash": _flash_crash,
    "short-squeeze": _short_squeeze,
    "depeg": _depeg,
    "venue-outage": _venue_outage,
    "key-revoked": _key_revoked,
}
