"""How often a price came as far as a cushion within 1, 8 and 24 hours: the table of `marginbot.domain.breach`.

    MARGINBOT_CORPUS=… python bench/breach_odds.py [--docs docs]

For every ten minutes of every spot window and either side: the furthest the price came towards that side within the
horizon, in the yardstick (`Volatility.down`, `.up`) known at the start. Below the 90th percentile the share is
counted; above it a generalised Pareto distribution is fitted to the excesses (peaks over threshold; Coles, An
Introduction to Statistical Modeling of Extreme Values, 2001, chapter 4). Neighbouring times are one event, so the
interval comes from resampling whole windows, half as many as there are: that doubles the variance, so that the
interval covers the chance of another set of windows and not only the error of the fit.

Fitted on one half of the windows, checked on the other: of the times given a chance in a bucket, the share that came
true must lie within the mean interval stated for them.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import genpareto

from bench.calibration import Window, windows
from marginbot.domain.breach import CUSHIONS, HORIZONS, Odds, odds

Floats = npt.NDArray[np.float64]

EVERY = 10  # minutes between two starting times
THRESHOLD = 0.90
RESAMPLES = 400
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


def table(samples: Sequence[Floats]) -> tuple[Floats, Floats, Floats]:
    """The chance at each of CUSHIONS with the fifth and ninety-fifth percentile over resampled windows."""
    generator = np.random.default_rng(7)
    kept = [sample for sample in samples if len(sample)]
    drawn = []
    for _ in range(RESAMPLES):
        picked = generator.integers(0, len(kept), len(kept) // 2)
        drawn.append(chances(np.concatenate([kept[index] for index in picked])))
    low, high = np.quantile(np.array(drawn), [0.05, 0.95], axis=0)
    middle = chances(np.concatenate(kept))
    return middle, np.minimum(low, middle), np.maximum(high, middle)


def fitted(shown: Sequence[Window]) -> dict[int, tuple[Floats, Floats, Floats]]:
    """The table for each horizon."""
    return {hours: table([excursions(one, hours) for one in shown]) for hours in HORIZONS}


def reliability(shown: Sequence[Window], hours: int) -> list[tuple[float, float, float, float, int]]:
    """Per bucket: mean chance, mean interval, share that came true, number of cases; cushions from 0.5x to 20x."""
    generator = np.random.default_rng(11)
    reached = np.concatenate([excursions(one, hours) for one in shown])
    cushions = np.exp(generator.uniform(np.log(0.5), np.log(20.0), len(reached)))
    said: list[Odds] = [odds(float(at), hours) for at in cushions]
    true = reached >= cushions
    rows = []
    for low, high in pairwise(BUCKETS):
        inside = [index for index, one in enumerate(said) if low <= one.chance < high or one.chance == high == 1.0]
        if inside:
            mean = [float(np.mean([getattr(said[i], f) for i in inside])) for f in ("chance", "low", "high")]
            rows.append((*mean, float(np.mean(true[inside])), len(inside)))
    return [(chance, low, high, share, count) for chance, low, high, share, count in rows]


def picture(found: dict[int, list[tuple[float, float, float, float, int]]], file: Path) -> None:
    """Said against seen, both logarithmic, with the stated interval as a bar."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 5), dpi=120)
    axes.plot([1e-4, 1], [1e-4, 1], color="grey", linewidth=0.8)
    for (hours, rows), shift in zip(found.items(), (0.94, 1.0, 1.06), strict=True):
        chance = np.array([row[0] for row in rows]) * shift
        seen = np.array([max(row[3], 1e-4) for row in rows])
        points = axes.plot(chance, seen, marker="o", linewidth=1, label=f"within {hours} h")
        for at, row in zip(chance, rows, strict=True):
            axes.plot([at, at], [max(row[1], 1e-4), row[2]], color=points[0].get_color(), alpha=0.4, linewidth=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("chance said (bar: stated interval)")
    axes.set_ylabel("share that came true")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    """Print the fitted table for the module and the reliability on the other half of the windows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path)
    options = parser.parse_args()
    spot = list(windows(Path(os.environ["MARGINBOT_CORPUS"]), perpetuals=False))
    for hours, (middle, low, high) in fitted([one for one in spot if one.part == "chosen on"]).items():
        print(f"    {hours}: (")
        for row in (middle, low, high):
            print("        (" + ", ".join(f"{value:.3g}" for value in row) + "),")
        print("    ),")
    judged = [one for one in spot if one.part == "judged on"]
    found = {hours: reliability(judged, hours) for hours in HORIZONS}
    lines = ["| within | said | stated interval | came true | cases |", "| --- | --- | --- | --- | --- |"]
    for hours, rows in found.items():
        for chance, low, high, share, count in rows:
            inside = "" if low <= share <= high else " (outside)"
            lines.append(f"| {hours} h | {chance:.2%} | {low:.2%} to {high:.2%} | {share:.2%}{inside} | {count} |")
    print("\n".join(lines))
    if options.docs:
        picture(found, options.docs / "breach.png")
        (options.docs / "breach-tables.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
