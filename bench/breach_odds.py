"""How often a price came as far as a cushion within 1, 8 and 24 hours: the table of `marginbot.domain.breach`.

    MARGINBOT_CORPUS=… python bench/breach_odds.py [--docs docs] [--choose]

For every ten minutes of every spot window and either side: the furthest the price came towards that side within the
horizon, in the yardstick (`Volatility.down`, `.up`) known at the start. Below the 90th percentile the share is
counted; above it a generalised Pareto distribution is fitted to the excesses (peaks over threshold; Coles, An
Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4). Neighbouring times are one event, and so are
the coins that lived through it: the interval comes from resampling whole events, half as many as there are, which
doubles the variance, so that it covers the chance in another set of events and not only the error of the fit. As there
are few of them, it is stretched as Student's distribution is against the normal one.

Fitted on one half of the windows, checked on the other: of the times given a chance in a bucket, the share that came
true must lie within the mean interval stated for them. How the interval is made was chosen within the first half:
`--choose` fits on half of its events and checks on the rest, in turn.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import expit, logit
from scipy.stats import genpareto, norm, t

from bench.calibration import Window, windows
from marginbot.domain.breach import CUSHIONS, HORIZONS, odds
from marginbot.domain.volatility import MAJORS

LARGE, SMALL, KEPT_BACK = "Bitcoin and Ether", "Smaller coins", "perpetuals kept back"
Floats = npt.NDArray[np.float64]
Rows = tuple[Floats, Floats, Floats]  # chance, lower and upper end at each of CUSHIONS
Row = tuple[float, float, float, float, int]  # chance, lower and upper end, share that came true, cases

EVERY = 10  # minutes between two starting times
THRESHOLD = 0.90
RESAMPLES = 400
RESAMPLES_TO_CHOOSE = 60
SPLITS_TO_CHOOSE = 24
LEAST = 1e-5
BUCKETS = (0.0, 0.002, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0)


def excursions(shown: Window, hours: int) -> Floats:
    """Furthest moves to both sides within `hours`, in yardsticks, one for every starting time and side."""
    span = hours * 60
    bars = shown.history.bars
    starts = np.arange(1440, len(bars) - span, EVERY)
    if not len(starts):
        return np.empty(0)
    lows = sliding_window_view(np.array([bar.low for bar in bars]), span).min(axis=1)[starts]
    highs = sliding_window_view(np.array([bar.high for bar in bars]), span).max(axis=1)[starts]
    price = np.array([bar.open for bar in bars])[starts]
    down, up = shown.down[4 * starts], shown.up[4 * starts]
    return np.concatenate([(1 - lows / price) / down, (highs / price - 1) / up])


def chances(sample: Floats) -> Floats:
    """Chance to come as far as each of CUSHIONS: counted below the threshold, by the fitted tail above."""
    threshold = float(np.quantile(sample, THRESHOLD))
    excesses = sample[sample > threshold] - threshold
    shape, _, scale = genpareto.fit(excesses, floc=0.0)
    grid = np.array(CUSHIONS)
    counted = np.array([np.mean(sample >= at) for at in grid])
    tail = (1 - THRESHOLD) * genpareto.sf(grid - threshold, shape, scale=scale)
    return np.asarray(np.clip(np.where(grid > threshold, tail, counted), LEAST, 1.0))


def event_of(shown: Window) -> str:
    """The days of a window: what happened to several coins then is one event."""
    return shown.name.split("-", 1)[1]


def by_event(shown: Sequence[Window], hours: int) -> dict[str, Floats]:
    """The excursions of each event, of all its coins."""
    found: dict[str, list[Floats]] = {}
    for one in shown:
        found.setdefault(event_of(one), []).append(excursions(one, hours))
    return {event: np.concatenate(samples) for event, samples in found.items() if sum(map(len, samples))}


Stretch = Callable[[int], float]  # how much wider than resampled, from so many events


def student(count: int) -> float:
    """How much wider than a normal interval one from so few events is."""
    return float(t.ppf(0.95, count - 1) / norm.ppf(0.95) * np.sqrt(count / (count - 1)))


def table(events: Mapping[str, Floats], resamples: int = RESAMPLES, stretch: Stretch = student) -> Rows:
    """The chance at each of CUSHIONS with an interval of 90 % for another set of events."""
    generator = np.random.default_rng(7)
    samples, count = list(events.values()), len(events)
    drawn = [
        chances(np.concatenate([samples[index] for index in generator.integers(0, count, count // 2)]))
        for _ in range(resamples)
    ]
    middle = chances(np.concatenate(samples))
    factor = stretch(count)
    low, high = (_away(middle, end, factor) for end in np.quantile(np.array(drawn), [0.05, 0.95], axis=0))
    falling = [np.minimum.accumulate(row) for row in (middle, np.minimum(low, middle), np.maximum(high, middle))]
    return falling[0], falling[1], falling[2]


def _away(middle: Floats, end: Floats, factor: float) -> Floats:
    """An end of the interval, so many times as far from the middle, by the logarithm of the odds."""
    near, far = (logit(np.clip(row, LEAST, 1 - LEAST)) for row in (middle, end))
    return np.asarray(np.clip(expit(near + factor * (far - near)), LEAST, 1.0))


def fitted(shown: Sequence[Window]) -> dict[str, dict[int, Rows]]:
    """The table for each kind of coin and horizon; a smaller coin is never taken for safer than a large one."""
    majors, others = (
        {hours: table(by_event([one for one in shown if is_major(one) is major], hours)) for hours in HORIZONS}
        for major in (True, False)
    )
    worse = {hours: _worse(others[hours], majors[hours]) for hours in HORIZONS}
    return {"_MAJORS": majors, "_OTHERS": worse}


def _worse(one: Rows, other: Rows) -> Rows:
    chance, low, high = (np.asarray(np.maximum(*pair)) for pair in zip(one, other, strict=True))
    return chance, low, high


def is_major(shown: Window) -> bool:
    """Whether a window is of Bitcoin or Ether."""
    return shown.name.split("USDT")[0] in MAJORS


Judge = Callable[[Floats], Rows]


def as_shipped(hours: int, *, major: bool) -> Judge:
    """What `marginbot.domain.breach` says at these cushions."""

    def judge(cushions: Floats) -> Rows:
        said = [odds(float(at), hours, major=major) for at in cushions]
        rows = [np.array([getattr(one, name) for one in said]) for name in ("chance", "low", "high")]
        return rows[0], rows[1], rows[2]

    return judge


def as_fitted(found: Rows) -> Judge:
    """What a table says, straight between neighbours in logarithms."""

    def judge(cushions: Floats) -> Rows:
        rows = [np.exp(np.interp(np.log(cushions), np.log(CUSHIONS), np.log(row))) for row in found]
        return rows[0], rows[1], rows[2]

    return judge


def reliability(events: Mapping[str, Floats], judge: Judge) -> list[Row]:
    """For every bucket of chances what came true; cushions from 0.5x to 20x."""
    generator = np.random.default_rng(11)
    reached = np.concatenate(list(events.values()))
    cushions = np.exp(generator.uniform(np.log(0.5), np.log(20.0), len(reached)))
    said, true = judge(cushions), reached >= cushions
    rows = []
    for low, high in pairwise(BUCKETS):
        inside = (said[0] >= low) & (said[0] < high)
        if inside.any():
            chance, least, most = (float(np.mean(row[inside])) for row in said)
            rows.append((chance, least, most, float(np.mean(true[inside])), int(inside.sum())))
    return rows


def within(shown: Sequence[Window], stretch: Stretch) -> tuple[float, float, float]:
    """Shares of the buckets in, under and over their intervals, fitted on half of these events and checked on the rest.

    Halves without an ordinary week, or without a crash, say nothing about the mixture and are left out.
    """
    counts = np.zeros(3)
    for hours in HORIZONS:
        events = by_event(shown, hours)
        halves = [half for half in combinations(events, len(events) // 2) if 0 < _ordinary(half) < _ordinary(events)]
        order = np.random.default_rng(1).permutation(len(halves))[:SPLITS_TO_CHOOSE]
        for half in (halves[index] for index in order):
            found = table({name: events[name] for name in half}, RESAMPLES_TO_CHOOSE, stretch)
            rest = {name: sample for name, sample in events.items() if name not in half}
            for _, low, high, share, _ in reliability(rest, as_fitted(found)):
                counts += (low <= share <= high, share < low, share > high)
    shares = counts / counts.sum()
    return float(shares[0]), float(shares[1]), float(shares[2])


def _ordinary(names: Sequence[str] | Mapping[str, Floats]) -> int:
    return sum("ctrl" in name for name in names)


def picture(shown: Mapping[str, Mapping[int, list[Row]]], file: Path) -> None:
    """Said against seen where it was not fitted, both logarithmic, with the stated interval as a bar."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, panes = plt.subplots(1, len(shown), figsize=(6 * len(shown), 5), dpi=120, sharey=True)
    for axes, (title, found) in zip(panes, shown.items(), strict=True):
        axes.plot([1e-4, 1], [1e-4, 1], color="grey", linewidth=0.8)
        for (hours, rows), shift in zip(found.items(), (0.94, 1.0, 1.06), strict=True):
            chance = np.array([row[0] for row in rows]) * shift
            seen = np.array([max(row[3], 1e-4) for row in rows])
            points = axes.plot(chance, seen, marker="o", linewidth=1, label=f"within {hours} h")
            for at, row in zip(chance, rows, strict=True):
                axes.plot([at, at], [max(row[1], 1e-4), row[2]], color=points[0].get_color(), alpha=0.4, linewidth=4)
        axes.set(title=title, xscale="log", yscale="log", xlabel="chance said (bar: stated interval)")
        axes.grid(alpha=0.3)
    panes[0].set_ylabel("share that came true")
    panes[0].legend()
    figure.tight_layout()
    figure.savefig(file)


STRETCHES: Mapping[str, Stretch] = {
    "as resampled": lambda _: 1.0,
    "stretched 1.3 times": lambda _: 1.3,
    "stretched as Student's": student,
    "stretched 1.3 times as Student's": lambda count: 1.3 * student(count),
    "stretched 1.6 times as Student's": lambda count: 1.6 * student(count),
}


def choose(shown: Sequence[Window]) -> None:
    """Print how often each way of making the interval held within these windows."""
    for name, stretch in STRETCHES.items():
        held, under, over = within(shown, stretch)
        print(f"{name}: {held:.0%} of the buckets within, {under:.0%} came true less, {over:.0%} more often")


def tables(parts: Mapping[str, tuple[bool, Sequence[Window]]]) -> tuple[str, dict[str, dict[int, list[Row]]]]:
    """What came true in each part (with whether it is of large coins), as text and as rows."""
    lines, found = [], {}
    for part, (major, shown) in parts.items():
        found[part] = {hours: reliability(by_event(shown, hours), as_shipped(hours, major=major)) for hours in HORIZONS}
        lines += [f"### {part}", ""]
        lines += ["| within | said | stated interval | came true | cases |", "| --- | --- | --- | --- | --- |"]
        for hours, rows in found[part].items():
            for chance, low, high, share, count in rows:
                inside = "" if low <= share <= high else " (outside)"
                lines.append(f"| {hours} h | {chance:.2%} | {low:.2%} to {high:.2%} | {share:.2%}{inside} | {count} |")
        lines.append("")
    return "\n".join(lines), found


def main() -> None:
    """Print the fitted tables for the module and how they held on both halves of the windows and those kept back."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--choose", action="store_true")
    options = parser.parse_args()
    corpus = Path(os.environ["MARGINBOT_CORPUS"])
    every = [*windows(corpus, perpetuals=False), *windows(corpus, perpetuals=True)]
    chosen = [one for one in every if one.part == "chosen on"]
    if options.choose:
        choose([one for one in chosen if is_major(one)])
        return
    for name, found in fitted(chosen).items():
        print(f"{name}: _Table = {{")
        for hours, rows in found.items():
            print(f"    {hours}: (")
            for row in rows:
                print("        (" + ", ".join(f"{value:.3g}" for value in row) + "),")
            print("    ),")
        print("}")
    large, small = ([one for one in every if is_major(one) is major] for major in (True, False))
    text, seen = tables(
        {
            f"{kind}, {part}": (kind == LARGE, [one for one in of_kind if one.part == key])
            for kind, of_kind in ((LARGE, large), (SMALL, small))
            for part, key in (
                ("fitted on", "chosen on"),
                ("judged on", "judged on"),
                ("perpetuals kept back", "kept back"),
            )
        }
    )
    print(text)
    if options.docs:
        picture(
            {part: seen[part] for part in (f"{LARGE}, judged on", f"{SMALL}, perpetuals kept back")},
            options.docs / "breach.png",
        )
        (options.docs / "breach-tables.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
