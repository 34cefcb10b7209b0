"""Registering: everything is checked before the venue is asked, and nothing is stored before it answered."""

from __future__ import annotations

import pytest

from marginbot.domain.errors import (
    BadCredentials,
    BadLabel,
    Banned,
    KeyRefused,
    LabelTaken,
    LimitReached,
    NoSuchAccount,
    NotAllowed,
    RateLimited,
    ReadingError,
    UnknownExchange,
    VenueDown,
)
from marginbot.domain.grading import Grade
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.ports import Credential
from marginbot.flow.registration import MAX_ACCOUNTS, Registration
from tests.builders import T0, Clock, long_at
from tests.fakes import FakeReader
from tests.flow.conftest import ALICE, BOB, Ledger

PARTS = ["key", "secret"]


@pytest.fixture
def desk(store: Ledger, reader: FakeReader) -> Registration:
    reader.accounts["key"] = long_at(92)
    return Registration(reader, store, Access(AccessMode.OPEN, frozenset(), store))


def nothing_stored(desk: Registration) -> bool:
    return not desk.store.active_accounts() and not desk.store.accounts_of(11)


@pytest.mark.parametrize(
    ("text", "venue"),
    [("bybit", "bybit"), (" ByBit ", "bybit"), ("okex", "okx"), ("OKX", "okx"), ("hyperliquid", "hyperliquid")],
)
def test_a_venue_is_found_by_any_of_its_names(desk: Registration, text: str, venue: str) -> None:
    assert desk.venue(text).id == venue


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("bybyt", "Did you mean bybit?", id="the nearest name"),
        pytest.param("hyperliqid", "Did you mean hyperliquid?", id="a letter lost"),
        pytest.param("okexx", "Did you mean okx?", id="nearest by its other name"),
        pytest.param("zzz", "I do not know that exchange. I can watch", id="nothing is near"),
    ],
)
def test_an_unknown_exchange_is_answered_with_the_nearest_and_the_list(
    desk: Registration, text: str, hint: str
) -> None:
    with pytest.raises(UnknownExchange) as caught:
        desk.request(11, text, "main", PARTS)
    assert hint in caught.value.advice
    assert "bybit, okx, hyperliquid" in caught.value.advice
    assert text not in caught.value.advice, "what was typed may be a key in the wrong place"
    assert nothing_stored(desk)


@pytest.mark.parametrize("label", ["", "   ", "two words", "-dash", "a" * 25, "<b>", "a/b", "new\nline", "@you"])
def test_a_bad_label_is_refused_with_an_example(desk: Registration, label: str) -> None:
    with pytest.raises(BadLabel) as caught:
        desk.request(11, "bybit", label, PARTS)
    assert "main or desk-2" in caught.value.advice


@pytest.mark.parametrize("label", ["a", "a" * 24, "desk-2", "Zürich.1", "_x", " main "])
def test_a_good_label_is_taken_as_it_is(desk: Registration, label: str) -> None:
    assert desk.request(11, "bybit", label, PARTS).label == label.strip()


def test_a_label_is_taken_in_any_case_but_only_by_its_owner(desk: Registration) -> None:
    desk.store_account(ALICE, 11, desk.request(11, "bybit", "Main", PARTS), T0)
    with pytest.raises(LabelTaken) as caught:
        desk.request(11, "bybit", "mAIN", PARTS)
    assert "/remove Main" in caught.value.advice
    assert desk.request(22, "bybit", "main", PARTS).label == "main"


@pytest.mark.parametrize(
    ("exchange", "parts", "says"),
    [
        pytest.param("bybit", ["key"], "Bybit needs API key and API secret; parts received: 1.", id="one missing"),
        pytest.param("bybit", ["a", "b", "c"], "parts received: 3.", id="one too many"),
        pytest.param("bybit", [], "parts received: 0.", id="none"),
        pytest.param("bybit", ["key", "  "], "parts received: 1.", id="an empty one"),
        pytest.param("okx", PARTS, "/add okx LABEL KEY SECRET PASSPHRASE", id="the passphrase"),
        pytest.param("hyperliquid", PARTS, "Hyperliquid needs address; parts received: 2.", id="an address only"),
    ],
)
def test_a_wrong_number_of_parts_says_what_is_needed(
    desk: Registration, exchange: str, parts: list[str], says: str
) -> None:
    with pytest.raises(BadCredentials) as caught:
        desk.request(11, exchange, "main", parts)
    assert says in caught.value.advice
    assert nothing_stored(desk)


def test_parts_go_where_the_venue_wants_them(desk: Registration) -> None:
    assert desk.request(11, "okx", "a", [" k ", "s", "p"]).credential == Credential("k", "s", "p")
    assert desk.request(11, "hyperliquid", "b", ["0xabc"]).credential == Credential("0xabc")


def test_what_is_plainly_malformed_is_refused_before_anything_is_sent(desk: Registration, reader: FakeReader) -> None:
    with pytest.raises(BadCredentials):
        desk.request(11, "bybit", "main", ["malformed", "secret"])
    assert not reader.reads


def test_a_secret_shows_in_no_repr(desk: Registration) -> None:
    shown = repr(desk.request(11, "okx", "a", ["my-key", "my-secret", "my-passphrase"]))
    assert not any(word in shown for word in ("my-key", "my-secret", "my-passphrase"))


async def test_a_probe_is_a_real_reading_judged_and_stores_nothing(desk: Registration) -> None:
    report = await desk.probe(desk.request(11, "bybit", "main", PARTS), T0)
    assert report.grade is Grade.CRITICAL
    assert nothing_stored(desk)


@pytest.mark.parametrize("error", [KeyRefused("401"), VenueDown("no answer")])
async def test_a_probe_that_fails_says_so_and_stores_nothing(
    desk: Registration, reader: FakeReader, error: ReadingError
) -> None:
    reader.accounts["key"] = error
    with pytest.raises(type(error)) as caught:
        await desk.probe(desk.request(11, "bybit", "main", PARTS), T0)
    assert caught.value.advice == f"{type(error).advice} Nothing was stored."
    assert nothing_stored(desk)


@pytest.mark.parametrize("error", [VenueDown("no answer"), RateLimited("429"), Banned("418")])
async def test_a_probe_that_fails_promises_nothing_about_an_account_that_is_not_watched(
    desk: Registration, reader: FakeReader, error: ReadingError
) -> None:
    reader.accounts["key"] = error
    with pytest.raises(type(error)) as caught:
        await desk.probe(desk.request(11, "bybit", "main", PARTS), T0)
    assert "keep trying" not in caught.value.advice
    assert "position" not in caught.value.advice


def test_a_stored_account_is_watched(desk: Registration) -> None:
    account = desk.store_account(ALICE, 11, desk.request(11, "bybit", "main", PARTS), T0)
    assert [a.id for a in desk.store.active_accounts()] == [account.id]
    assert desk.store.credential(account.id) == Credential("key", "secret")
    assert account.next_due_at is None


def test_a_refused_account_gets_its_new_key_and_keeps_its_history(desk: Registration, store: Ledger) -> None:
    account = desk.store_account(ALICE, 11, desk.request(11, "bybit", "main", PARTS), T0)
    refuse(store, account.id)
    again = desk.store_account(ALICE, 11, desk.request(11, "bybit", "Main", ["new", "secret"]), T0)
    assert (again.id, again.refused) == (account.id, None)
    assert store.credential(account.id).key == "new"


def test_a_refused_account_can_be_replaced_by_one_at_another_venue(desk: Registration, store: Ledger) -> None:
    account = desk.store_account(ALICE, 11, desk.request(11, "bybit", "main", PARTS), T0)
    refuse(store, account.id)
    other = desk.store_account(ALICE, 11, desk.request(11, "hyperliquid", "main", ["0xabc"]), T0)
    assert other.id != account.id
    assert [a.exchange for a in store.accounts_of(11)] == ["hyperliquid"]


def refuse(store: Ledger, account_id: int) -> None:
    store._db.conn.execute("UPDATE accounts SET refused = 'key_refused', refused_at = 'x' WHERE id = ?", (account_id,))


def test_a_retry_polls_one_s_own_account_again_and_nobody_else_s(desk: Registration, store: Ledger) -> None:
    account = desk.store_account(ALICE, 11, desk.request(11, "bybit", "main", PARTS), T0)
    refuse(store, account.id)
    with pytest.raises(NoSuchAccount):
        desk.retry(22, "main", T0)
    assert desk.retry(11, "main", T0).refused is None


def test_nobody_has_more_accounts_than_the_limit(desk: Registration, store: Ledger, clock: Clock) -> None:
    for n in range(MAX_ACCOUNTS):
        store.add_account(ALICE, 11, "bybit", f"desk-{n}", Credential("k", "s"), clock.now)
    with pytest.raises(LimitReached):
        desk.request(11, "bybit", "one-more", PARTS)
    assert desk.request(22, "bybit", "main", PARTS).label == "main"
    account = store.account(11, "desk-3")
    refuse(store, account.id)
    assert desk.request(11, "bybit", "desk-3", PARTS).label == "desk-3", "a new key is no new account"


def test_a_stranger_registers_nothing(store: Ledger, reader: FakeReader) -> None:
    desk = Registration(reader, store, Access(AccessMode.INVITE, frozenset({11}), store))
    with pytest.raises(NotAllowed) as caught:
        desk.request(BOB.user_id, "bybit", "main", PARTS)
    assert "invite code" in caught.value.advice
    assert not reader.reads
