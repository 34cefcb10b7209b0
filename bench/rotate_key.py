"""`marginbot rotate-key`, killed by SIGKILL at random moments: which key opens the database then, and does it finish?

PYTHONPATH=. python bench/rotate_key.py [--kills 50] [--accounts 4000] [--seed 1]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from marginbot.domain.errors import WrongMasterKey
from marginbot.flow.ports import Credential, Person
from marginbot.store import new_master_key, open_store, parse_master_key

KEYS = {"old": new_master_key(), "new": new_master_key()}
COMMAND = [sys.executable, "-m", "marginbot", "rotate-key"]
MOST_ACCOUNTS_EACH = 10


def prepared(path: Path, accounts: int) -> list[int]:
    """A database with so many accounts under the old key; their ids."""
    now = datetime.now(UTC)
    with closing(open_store(path, parse_master_key(KEYS["old"]))) as store:
        owners = [Person(1000 + number // MOST_ACCOUNTS_EACH, "somebody") for number in range(accounts)]
        return [
            store.add_account(who, who.user_id, "bybit", f"acc{at}", Credential(f"key-{at}", f"secret-{at}"), now).id
            for at, who in enumerate(owners)
        ]


def opening(path: Path, ids: list[int]) -> list[str]:
    """The names of the keys that open every credential."""
    found = []
    for name, key in KEYS.items():
        with suppress(WrongMasterKey), closing(open_store(path, parse_master_key(key))) as store:
            if all(store.credential(number).secret == f"secret-{at}" for at, number in enumerate(ids)):
                found.append(name)
    return found


def environment(path: Path) -> dict[str, str]:
    """What the command needs."""
    return {
        **os.environ,
        "MARGINBOT_DATABASE": str(path),
        "MARGINBOT_MASTER_KEY": KEYS["old"],
        "MARGINBOT_NEW_MASTER_KEY": KEYS["new"],
    }


def took(path: Path) -> float:
    """Run the command; seconds."""
    started = time.monotonic()
    subprocess.run(COMMAND, env=environment(path), cwd=path.parent, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def killed(path: Path, after: float) -> bool:
    """Start the command, kill it after so many seconds; whether it was still running."""
    process = subprocess.Popen(COMMAND, env=environment(path), cwd=path.parent, stdout=subprocess.DEVNULL)
    time.sleep(after)
    process.kill()
    return process.wait() != 0


def main() -> int:
    """The figures; 1 when a credential was lost or a second run did not finish."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--accounts", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    drawn, outcomes, failed = random.Random(given.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory() as folder:
        original, path = Path(folder) / "original.db", Path(folder) / "bot.db"
        ids = prepared(original, given.accounts)
        shutil.copy(original, path)
        whole, idle = took(path), took(path)  # with all the work to do, and with nothing left to do
        for _ in range(given.kills):
            for file in Path(folder).glob("bot.db*"):
                file.unlink()
            shutil.copy(original, path)
            died = killed(path, drawn.uniform(0.95 * idle, 1.05 * whole))
            keys = opening(path, ids)
            outcomes[f"{'killed' if died else 'finished'}; all of it opens with: {', '.join(keys)}"] += 1
            again = subprocess.run(COMMAND, env=environment(path), cwd=folder, check=False, stdout=subprocess.DEVNULL)
            failed += len(keys) != 1 or again.returncode != 0 or opening(path, ids) != ["new"]
    print(f"{given.kills} kills, {given.accounts} accounts; a run takes {whole:.2f} s, of which {idle:.2f} s to start")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:4} {outcome}")
    print(f"lost or unfinished: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
