"""How long before a liquidation each grade is raised, on recorded crashes, and how often needlessly.

    MARGINBOT_CORPUS=… python bench/lead_times.py [--poll 30] [--leverages 3 5 10 15]

Runs `marginbot.sim.replay`, the code that grades live accounts, over every Bitcoin and Ether file of the corpus:
one cross position per leverage and side, opened when the event (or, in ordinary weeks, the third day) begins.
"Needless" are CRITICAL raises in ordinary weeks of positions that survived, per week a position was open.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from marginbot.domain.grading import RUNGS, Grade
from marginbot.domain.margin import MarginMode, Side
from marginbot.sim.replay import Outcome, run
from marginbot.sim.spec import Holding, Portfolio, Spec, read_prices

WARM_UP_MS = 2 * 86_400_000
WEEK_MS = 7 * 86_400_000


def millis(text: str) -> int:
    """Milliseconds UTC of a time of the index."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def windows(corpus: Path) -> Iterator[tuple[dict[str, Any], bool]]:
    """The files to run, and whether they are ordinary weeks."""
    index = json.loads((corpus / "history" / "index.json").read_text(encoding="utf-8"))
    for entry in index["files"]:
        if entry["asset"] in ("BTCUSDT", "ETHUSDT") and "perp" not in entry["file"]:
            yield entry, "ctrl" in entry["file"]


def outcomes(
    corpus: Path, entry: dict[str, Any], leverages: Sequence[float], poll: float
) -> tuple[list[Outcome], float]:
    """Every portfolio through one file, and the weeks it covers."""
    asset = entry["asset"].removesuffix("USDT")
    history = read_prices(corpus / "history" / entry["file"])
    ordinary = "ctrl" in entry["file"]
    start = history.opened[0] + WARM_UP_MS if ordinary else millis(entry["event_start"])
    portfolios = tuple(
        Portfolio(
            name=f"{entry['file']} {side} {leverage:g}x",
            margin_mode=MarginMode.CROSS,
            equity=10_000.0,
            maintenance_margin_rate=0.005,
            positions=(Holding(asset=asset, side=side, leverage=leverage),),
        )
        for leverage in leverages
        for side in Side
    )
    end = history.opened[-1]
    spec = Spec(prices={asset: history}, start=start, end=end, poll_interval=poll, portfolios=portfolios)
    return run(spec), (end - start) / WEEK_MS


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--poll", type=float, default=30.0)
    parser.add_argument("--leverages", type=float, nargs="+", default=[3.0, 5.0, 10.0, 15.0])
    options = parser.parse_args()
    corpus = Path(os.environ["MARGINBOT_CORPUS"])
    breached: list[Outcome] = []
    needless, weeks = dict.fromkeys(RUNGS, 0), 0.0
    for entry, ordinary in windows(corpus):
        results, length = outcomes(corpus, entry, options.leverages, options.poll)
        breached += [outcome for outcome in results if outcome.breach_at is not None]
        for outcome in results:
            if ordinary and outcome.breach_at is None:
                weeks += length
                for grade in RUNGS:
                    needless[grade] += outcome.raises[grade]
    print(f"{len(breached)} liquidations, {weeks:.1f} calm account-weeks, a reading every {options.poll:g} s")
    print(f"{'grade':<10} {'median':>8} {'p10':>8} {'>= 3 min':>9} {'>= 15 min':>9} {'raises/week':>11}")
    for grade in RUNGS:
        print(row(grade, breached, needless[grade] / weeks if weeks else float("nan")))


def row(grade: Grade, breached: Sequence[Outcome], needless: float) -> str:
    """One line of the table."""
    leads = sorted(outcome.lead_minutes(grade) or 0.0 for outcome in breached)
    shares = [sum(lead >= least for lead in leads) / len(leads) for least in (3, 15)]
    p10 = leads[len(leads) // 10]
    return (
        f"{grade.name:<10} {statistics.median(leads):>7.1f}m {p10:>7.1f}m "
        f"{shares[0]:>9.0%} {shares[1]:>9.0%} {needless:>11.2f}"
    )


if __name__ == "__main__":
    main()
