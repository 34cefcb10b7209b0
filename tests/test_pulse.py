"""What operators are told of the bot's own state."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from marginbot.domain.alerting import AlertState
from marginbot.domain.errors import Cause
from marginbot.flow.audit import Verdict
from marginbot.flow.ports import Credential, CycleRecord, Person
from marginbot.pulse import Moment, in_words, taken
from marginbot.store import open_store
from tests.builders import T0

SECOND = timedelta(seconds=1)


def test_who_waits_and_for_how_long_is_said(tmp_path: Path) -> None:
    store = open_store(tmp_path / "bot.db", bytes(32))
    for number, exchange in enumerate(("bybit", "bybit", "okx", "okx")):
        store.add_account(Person(1, "A"), 1, exchange, f"n{number}", Credential("k", "s"), T0)
    for account_id, due, blind, refused in ((1, 5, None, None), (3, 90, T0, None), (4, 0, T0, Cause.KEY_REFUSED)):
        state = AlertState(blind_since=blind)
        store.record(
            CycleRecord(
                account_id=account_id,
                at=T0,
                report=None,
                states={"": state},
                notices=[],
                next_due_at=T0 + due * SECOND,
                refused=refused,
            )
        )
    moment = Moment(
        now=T0 + 60 * SECOND,
        started_at=T0,
        answered_at=T0,
        completed_at=None,
        poll_every=30 * SECOND,
        telegram_trouble="",
    )
    vitals = taken(moment, store, Verdict(None, []), {"bybit": 0.956, "okx": 0.1})
    assert (vitals.accounts, vitals.accounts_refused, vitals.accounts_blind) == (3, 1, 2)
    assert vitals.reading_ages == {"bybit": 60 * SECOND, "okx": 60 * SECOND}
    told = in_words(vitals)
    assert "bybit: 2 accounts late, by 60 s, 96% of its limit used" in told
    assert "okx" not in told
    assert "last complete cycle: not yet" in told
    store.close()
