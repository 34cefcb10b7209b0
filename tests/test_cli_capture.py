"""`capture`, `explain` and `venues`, as people use them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marginbot.exchanges.venues import OWN
from marginbot.sim.exchange import SimulatedExchange
from tests.test_cli import SECRET, exchange, marginbot, urls

__all__ = ["exchange"]  # the fixture


def captured(folder: Path, server: SimulatedExchange) -> Path:
    settings = {"EXCHANGE_URLS": urls(server), "KEY": "the-api-key", "SECRET": SECRET}
    result = marginbot(folder, "capture", "binanceusdm", "reading.json", **settings)
    assert result.returncode == 0, result.stderr
    assert "Look it through" in result.stdout
    return folder / "reading.json"


def test_a_captured_reading_explains_itself_offline_and_holds_no_key(
    tmp_path: Path, exchange: SimulatedExchange
) -> None:
    file = captured(tmp_path, exchange)
    text = file.read_text(encoding="utf-8")
    assert SECRET not in text
    assert "the-api-key" not in text
    report = json.loads(marginbot(tmp_path, "explain", "reading.json", "--json").stdout)
    expected = float(exchange.accounts()[0].margin_ratio("cross:USDT"))
    assert report["margin_ratio"] == pytest.approx(expected, rel=0.005)
    rows = {tuple(row["number"]): row for row in report["origins"]}
    assert all(path.startswith(("account.", "positions[")) for row in rows.values() for path in row["from"])
    assert rows[("cross:USDT", "BTC/USDT:USDT", "long", "entry_price")]["as_told"]
    people = marginbot(tmp_path, "explain", "reading.json").stdout
    assert "entry_price: as told, " in people
    assert "cross:USDT · equity: computed from " in people


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path, exchange: SimulatedExchange) -> None:
    (tmp_path / "reading.json").write_text("mine", encoding="utf-8")
    result = marginbot(tmp_path, "capture", "binanceusdm", "reading.json", EXCHANGE_URLS=urls(exchange))
    assert result.returncode == 2
    assert (tmp_path / "reading.json").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("content", ["", "{}", '{"format": 1, "payloads": []}', '{"format": 99}', "[1, 2]"])
def test_a_file_that_is_no_recording_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "reading.json").write_text(content, encoding="utf-8")
    result = marginbot(tmp_path, "explain", "reading.json")
    assert (result.returncode, result.stdout) == (2, "")
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr


def test_venues_lists_every_exchange(tmp_path: Path) -> None:
    listed = json.loads(marginbot(tmp_path, "venues", "--json").stdout)
    assert {row["id"] for row in listed} == set(OWN)
    shown = marginbot(tmp_path, "venues").stdout
    assert all(f"{venue.info.id}: {venue.info.title}" in shown for venue in OWN.values())
