"""What may stay in a recording, and what may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.errors import BadPayload
from marginbot.exchanges.faults import PARSE_ERRORS
from marginbot.exchanges.origins import numbers
from marginbot.exchanges.reader import CcxtReader
from marginbot.exchanges.recording import Recording, redacted
from marginbot.exchanges.redaction import Redactor
from marginbot.exchanges.venues import VENUES
from tests.exchanges.kit import now
from tests.exchanges.test_corpus import CREDENTIALS, EXTRA, KNOWN, READ, USUAL, exchange_of
from tests.servers.corpus import CorpusServer, cases


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("uid", 12345678),
        ("uid", "12345678"),
        ("subAccountUser", "alice"),
        ("email", "alice@example.org"),
        ("accountAlias", "main"),
        ("order_id", "b7d1c0de-99aa"),
        ("deposit_address", "0x12ab34cd56ef"),
        ("data", "0x12ab34cd56ef7890"),
        ("ips", "203.0.113.7"),
        ("what", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"),
        ("text", "Alice Liddell wrote 12345678901"),
        ("positionId", 8123412341234),
        ("index", 107712),
        ("account_index", 107712),
    ],
)
def test_identities_are_taken_out(field: str, value: Any) -> None:
    shown = json.dumps(Redactor().redacted({field: value}))
    assert str(value) not in shown


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("walletBalance", "1023.55"),
        ("accountEquity", 99.5),
        ("symbol", "BTC-USDT-SWAP"),
        ("instrument_name", "BTC-27JUN25-60000-C"),
        ("marginMode", "REGULAR_MARGIN"),
        ("retMsg", "OK"),
        ("updateTime", 1732449600123),
        ("createdAt", "2026-11-24T12:00:00Z"),
        ("liqPrice", ""),
        ("isolated", False),
        ("sign", -1),
        ("value", None),
        ("order_margin", "12"),
    ],
)
def test_what_a_reading_is_made_of_stays(field: str, value: Any) -> None:
    assert Redactor().redacted({field: value}) == {field: value}


def test_an_account_s_number_is_taken_out_but_not_out_of_amounts() -> None:
    assert Redactor(["1077"]).redacted({"value": "1077", "price": "21077.5"}) == {
        "value": "redacted-1",
        "price": "21077.5",
    }


def test_rows_keyed_by_an_address_get_a_stand_in_and_the_same_text_the_same() -> None:
    address = "0xabcdef0123456789"
    found = Redactor().redacted({address: {"user": address}})
    (key,) = found
    assert address not in json.dumps(found)
    assert found[key]["user"] == key


@given(st.text(min_size=6), st.recursive(st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_a_secret_never_survives_wherever_it_stands(secret: str, around: Any) -> None:
    planted = {"a": [around, f"<{secret}>", {secret: secret}], "symbol": secret}
    shown = json.dumps(Redactor([secret], known=[secret]).redacted(planted), ensure_ascii=False)
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in shown.replace("redacted-", "")


@pytest.mark.skipif(not cases(), reason="MARGINBOT_CORPUS does not name a folder with recorded payloads")
@pytest.mark.parametrize("name", sorted(READ))
async def test_a_redacted_recording_reads_the_same(name: str) -> None:
    held = [c for c in cases() if exchange_of(c) == name and c["case"] not in KNOWN and c["has_open_position"]]
    for case in held:
        recording = await recorded(name, case)
        without = redacted(recording, CREDENTIALS.get(name, USUAL))
        assert read(without) == read(recording), case["case"]


async def recorded(exchange: str, case: Any) -> Recording:
    files = [*case["account_and_position_files"], *case["market_files"]]
    async with CorpusServer(files, EXTRA.get(case["case"], EXTRA.get(exchange))) as server:
        reader = CcxtReader({exchange: server.url})
        try:
            return await reader.record(exchange, CREDENTIALS.get(exchange, USUAL), now())
        finally:
            await reader.close()


def read(recording: Recording) -> Any:
    """The numbers without the names of pools, which may hold a sub-account's id."""
    try:
        found = numbers(recording.snapshot(VENUES[recording.exchange]))
        return sorted((name[1:], str(value)) for name, value in found.items())
    except (BadPayload, *PARSE_ERRORS) as error:
        return type(error)
