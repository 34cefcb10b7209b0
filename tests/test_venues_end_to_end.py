"""Each supported venue, registered by chat and read by the running bot: the figures shown are the venue's own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from marginbot.sim.book import Account
from marginbot.sim.exchange import SimulatedExchange
from marginbot.sim.instruments import Market
from tests.running import RunningBot, running_bot
from tests.servers.base import LoopbackServer, wall_clock_ms
from tests.servers.bybit import BybitServer
from tests.servers.bybit_book import BybitAccount, BybitMarket
from tests.servers.deribit import DeribitAccount, DeribitPosition, DeribitServer
from tests.servers.hyperliquid import HyperliquidAccount, HyperliquidPosition, HyperliquidServer
from tests.servers.okx import OkxAccount, OkxPosition, OkxServer
from tests.servers.telegram import TelegramServer, threaded
from tests.servers.threads import on_a_thread
from tests.sim.books import wallets
from tests.test_cli import marginbot

D = Decimal
ALICE = 7001
TOLERANCE = 0.005


@dataclass
class Side:
    """A venue with Alice's account: how it is moved, what the venue says of it, what she types."""

    server: LoopbackServer
    credential: tuple[str, ...]
    move: Callable[[Decimal], None]
    ratio: Callable[[], Decimal]
    wrong: tuple[str, ...] = ()


def binance() -> Side:
    market = Market()
    market.set_price("BTCUSDT", D(60_000))
    account = Account(market, wallets(USDT="10000"), liquidates=False)
    account.open("BTCUSDT", D("0.8"))
    server = SimulatedExchange(market, wall_clock_ms, weight_limit=1_000_000)
    server.add_key("binance-key-1", "binance-secret-1", account)
    return Side(
        server,
        ("binance-key-1", "binance-secret-1"),
        lambda price: server.set_price("BTCUSDT", price),
        lambda: account.margin_ratio("cross:USDT"),
        ("binance-key-1", "binance-secret-x"),
    )


def bybit() -> Side:
    market = BybitMarket()
    market.set_price("BTCUSDT", D(60_000))
    account = BybitAccount(market, {"USDT": D(10_000)}, liquidates=False)
    account.open("BTCUSDT", D("0.8"))
    server = BybitServer(market)
    server.add_key("bybit-key-1", "bybit-secret-1", account)
    return Side(
        server,
        ("bybit-key-1", "bybit-secret-1"),
        lambda price: server.set_price("BTCUSDT", price),
        lambda: account.margin_ratio,
        ("bybit-key-1", "bybit-secret-x"),
    )


def okx() -> Side:
    position = OkxPosition(inst_id="BTC-USDT-SWAP", pos=D(80), avg_px=D(60_000))
    server = OkxServer([OkxAccount(acct_lv="2", balances={"USDT": D(10_000)}, positions=[position])])
    return Side(
        server,
        ("okx-key", "okx-secret", "okx-passphrase"),
        lambda price: server.set_price("BTC", price),
        lambda: server.margin_ratio("cross:USDT"),
        ("okx-key", "okx-secret-x", "okx-passphrase"),
    )


def deribit() -> Side:
    position = DeribitPosition(instrument="BTC-PERPETUAL", size=D(120_000), average_price=D(60_000))
    server = DeribitServer([DeribitAccount(balances={"BTC": D(1)}, positions=[position])])
    return Side(
        server,
        ("deribit-id", "deribit-secret"),
        lambda price: server.set_price("BTC", price),
        lambda: server.margin_ratio("cross:BTC"),
        ("deribit-id", "deribit-secret-x"),
    )


def hyperliquid() -> Side:
    address = "0x" + "ab" * 20
    position = HyperliquidPosition(coin="BTC", size=D("0.8"), entry_price=D(60_000))
    server = HyperliquidServer([HyperliquidAccount(address=address, cash={"": D(10_000)}, positions=[position])])
    return Side(
        server,
        (address,),
        lambda price: server.set_price("BTC", price),
        lambda: server.margin_ratio("cross"),
        ("0x" + "ab" * 19 + "zz",),
    )


VENUES: dict[str, Callable[[], Side]] = {
    "binanceusdm": binance,
    "bybit": bybit,
    "okx": okx,
    "deribit": deribit,
    "hyperliquid": hyperliquid,
}


@dataclass
class Room:
    """A bot between all venues and the chat."""

    tg: TelegramServer
    bot: RunningBot
    sides: Mapping[str, Side]

    @property
    def urls(self) -> str:
        return json.dumps({name: side.server.url for name, side in self.sides.items()})

    def say(self, text: str, answer: str | re.Pattern[str]) -> str:
        asked = self.tg.private(ALICE, text)
        return self.tg.wait_for_sync(ALICE, answer, 30.0, after=asked).text


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("venues")
    sides = {name: make() for name, make in VENUES.items()}
    with ExitStack() as stack:
        for side in sides.values():
            stack.enter_context(on_a_thread(side.server))
        tg = stack.enter_context(threaded())
        urls = json.dumps({name: side.server.url for name, side in sides.items()})
        environment = {
            "MARGINBOT_TELEGRAM_API_URL": tg.url,
            "MARGINBOT_EXCHANGE_URLS": urls,
            "MARGINBOT_POLL_INTERVAL": "0.5",
        }
        bot = stack.enter_context(running_bot(folder, environment))
        bot.wait_until_healthy()
        yield Room(tg, bot, sides)
        assert tg.violations == []
        assert tg.refusals == []


@pytest.mark.parametrize("name", VENUES)
def test_wrong_credentials_are_explained_and_nothing_is_stored(room: Room, name: str) -> None:
    wrong = room.sides[name].wrong
    answer = room.say(f"/add {name} wrong {' '.join(wrong)}", re.compile("Nothing was stored|nothing was stored"))
    assert not any(part in answer for part in wrong if name != "hyperliquid")
    assert "wrong" not in room.say("/accounts", re.compile("."))


@pytest.mark.parametrize("name", VENUES)
def test_registered_by_chat_the_figures_are_the_venues_own(room: Room, tmp_path: Path, name: str) -> None:
    side = room.sides[name]
    side.move(D(60_000))
    room.say(f"/add {name} {name}-1 {' '.join(side.credential)}", "Watching")
    for price in (D(60_000), D(55_000)):
        side.move(price)
        time.sleep(1.6)
        expected = float(side.ratio())
        status = room.say(f"/status {name}-1", re.compile(r"ratio \d"))
        shown = re.search(r"ratio (\d+\.\d)%", status)
        assert shown is not None, status
        assert abs(float(shown[1]) / 100 - expected) <= 0.0006 + expected * TOLERANCE, (status, expected)
        assert snapshot_ratio(tmp_path, room, name) == pytest.approx(expected, rel=TOLERANCE)


def snapshot_ratio(folder: Path, room: Room, name: str) -> float:
    fields = dict(zip(("KEY", "SECRET", "PASSPHRASE"), room.sides[name].credential, strict=False))
    result = marginbot(folder, "snapshot", name, "--json", EXCHANGE_URLS=room.urls, **fields)
    assert result.returncode == 0, result.stderr
    return float(json.loads(result.stdout)["margin_ratio"])


def test_unknown_exchange_and_taken_label_are_explained(room: Room) -> None:
    assert "deribit" in room.say("/add deribid again key-123456 secret-123456", "Nothing was stored")
    credential = " ".join(room.sides["deribit"].credential)
    room.say(f"/add deribit twice {credential}", "Watching")
    assert "twice" in room.say(f"/add deribit TWICE {credential}", "Nothing was stored")
