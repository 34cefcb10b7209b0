"""ccxt's addresses pointed elsewhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt
import pytest

from marginbot.exchanges.urls import rebased
from marginbot.exchanges.venues import VENUES


def addresses(urls: Any) -> list[str]:
    if isinstance(urls, dict):
        return [found for value in urls.values() for found in addresses(value)]
    if isinstance(urls, list):
        return [found for value in urls for found in addresses(value)]
    return [urls] if isinstance(urls, str) and "://" in urls else []


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        pytest.param("https://fapi.example.com/fapi/v1", "http://127.0.0.1:9", "http://127.0.0.1:9/fapi/v1", id="path"),
        pytest.param("https://api.{hostname}", "http://127.0.0.1:9", "http://127.0.0.1:9", id="template"),
        pytest.param("https://api.{hostname}/v5", "https://proxy.example", "https://proxy.example/v5", id="host"),
        pytest.param("wss://stream.x.com/ws?a=1", "http://h:1", "ws://h:1/ws?a=1", id="stream, plain"),
        pytest.param("ws://stream.x.com/ws", "https://h", "wss://h/ws", id="stream, secure"),
        pytest.param("https://x.com/a", "http://[::1]:8/", "http://[::1]:8/a", id="the base's own path does not count"),
        pytest.param("https://x.com/a", "ws://h:1", "http://h:1/a", id="a stream's base serves requests too"),
        pytest.param("no address", "http://h:1", "no address", id="other text"),
    ],
)
def test_one_address(url: str, base: str, expected: str) -> None:
    assert rebased(url, base) == expected


@pytest.mark.parametrize("name", VENUES)
def test_every_address_of_a_client_moves_and_its_path_stays(name: str) -> None:
    before = getattr(ccxt, name)().urls
    after = rebased(before, "http://127.0.0.1:1234")
    pairs = list(zip(addresses(before), addresses(after), strict=True))
    assert pairs
    assert {urlsplit(new).netloc for _, new in pairs} == {"127.0.0.1:1234"}
    assert {urlsplit(new).scheme for _, new in pairs} <= {"http", "ws"}
    assert all(urlsplit(old).path == urlsplit(new).path for old, new in pairs)
    assert not isinstance(before, str)
    assert addresses(before) != addresses(after), "the client's own table is left alone"
