"""A scripted crash over many accounts while `marginbot run` is killed at random moments.

PYTHONPATH=. python bench/crash.py [--accounts 20] [--kills 200] [--seconds 700] [--waves 8] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
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
    per_chat = max((len(after.unrecorded(chat)) for chat in after.alerts), default=0)
    print(f"most of those in one chat: {per_chat} (at most one a kill)")
    print(f"rises that were read and not written: {len(after.unwritten)} {after.unwritten[:3] or ''}")
    print(f"lost: {len(after.lost)} {after.lost[:3] or ''}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=700.0)
    parser.add_argument("--waves", type=int, default=8)
    parser.add_argument("--answers-after", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        after = live_through(
            Path(folder),
            accounts=given.accounts,
            kills=given.kills,
            seconds=given.seconds,
            seed=given.seed,
            waves=given.waves,
            answers_after=given.answers_after,
        )
        report(after)
        sys.exit(1 if after.lost or after.unwritten else 0)
