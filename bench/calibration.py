"""What each rule would have done: lead before liquidation against needless alarms, on recorded prices.

    MARGINBOT_CORPUS=… python bench/calibration.py [--poll 30] [--docs docs] [--check N] [--pairs]

Every window of the corpus that holds Bitcoin, Ether or a smaller coin at spot prices is lived through by accounts of
2x to 20x, long and short, opened at the event's start and every six hours around it (ordinary weeks: every day), and
by accounts of two coins (side by side, hedged, isolated); one position alone is the same in cross and isolated mode.
No liquidation is left out: an account liquidated before a lead was possible counts as missed.

It is a vectorised restatement of the rules in `marginbot.domain`: the estimator's figures come from the estimator
itself, rungs and bands from `marginbot.domain.grading`. `--check N` runs N accounts through `marginbot.sim.replay`,
the code that grades live accounts, and fails where the two differ. `--pairs` prints the accounts of two coins alone,
through that same code (minutes).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from marginbot.domain.grading import DEFAULT_LADDERS, RATIO_RELEASE, RUNGS, Grade
from marginbot.domain.margin import MarginMode, Side
from marginbot.domain.volatility import Estimator
from marginbot.sim.replay import run
from marginbot.sim.spec import History, Holding, Portfolio, Spec, read_prices

RATE = 0.005
MINUTE_MS = 60_000
STEP_MS = MINUTE_MS // 4
WEEK_MS = 7 * 86_400_000
DAY_MINUTES = 1440
LEVERAGES = (2.0, 3.0, 5.0, 10.0, 15.0, 20.0)
JUDGED = (3.0, 5.0, 10.0, 15.0)  # the leverages of the goals

# Parameters were chosen on the first; the second judged them; perpetuals (last prices, smaller coins) were kept back.
CHOSEN_ON = (
    "2021-02-08",
    "2021-05-19",
    "2023-08-17",
    "2023-10-23",
    "2025-02-03",
    "ctrl-2022",
    "ctrl-2024",
    "ctrl-2026",
)

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Window:
    """One asset's prices around one event or through one ordinary week."""

    name: str
    part: str  # "chosen on", "judged on" or "kept back"
    ordinary: bool
    history: History
    path: Floats  # price at every quarter of a minute
    down: Floats  # the yardstick of a fall known at every quarter of a minute
    up: Floats
    first: int  # minute of the event's start


@dataclass(frozen=True, slots=True)
class Account:
    """What a rule watches, from its opening to its liquidation or the end."""

    window: Window
    leverage: float
    side: Side
    opened: int  # quarter of a minute
    breach: int | None
    room: Floats  # at every reading
    cushion: Floats
    ratio: Floats
    quarters: npt.NDArray[np.int64]  # when each reading was taken


def windows(corpus: Path, *, perpetuals: bool) -> Iterator[Window]:
    """Every file of the corpus at spot prices, or those of perpetuals."""
    index = json.loads((corpus / "history" / "index.json").read_text(encoding="utf-8"))
    for entry in index["files"]:
        if ("perp" in entry["file"]) is perpetuals:
            yield window(corpus, entry, "kept back" if perpetuals else part_of(entry["file"]))


def part_of(file: str) -> str:
    """Which half of the windows a file belongs to."""
    return "chosen on" if any(key in file for key in CHOSEN_ON) else "judged on"


def window(corpus: Path, entry: dict[str, Any], part: str) -> Window:
    """Prices with the yardsticks of the very estimator that judges live accounts."""
    history = read_prices(corpus / "history" / entry["file"])
    estimator = Estimator(entry["asset"].removesuffix("USDT"))
    down, up, path = [], [], []
    for bar in history.bars:
        known = estimator.now()  # at its open only the bars before it have closed
        down.append(known.down)
        up.append(known.up)
        middle = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
        path += [bar.open, *middle, bar.close]
        estimator.feed([bar])
    ordinary = "ctrl" in entry["file"]
    start = int(datetime.fromisoformat(entry["event_start"]).timestamp() * 1000)
    first = 2 * DAY_MINUTES if ordinary else (start - history.opened[0]) // MINUTE_MS
    return Window(
        name=entry["file"].removesuffix(".csv.gz"),
        part=part,
        ordinary=ordinary,
        history=history,
        path=np.array(path),
        down=np.repeat(np.array(down), 4),
        up=np.repeat(np.array(up), 4),
        first=int(first),
    )


def openings(shown: Window, *, once: bool) -> list[int]:
    """Minutes at which accounts are opened."""
    if once:
        return [shown.first]
    count = len(shown.history.bars)
    if shown.ordinary:
        return list(range(shown.first, count - 3 * DAY_MINUTES, DAY_MINUTES))
    return list(range(DAY_MINUTES, count - 240, 360))


def account(shown: Window, leverage: float, side: Side, minute: int, poll: float) -> Account:
    """A single linear position: its trigger is at a fixed price, as `room_of` finds it."""
    opened, sign = 4 * minute, side.sign
    entry = shown.path[opened]
    trigger = entry * (sign * leverage - 1) / (leverage * (sign - RATE))
    ahead = shown.path[opened:]
    hit = np.flatnonzero(ahead <= trigger if side is Side.LONG else ahead >= trigger)
    breach = int(opened + hit[0]) if len(hit) else None
    end = len(shown.path) if breach is None else breach
    times = np.arange(opened * STEP_MS, end * STEP_MS, round(poll * 1000))
    quarters = times // STEP_MS
    price = shown.path[quarters]
    room = np.maximum(0.0, sign * (1 - trigger / price))
    yardstick = (shown.down if side is Side.LONG else shown.up)[quarters]
    equity = 1 + sign * leverage * (price / entry - 1)
    ratio = RATE * leverage * price / entry / np.maximum(equity, 1e-12)
    return Account(shown, leverage, side, opened, breach, room, room / yardstick, ratio, times)


# --- rules ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """When an alarm is raised, and while it is held."""

    name: str
    grade: Grade | None = None  # one of ours
    ratio: float = float("inf")
    distance: float = 0.0
    cushion: float | None = None  # another rung than the default one of `grade`
    release: float = 1.0  # its band, a multiple of that rung

    def reached_and_held(self, watched: Account) -> tuple[Flags, Flags]:
        """For every reading: whether it raises the alarm, and whether it keeps one standing."""
        if self.grade is None:
            reached = (watched.ratio >= self.ratio) | (watched.room <= self.distance)
            held = (watched.ratio >= self.ratio - RATIO_RELEASE) | (watched.room <= self.distance * 1.2)
            return reached, held
        rung = RUNGS.index(self.grade)
        ratio, cushion = DEFAULT_LADDERS.ratio[rung], DEFAULT_LADDERS.cushion[rung]
        release = DEFAULT_LADDERS.cushion_releases[rung]
        if self.cushion is not None:
            cushion, release = self.cushion, self.cushion * self.release
        reached = (watched.ratio >= ratio) | (watched.cushion <= cushion)
        held = (watched.ratio >= ratio - RATIO_RELEASE) | (watched.cushion <= release)
        return reached, held

    def active(self, watched: Account) -> Flags:
        """The alarm at every reading: raised at once, let go only when clear of the band."""
        reached, held = self.reached_and_held(watched)
        index = np.arange(len(reached))
        raised = np.maximum.accumulate(np.where(reached, index, -1))
        cleared = np.maximum.accumulate(np.where(~(reached | held), index, -1))
        return np.asarray(raised > cleared)


RULES = (
    *(Rule(grade.name, grade=grade) for grade in RUNGS),
    *(Rule(f"ratio {share:.0%}", ratio=share) for share in (0.5, 0.7, 0.8, 0.9)),
    *(Rule(f"distance {share:.0%}", distance=share) for share in (0.05, 0.10)),
)

FRONTIER = tuple(
    Rule(f"{rung:g}x, until {rung * release:g}x", grade=Grade.CRITICAL, cushion=rung, release=release)
    for release in (1.5, 2.4, 3.4, 4.5)
    for rung in (1.0, 1.5, 2.0, 2.6, 3.2, 4.0)
)


@dataclass(frozen=True, slots=True)
class Score:
    """What a rule did over many accounts."""

    leads: Floats  # minutes, 0: no warning stood
    possible: Floats  # minutes each liquidated account had existed
    raises: int
    active_weeks: float
    weeks: float

    def share(self, minutes: float) -> float:
        """Liquidations with at least this lead."""
        return float(np.mean(self.leads >= minutes)) if len(self.leads) else float("nan")

    def row(self, name: str) -> str:
        """One line of the table."""
        median, low = (np.median(self.leads), np.percentile(self.leads, 10)) if len(self.leads) else (0.0, 0.0)
        weeks = max(self.weeks, 1e-9)
        needless, standing = (
            (f"{self.raises / weeks:.2f}", f"{self.active_weeks / weeks:.1%}") if self.weeks else ("–", "–")
        )
        shares = f"{_percent(self.share(3), 1)} | {_percent(self.share(15), 1)}"
        return f"| {name} | {median:.0f} | {low:.0f} | {shares} | {needless} | {standing} |"


def _percent(share: float, digits: int = 0) -> str:
    """A share, or a dash where there was no case to have one of."""
    return "–" if np.isnan(share) else f"{share:.{digits}%}"


def score(rule: Rule, accounts: Sequence[Account]) -> Score:
    """Leads of the liquidated, needless raises of the survivors of ordinary weeks."""
    leads, possible, raises, standing, weeks = [], [], 0, 0.0, 0.0
    for watched in accounts:
        if not len(watched.quarters):
            leads.append(0.0)
            possible.append(0.0)
            continue
        active = rule.active(watched)
        if watched.breach is not None:
            leads.append(_lead(active, watched))
            possible.append((watched.breach - watched.opened) / 4)
        elif watched.window.ordinary:
            raises += int(active[0]) + int(np.count_nonzero(active[1:] & ~active[:-1]))
            length = (len(watched.window.path) - watched.opened) * STEP_MS / WEEK_MS
            weeks += length
            standing += float(np.mean(active)) * length
    return Score(np.array(leads), np.array(possible), raises, standing, weeks)


def _lead(active: Flags, watched: Account) -> float:
    """Minutes from the beginning of the alarm that stood at the last reading to the liquidation."""
    assert watched.breach is not None
    if not active[-1]:
        return 0.0
    quiet = np.flatnonzero(~active)
    began = watched.quarters[quiet[-1] + 1 if len(quiet) else 0]
    return float((watched.breach * STEP_MS - began) / MINUTE_MS)


def fleet(shown: Sequence[Window], leverages: Sequence[float], poll: float, *, once: bool = False) -> list[Account]:
    """Long and short accounts of every leverage in every window; survivors of crashes say nothing and are left out."""
    made = (
        account(one, leverage, side, minute, poll)
        for one in shown
        for minute in openings(one, once=once)
        for leverage in leverages
        for side in Side
    )
    return [watched for watched in made if watched.breach is not None or watched.window.ordinary]


# --- against the code that grades live accounts ---------------------------------------------------


def differences(shown: Sequence[Window], count: int, poll: float) -> list[str]:
    """Where the vectorised rules and `marginbot.sim.replay` disagree, over `count` windows."""
    found: list[str] = []
    for one in list(shown)[:count]:
        asset = one.name.split("USDT")[0]
        minute = openings(one, once=True)[0]
        start = one.history.opened[minute]
        for leverage in JUDGED:
            portfolios = tuple(
                Portfolio(
                    name=side.value,
                    margin_mode=MarginMode.CROSS,
                    equity=10_000.0,
                    maintenance_margin_rate=RATE,
                    positions=(Holding(asset=asset, side=side, leverage=leverage),),
                )
                for side in Side
            )
            end = one.history.opened[-1] + MINUTE_MS - 1
            spec = Spec(prices={asset: one.history}, start=start, end=end, poll_interval=poll, portfolios=portfolios)
            for side, outcome in zip(Side, run(spec), strict=True):
                watched = account(one, leverage, side, minute, poll)
                for grade in (Grade.WARNING, Grade.CRITICAL):
                    ours = outcome.lead_minutes(grade) or 0.0
                    fast = score(Rule("", grade=grade), [watched]).leads
                    if (outcome.breach_at is not None) and abs(float(fast[0]) - ours) > 0.02:
                        found.append(f"{one.name} {leverage:g}x {side}: {grade.name} {ours} here, {fast[0]:.2f} fast")
    return found


# --- output ---------------------------------------------------------------------------------------

HEAD = (
    "| rule | median, min | p10, min | ≥ 3 min | ≥ 15 min | needless a week | standing |\n"
    "| --- | --- | --- | --- | --- | --- | --- |"
)


def table(title: str, accounts: Sequence[Account], rules: Sequence[Rule] = RULES) -> str:
    """A heading and every rule's line."""
    scores = [(rule, score(rule, accounts)) for rule in rules]
    first = scores[0][1]
    late = float(np.mean(first.possible < 15)) if len(first.possible) else 0.0
    heading = (
        f"### {title}\n\n{len(first.leads)} liquidations, {first.weeks:.0f} ordinary account-weeks; "
        f"{late:.1%} of the liquidated had been open for less than 15 minutes.\n"
    )
    return "\n".join([heading, HEAD, *(found.row(rule.name) for rule, found in scores), ""])


def frontier(parts: Mapping[str, Sequence[Account]]) -> str:
    """CRITICAL at every rung and band on each part: what one would have chosen, and what came of it elsewhere."""
    lines = ["### CRITICAL at other rungs and bands, by part: ≥ 3 min, needless a week, standing\n"]
    lines += ["| rule | " + " | ".join(parts) + " |", "| --- |" + " --- |" * len(parts)]
    for rule in FRONTIER:
        cells = []
        for accounts in parts.values():
            found = score(rule, accounts)
            calm = f", {found.raises / found.weeks:.2f}, {found.active_weeks / found.weeks:.1%}" if found.weeks else ""
            cells.append(_percent(found.share(3), 1) + calm)
        lines.append(f"| {rule.name} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def report(corpus: Path, poll: float) -> tuple[str, list[Account]]:
    """The tables, and the accounts of the goals for the picture."""
    spot, perpetuals = list(windows(corpus, perpetuals=False)), list(windows(corpus, perpetuals=True))
    parts = {part: [w for w in spot if w.part == part] for part in ("chosen on", "judged on")}
    goals = fleet(spot, JUDGED, poll)
    sections = [table(f"All spot windows, 3x to 15x, a reading every {poll:g} s", goals)]
    sections.append(table("CRITICAL at other rungs and bands, same windows", goals, FRONTIER))
    fleets = {part: fleet(shown, JUDGED, poll) for part, shown in parts.items()}
    fleets["perpetuals, kept back"] = fleet(perpetuals, JUDGED, poll)
    sections.append(frontier(fleets))
    titles = [f"The windows the figures were {part}, 3x to 15x" for part in parts]
    titles.append("Perpetuals of smaller coins at last prices, kept back, 3x to 15x")
    sections += [table(title, accounts) for title, accounts in zip(titles, fleets.values(), strict=True)]
    sections.append(table("Opened once, at the event's start", fleet(spot, JUDGED, poll, once=True)))
    for leverage in LEVERAGES:
        sections.append(table(f"{leverage:g}x, all spot windows", fleet(spot, (leverage,), poll)))
    for other in (5.0, 150.0):
        sections.append(
            table(f"3x to 15x, opened once, a reading every {other:g} s", fleet(spot, JUDGED, other, once=True))
        )
    return "\n".join(sections), goals


def several(corpus: Path, poll: float) -> str:
    """Wallets of two coins, by the code that grades live accounts: side by side, hedged, shared or split."""
    index = json.loads((corpus / "history" / "index.json").read_text(encoding="utf-8"))
    files = {entry["file"]: entry for entry in index["files"]}
    leads: dict[str, list[list[float]]] = {}
    raises: dict[str, list[float]] = {}
    for file, entry in files.items():
        twin = file.replace("BTC", "ETH")
        if not file.startswith("BTCUSDT") or twin not in files:
            continue
        prices = {"BTC": read_prices(corpus / "history" / file), "ETH": read_prices(corpus / "history" / twin)}
        opened = prices["BTC"].opened
        ordinary = "ctrl" in file
        start = opened[0] + 2 * DAY_MINUTES * MINUTE_MS
        if not ordinary:
            start = int(datetime.fromisoformat(entry["event_start"]).timestamp() * 1000)
        end = opened[-1] + MINUTE_MS - 1
        spec = Spec(prices=prices, start=start, end=end, poll_interval=poll, portfolios=PAIRS)
        for outcome in run(spec):
            if outcome.breach_at is not None:
                found = [outcome.lead_minutes(grade) or 0.0 for grade in RUNGS]
                leads.setdefault(outcome.name, []).append(found)
            elif ordinary:
                weeks = (end - start) / WEEK_MS
                raises.setdefault(outcome.name, []).append(outcome.raises[Grade.CRITICAL] / weeks)
    lines = ["### Two coins in one account, through the code that grades live accounts\n"]
    lines.append(
        "| account | liquidated | WARNING ≥ 15 min | CRITICAL ≥ 3 min | CRITICAL, median min | needless CRITICAL |"
    )
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for portfolio in PAIRS:
        rows = np.array(leads.get(portfolio.name, [])).reshape(-1, len(RUNGS))
        shares = [np.mean(rows[:, 1] >= 15), np.mean(rows[:, 2] >= 3)] if len(rows) else [float("nan")] * 2
        calm = raises.get(portfolio.name, [])
        needless = f"{np.mean(calm):.2f}" if calm else "–"
        median = f"{np.median(rows[:, 2]):.0f}" if len(rows) else "–"
        early = f"{_percent(shares[0])} | {_percent(shares[1])}"
        lines.append(f"| {portfolio.name} | {len(rows)} | {early} | {median} | {needless} |")
    return "\n".join([*lines, ""])


def _pair(name: str, mode: MarginMode, bitcoin: tuple[Side, float], ether: tuple[Side, float]) -> Portfolio:
    holdings = (
        Holding(asset="BTC", side=bitcoin[0], leverage=bitcoin[1]),
        Holding(asset="ETH", side=ether[0], leverage=ether[1]),
    )
    return Portfolio(name=name, margin_mode=mode, equity=10_000.0, maintenance_margin_rate=RATE, positions=holdings)


PAIRS = (
    _pair("cross, both long 5x", MarginMode.CROSS, (Side.LONG, 5.0), (Side.LONG, 5.0)),
    _pair("cross, both short 5x", MarginMode.CROSS, (Side.SHORT, 5.0), (Side.SHORT, 5.0)),
    _pair("cross, long BTC 10x hedged by ETH 5x", MarginMode.CROSS, (Side.LONG, 10.0), (Side.SHORT, 5.0)),
    _pair("cross, long ETH 20x hedged by BTC 20x", MarginMode.CROSS, (Side.SHORT, 20.0), (Side.LONG, 20.0)),
    _pair("isolated, both long 10x", MarginMode.ISOLATED, (Side.LONG, 10.0), (Side.LONG, 10.0)),
)


def picture(accounts: Sequence[Account], file: Path) -> None:
    """Lead against needless alarms, one point a rule, a line for our CRITICAL at other rungs."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5), dpi=120)
    for start in range(0, len(FRONTIER), 6):
        found = [score(rule, accounts) for rule in FRONTIER[start : start + 6]]
        release = FRONTIER[start].release
        axes.plot(
            [one.raises / one.weeks for one in found],
            [100 * one.share(3) for one in found],
            marker=".",
            linewidth=1,
            alpha=0.6,
            label=f"CRITICAL at 1x to 4x, let go at {release:g} times",
        )
    axes.legend(fontsize=8, loc="lower right")
    for rule in RULES:
        reached = score(rule, accounts)
        ours = rule.grade is not None
        axes.scatter(
            reached.raises / reached.weeks, 100 * reached.share(3), s=45, marker="o" if ours else "x", zorder=3
        )
        axes.annotate(
            rule.name,
            (reached.raises / reached.weeks, 100 * reached.share(3)),
            xytext=(6, -4),
            textcoords="offset points",
            fontsize=8,
        )
    axes.axhline(98, linewidth=0.8, linestyle="--", color="grey")
    axes.axvline(0.4, linewidth=0.8, linestyle="--", color="grey")
    axes.set_xlabel("needless raises per account-week in ordinary weeks")
    axes.set_ylabel("liquidations with 3 minutes or more of warning, %")
    axes.set_title("3x to 15x, all spot windows; dashed: the goals for CRITICAL")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(file)


def main() -> None:
    """Print the tables; with --docs write the picture and the tables there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--poll", type=float, default=30.0)
    parser.add_argument("--docs", type=Path)
    parser.add_argument("--check", type=int, default=0)
    parser.add_argument("--pairs", action="store_true")
    options = parser.parse_args()
    corpus = Path(os.environ["MARGINBOT_CORPUS"])
    if options.check:
        found = differences(list(windows(corpus, perpetuals=False)), options.check, options.poll)
        print("\n".join(found) or f"no difference over {options.check} windows")
        sys.exit(1 if found else 0)
    if options.pairs:
        print(several(corpus, options.poll))
        return
    text, goals = report(corpus, options.poll)
    print(text)
    if options.docs:
        picture(goals, options.docs / "calibration.png")
        (options.docs / "calibration-tables.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
