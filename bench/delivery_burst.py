"""How delivery stands a crash: everybody warned at once, calm news in the way, one chat in a flood wait.

    PYTHONPATH=. python bench/delivery_burst.py [--users 1000] [--backlog 10000]

The real database on disk, the real Telegram messenger, the loopback Bot API of the tests with Telegram's limits.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from marginbot.domain.grading import Grade
from tests.post_office import Post, post_office


def shown(name: str, seconds: Sequence[float]) -> None:
    """Median and worst in milliseconds."""
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name}: p50 {statistics.median(ordered) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms, n={len(ordered)}")


async def drained(post: Post) -> None:
    """Wait until nothing is pending."""
    await post.tg.wait_until(lambda: post.store.count_pending() == 0 or None, 600)


async def burst(folder: Path, users: int) -> None:
    """All users CRITICAL in one cycle."""
    async with post_office(folder / "burst.db", limits=True) as post:
        post.backlog(users, Grade.CRITICAL, first=1)
        cushions = {line.chat_id: line.cushion or 0.0 for line in post.store.pending_lines(0)}
        began, cpu = time.monotonic(), time.process_time()
        post.delivery.dispatch()
        await drained(post)
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        calls = post.tg.calls("sendMessage")
        order = [cushions[call.params["chat_id"]] for call in calls]
        place = {cushion: at for at, cushion in enumerate(sorted(order))}
        print(f"burst of {users}: all accepted in {took:.1f} s = {users / took:.1f}/s, CPU {cpu / took:.0%}")
        print(f"  the first hundred after {calls[min(99, users - 1)].at - began:.2f} s")
        print(f"  refused with 429: {sum(call.outcome.startswith('429') for call in calls)}")
        print(f"  places out of order at most: {max(abs(at - place[c]) for at, c in enumerate(order))}")


async def alarms(post: Post, count: int, first: int, pause: float) -> list[float]:
    """Seconds from writing an alarm to Telegram having it, one after the other."""
    dwells = []
    for user in range(first, first + count):
        account = post.account(user)
        began = time.monotonic()
        post.write(account, Grade.CRITICAL)
        post.delivery.dispatch()
        await post.tg.wait_for(user, "CRITICAL")
        dwells.append(time.monotonic() - began)
        await asyncio.sleep(pause)
    return dwells


async def behind_calm_news(folder: Path, backlog: int) -> None:
    """Alarms while calm news of so many chats wait."""
    async with post_office(folder / "backlog.db", limits=True) as post:
        post.backlog(backlog)
        began = time.perf_counter()
        post.store.pending_lines(0)
        print(f"backlog of {backlog}: read once as lines in {(time.perf_counter() - began) * 1e3:.0f} ms")
        began = time.perf_counter()
        post.delivery.dispatch()
        print(f"  first look {(time.perf_counter() - began) * 1e3:.0f} ms")
        looks = []
        for _ in range(50):
            began = time.perf_counter()
            post.delivery.dispatch()
            looks.append(time.perf_counter() - began)
            await asyncio.sleep(0.02)
        shown("  a further look", looks)
        shown("  alarm, from written to with Telegram", await alarms(post, 40, 1, 0.1))
        print(f"  still waiting at the end: {post.store.count_pending()}")


async def beside_a_flood_wait(folder: Path) -> None:
    """Alarms to other chats while one is in a flood wait, and without."""
    async with post_office(folder / "flood.db") as post:
        quiet = await alarms(post, 40, 1, 0.05)
        post.tg.faults.add("sendMessage", 9_999, kind="429", retry_after=3)
        post.write(post.account(9_999), Grade.EMERGENCY)
        post.delivery.dispatch()
        await asyncio.sleep(0.2)
        flooded = await alarms(post, 40, 101, 0.05)
        shown("alarm with nobody in a flood wait", quiet)
        shown("alarm with one chat in a flood wait", flooded)
        delay = statistics.median(flooded) - statistics.median(quiet)
        print(f"  median delay of the others: {delay * 1e3:.1f} ms")
        await post.tg.wait_for(9_999, "EMERGENCY", 10)
        print("  the chat in the flood wait was told after it")


async def main(users: int, backlog: int) -> None:
    """All of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        await beside_a_flood_wait(folder)
        await behind_calm_news(folder, backlog)
        await burst(folder, users)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--backlog", type=int, default=10_000)
    given = parser.parse_args()
    asyncio.run(main(given.users, given.backlog))
