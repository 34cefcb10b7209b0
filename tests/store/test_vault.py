"""Secrets at rest: unreadable, unmovable, and a wrong key is told at start."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.domain.errors import ConfigError, SealBroken, WrongMasterKey
from marginbot.flow.ports import Credential
from marginbot.store import SqliteStore, Vault, new_master_key, open_store, parse_master_key, rotate
from marginbot.store.database import companions
from marginbot.store.vault import FIELDS
from tests.store.builders import ALICE, BOB, CREDENTIAL, KEY, OTHER_KEY, add, cycle_record, dies_at


def test_a_new_key_can_be_read_back() -> None:
    text = new_master_key()
    assert len(text) == 44
    assert len(parse_master_key(f" {text}\n")) == 32
    assert parse_master_key(text) == parse_master_key(text.rstrip("="))
    assert new_master_key() != text


def test_hexadecimal_is_accepted() -> None:
    assert parse_master_key(KEY.hex().upper()) == KEY


@pytest.mark.parametrize("text", ["", "short", "x" * 44, "é" * 44, KEY.hex()[:-1], base64.b64encode(KEY[:31]).decode()])
def test_other_texts_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ConfigError, match="marginbot keygen") as caught:
        parse_master_key(text)
    assert not text or text not in str(caught.value)


@settings(max_examples=30, deadline=None)
@given(st.text(), st.text(), st.text())
def test_what_is_sealed_opens_again(key: str, secret: str, passphrase: str) -> None:
    store = open_store(":memory:", KEY)
    credential = Credential(key, secret, passphrase)
    account = store.add_account(ALICE, ALICE.user_id, "okx", "main", credential, cycle_record(add(store, "x")).at)
    assert store.credential(account.id) == credential
    store.close()


def stored_bytes(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (path, *companions(path)) if file.exists())


def forms(secret: str) -> list[bytes]:
    raw = secret.encode()
    return [raw, raw.hex().encode(), base64.b64encode(raw), raw[::-1], secret.encode("utf-16-le")]


def test_failure_35_no_secret_in_any_page(path: Path, on_disk: SqliteStore) -> None:
    add(on_disk)
    add(on_disk, "second")
    pages = stored_bytes(path)
    for part in (CREDENTIAL.key, CREDENTIAL.secret, CREDENTIAL.passphrase, KEY.decode("latin-1")):
        assert not any(form in pages for form in forms(part))


def test_what_was_removed_is_gone_from_every_page(path: Path, on_disk: SqliteStore) -> None:
    account = add(on_disk, "velvet-hammer")
    on_disk.record(cycle_record(account))
    conn = on_disk._db.conn
    sealed = [blob for (blob,) in conn.execute("SELECT sealed FROM secrets")]
    assert all(blob in stored_bytes(path) for blob in sealed)
    on_disk.remove_account(ALICE.user_id, "velvet-hammer")
    pages = stored_bytes(path)
    assert not any(blob in pages for blob in sealed)
    assert b"velvet-hammer" not in pages


def test_failure_32_a_replaced_credential_is_gone_from_every_page(path: Path, on_disk: SqliteStore) -> None:
    account = add(on_disk)
    sealed = [blob for (blob,) in on_disk._db.conn.execute("SELECT sealed FROM secrets")]
    on_disk.replace_credential(account.id, Credential("new", "newer"), account.created_at)
    assert not any(blob in stored_bytes(path) for blob in sealed)
    assert on_disk.credential(account.id) == Credential("new", "newer")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(
            "UPDATE secrets SET (nonce, sealed) = (SELECT s.nonce, s.sealed FROM was s "
            "WHERE s.account_id <> secrets.account_id AND s.field = secrets.field)",
            id="swapped between accounts",
        ),
        pytest.param(
            "UPDATE secrets SET (nonce, sealed) = (SELECT s.nonce, s.sealed FROM secrets s "
            "WHERE s.account_id = secrets.account_id AND s.field = 'key') WHERE field = 'secret'",
            id="moved to another field",
        ),
        pytest.param("UPDATE secrets SET sealed = zeroblob(40) WHERE field = 'key'", id="overwritten"),
        pytest.param("UPDATE secrets SET sealed = x'' WHERE field = 'key'", id="emptied"),
        pytest.param("UPDATE secrets SET nonce = zeroblob(12) WHERE field = 'secret'", id="other nonce"),
        pytest.param("DELETE FROM secrets WHERE field = 'passphrase'", id="a part taken away"),
        pytest.param("DELETE FROM secrets", id="all taken away"),
    ],
)
def test_tampering_is_noticed(store: SqliteStore, damage: str) -> None:
    first, second = add(store), add(store, "second", BOB)
    store._db.execute("CREATE TEMP TABLE was AS SELECT * FROM secrets")
    store._db.execute(damage)
    for account in (first, second):
        with pytest.raises(SealBroken) as caught:
            store.credential(account.id)
        assert "/remove it and /add it again" in caught.value.advice


def test_a_new_account_never_inherits_a_removed_ones_id(store: SqliteStore) -> None:
    first = add(store)
    store.remove_account(ALICE.user_id, "main")
    assert add(store).id > first.id


def test_the_same_secret_never_looks_the_same(store: SqliteStore) -> None:
    add(store)
    add(store, "second")
    records = store._db.conn.execute("SELECT nonce, sealed FROM secrets").fetchall()
    assert len({nonce for nonce, _ in records}) == len({text for _, text in records}) == 6


def test_wrong_master_key_is_told_at_start(path: Path) -> None:
    store = open_store(path, KEY)
    add(store)
    store.close()
    with pytest.raises(WrongMasterKey) as caught:
        open_store(path, OTHER_KEY)
    assert "MARGINBOT_MASTER_KEY" in caught.value.advice
    open_store(path, KEY).close()


def test_an_unused_database_takes_any_key(path: Path) -> None:
    open_store(path, KEY).close()
    open_store(path, OTHER_KEY).close()


@pytest.mark.parametrize("check", [None, "", "garbage", "a:b:c", "0011223344556677:00:00"])
def test_a_damaged_check_record_lets_no_wrong_key_in(path: Path, check: str | None) -> None:
    store = open_store(path, KEY)
    add(store)
    if check is None:
        store._db.execute("DELETE FROM meta WHERE name = 'vault_check'")
    else:
        store.set_meta("vault_check", check)
    store.close()
    with pytest.raises(WrongMasterKey):
        open_store(path, OTHER_KEY)


def test_secrets_reach_no_repr_and_no_log(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        store = open_store(path, KEY)
        account = add(store)
        shown = f"{store.credential(account.id)!r} {store._vault!r} {account!r} {caplog.text}"
        store._db.execute("UPDATE secrets SET sealed = zeroblob(40)")
        with pytest.raises(SealBroken) as caught:
            store.credential(account.id)
        store.close()
    shown += f"{caught.value!r} {caught.value.advice} {caught.value.__cause__!r}"
    assert not any(part in shown for part in (CREDENTIAL.key, CREDENTIAL.secret, CREDENTIAL.passphrase, KEY.hex()))


# --- changing the key ------------------------------------------------------------------------------


def test_rotation_changes_every_secret_and_the_check(path: Path) -> None:
    store = open_store(path, KEY)
    ids = [add(store).id, add(store, "second", BOB).id]
    old = [blob for (blob,) in store._db.conn.execute("SELECT sealed FROM secrets")]
    assert rotate(store._db.conn, old=KEY, new=OTHER_KEY) == 2 * len(FIELDS)
    assert not any(blob in stored_bytes(path) for blob in old)
    store.close()
    with pytest.raises(WrongMasterKey):
        open_store(path, KEY)
    store = open_store(path, OTHER_KEY)
    assert [store.credential(account_id) for account_id in ids] == [CREDENTIAL] * 2
    store.close()


def test_rotation_can_be_repeated(store: SqliteStore) -> None:
    add(store)
    conn = store._db.conn
    assert rotate(conn, old=KEY, new=OTHER_KEY) == 3
    assert rotate(conn, old=KEY, new=OTHER_KEY) == 0
    Vault(OTHER_KEY, conn)


def test_rotation_from_a_wrong_key_changes_nothing(store: SqliteStore) -> None:
    account = add(store)
    with pytest.raises(WrongMasterKey):
        rotate(store._db.conn, old=OTHER_KEY, new=bytes(32))
    assert store.credential(account.id) == CREDENTIAL


def test_rotation_finishes_a_half_done_one(store: SqliteStore) -> None:
    first, second = add(store), add(store, "second")
    conn = store._db.conn
    Vault(KEY, conn)
    halfway = open_store(":memory:", OTHER_KEY)
    add(halfway)  # the same account id, sealed under the other key
    conn.execute("DELETE FROM secrets WHERE account_id = ?", (first.id,))
    conn.executemany(
        "INSERT INTO secrets VALUES (?, ?, ?, ?, ?)", halfway._db.conn.execute("SELECT * FROM secrets").fetchall()
    )
    halfway.close()
    with pytest.raises(WrongMasterKey) as caught:
        Vault(KEY, conn)
    assert "rotate-key" in caught.value.advice
    assert rotate(conn, old=KEY, new=OTHER_KEY) == 3
    vault = Vault(OTHER_KEY, conn)
    assert vault.open(first.id) == vault.open(second.id) == CREDENTIAL


def test_rotation_killed_anywhere_leaves_one_key_that_opens_all(path: Path) -> None:
    store = open_store(path, KEY)
    ids = [add(store).id, add(store, "second").id]
    store.close()

    def work(arm: object) -> None:
        inside = open_store(path, KEY)
        arm(inside._db.conn)  # type: ignore[operator]
        rotate(inside._db.conn, old=KEY, new=OTHER_KEY)

    deaths = 0
    while dies_at(deaths + 1, work):
        deaths += 1
        opens = [key for key in (KEY, OTHER_KEY) if all_open(path, key, ids)]
        assert len(opens) == 1
        if opens == [OTHER_KEY]:
            break
    assert deaths >= 10
    store = open_store(path, OTHER_KEY)
    assert rotate(store._db.conn, old=KEY, new=OTHER_KEY) == 0
    store.close()


def all_open(path: Path, key: bytes, ids: list[int]) -> bool:
    try:
        store = open_store(path, key)
    except WrongMasterKey:
        return False
    try:
        return [store.credential(account_id) for account_id in ids] == [CREDENTIAL] * len(ids)
    finally:
        store.close()
