"""Replay specifications and price files: what is wrong with one is named."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from marginbot.sim.spec import BadSpec, load, read_prices
from tests.sim.specs import MINUTE, START, csv_text, flat, portfolio, spec


def test_plain_and_compressed_files_hold_the_same_prices(tmp_path: Path) -> None:
    text = csv_text([flat(100), (100, 101, 99, 100.5)])
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.csv").write_text(csv_text([flat(100), (100, 101, 99, 100.5)], header=""), encoding="utf-8")
    plain = read_prices(tmp_path / "a.csv")
    assert plain == read_prices(tmp_path / "b.csv.gz") == read_prices(tmp_path / "c.csv")
    assert [bar.opened_at for bar in plain.bars] == [START, START + MINUTE]


def test_rows_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    lines = csv_text([flat(1), flat(2), flat(3)]).splitlines()
    (tmp_path / "a.csv").write_text("\n".join([lines[0], lines[3], lines[1], lines[2]]), encoding="utf-8")
    assert [bar.close for bar in read_prices(tmp_path / "a.csv").bars] == [1, 2, 3]


BROKEN_GZIP = gzip.compress(csv_text([flat(100)] * 50).encode())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", b"timestamp,open,high,low,close\n", id="no rows"),
        pytest.param("a.csv", b"", id="empty"),
        pytest.param("a.csv", b"date,price\nyesterday,5\n", id="other columns"),
        pytest.param("a.csv", b"1621382400000,1,2\n", id="columns missing"),
        pytest.param("a.csv", b"1621382400000,1,2,0,1\n", id="a price of zero"),
        pytest.param("a.csv", b"1621382400000,1,nan,1,1\n", id="not a number"),
        pytest.param("a.csv", b"inf,1,2,1,1\n", id="an endless time"),
        pytest.param("a.csv", b"\xff\xfe\x00", id="not text"),
        pytest.param("a.csv.gz", b"timestamp,open\n", id="not compressed"),
        pytest.param("a.csv.gz", BROKEN_GZIP[:-20], id="cut off"),
        pytest.param("a.csv.gz", BROKEN_GZIP[:30] + b"\xff\xff\xff" + BROKEN_GZIP[33:], id="damaged"),
    ],
)
def test_what_is_no_price_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadSpec, match=f"^the file {name} "):
        read_prices(tmp_path / name)


def position(**changes: Any) -> dict[str, Any]:
    return portfolio(positions=[{"asset": "BTC", "side": "long", "leverage": 10} | changes])


@pytest.mark.parametrize(
    ("changes", "portfolios", "says"),
    [
        pytest.param({"prices": {"BTC": "none.csv"}}, [], "none.csv", id="price file missing"),
        pytest.param({"start": "2021-05-20T00:00:00Z"}, [], "start must be before end", id="start after end"),
        pytest.param({"start": "2021-05-19T02:00:00Z"}, [], "start must be before end", id="start at end"),
        pytest.param(
            {"start": "2021-05-17T00:00:00Z", "end": "2021-05-18T00:00:00Z"},
            [],
            "no prices of BTC",
            id="end before the prices",
        ),
        pytest.param(
            {"start": "2021-06-18T00:00:00Z", "end": "2021-06-19T00:00:00Z"},
            [],
            "no prices of BTC",
            id="start after them",
        ),
        pytest.param({"start": "yesterday"}, [], "yesterday", id="no time"),
        pytest.param({"end": 5}, [], "spec.json", id="a number for a time"),
        pytest.param({"poll_interval": 0}, [], "poll_interval", id="no interval"),
        pytest.param({"poll_interval": "x"}, [], "spec.json", id="a word for an interval"),
        pytest.param({"prices": ["BTC.csv"]}, [], "spec.json", id="a list for prices"),
        pytest.param({}, [position(side="up")], "up", id="unknown side"),
        pytest.param({}, [position(asset="DOGE")], "no prices for DOGE", id="unknown asset"),
        pytest.param({}, [position(leverage=0)], "leverage must be a positive number", id="no leverage"),
        pytest.param({}, [position(leverage="ten")], "spec.json", id="a word for leverage"),
        pytest.param({}, [position(notional=-5)], "notional must be a positive number", id="negative notional"),
        pytest.param({}, [portfolio(equity=0)], "equity must be a positive number", id="no equity"),
        pytest.param({}, [portfolio(equity=None)], "spec.json", id="null equity"),
        pytest.param({}, [portfolio(margin_mode="both")], "both", id="unknown margin mode"),
        pytest.param({}, [portfolio(maintenance_margin_rate=0)], "maintenance_margin_rate", id="no rate"),
        pytest.param({}, [portfolio(positions=[])], "no positions", id="no positions"),
        pytest.param({}, [{"name": "x"}], "lacks 'positions'", id="positions missing"),
        pytest.param({}, [portfolio(positions=[{"side": "long"}])], "lacks 'asset'", id="asset missing"),
        pytest.param({}, [portfolio(positions=[{"asset": "BTC", "side": "long"}])], "lacks 'leverage'", id="no size"),
        pytest.param({}, ["x"], "spec.json", id="a word for a portfolio"),
    ],
)
def test_a_bad_spec_names_its_fault(
    tmp_path: Path, changes: dict[str, Any], portfolios: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(BadSpec) as caught:
        load(spec(tmp_path, [flat(100)] * 10, *portfolios, **changes))
    assert says in str(caught.value)


@pytest.mark.parametrize("missing", ["prices", "start", "end", "portfolios"])
def test_a_missing_part_is_named(tmp_path: Path, missing: str) -> None:
    file = spec(tmp_path, [flat(100)] * 10)
    written = json.loads(file.read_text(encoding="utf-8"))
    del written[missing]
    file.write_text(json.dumps(written), encoding="utf-8")
    with pytest.raises(BadSpec, match=f"lacks '{missing}'"):
        load(file)


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '"x"', "null"])
def test_what_is_no_spec_at_all_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "spec.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadSpec, match=r"spec\.json"):
        load(tmp_path / "spec.json")


def test_a_missing_spec_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match=r"nowhere\.json"):
        load(tmp_path / "nowhere.json")


def test_positions_are_opened_at_the_first_price_from_the_start_on(tmp_path: Path) -> None:
    loaded = load(spec(tmp_path, [flat(100)] * 10, start="2021-05-18T00:00:00Z"))
    assert (loaded.start, loaded.end) == (START, START + 10 * MINUTE)
