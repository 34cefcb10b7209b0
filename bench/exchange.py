"""A loopback Binance USD-M that is never the bottleneck: answers made once, a raw protocol, a process of its own.

What is in the answers comes from `marginbot.sim`. Signatures are not checked. Control paths, for the benchmarks:

    /-/set?rtt=0.08&errors=0.01&budget=2400&window=60&hang=1&poor=1  how to behave from now on
    /-/stats                                                     what was asked since the last time
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

from marginbot.sim import listings, statements
from marginbot.sim.book import Account
from marginbot.sim.instruments import INSTRUMENTS, Market

D = Decimal
SYMBOLS = 600
VARIANTS = 40
HELD = 10
POORER = 2_300  # what they have
POOR = 50  # one account in so many, where that is asked for
# As Binance documents them; what is not here costs 1. Too little here, and a careful client seems to leave much unused.
WEIGHTS = {
    "/fapi/v3/account": 5,
    "/fapi/v3/positionRisk": 5,
    "/fapi/v2/positionRisk": 5,
    "/fapi/v1/accountConfig": 5,
    "/fapi/v1/multiAssetsMargin": 30,
    "/fapi/v1/premiumIndex": 10,
}


def market() -> Market:
    """Six real contracts, and further ones like them."""
    patterns = list(INSTRUMENTS.values())[:4]
    listed = dict(INSTRUMENTS)
    for number in range(SYMBOLS - len(listed)):
        pattern = patterns[number % len(patterns)]
        base = f"C{number:03d}"
        price = pattern.first_price * (1 + D(number % 17) / 100)
        listed[f"{base}USDT"] = replace(pattern, symbol=f"{base}USDT", base=base, first_price=price)
    return Market(instruments=listed)


def account(of: Market, variant: int, held: int = HELD, wallet: int = 20_000) -> Account:
    """Ten positions, longs and shorts, at about a third of the way to the trigger."""
    names = sorted(name for name in of.instruments if name.startswith("C"))[: 4 * held]
    chosen = random.Random(variant).sample(names, held)
    made = Account(market=of, wallets={"USDT": D(wallet)})
    for place, name in enumerate(chosen):
        size = (D(10_000 + 900 * place) / of.mark(name)).quantize(D("0.001"))
        made.open(name, size if (place + variant) % 3 else -size, of.mark(name) * D("1.01"))
    return made


def bodies(wallet: int = 20_000) -> dict[str, list[bytes]]:
    """Every answer by path, in as many variants as there are."""
    of, now_ms = market(), int(time.time() * 1000)
    holders = [account(of, variant, wallet=wallet) for variant in range(VARIANTS)]
    every = list(of.instruments.values())
    told: dict[str, list[Any]] = {
        "/fapi/v1/exchangeInfo": [listings.exchange_info(of, now_ms)],
        "/fapi/v1/leverageBracket": [[listings.leverage_bracket(one) for one in every]],
        "/fapi/v1/premiumIndex": [[listings.premium_index(of, one.symbol, now_ms) for one in every]],
        "/fapi/v3/account": [statements.account_v3(holder) for holder in holders],
        "/fapi/v3/positionRisk": [
            [statements.position_risk_v3(holder, position) for position in holder.positions] for holder in holders
        ],
        "/fapi/v1/accountConfig": [statements.account_config(holders[0])],
        "/fapi/v1/multiAssetsMargin": [{"multiAssetsMargin": False}],
    }
    return {path: [json.dumps(one).encode() for one in answers] for path, answers in told.items()}


def klines(query: dict[str, str]) -> bytes:
    """A market that goes nowhere in small steps."""
    limit, now_ms = int(query.get("limit", "500")), int(time.time() * 1000)
    first = int(query.get("startTime", 0)) or (now_ms // 60_000 - limit + 1) * 60_000
    rows = [[at, "1000", "1002", "998", "1000", "1"] for at in range(first, now_ms, 60_000)][:limit]
    return json.dumps([[*row, row[0] + 59_999, "1", 0, "0", "0", "0"] for row in rows]).encode()


def weight(path: str, text: str) -> int:
    """What a request costs; candles by how many are asked for."""
    if not path.endswith("/klines"):
        return WEIGHTS.get(path, 1)
    limit = int(dict(parse_qsl(text)).get("limit", "500"))
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


class Book:
    """What all connections share."""

    def __init__(self) -> None:
        self.bodies, self.poorer = bodies(), bodies(POORER)
        self.rtt = self.errors = 0.0
        self.budget, self.window = 0, 60.0
        self.hang = self.poor = False
        self.counts: Counter[str] = Counter()
        self.used, self.opened_at, self.windows = 0, 0.0, []
        self.random = random.Random(1)

    def set(self, query: dict[str, str]) -> None:
        """Change how to behave."""
        for name, value in query.items():
            setattr(self, name, type(getattr(self, name))(float(value)))
        self.used, self.opened_at, self.windows = 0, time.monotonic(), []

    def stats(self) -> dict[str, Any]:
        """Counts since the last time."""
        told = {"counts": dict(self.counts), "windows": [*self.windows, self.used]}
        self.counts.clear()
        return told

    def answer(self, target: str, key: str) -> tuple[int, bytes]:
        """Status and body of a request."""
        path, _, text = target.partition("?")
        if path.startswith("/-/"):
            query = dict(parse_qsl(text))
            return 200, json.dumps(self.set(query) if path == "/-/set" else self.stats()).encode()
        if self.budget and not self._paid(path, text):
            self.counts["429"] += 1
            return 429, b'{"code": -1003, "msg": "Too many requests."}'
        self.counts[path] += 1
        if self.errors and self.random.random() < self.errors:
            self.counts["503"] += 1
            return 503, b"<html>upstream is unavailable</html>"
        if path == "/fapi/v1/klines":
            return 200, klines(dict(parse_qsl(text)))
        number = int(key[1:]) if key else 0
        known = (self.poorer if self.poor and number % POOR == 0 else self.bodies).get(path)
        if known is None:
            return 404, b"<html>404</html>"
        return 200, known[number % len(known)]

    def _paid(self, path: str, text: str) -> bool:
        now = time.monotonic()
        if now - self.opened_at >= self.window:
            if self.opened_at:
                self.windows.append(self.used)
            self.used, self.opened_at = 0, now
        self.used += weight(path, text)
        return self.used <= self.budget


class Connection(asyncio.Protocol):
    """Just enough HTTP/1.1."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """One request after the other; bodies are not expected."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head, self.buffer = self.buffer[:end].decode(), self.buffer[end + 4 :]
            lines = head.split("\r\n")
            key = next((line.split(":", 1)[1].strip() for line in lines if line.lower().startswith("x-mbx-apikey")), "")
            target = lines[0].split(" ")[1]
            if self.book.hang and not target.startswith("/-/"):
                return
            status, body = self.book.answer(target, key)
            extra = f"Retry-After: {max(1, round(self.book.window))}\r\n" if status == 429 else ""
            text = (
                f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                f"X-MBX-USED-WEIGHT-1M: {self.book.used}\r\n{extra}\r\n"
            )
            self._send(text.encode() + body)

    def _send(self, answer: bytes) -> None:
        if self.book.rtt:
            asyncio.get_running_loop().call_later(self.book.rtt, self.transport.write, answer)
        else:
            self.transport.write(answer)


def _serve(pipe: Any) -> None:
    async def main() -> None:
        book = Book()
        server = await asyncio.get_running_loop().create_server(lambda: Connection(book), "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    with contextlib.suppress(KeyboardInterrupt):
        try:
            import uvloop
        except ImportError:
            asyncio.run(main())
        else:
            uvloop.run(main())


class Exchange:
    """The server in its own process, from this side."""

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, **how: float) -> None:
        """Behave so from now on."""
        self._ask("set?" + "&".join(f"{name}={value}" for name, value in how.items()))

    def stats(self) -> dict[str, Any]:
        """What was asked since the last time."""
        told: dict[str, Any] = json.loads(self._ask("stats"))
        return told

    def _ask(self, what: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}/-/{what}") as answer:
            return bytes(answer.read())


@contextlib.contextmanager
def exchange() -> Iterator[Exchange]:
    """Start one, and end it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        if not ours.poll(60):
            raise TimeoutError("the exchange did not start")
        yield Exchange(f"http://127.0.0.1:{ours.recv()}")
    finally:
        process.terminate()
        process.join(5)
