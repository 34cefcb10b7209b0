"""Any bytes where a file is expected: one of our errors that names the file, and nothing of ours is touched."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.capture import explained, from_file
from marginbot.domain.errors import ConfigError, MarginbotError
from marginbot.sim.replay import run
from marginbot.sim.spec import BadSpec, load, read_prices
from marginbot.store import open_store, restore
from tests.fuzz.conftest import EXAMPLES
from tests.store.builders import KEY, add

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=20,
)
cells = st.one_of(st.floats().map(str), st.integers().map(str), st.text(max_size=8))
tables = st.lists(st.lists(cells, max_size=7).map(",".join), max_size=12).map("\n".join)
texts = tables.map(str.encode)


@EXAMPLES
@given(
    st.one_of(st.binary(max_size=300), tables.map(str.encode), tables.map(lambda text: gzip.compress(text.encode())))
)
def test_price_files(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("prices")
    for name in ("prices.csv", "prices.csv.gz"):
        (folder / name).write_bytes(content)
        try:
            history = read_prices(folder / name)
        except BadSpec as error:
            assert name in str(error)
        else:
            assert history.bars


@EXAMPLES
@given(st.one_of(st.binary(max_size=200), json_values.map(lambda value: json.dumps(value).encode())))
def test_specs(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("spec") / "spec.json"
    file.write_bytes(content)
    with pytest.raises(BadSpec):
        run(load(file))


@EXAMPLES
@given(st.one_of(st.binary(max_size=200), json_values.map(lambda value: json.dumps(value).encode())))
def test_recordings(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("recording") / "reading.json"
    file.write_bytes(content)
    with pytest.raises(ConfigError):
        from_file(file)


@EXAMPLES
@given(json_values, st.sampled_from(["binanceusdm", "bybit", "okx", "deribit", "hyperliquid", "nowhere"]))
def test_recordings_of_the_right_form(tmp_path_factory: pytest.TempPathFactory, payload: Any, exchange: str) -> None:
    document = {
        "format": 1,
        "exchange": exchange,
        "taken_at": "2026-11-23T12:00:00Z",
        "payloads": payload if isinstance(payload, dict) else {"account": payload, "balance": payload},
        "reference": {"instruments": {}, "tiers": {}},
        "volatilities": {},
    }
    file = tmp_path_factory.mktemp("recording") / "reading.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    try:
        explained(from_file(file))
    except MarginbotError as error:
        assert error.advice


@EXAMPLES
@given(st.binary(max_size=4000), st.booleans())
def test_backups(tmp_path_factory: pytest.TempPathFactory, content: bytes, looks_real: bool) -> None:
    folder = tmp_path_factory.mktemp("backup")
    target, file = folder / "bot.db", folder / "copy.db"
    store = open_store(target, KEY)
    add(store)
    store.close()
    file.write_bytes((b"SQLite format 3\x00" if looks_real else b"") + content)
    before = target.read_bytes()
    with pytest.raises(MarginbotError):
        restore(file, target)
    assert target.read_bytes() == before


def test_a_folder_or_nothing_is_refused_too(tmp_path: Path) -> None:
    for missing in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ConfigError):
            from_file(missing)
        with pytest.raises(BadSpec):
            load(missing)
