"""CRITICAL with other yardsticks and other rules than the live ones: what each would have given on recorded prices.

    MARGINBOT_CORPUS=… python bench/calibration_variants.py [--poll 30] [--docs docs]

The accounts, the parts and the counting are those of `bench/calibration.py`. Every variant changes one thing of the
ordinary hour or of the rule; the last ones change several, as a random search over all of them (several thousand
combinations) left them that saw only the windows the figures were chosen on, like the profile of the hours.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bench.calibration import (
    JUDGED,
    RATE,
    STEP_MS,
    Account,
    Flags,
    Floats,
    Rule,
    Window,
    _percent,
    fleet,
    score,
    windows,
)
from marginbot.domain.grading import Grade
from marginbot.domain.margin import Side
from marginbot.domain.volatility import FLOOR, MAJORS, TREND_BARS, TREND_SHARE

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
PARKINSON = 1 / (4 * np.log(2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """The ordinary hour and the rule, as they are live unless changed. Moves: minutes looked back, times how much."""

    name: str
    floor: float = FLOOR
    floor_small: float | None = None  # of smaller coins
    fast: tuple[float, float] = (60.0, 1.0)  # half-life in minutes, weight
    slow: tuple[float, float] = (1440.0, 1.0)
    season: float = 0.0  # exponent of the profile of the hours of the day and the weekend
    moves: tuple[tuple[int, float], ...] = ((TREND_BARS, TREND_SHARE),)  # of its own, towards the side asked about
    ranges: tuple[tuple[int, float], ...] = ()  # high to low
    market: tuple[tuple[int, float], ...] = ()  # move of Bitcoin or Ether in their ordinary hours, in its own
    market_floor: float = FLOOR
    awake: tuple[float, float] | None = None  # half-life, weight: Bitcoin or Ether livelier than in their day
    rung: float = 2.6
    release: float = 3.4
    hold: float = 0.0  # hours for which CRITICAL stands at least
    by_leverage: float = 0.0  # further rung for each unit of leverage in use above ten


@dataclass(frozen=True, slots=True)
class Held(Rule):
    """A rule that stands for some readings at least."""

    readings: float = 0.0

    def reached_and_held(self, watched: Account) -> tuple[Flags, Flags]:
        """As any rule, and held for a while after it was last reached."""
        reached, held = Rule.reached_and_held(self, watched)
        index = np.arange(len(reached))
        last = np.maximum.accumulate(np.where(reached, index, -np.inf))
        return reached, held | (index - last < self.readings)


class Bars:
    """A window's minutes: what is known at the open of each."""

    def __init__(self, shown: Window) -> None:
        bars = shown.history.bars
        self.opened = np.array(shown.history.opened)
        self.high, self.low, close = (
            np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close")
        )
        self.before = np.concatenate([[bars[0].open], close[:-1]])
        step, spread = np.log(close / self.before), np.log(self.high / self.low)
        self.variance = np.maximum(step**2, spread**2 * PARKINSON)
        self._hours: dict[float, Floats] = {}

    def hourly(self, half_life: float) -> Floats:
        """Standard deviation of an hour, exponentially averaged."""
        if half_life not in self._hours:
            keep, total, weight, found = 0.5 ** (1 / half_life), 0.0, 0.0, np.zeros(len(self.variance))
            for index, value in enumerate(self.variance[:-1]):
                total, weight = total * keep + value * (1 - keep), weight * keep + 1 - keep
                found[index + 1] = total / weight
            self._hours[half_life] = np.sqrt(60 * found)
        return self._hours[half_life]

    def move(self, minutes: int, side: Side) -> Floats:
        """From the highest high (lowest low) of so many minutes to the last close."""
        if side is Side.LONG:
            return np.log(_highest(self.high, minutes) / self.before)
        return np.log(self.before / -_highest(-self.low, minutes))

    def range(self, minutes: int) -> Floats:
        """From the lowest low to the highest high of so many minutes."""
        return np.log(_highest(self.high, minutes) / -_highest(-self.low, minutes))


def _highest(values: Floats, count: int) -> Floats:
    padded = np.concatenate([np.full(count, values[0]), values])
    return np.asarray(sliding_window_view(padded, count).max(axis=1)[: len(values)])


def profile(shown: Sequence[Window], known: Mapping[str, Bars]) -> Callable[[Bars], Floats]:
    """How lively each hour of the day is, and the weekend, over the ordinary weeks the figures were chosen on."""
    weeks = [known[one.name] for one in shown if one.ordinary and one.part == "chosen on"]
    hour = np.concatenate([bars.opened // HOUR_MS % 24 for bars in weeks])
    weekend = np.concatenate([_weekend(bars) for bars in weeks])
    share = np.concatenate([bars.variance / bars.variance.mean() for bars in weeks])
    hours = np.sqrt(np.array([share[(hour == at) & ~weekend].mean() for at in range(24)]))
    hours /= np.sqrt(np.mean(hours**2))
    calmer = np.sqrt(share[weekend].mean() / share[~weekend].mean())
    return lambda bars: np.asarray(hours[bars.opened // HOUR_MS % 24] * np.where(_weekend(bars), calmer, 1.0))


def _weekend(bars: Bars) -> Flags:
    return np.isin((bars.opened // DAY_MS + 4) % 7, (0, 6))


def yardstick(shown: Window, side: Side, variant: Variant, known: Mapping[str, Bars], season: Floats) -> Floats:
    """The ordinary hour of every minute."""
    bars = known[shown.name]
    coin, _, days = shown.name.partition("USDT-")
    leaders = [
        known[name] for major in ("BTC", "ETH") if (name := f"{major}USDT-{days.removeprefix('perp-')}") in known
    ]
    floor = variant.floor if coin in MAJORS or variant.floor_small is None else variant.floor_small
    plain = np.maximum(*(weight * bars.hourly(life) for life, weight in (variant.fast, variant.slow)))
    found = [np.full(len(plain), floor), plain * season**variant.season]
    found += [share * bars.move(minutes, side) for minutes, share in variant.moves]
    found += [share * bars.range(minutes) for minutes, share in variant.ranges]
    own = np.maximum(variant.market_floor, np.maximum(bars.hourly(60), bars.hourly(1440)))
    for minutes, share in variant.market:
        for lead in leaders:
            theirs = np.maximum(variant.market_floor, np.maximum(lead.hourly(60), lead.hourly(1440)))
            found.append(share * lead.move(minutes, side) / theirs * own)
    if variant.awake is not None:
        life, weight = variant.awake
        found += [
            weight * lead.hourly(life) / np.maximum(1e-4, lead.hourly(1440)) * bars.hourly(1440) for lead in leaders
        ]
    return np.asarray(np.maximum.reduce(found))


def judged_by(
    variant: Variant,
    accounts: Sequence[Account],
    known: Mapping[str, Bars],
    season: Callable[[Bars], Floats],
    poll: float,
) -> str:
    """One part's cell: liquidations with 3 minutes of CRITICAL, needless raises a week, time standing."""
    made: dict[tuple[str, Side], Floats] = {}
    seen = []
    for watched in accounts:
        key = (watched.window.name, watched.side)
        if key not in made:
            yard = yardstick(watched.window, watched.side, variant, known, season(known[watched.window.name]))
            made[key] = np.repeat(yard, 4)
        cushion = watched.room / made[key][watched.quarters // STEP_MS]
        if variant.by_leverage:
            in_use = watched.ratio / RATE  # the requirement is a fixed share of the notional
            cushion = cushion / (1 + variant.by_leverage * np.maximum(0.0, in_use - 10))
        seen.append(replace(watched, cushion=cushion))
    readings = variant.hold * HOUR_MS / (1000 * poll)
    rule = Held("", grade=Grade.CRITICAL, cushion=variant.rung, release=variant.release, readings=readings)
    found = score(rule, seen)
    calm = f", {found.raises / found.weeks:.2f}, {found.active_weeks / found.weeks:.1%}" if found.weeks else ""
    return _percent(found.share(3), 1) + calm


TREND = (TREND_BARS, TREND_SHARE)
SEARCHED = Variant(
    name="searched: standing half as long again",
    floor=0.008,
    fast=(120, 1.5),
    slow=(1440, 0.85),
    season=0.25,
    moves=((60, 0.6),),
    market=((10, 0.75),),
    market_floor=0.001,
    awake=(60, 1.0),
    rung=3.2,
    release=4.5,
)
VARIANTS = (
    Variant(name="as it is"),
    *(Variant(name=f"hour of the day and weekend, {share:g}", season=share) for share in (0.5, 1.0)),
    *(
        Variant(name=f"Bitcoin's or Ether's move in {minutes} min, {share:g} times", market=((minutes, share),))
        for minutes, share in ((3, 2.0), (5, 2.0), (10, 1.5), (10, 2.0), (30, 1.0))
    ),
    *(
        Variant(name=f"Bitcoin or Ether livelier than in their day, {share:g}", awake=(15, share))
        for share in (0.5, 1.0)
    ),
    *(
        Variant(name=f"its own move in {minutes} min, {share:g} times", moves=(TREND, (minutes, share)))
        for minutes, share in ((1, 3.0), (1, 4.0), (3, 2.0), (3, 3.0), (5, 2.0), (10, 2.0))
    ),
    *(Variant(name=f"range of 5 min, {share:g} times", ranges=((5, share),)) for share in (1.0, 2.0)),
    *(
        Variant(name=f"rung and band {step:.0%} higher for each 1x in use above 10x", by_leverage=step)
        for step in (0.02, 0.05)
    ),
    *(
        Variant(name=f"at {rung:g}x, until {rung * band:g}x and 24 h", rung=rung, release=band, hold=24.0)
        for rung, band in ((2.6, 2.0), (2.6, 2.4), (3.2, 2.0), (3.2, 3.0))
    ),
    *(Variant(name=f"smaller coins never calmer than {floor:.1%}", floor_small=floor) for floor in (0.02, 0.03, 0.04)),
    Variant(
        name="searched: standing no longer",
        fast=(60, 0.85),
        slow=(2880, 1.5),
        season=0.25,
        ranges=((3, 0.5),),
        awake=(15, 0.5),
        release=2.8,
    ),
    SEARCHED,
    replace(SEARCHED, name="the same without Bitcoin and Ether", market=(), awake=None),
    replace(SEARCHED, name="the same without them and the hour of the day", market=(), awake=None, season=0.0),
    Variant(
        name="searched: with a hold of 24 h",
        floor=0.006,
        fast=(240, 1.2),
        slow=(480, 1.2),
        season=0.5,
        moves=((30, 0.6), (1, 1.0)),
        rung=4.0,
        release=4.0,
        hold=24.0,
    ),
)


def main() -> None:
    """Print a line for each variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poll", type=float, default=30.0)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    corpus = Path(os.environ["MARGINBOT_CORPUS"])
    every = [*windows(corpus, perpetuals=False), *windows(corpus, perpetuals=True)]
    known = {one.name: Bars(one) for one in every}
    season = profile(every, known)
    parts = ("chosen on", "judged on", "kept back")
    fleets = [fleet([one for one in every if one.part == part], JUDGED, options.poll) for part in parts]
    lines = ["### CRITICAL with other yardsticks and rules, by part: ≥ 3 min, needless a week, standing", ""]
    lines += ["| CRITICAL | chosen on | judged on | perpetuals, kept back |", "| --- | --- | --- | --- |"]
    for variant in VARIANTS:
        cells = (judged_by(variant, accounts, known, season, options.poll) for accounts in fleets)
        lines.append(f"| {variant.name} | " + " | ".join(cells) + " |")
    print(text := "\n".join([*lines, ""]))
    if options.docs:
        (options.docs / "calibration-variants.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
