"""All measurements in one go, and what they say: bench/RESULTS.md and bench/results.png.

    PYTHONPATH=. python bench/run.py [--soak SECONDS] [--only NAME ...] [--rows 1000000]

Each part runs in a process of its own; a naive way and a limit are measured in the same run. Nothing is contacted
but loopback servers.
"""

# ruff: noqa: E501 - the sentences of the page

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = (
    "readings", "start", "memory", "naive_memory", "round_trip", "revaluation", "queue", "flood", "ticks", "hanging",
    "sending", "budget", "soak",
)  # fmt: skip
WAITS = "budget"
LEAST_KB = 0.5  # growth below this is lost in the pages that the start has freed
Found = Mapping[str, Any]


def begun(part: str, *options: str) -> subprocess.Popen[str]:
    """A part in a process of its own."""
    command = [sys.executable, "-m", "bench.parts", part, *options]
    return subprocess.Popen(
        command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )


def measured(part: str, process: subprocess.Popen[str]) -> Any:
    """What a part found; None (and its complaint on stderr) where it failed."""
    said, complaint = process.communicate()
    lines = said.strip().splitlines()
    if process.returncode or not lines:
        sys.stderr.write(f"{part} failed:\n{complaint[-2000:]}\n")
        return None
    print(part, lines[-1], flush=True)
    return json.loads(lines[-1])


def history(rows: int) -> str:
    """The storage benchmark as it prints itself."""
    command = [sys.executable, "bench/history.py", "--rows", str(rows)]
    told = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False, env={**os.environ})
    return told.stdout.strip() or told.stderr[-500:]


def verdict(*, met: bool | None) -> str:
    """In the table; None: the figures do not decide."""
    if met is None:
        return "not shown"
    return "met" if met else "**not met**"


def bars(found: Found) -> list[tuple[str, str, str, str]]:
    """Goal, bar, measured, verdict; what was not measured says so."""
    lines = []
    for name, bar, keys, judge in BARS:
        if any(found.get(key) is None for key in keys):
            lines.append((name, bar, "not measured in this run", "not measured"))
            continue
        text, met = judge(found)
        lines.append((name, bar, text, verdict(met=met)))
    return lines


def _memory(found: Found) -> tuple[str, bool | None]:
    ours, naive = found["memory"]["ours_kb"], found["naive_memory"]["naive_kb"]
    total = found["memory"]["process_mb"]
    whole = f"naive {naive:.0f} kB; the whole process with 3,100 accounts {total:.0f} MB"
    if ours < LEAST_KB:
        return f"no growth to be seen, pages that the start has freed are used again ({whole})", None
    return f"{ours:.1f} kB ({whole}; x{naive / ours:.0f})", ours <= 20 and naive / ours >= 200


def _start(found: Found) -> tuple[str, bool]:
    start = found["start"]
    text = f"{start['all_read_s']:.1f} s until all 1,000 were read, {start['market_loads']} market load"
    return text, start["all_read_s"] <= 5 and start["market_loads"] == 1


def _cpu(found: Found) -> tuple[str, bool]:
    reading = found["readings"]
    ours, naive, bare, alone = (reading[k] for k in ("ours", "naive", "bare aiohttp", "ours, reader only"))
    return (
        f"{ours:.0f} us, x{naive / ours:.1f} naive ({naive:.0f} us), x{ours / bare:.1f} of bare aiohttp with the same two "
        f"requests ({bare:.0f} us); without judging and writing {alone:.0f} us, x{alone / bare:.1f} of bare",
        ours <= 330 and naive / ours >= 7 and ours <= 2 * bare,
    )


def _cycle(found: Found) -> tuple[str, bool]:
    trip = found["round_trip"]
    whole, naive = trip["whole_s"], trip["naive_s"]
    text = f"{whole:.1f} s whole, {trip['reader_s']:.1f} s reader alone; naive {naive:.0f} s (scaled from 20), x{naive / whole:.0f}"
    return text, whole <= 2.5 and naive / whole >= 60


def _budget(found: Found) -> tuple[str, bool]:
    used = found["budget"]["used"]
    late = ", ".join(
        f"{one['accounts']} accounts wait, up to {one['s']:.0f} s" for one in found["budget"]["late"].values()
    )
    text = (
        f"{found['budget']['refused']} refusals; {', '.join(f'{one:.0%}' for one in used)} used by full minute; {late}"
    )
    return text, found["budget"]["refused"] == 0 and min(used) >= 0.9


def _revaluation(found: Found) -> tuple[str, bool]:
    at = found["revaluation"]["10000"]
    ours, plain, copy = at["arrays_ms"], at["python_ms"], at["copy_ms"]
    text = f"{ours:.2f} ms, plain Python {plain:.0f} ms (x{plain / ours:.0f}), a copy of the same bytes {copy:.2f} ms (x{ours / copy:.0f})"
    return text, ours <= 3 and plain / ours >= 10 and ours <= 60 * copy


def _ticks(found: Found) -> tuple[str, bool]:
    reading, told = found["ticks"]["reading"], found["ticks"]["projection"]
    text = (
        f"p50 {reading['p50']:.0f} ms, p99 {reading['p99']:.0f} ms with a reading in between (instant venue); "
        f"p50 {told['p50']:.0f} ms, p99 {told['p99']:.0f} ms as a projection"
    )
    return text, reading["p50"] <= 10 and reading["p99"] <= 100


def _flood(found: Found) -> tuple[str, bool]:
    delay = found["flood"]["flooded"]["p50"] - found["flood"]["quiet"]["p50"]
    return (
        f"{delay:+.1f} ms at the median, {found['flood']['flooded']['max']:.0f} ms at worst; delivered after it",
        delay <= 50,
    )


def _sending(found: Found) -> tuple[str, bool]:
    sending = found["sending"]
    text = f"{sending['per_second']:.1f}/s, {sending['lost']} lost, {sending['refused']} refused, {sending['cpu']:.0%} of a core"
    return text + "; kills: tests/test_crash.py", sending["per_second"] >= 28 and not sending["lost"]


def _queue(found: Found) -> tuple[str, bool]:
    queue = found["queue"]
    few, many = queue["100"]["ours_us"], queue["10000"]["ours_us"]
    share = many * 10 / 1e6
    return (
        f"a look at the queue {few:.0f} us with 100, {many:.0f} us with 10,000 accounts: {share:.2%} of a core at ten a "
        f"second (all accounts read for it: {queue['10000']['all_accounts_us'] / 1e3:.0f} ms)",
        share <= 0.1,
    )


def _hanging(found: Found) -> tuple[str, bool]:
    alone, beside = found["hanging"]["alone"], found["hanging"]["hanging"]
    text = f"late by p50 {alone['p50']:.0f} ms, p99 {alone['p99']:.0f} ms alone; p50 {beside['p50']:.0f} ms, p99 {beside['p99']:.0f} ms beside it"
    return text, beside["p50"] - alone["p50"] <= 200  # a tenth of the interval of 2 s


def _soak(found: Found) -> tuple[str, bool]:
    soak = found["soak"]
    return (
        f"{soak['seconds']:.0f} s, {soak['accounts']:,} accounts: {soak['readings']} readings, {soak['errors']} errors, "
        f"{soak['refused']} refusals; {soak['rss_mb']:.0f} MB, {soak['grown_mb']:+.1f} MB over the second half; loop lag "
        f"p50 {soak['lag']['p50']:.1f}, p99 {soak['lag']['p99']:.0f}, max {soak['lag']['max']:.0f} ms",
        soak["grown_mb"] <= 10 and soak["rss_mb"] <= 500 and soak["lag"]["max"] <= 25,
    )


BARS: tuple[tuple[str, str, tuple[str, ...], Any], ...] = (
    ("G1 memory", "<= 20 kB a further account, x200 below naive", ("memory", "naive_memory"), _memory),
    ("G2 start", "1,000 accounts in 5 s, one market load", ("start",), _start),
    ("G3 reading", "<= 330 us CPU, x7 naive, x2 of bare aiohttp", ("readings",), _cpu),
    ("G4 cycle at 80 ms", "1,000 accounts in 2.5 s, x60 naive", ("round_trip",), _cycle),
    ("G5 budget", "no 429 at 90 % or more of the limit", ("budget",), _budget),
    ("G6 revaluation", "10,000 x 10 in 3 ms, x10 plain Python, x60 of a copy", ("revaluation",), _revaluation),
    ("G7 tick to Telegram", "p50 10 ms, p99 100 ms behind 10,000 messages", ("ticks",), _ticks),
    ("G8 flood wait", "others delayed by at most 50 ms", ("flood",), _flood),
    ("G9 sending", ">= 28/s, none lost", ("sending",), _sending),
    ("G11 queue", "<= 10 % of a core with 10,000 accounts", ("queue",), _queue),
    ("Hanging venue", "the other venue's deadlines kept to within 10 %", ("hanging",), _hanging),
    ("G12 soak", "memory flat, <= 500 MB, loop lag <= 25 ms", ("soak",), _soak),
)
UNMEASURED = (
    (
        "G10 stall",
        "no check skipped after a 5 s stall",
        "no figure: the queue is in the database, so nothing is skipped",
    ),
    ("G14 age", "judged ratio <= 2 s old at p99", "no figure: Binance marks come each second, other venues' every 3 s"),
)


def page(found: Found, stored: str) -> str:
    """RESULTS.md."""
    lines = [
        "# What was measured",
        "",
        f"`PYTHONPATH=. python bench/run.py` on {datetime.now(UTC):%d %B %Y}: {os.cpu_count()} cores, {platform.machine()}, "
        f"CPython {platform.python_version()}. Every figure is of this one run; other work shared the machine, so ratios "
        "within a part say more than absolute figures.",
        "",
        "| goal | bar | measured | |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(line)} |" for line in bars(found)),
        *(f"| {name} | {bar} | {why} | not measured |" for name, bar, why in UNMEASURED),
        "",
        "A reading is complete: due account, credential out of the vault, two signed requests, snapshot, room in eleven",
        "scenarios (ten coins), grades, one transaction on disk. The naive way and bare aiohttp stop at the numbers.",
        "",
        "## Revaluation by size",
        "",
        "| accounts x 10 positions | arrays | plain Python | copy of the same bytes |",
        "| ---: | ---: | ---: | ---: |",
        *(
            f"| {int(count):,} | {at['arrays_ms']:.2f} ms | {at['python_ms']:.1f} ms | {at['copy_ms']:.3f} ms |"
            for count, at in (found.get("revaluation") or {}).items()
        ),
        "",
        "Plain Python is `domain.book.Book.after`; above 2,000 accounts its time is scaled from 2,000. ![growth](results.png)",
        "",
        "## G13 history",
        "",
        "```",
        stored or "not measured in this run",
        "```",
        "",
        "## All figures",
        "",
        "```json",
        json.dumps({name: value for name, value in found.items() if value is not None}, indent=1),
        "```",
    ]
    return "\n".join(lines) + "\n"


def picture(found: Found, path: Path) -> None:
    """How revaluation grows."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    sizes = [int(count) for count in found["revaluation"]]
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for name, title in (("python_ms", "plain Python"), ("arrays_ms", "arrays"), ("copy_ms", "copy of the same bytes")):
        axes.loglog(sizes, [at[name] for at in found["revaluation"].values()], marker="o", label=title)
    axes.set_xlabel("accounts with 10 positions each")
    axes.set_ylabel("ms for one tick of all marks")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soak", type=float, default=600.0)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--only", nargs="*", default=PARTS)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    beside = begun(WAITS) if WAITS in given.only else None  # it mostly waits for the exchange's minutes to pass
    for part in given.only:
        if part != WAITS:
            found[part] = measured(part, begun(part, *((str(given.soak),) if part == "soak" else ())))
    if beside is not None:
        found[WAITS] = measured(WAITS, beside)
    stored = history(given.rows) if given.rows else ""
    (HERE / "RESULTS.md").write_text(page(found, stored), encoding="utf-8")
    if found.get("revaluation"):
        picture(found, HERE / "results.png")


if __name__ == "__main__":
    main()
