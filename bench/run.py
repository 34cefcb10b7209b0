"""All measurements in one go, and what they say: bench/RESULTS.md and bench/results.png.

    PYTHONPATH=. python bench/run.py [--soak 600] [--only NAME ...] [--rows 10000000]

It takes about eight minutes on two free cores. What mostly waits (the venue's minutes, a crash with kills) runs beside
the other parts. Each part runs in a process of its own; a naive way and a limit are measured in the same run. Nothing is contacted
but loopback servers.
"""

# ruff: noqa: E501 - the sentences of the page

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = (
    "readings", "start", "memory", "naive_memory", "round_trip", "revaluation", "queue", "flood", "hanging", "stall",
    "due", "ticks", "soak", "sending", "kills", "budget", "age",
)  # fmt: skip
WAITS = ("kills", "budget", "age")
LONGEST = ("budget", "age")  # a few hundredths of a core: they go on beside the others
BESIDE = ("readings", "start", "memory", "naive_memory", "revaluation")  # told in CPU time, or short
LEAST_KB = 0.1  # growth below this is none
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
    memory, naive = found["memory"], found["naive_memory"]["naive_kb"]
    ours, held = memory["ours_kb"], memory["traced_kb"]
    sizes = ", ".join(f"{int(count):,}: {size:.0f} MB" for count, size in memory["process_mb"].items())
    whole = (
        f"{held:.1f} kB held by Python; naive {naive:.0f} kB; a process of its own for each number of accounts: {sizes}"
    )
    worse = max(ours, held)
    if min(ours, held) < LEAST_KB:
        return f"{ours:.1f} kB, {whole}: too little to be told from noise", None
    return f"{ours:.1f} kB resident (x{naive / worse:.0f}), {whole}", worse <= 20 and naive / worse >= 200


def _start(found: Found) -> tuple[str, bool]:
    start = found["start"]
    text = f"{start['all_read_s']:.1f} s until all 1,000 were read, {start['market_loads']} market load"
    return text, start["all_read_s"] <= 5 and start["market_loads"] == 1


def _cpu(found: Found) -> tuple[str, bool]:
    reading = found["readings"]
    ours, naive, alone = (reading[k] for k in ("ours", "naive", "ours, reader only"))
    full, both, one = (reading[k] for k in ("ours, full", "bare aiohttp", "bare aiohttp, one request"))
    return (
        f"{ours:.0f} us of a calm account (one request), x{naive / ours:.1f} naive ({naive:.0f} us), x{ours / one:.1f} of "
        f"bare aiohttp with the same request ({one:.0f} us); without judging and writing {alone:.0f} us, "
        f"x{naive / alone:.1f} naive, x{alone / one:.1f} of bare; in full {full:.0f} us, x{naive / full:.1f} naive, "
        f"x{full / both:.1f} of bare aiohttp with the same two requests ({both:.0f} us)",
        ours <= 330 and naive / ours >= 7 and ours <= 2 * one,
    )


def _cycle(found: Found) -> tuple[str, bool]:
    trip = found["round_trip"]
    whole, naive = trip["whole_s"], trip["naive_s"]
    text = (
        f"{whole:.1f} s whole, {trip['reader_s']:.1f} s reader alone, {trip['first_s']:.1f} s the first time (in full); "
        f"naive {naive:.0f} s (scaled from 20), x{naive / whole:.0f}"
    )
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
        f"p50 {reading['p50']:.1f} ms, p99 {reading['p99']:.0f} ms with a reading in between (instant venue); "
        f"p50 {told['p50']:.1f} ms, p99 {told['p99']:.0f} ms as a projection"
    )
    return text, max(reading["p50"], told["p50"]) <= 10 and max(reading["p99"], told["p99"]) <= 100


def _flood(found: Found) -> tuple[str, bool]:
    delay = found["flood"]["flooded"]["p50"] - found["flood"]["quiet"]["p50"]
    return (
        f"{delay:+.1f} ms at the median, {found['flood']['flooded']['max']:.0f} ms at worst; delivered after it",
        delay <= 50,
    )


def _sending(found: Found) -> tuple[str, bool]:
    sending, kills = found["sending"], found["kills"]
    text = (
        f"{sending['per_second']:.1f}/s, {sending['lost']} lost, {sending['refused']} refused, {sending['cpu']:.0%} of a core; "
        f"{kills['kills']} kills in a crash: {kills['lost']} of {kills['notices']} lost, {kills['twice']} told twice, "
        f"{kills['unmarked']} of them without saying so"
    )
    return text, sending["per_second"] >= 28 and not sending["lost"] and not kills["lost"] and not kills["unmarked"]


def _stall(found: Found) -> tuple[str, bool]:
    stall = found["stall"]
    text = (
        f"{stall['due']} were due meanwhile, {stall['skipped']} skipped, all read {stall['caught_up_s']:.1f} s after it; "
        f"half of the endangered after {stall['urgent']['p50']:.0f} ms, half of the calm after {stall['calm']['p50']:.0f} ms"
    )
    return text, not stall["skipped"] and stall["urgent"]["p50"] < stall["calm"]["p50"]


def _queue(found: Found) -> tuple[str, bool]:
    due, few, many = found["due"], found["queue"]["100"]["ours_us"], found["queue"]["10000"]["ours_us"]
    text = (
        f"{due['queue']:.1%} of a core at {due['per_second']:.0f} a second ({due['written']:.1%} with the next time written); "
        f"a look when nobody is due {few:.0f} us with 100, {many:.0f} us with 10,000 accounts (all accounts read for it: "
        f"{found['queue']['10000']['all_accounts_us'] / 1e3:.0f} ms)"
    )
    return text, due["queue"] <= 0.1


def _lateness(found: Found) -> tuple[str, bool]:
    late = found["due"]["late"]
    return f"p50 {late['p50']:.0f} ms, p99 {late['p99']:.0f} ms, max {late['max']:.0f} ms", late["p99"] <= 150


def _all_due(found: Found) -> tuple[str, bool]:
    lag = found["soak"]["lag_all_due"]
    text = f"p50 {lag['p50']:.1f}, p99 {lag['p99']:.0f}, max {lag['max']:.0f} ms while {found['soak']['accounts']:,.0f} accounts are read"
    return text, lag["max"] <= 20


def _age(found: Found) -> tuple[str, bool]:
    marks = found["soak"]["mark_age"]
    return f"p99 {marks['p99'] / 1e3:.2f} s, marks given each second by the benchmark itself", marks["p99"] <= 2_000


def _snapshots(found: Found) -> tuple[str, bool]:
    age = found["age"]
    calm, urgent = age["calm"]["p50"] / 1e3, age["urgent"]["p50"] / 1e3
    text = (
        f"time compressed: calm accounts every {calm:.1f} s (p50), the limit allows {age['left_bound_s']:.1f} s beside the "
        f"{age['urgent_accounts']} endangered (x{calm / age['left_bound_s']:.2f}); those every {urgent:.1f} s, "
        f"x{calm / urgent:.1f} as often; {age['refused']} refusals"
    )
    return text, calm <= 1.1 * age["left_bound_s"] and calm >= 5 * urgent and not age["refused"]


def _hanging(found: Found) -> tuple[str, bool]:
    alone, beside = found["hanging"]["alone"], found["hanging"]["hanging"]
    text = f"late by p50 {alone['p50']:.0f} ms, p99 {alone['p99']:.0f} ms alone; p50 {beside['p50']:.0f} ms, p99 {beside['p99']:.0f} ms beside it"
    return text, beside["p50"] - alone["p50"] <= 200  # a tenth of the interval of 2 s


def _soak(found: Found) -> tuple[str, bool]:
    soak = found["soak"]
    late = sum(soak["late"].values())
    return (
        f"{soak['seconds']:.0f} s, {soak['accounts']:,.0f} accounts every two minutes beside ticks and sends, {soak['cpu']:.0%} of a core: "
        f"{soak['readings']} readings, {soak['errors']} errors; {soak['rss_mb']:.0f} MB, {soak['grown_mb']:+.1f} MB over the "
        f"second half; the oldest reading {soak['oldest_s']:.0f} s old (told from {soak['worst_case_s']} s on), {late} late at the end",
        soak["grown_mb"] <= 10 and soak["rss_mb"] <= 500 and soak["oldest_s"] <= soak["worst_case_s"],
    )


def _lag(found: Found) -> tuple[str, bool]:
    lag = found["soak"]["lag"]
    return f"p50 {lag['p50']:.1f}, p99 {lag['p99']:.0f}, max {lag['max']:.0f} ms", lag["max"] <= 25 and lag["p99"] <= 10


BARS: tuple[tuple[str, str, tuple[str, ...], Any], ...] = (
    ("G1 memory", "<= 20 kB a further account, x200 below naive", ("memory", "naive_memory"), _memory),
    ("G2 start", "1,000 accounts in 5 s, one market load", ("start",), _start),
    ("G3 reading", "<= 330 us CPU, x7 naive, x2 of bare aiohttp", ("readings",), _cpu),
    ("G4 cycle at 80 ms", "1,000 accounts in 2.5 s, x60 naive", ("round_trip",), _cycle),
    ("G5 budget", "no 429 at 90 % or more of the limit", ("budget",), _budget),
    ("G6 revaluation", "10,000 x 10 in 3 ms, x10 plain Python, x60 of a copy", ("revaluation",), _revaluation),
    ("G7 tick to Telegram", "p50 10 ms, p99 100 ms behind 10,000 messages", ("ticks",), _ticks),
    ("G8 flood wait", "others delayed by at most 50 ms", ("flood",), _flood),
    ("G9 sending", ">= 28/s, none lost over kills", ("sending", "kills"), _sending),
    ("G10 stall", "none skipped after 5 s, the endangered first", ("stall",), _stall),
    ("G11 queue", "<= 10 % of a core with 10,000 accounts at 500/s", ("due", "queue"), _queue),
    ("G11 lateness", "p99 <= 150 ms", ("due",), _lateness),
    ("G11 all due at once", "loop lag <= 20 ms", ("soak",), _all_due),
    ("Hanging venue", "the other venue's deadlines kept to within 10 %", ("hanging",), _hanging),
    ("G12 soak", "memory flat, <= 500 MB, nobody older than is told", ("soak",), _soak),
    ("G12 loop", "lag p99 <= 10 ms, max <= 25 ms in the soak", ("soak",), _lag),
    ("G14 judged ratio", "marks <= 2 s old at p99", ("soak",), _age),
    ("G14 snapshots", "<= 1.1 x what the limit allows, the endangered x5 as often", ("age",), _snapshots),
)


def _history(stored: str) -> tuple[str, str, str, str]:
    """From what the storage benchmark prints of our table, which comes after the naive one."""
    goal, bar = "G13 history", ">= 50,000 rows/s, <= 50 B a row, 1,300 B of log a row, a chart of a day <= 5 ms"
    ours = stored.partition("clustered: ")[2]
    told = [
        re.search(pattern, ours)
        for pattern in (
            r"^([\d,]+) rows, ([\d,]+) ",
            r"([\d.]+) bytes/row",
            r"([\d.]+) log bytes/row",
            r"query ([\d.]+) ms",
        )
    ]
    if any(one is None for one in told):
        return goal, bar, "not measured in this run", "not measured"
    rows, rate = told[0].group(1), float(told[0].group(2).replace(",", ""))  # type: ignore[union-attr]
    size, log, chart = (float(one.group(1)) for one in told[1:])  # type: ignore[union-attr]
    text = f"{rate:,.0f} rows/s, {size:.1f} B, {log:.0f} B of log, {chart:.2f} ms out of {rows} rows (ten million by --rows 10000000)"
    return goal, bar, text, verdict(met=rate >= 50_000 and size <= 50 and log <= 1_300 and chart <= 5)


def page(found: Found, stored: str) -> str:
    """RESULTS.md."""
    lines = [
        "# What was measured",
        "",
        f"`PYTHONPATH=. python bench/run.py` on {datetime.now(UTC):%d %B %Y}: {os.cpu_count()} cores, {platform.machine()}, "
        f"CPython {platform.python_version()}. Every figure is of this one run; where other work shared the machine, ratios "
        "within a part say more than absolute figures.",
        "",
        "| goal | bar | measured | |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(line)} |" for line in (*bars(found), _history(stored))),
        "",
        "Peers' loops were not measured again: HyperLiquidation-Bot and liquidation-alerter are published as no package; freqtrade,",
        "which is, runs one account a process and has no loop over margins.",
        "",
        "A reading is complete: due account, credential out of the vault, one signed request (two in full), snapshot, room in the",
        "decisive of eleven scenarios (ten coins), grades, one transaction on disk. The naive way and bare aiohttp stop at the numbers.",
        "",
        "## Revaluation by size",
        "",
        "| accounts x 10 positions | arrays | one symbol | plain Python | copy of the same bytes |",
        "| ---: | ---: | ---: | ---: | ---: |",
        *(
            f"| {int(count):,} | {at['arrays_ms']:.2f} ms | {at['one_symbol_ms']:.2f} ms | {at['python_ms']:.1f} ms | {at['copy_ms']:.3f} ms |"
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
    parser.add_argument("--soak", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--only", nargs="*", default=PARTS)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    waiting = {part: begun(part) for part in given.only if part in WAITS}
    order = [part for part in given.only if part not in WAITS]
    for part in sorted(order, key=lambda one: one not in BESIDE):
        if part not in BESIDE:
            found |= {one: measured(one, waiting.pop(one)) for one in list(waiting) if one not in LONGEST}
        found[part] = measured(part, begun(part, *((str(given.soak),) if part == "soak" else ())))
    found |= {one: measured(one, process) for one, process in waiting.items()}
    stored = history(given.rows) if given.rows else ""
    (HERE / "RESULTS.md").write_text(page(found, stored), encoding="utf-8")
    if found.get("revaluation"):
        picture(found, HERE / "results.png")


if __name__ == "__main__":
    main()
