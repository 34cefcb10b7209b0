"""Accounts, labels, ladders and shares."""

from __future__ import annotations

import pytest

from marginbot.domain.errors import Cause, LabelTaken, NoSuchAccount
from marginbot.domain.grading import DEFAULT_LADDERS, Ladders
from marginbot.flow.ports import Credential, Store
from marginbot.store import SqliteStore
from tests.outbox import pending as pending_in
from tests.store.builders import (
    ALICE,
    BOB,
    CHARLIE,
    CREDENTIAL,
    GROUP,
    MINUTE,
    NOW,
    POOL,
    TABLES_OF_AN_ACCOUNT,
    add,
    cycle_record,
)

CAREFUL = Ladders(ratio=(0.3, 0.4, 0.5, 0.6))
CALM = Ladders(cushion=(3.0, 2.0, 1.0, 0.5))


def test_the_store_is_the_store_of_the_ports(store: SqliteStore) -> None:
    port: Store = store
    assert port.active_accounts() == []


def test_an_account_comes_back_as_it_was_added(store: SqliteStore) -> None:
    account = add(store, "Main")
    assert (account.label, account.exchange, account.chat_id) == ("Main", "bybit", ALICE.user_id)
    assert account.created_at == NOW
    assert account.refused is None
    assert account.next_due_at is None
    assert store.account(ALICE.user_id, "mAIN") == account
    assert store.accounts_of(ALICE.user_id) == store.active_accounts() == store.all_accounts() == [account]
    assert store.credential(account.id) == CREDENTIAL


def test_a_label_is_taken_in_any_case_but_only_for_its_owner(store: SqliteStore) -> None:
    add(store, "Straße")
    with pytest.raises(LabelTaken) as caught:
        add(store, "STRASSE")
    assert caught.value.advice == (
        "You already have an account called Straße. Choose another label, or /remove Straße first. Nothing was stored."
    )
    assert len(store.accounts_of(ALICE.user_id)) == 1
    add(store, "STRASSE", BOB)


def test_a_stranger_finds_nothing(store: SqliteStore) -> None:
    add(store)
    with pytest.raises(NoSuchAccount):
        store.account(CHARLIE.user_id, "main")
    with pytest.raises(NoSuchAccount):
        store.remove_account(CHARLIE.user_id, "main")
    with pytest.raises(NoSuchAccount):
        store.rename_account(CHARLIE.user_id, "main", "mine")
    with pytest.raises(NoSuchAccount):
        store.set_ladders(CHARLIE.user_id, "main", CAREFUL)
    assert store.accounts_of(CHARLIE.user_id) == []
    assert len(store.accounts_of(ALICE.user_id)) == 1


def test_a_missing_label_gets_the_nearest_and_all_of_ones_own(store: SqliteStore) -> None:
    add(store, "Main")
    add(store, "hedge")
    add(store, "maim", BOB)
    with pytest.raises(NoSuchAccount) as caught:
        store.account(ALICE.user_id, "mian")
    assert caught.value.advice == (
        "You have no account of that label. Did you mean Main? Yours: hedge, Main. Nothing was changed."
    )


def test_without_accounts_the_way_to_one_is_told(store: SqliteStore) -> None:
    with pytest.raises(NoSuchAccount) as caught:
        store.account(ALICE.user_id, "main")
    assert "/add" in caught.value.advice


def test_what_was_typed_is_not_repeated(store: SqliteStore) -> None:
    add(store)
    with pytest.raises(NoSuchAccount) as caught:
        store.account(ALICE.user_id, CREDENTIAL.secret)
    assert CREDENTIAL.secret not in caught.value.advice + str(caught.value)


def test_removing_takes_everything_of_the_account_and_nothing_else(store: SqliteStore) -> None:
    first, second = add(store), add(store, "second")
    for account in (first, second):
        store.share(GROUP, account.id, amounts=False, now=NOW)
        store.record(cycle_record(account))
    store.write_history(100)
    store.remove_account(ALICE.user_id, "MAIN")
    for table in ("secrets", *TABLES_OF_AN_ACCOUNT):
        owners = {owner for (owner,) in store._db.conn.execute(f"SELECT account_id FROM {table}")}
        assert owners == {second.id}, table
    assert [n.account_id for n in pending_in(store)] == [second.id]
    with pytest.raises(NoSuchAccount):
        store.credential(first.id)


def test_what_arrives_after_the_removal_is_refused(store: SqliteStore) -> None:
    account = add(store)
    store.remove_account(ALICE.user_id, "main")
    assert store.states(account.id) == {}
    assert store.standing(account).report is None
    for late in (
        lambda: store.record(cycle_record(account)),
        lambda: store.ladders(account.id),
        lambda: store.set_mute(account.id, POOL, None),
        lambda: store.share(GROUP, account.id, amounts=True, now=NOW),
        lambda: store.resume(account.id, NOW),
        lambda: store.replace_credential(account.id, CREDENTIAL, NOW),
    ):
        with pytest.raises(NoSuchAccount):
            late()
    assert store._db.table("secrets").count == 0


def test_a_refused_account_is_not_polled_until_it_is_resumed(store: SqliteStore) -> None:
    account = add(store)
    refusal = cycle_record(account, report=None, notices=[], refused=Cause.KEY_REFUSED)
    store.record(refusal)
    assert store.active_accounts() == []
    assert store.account(ALICE.user_id, "main").refused is Cause.KEY_REFUSED
    resumed = store.resume(account.id, NOW)
    assert (resumed.refused, resumed.next_due_at) == (None, NOW)
    assert store.active_accounts() == [resumed]
    store.record(refusal)
    replaced = store.replace_credential(account.id, Credential("new"), NOW + MINUTE)
    assert (replaced.refused, replaced.next_due_at) == (None, NOW + MINUTE)
    assert store.credential(account.id) == Credential("new")


def test_renaming(store: SqliteStore) -> None:
    account = add(store, "main")
    add(store, "second")
    store.share(GROUP, account.id, amounts=False, now=NOW)
    with pytest.raises(LabelTaken) as caught:
        store.rename_account(ALICE.user_id, "main", "SECOND")
    assert caught.value.advice.endswith("Nothing was changed.")
    store.rename_account(ALICE.user_id, "main", "Main")
    store.rename_account(ALICE.user_id, "main", "third")
    assert store.account(ALICE.user_id, "third").id == account.id
    assert store.shared_with(GROUP)[0][0].label == "third"


def test_the_most_overdue_account_comes_first(store: SqliteStore) -> None:
    accounts = [add(store, label) for label in ("a", "b", "c")]
    store.record(cycle_record(accounts[0], next_due_at=NOW + 2 * MINUTE))
    store.record(cycle_record(accounts[1], next_due_at=NOW + MINUTE))
    assert [a.label for a in store.active_accounts()] == ["c", "b", "a"]


def test_ladders_of_account_owner_and_defaults(store: SqliteStore) -> None:
    first, second, bobs = add(store), add(store, "second"), add(store, "main", BOB)
    assert store.ladders(first.id) == store.user_ladders(CHARLIE.user_id) == DEFAULT_LADDERS
    store.set_ladders(ALICE.user_id, "main", CAREFUL)
    assert [store.ladders(a.id) for a in (first, second)] == [CAREFUL, DEFAULT_LADDERS]
    store.set_ladders(ALICE.user_id, None, CALM)
    assert [store.ladders(a.id) for a in (first, second)] == [CALM, CALM]
    assert store.user_ladders(ALICE.user_id) == CALM
    assert store.ladders(bobs.id) == DEFAULT_LADDERS


def test_defaults_can_be_set_before_the_first_account(store: SqliteStore) -> None:
    store.set_ladders(CHARLIE.user_id, None, CALM)
    assert store.user_ladders(CHARLIE.user_id) == CALM


@pytest.mark.parametrize("text", ["rubbish", '{"ratio": [0.9, 0.5, 0.1, 0.2]}'])
def test_unreadable_ladders_do_not_stop_the_watch(store: SqliteStore, text: str) -> None:
    account = add(store)
    store._db.execute("UPDATE accounts SET ladders = ?", [text])
    assert store.ladders(account.id) == DEFAULT_LADDERS


def test_shares_belong_to_one_group(store: SqliteStore) -> None:
    account = add(store)
    store.share(GROUP, account.id, amounts=False, now=NOW)
    store.share(GROUP, account.id, amounts=True, now=NOW)
    assert store.shared_with(GROUP) == [(account, True)]
    assert store.shared_with(GROUP - 1) == []
    assert not store.unshare(GROUP - 1, account.id)
    assert store.unshare(GROUP, account.id)
    assert not store.unshare(GROUP, account.id)
    assert store.shared_with(GROUP) == []
