"""What is kept of venues' terms: exactly, one document a venue, together with what is told of a change."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.domain.tier_changes import KeptTerms, Terms
from marginbot.domain.tiers import LeverageTier
from marginbot.store import SqliteStore, open_store
from marginbot.store.codec import TERMS
from tests.outbox import pending as pending_in
from tests.store.builders import KEY, NOW, add, dies_at, notice, rows

D = Decimal
TERMS_NOW = Terms(
    tiers={
        "BTC/USDT:USDT": (
            LeverageTier(D(0), D("50000.10"), D("0.0040")),
            LeverageTier(D(50000), None, D("0.005"), D(50)),
        )
    },
    collateral_rates={"BTC": D("0.950")},
)
amounts = st.decimals(min_value=0, max_value=10**12, allow_nan=False, allow_infinity=False)


def test_terms_can_be_read_back_and_are_replaced_by_the_next(store: SqliteStore) -> None:
    assert (store.terms("bybit"), store.terms_dates()) == (None, {})
    store.record_terms("bybit", TERMS_NOW, NOW)
    assert store.terms("bybit") == KeptTerms(loaded_at=NOW, terms=TERMS_NOW)
    later = NOW + timedelta(days=1)
    store.record_terms("bybit", Terms(), later)
    assert store.terms("bybit") == KeptTerms(loaded_at=later, terms=Terms())
    assert store.terms_dates() == {"bybit": later}


def test_what_cannot_be_read_counts_as_not_kept(store: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    store.record_terms("bybit", TERMS_NOW, NOW)
    store._db.conn.execute("UPDATE venue_terms SET terms = '{\"tiers\": 5}'")
    assert store.terms("bybit") is None
    assert "cannot be read" in caplog.text


def test_a_removed_account_does_not_keep_the_others_from_being_told(store: SqliteStore) -> None:
    gone, stays = add(store, "gone"), add(store, "stays")
    store.remove_account(gone.user_id, "gone")
    store.record_terms("bybit", TERMS_NOW, NOW, [notice(gone), notice(stays)])
    assert [told.account_id for told in pending_in(store)] == [stays.id]
    assert store.terms("bybit") is not None


def test_terms_and_what_is_told_of_them_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with_account = open_store(path, KEY)
    account = add(with_account)
    with_account.close()

    def work(arm: object) -> None:
        store = open_store(path, KEY)
        assert callable(arm)
        arm(store._db.conn)
        store.record_terms("bybit", TERMS_NOW, NOW, [notice(account)])

    statement = 1
    while dies_at(statement, work):
        assert rows(path, "venue_terms") == []
        assert rows(path, "notices") == []
        statement += 1
    assert statement > 3
    assert len(rows(path, "venue_terms")) == len(rows(path, "notices")) == 1


@given(amounts, amounts, st.none() | amounts)
def test_figures_keep_every_digit(rate: Decimal, floor: Decimal, cap: Decimal | None) -> None:
    told = Terms(tiers={"X": (LeverageTier(floor, cap, rate),)}, collateral_rates={"Y": rate})
    assert TERMS.decode(TERMS.encode(told)) == told
    assert str(TERMS.decode(TERMS.encode(told)).collateral_rates["Y"]) == str(rate)


def test_the_document_holds_nothing_of_an_account(tmp_path: Path) -> None:
    store = open_store(tmp_path / "a.db", KEY)
    store.record_terms("bybit", TERMS_NOW, NOW)
    columns = [
        column
        for column, *_ in sqlite3.connect(tmp_path / "a.db").execute(
            "SELECT name FROM pragma_table_info('venue_terms')"
        )
    ]
    store.close()
    assert columns == ["exchange", "loaded_at", "terms"]
