"""What is known of each account, and the one transaction that writes what a reading leads to."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from marginbot.domain.alerting import ACCOUNT, AlertState, Mute, Reason
from marginbot.domain.errors import NoSuchAccount
from marginbot.domain.grading import Grade
from marginbot.domain.notices import UNNUMBERED, DropReason, Facts, NewNotice, Note, NoteKind
from marginbot.domain.report import AccountReport
from marginbot.flow.due import urgency_of
from marginbot.flow.ports import Account, CycleRecord, Standing
from marginbot.store.codec import FACTS, MUTE, REPORT, STATE, text_of
from marginbot.store.database import StoreFailed
from marginbot.store.history import History
from marginbot.store.people import is_closed
from marginbot.store.record import note_acknowledgement
from marginbot.store.rows import Row
from marginbot.store.snapshots import write_last_reading

log = logging.getLogger(__name__)

_PUT_UNMUTED = (
    "INSERT INTO alert_states (account_id, subject, state) VALUES (?, ?, ?) "
    "ON CONFLICT (account_id, subject) DO UPDATE SET state = excluded.state WHERE mute IS NULL"
)


class Alerts(History):
    """Alert states, latest reports, and `record`."""

    def states(self, account_id: int) -> Mapping[str, AlertState]:
        """All states of an account by subject, each with its mute."""
        rows = self._all("SELECT subject, state, mute FROM alert_states WHERE account_id = ?", account_id)
        return {row["subject"]: _state(account_id, row) for row in rows}

    def record(self, record: CycleRecord) -> None:
        """Report, alert states, notices and next due time, in one transaction; `NoSuchAccount` if it was removed.

        The reading's place in the history is gathered for later, see `History`.
        A mute set by a person since `states` was read is kept, see `kept_mute`.
        A notice that exists already (same key) is not written twice.
        """
        with self._writing() as conn:
            _write_account(conn, record)
            for subject, state in record.states.items():
                _write_state(conn, record, subject, state)
            if record.report is not None:
                _write_report(conn, record.account_id, record.report)
            if record.reading is not None:
                write_last_reading(conn, record.account_id, record.reading)
            for notice in (*record.notices, *record.notes):
                write_notice(conn, notice, record.at)
        if record.report is not None:
            self.gather(record.account_id, record.report)

    def set_mute(self, account_id: int, subject: str, mute: Mute | None, by: str = "") -> None:
        """Quiet a subject, or lift its quiet. Mutes come from here alone: `record` only keeps or ends them.

        That somebody asked for quiet is noted on the message of the episode, in the same transaction.
        """
        text = None if mute is None else MUTE.encode(mute)
        with self._writing() as conn:
            require_account(conn, account_id)
            conn.execute(
                "INSERT INTO alert_states (account_id, subject, state, mute) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (account_id, subject) DO UPDATE SET mute = excluded.mute",
                (account_id, subject, STATE.encode(AlertState()), text),
            )
            if mute is not None:
                note_acknowledgement(conn, account_id, subject, mute)
                note_quiet(conn, account_id, subject, mute, by)

    def standing(self, account: Account) -> Standing:
        """An account with its latest report and states."""
        return Standing(account=account, report=self._report(account.id), states=self.states(account.id))

    def _report(self, account_id: int) -> AccountReport | None:
        row = self._one("SELECT report FROM latest_reports WHERE account_id = ?", account_id)
        if row is None:
            return None
        try:
            return REPORT.decode(row["report"])
        except ValueError:
            # Written by another version, say. Unknown until the next reading replaces it.
            log.warning("account %s: the stored report cannot be read", account_id)
            return None


def kept_mute(stored: Mute | None, state: AlertState, at: datetime) -> Mute | None:
    """The mute to store beside a new state. `stored` is what stands now, `state.mute` what the state was decided with.

    Deciding never makes a mute, it only ends one: at recovery, for a worse grade, or when its time is up. So if the
    state still carries one, what stands is the same or was set (or lifted) by a person meanwhile: it stays. If the
    state carries none, a mute that stands and could not have been ended so, as it covers the new grade, was set
    meanwhile: it stays as well. Otherwise it has ended.
    """
    if state.mute is not None or stored is None:
        return stored
    if state.grade is None:
        return stored
    ended = state.grade is Grade.OK or not stored.covers(state.grade, at)
    return None if ended else stored


def _write_account(conn: sqlite3.Connection, record: CycleRecord) -> None:
    found = conn.execute(
        "UPDATE accounts SET next_due_at = ?, urgency = coalesce(?, urgency), refused = ?, refused_at = ? WHERE id = ?",
        (
            text_of(record.next_due_at),
            urgency_of(record),
            record.refused,
            None if record.refused is None else text_of(record.at),
            record.account_id,
        ),
    )
    if found.rowcount != 1:
        raise NoSuchAccount(f"account {record.account_id} was removed while it was read")


def _write_state(conn: sqlite3.Connection, record: CycleRecord, subject: str, state: AlertState) -> None:
    if state.mute is None:  # and none stands, as nearly always: nothing to weigh
        values = (record.account_id, subject, STATE.encode(state))
        if conn.execute(_PUT_UNMUTED, values).rowcount == 1:
            return
    row = conn.execute(
        "SELECT mute FROM alert_states WHERE account_id = ? AND subject = ?", (record.account_id, subject)
    ).fetchone()
    stored = None if row is None or row[0] is None else MUTE.decode(row[0])
    mute = state.mute if row is None else kept_mute(stored, state, record.at)
    if subject == ACCOUNT and state.blind_since is None:
        mute = None  # the account itself is quieted only while it cannot be read
    conn.execute(
        "INSERT INTO alert_states (account_id, subject, state, mute) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account_id, subject) DO UPDATE SET state = excluded.state, mute = excluded.mute",
        (
            record.account_id,
            subject,
            STATE.encode(replace(state, mute=None)),
            None if mute is None else MUTE.encode(mute),
        ),
    )


def _write_report(conn: sqlite3.Connection, account_id: int, report: AccountReport) -> None:
    conn.execute(
        "INSERT INTO latest_reports (account_id, taken_at, report) VALUES (?, ?, ?) "
        "ON CONFLICT (account_id) DO UPDATE SET taken_at = excluded.taken_at, report = excluded.report",
        (account_id, text_of(report.taken_at), REPORT.encode(report)),
    )


def write_notice(conn: sqlite3.Connection, notice: NewNotice, at: datetime) -> None:
    """Put a notice into the outbox, within the transaction that makes it true."""
    # Only the key may be there already; any other obstacle must fail the whole record, not lose the notice.
    number = notice.number if notice.facts.note is None else _next_note(conn, notice)
    added = conn.execute(
        "INSERT INTO notices (account_id, subject, episode, number, user_id, chat_id, sound, facts, created_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (account_id, subject, episode, number, chat_id) DO NOTHING",
        (
            notice.account_id,
            notice.subject,
            notice.episode,
            number,
            notice.user_id,
            notice.chat_id,
            notice.sound,
            FACTS.encode(notice.facts),
            text_of(at),
        ),
    )
    if added.rowcount != 1:
        log.warning(
            "account %s, %r: notice %s.%s exists already",
            notice.account_id,
            notice.subject,
            notice.episode,
            notice.number,
        )
    elif reason := notice.dropped or (DropReason.UNREACHABLE if is_closed(conn, notice.chat_id, at) else None):
        conn.execute(
            "UPDATE notices SET status = 'dropped', drop_reason = ?, dropped_at = ? WHERE id = ?",
            (reason, text_of(at), added.lastrowid),
        )


def _next_note(conn: sqlite3.Connection, notice: NewNotice) -> int:
    row = conn.execute(
        "SELECT min(number) FROM notices WHERE account_id = ? AND subject = ? AND episode = ? AND chat_id = ?",
        (notice.account_id, notice.subject, notice.episode, notice.chat_id),
    ).fetchone()
    return min(0, row[0] or 0) - 1


def note_quiet(conn: sqlite3.Connection, account_id: int, subject: str, mute: Mute, by: str) -> None:
    """Note on the message of the episode who asked for quiet, unless nothing was told of it yet."""
    row = conn.execute(
        "SELECT s.state, a.label, a.exchange, a.user_id, p.private_chat_id FROM alert_states s "
        "JOIN accounts a ON a.id = s.account_id JOIN people p ON p.user_id = a.user_id "
        "WHERE s.account_id = ? AND s.subject = ?",
        (account_id, subject),
    ).fetchone()
    state, at = STATE.decode(row[0]), mute.at
    if at is None or (state.announced is None and state.blind_since is None):
        return
    note = Note(NoteKind.of(mute.kind), by, mute.until)
    facts = Facts(label=row[1], exchange=row[2], mode="", reason=Reason.UNCHANGED, at=at, grade=None, note=note)
    write_notice(
        conn,
        NewNotice(
            account_id=account_id,
            subject=subject,
            episode=state.episode,
            number=UNNUMBERED,
            user_id=row[3],
            chat_id=row[4],
            sound=False,
            facts=facts,
        ),
        at,
    )


def require_account(conn: sqlite3.Connection, account_id: int) -> None:
    """`NoSuchAccount` unless it is still there."""
    if conn.execute("SELECT 1 FROM accounts WHERE id = ?", (account_id,)).fetchone() is None:
        raise NoSuchAccount(
            f"account {account_id} was removed", advice="That account was removed. Nothing was changed."
        )


def _state(account_id: int, row: Row) -> AlertState:
    try:
        state = STATE.decode(row["state"])
        return state if row["mute"] is None else replace(state, mute=MUTE.decode(row["mute"]))
    except ValueError as error:
        # Starting afresh would forget the episode and take the next alert for one that was told already.
        raise StoreFailed(f"account {account_id}: the stored alert state cannot be read") from error
