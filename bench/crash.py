"""A scripted crash over many accounts while `marginbot run` is killed at random moments.

PYTHONPATH=. python bench/crash.py [--accounts 20] [--kills 30] [--seconds 120] [--seed 1]
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash import Aftermath, live_through


def report(after: Aftermath) -> None:
    """Figures, and what must not be."""
    print(f"kills {after.kills}, notices {len(after.outbox)}, {dict(Counter(told.status for told in after.outbox))}")
    print(f"dropped because {dict(Counter(told.drop_reason for told in after.outbox if told.drop_reason))}")
    print(f"messages {sum(map(len, after.alerts.values()))} in {len(after.alerts)} chats")
    print(f"accepted but not written down (told again): {sum(len(after.unrecorded(chat)) for chat in after.alerts)}")
    print(f"repeats that do not say so: {sum(len(after.unmarked_repeats(chat)) for chat in after.alerts)}")
    print(f"lost: {len(after.lost)} {after.lost[:3] or ''}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report(
            live_through(
                Path(folder), accounts=given.accounts, kills=given.kills, seconds=given.seconds, seed=given.seed
            )
        )
