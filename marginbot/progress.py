"""How far work is that takes a while, on stderr: a bar on a terminal, elsewhere a plain line now and then.

Logs and pipes hear nothing of work that is done within seconds. Standard output stays what programs read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

Tick = Callable[[int, int], None]  # (done so far, of how many)
SECONDS_BETWEEN_LINES = 5.0


@contextmanager
def bar(title: str, console: Console | None = None) -> Iterator[Tick]:
    """What the work calls as it goes on; the bar goes away when the block ends."""
    screen = console or Console(file=sys.stderr)
    if not screen.is_terminal:
        yield lines(title, lambda line: print(line, file=screen.file, flush=True))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=screen, transient=True) as shown:
        task = shown.add_task(title, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def lines(title: str, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> Tick:
    """`restoring: 40 %`, no more often than every few seconds."""
    told_at = clock()

    def tick(done: int, total: int) -> None:
        nonlocal told_at
        if total > 0 and clock() - told_at >= SECONDS_BETWEEN_LINES:
            told_at = clock()
            write(f"{title}: {100 * done // total} %")

    return tick
