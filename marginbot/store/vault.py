"""Secrets at rest: AES-256-GCM under the master key, each bound to its place.

The associated data names table, row, field and key, so a sealed value moved elsewhere does not open. A check
record in `meta`, sealed with the first secret, tells a wrong master key at start. Nothing here is ever logged.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import sqlite3
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from marginbot.domain.errors import ConfigError, SealBroken, VaultError, WrongMasterKey
from marginbot.flow.ports import Credential
from marginbot.store.database import Progress, transaction, translated, unseen, wipe_log

KEY_BYTES = 32
NONCE_BYTES = 12
FIELDS = ("key", "secret", "passphrase")  # all are always stored, empty ones too: none can be taken away unseen

CHECK_NAME = "vault_check"
TABLE = "secrets"
URL_TABLE, URL_FIELD = "channel_secrets", "url"
_CHECK_TEXT = "this database opens with this key"
_CHECK_PLACE = ("meta", 0, CHECK_NAME)
_HEX_KEY = re.compile(r"[0-9a-fA-F]{64}")
_KEY_ADVICE = (
    "The master key is not the one this database was written with. Set MARGINBOT_MASTER_KEY (or the file named by "
    "MARGINBOT_MASTER_KEY_FILE) to the key used before. Without it the stored exchange keys cannot be opened: "
    "start with a new database and add the accounts again."
)
_HALFWAY_ADVICE = (
    "Some stored exchange keys are sealed under another master key. If you were changing the key, "
    "run `marginbot rotate-key` again with the old and the new one. Otherwise restore a backup."
)


def new_master_key() -> str:
    """A fresh key in the form that `parse_master_key` reads."""
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def parse_master_key(text: str, name: str = "MARGINBOT_MASTER_KEY") -> bytes:
    """The 32 bytes of a master key: what `marginbot keygen` prints, or 64 hexadecimal digits.

    `ConfigError` says by `name` where the text came from.
    """
    text = text.strip()
    if _HEX_KEY.fullmatch(text):
        return bytes.fromhex(text)
    try:
        key = base64.b64decode(text.rstrip("=") + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{name} is not a master key: it should be the line of 44 characters that `marginbot keygen` prints, or "
            "64 hexadecimal digits"
        )
    return key


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored."""

    key_id: str
    nonce: bytes
    text: bytes


class Sealer:
    """A master key in use. What it seals opens only at the same place: table, row and field."""

    __slots__ = ("_cipher", "key_id")

    def __init__(self, master_key: bytes) -> None:
        self._cipher = AESGCM(master_key)
        self.key_id = hashlib.sha256(b"marginbot master key\0" + master_key).hexdigest()[:16]

    def seal(self, text: str, place: tuple[str, int, str]) -> Sealed:
        """Seal a text for a place, with a nonce of its own."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return Sealed(self.key_id, nonce, self._cipher.encrypt(nonce, text.encode(), self._binding(place)))

    def open(self, sealed: Sealed, place: tuple[str, int, str]) -> str:
        """The text again; `WrongMasterKey` by the key's name, else `SealBroken` if anything differs."""
        if sealed.key_id != self.key_id:
            raise WrongMasterKey(f"{_named(place)} is sealed under another master key", advice=_HALFWAY_ADVICE)
        try:
            return self._cipher.decrypt(sealed.nonce, sealed.text, self._binding(place)).decode()
        except (InvalidTag, ValueError):
            raise SealBroken(f"{_named(place)} was altered or moved") from None

    def _binding(self, place: tuple[str, int, str]) -> bytes:
        table, row, field = place
        return "\0".join(("marginbot", table, str(row), field, self.key_id)).encode()


class Vault:
    """The stored credentials. Made with a wrong master key it raises `WrongMasterKey` at once."""

    __slots__ = ("_conn", "_sealer")

    def __init__(self, master_key: bytes, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._sealer = Sealer(master_key)
        with translated():
            self._verify()

    def __repr__(self) -> str:
        return f"<Vault {self._sealer.key_id}>"

    def seal(self, account_id: int, credential: Credential) -> None:
        """Store a credential, replacing what was there. Call inside the transaction it belongs to."""
        if not _has_check(self._conn):
            _write_check(self._conn, self._sealer)
        for field in FIELDS:
            place = (TABLE, account_id, field)
            _write(self._conn, place, self._sealer.seal(getattr(credential, field), place))

    def open(self, account_id: int) -> Credential:
        """The credential of an account; `SealBroken` unless every part is whole and in its place."""
        rows = self._conn.execute(
            "SELECT field, key_id, nonce, sealed FROM secrets WHERE account_id = ?", (account_id,)
        )
        parts = {
            field: self._sealer.open(Sealed(key_id, nonce, text), (TABLE, account_id, field))
            for field, key_id, nonce, text in rows
        }
        if set(parts) != set(FIELDS):
            raise SealBroken(f"account {account_id}: a part of the sealed credential is missing")
        return Credential(**parts)

    def seal_url(self, channel_id: int, url: str) -> None:
        """Store the address of a channel. Call inside the transaction it belongs to."""
        if not _has_check(self._conn):
            _write_check(self._conn, self._sealer)
        _write_url(self._conn, channel_id, self._sealer.seal(url, _url_place(channel_id)))

    def open_url(self, channel_id: int) -> str:
        """The address of a channel; `SealBroken` unless it is whole and in its place."""
        row = self._conn.execute(
            "SELECT key_id, nonce, sealed FROM channel_secrets WHERE channel_id = ?", (channel_id,)
        ).fetchone()
        if row is None:
            raise SealBroken(f"channel {channel_id}: the sealed address is missing")
        return self._sealer.open(Sealed(*row), _url_place(channel_id))

    def _verify(self) -> None:
        if not _opens(self._conn, self._sealer):
            raise WrongMasterKey("the master key does not open this database", advice=_KEY_ADVICE)
        mine = self._sealer.key_id
        others = (
            "SELECT 1 FROM secrets WHERE key_id <> ?1 "
            "UNION ALL SELECT 1 FROM channel_secrets WHERE key_id <> ?1 LIMIT 1"
        )
        if self._conn.execute(others, (mine,)).fetchone():
            raise WrongMasterKey("some secrets are sealed under another master key", advice=_HALFWAY_ADVICE)


def rotate(conn: sqlite3.Connection, *, old: bytes, new: bytes, progress: Progress = unseen) -> int:
    """Seal every secret under the new key; returns how many were changed.

    One transaction, the check record last: stopped anywhere, the database opens with the old key as before.
    Run again after it was done, it finds nothing left to do. No bot may run meanwhile: hold `instance_lock`.
    """
    before, after = Sealer(old), Sealer(new)
    with translated():
        with transaction(conn):
            if not _opens(conn, before) and not _opens(conn, after):
                raise WrongMasterKey("the old master key does not open this database", advice=_KEY_ADVICE)
            rows = conn.execute(
                "SELECT account_id, field, key_id, nonce, sealed FROM secrets WHERE key_id <> ?", (after.key_id,)
            ).fetchall()
            for done, (account_id, field, *record) in enumerate(rows, start=1):
                place = (TABLE, account_id, field)
                _write(conn, place, after.seal(before.open(Sealed(*record), place), place))
                progress(done, len(rows))
            urls = _rotate_urls(conn, before, after)
            _write_check(conn, after)
        wipe_log(conn)
    return len(rows) + urls


def _rotate_urls(conn: sqlite3.Connection, before: Sealer, after: Sealer) -> int:
    if conn.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (URL_TABLE,)).fetchone() is None:
        return 0  # a database from before there were channels
    rows = conn.execute(
        "SELECT channel_id, key_id, nonce, sealed FROM channel_secrets WHERE key_id <> ?", (after.key_id,)
    ).fetchall()
    for channel_id, *record in rows:
        place = _url_place(channel_id)
        _write_url(conn, channel_id, after.seal(before.open(Sealed(*record), place), place))
    return len(rows)


def _url_place(channel_id: int) -> tuple[str, int, str]:
    return (URL_TABLE, channel_id, URL_FIELD)


def _write_url(conn: sqlite3.Connection, channel_id: int, sealed: Sealed) -> None:
    conn.execute(
        "INSERT INTO channel_secrets (channel_id, key_id, nonce, sealed) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (channel_id) DO UPDATE SET "
        "key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed",
        (channel_id, sealed.key_id, sealed.nonce, sealed.text),
    )


def _write(conn: sqlite3.Connection, place: tuple[str, int, str], sealed: Sealed) -> None:
    _, account_id, field = place
    conn.execute(
        "INSERT INTO secrets (account_id, field, key_id, nonce, sealed) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (account_id, field) DO UPDATE SET "
        "key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed",
        (account_id, field, sealed.key_id, sealed.nonce, sealed.text),
    )


def _write_check(conn: sqlite3.Connection, sealer: Sealer) -> None:
    sealed = sealer.seal(_CHECK_TEXT, _CHECK_PLACE)
    conn.execute(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (CHECK_NAME, f"{sealed.key_id}:{sealed.nonce.hex()}:{sealed.text.hex()}"),
    )


def _has_check(conn: sqlite3.Connection) -> bool:
    return conn.execute("SELECT 1 FROM meta WHERE name = ?", (CHECK_NAME,)).fetchone() is not None


def _opens(conn: sqlite3.Connection, sealer: Sealer) -> bool:
    """Whether the check record was sealed with this key; True while there is none."""
    row = conn.execute("SELECT value FROM meta WHERE name = ?", (CHECK_NAME,)).fetchone()
    if row is None:
        return True
    try:
        key_id, nonce, text = str(row[0]).split(":")
        return sealer.open(Sealed(key_id, bytes.fromhex(nonce), bytes.fromhex(text)), _CHECK_PLACE) == _CHECK_TEXT
    except (VaultError, ValueError):
        return False


def _named(place: tuple[str, int, str]) -> str:
    table, row, field = place
    return f"{table} {row}, {field},"
