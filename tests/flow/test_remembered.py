"""A person's accounts, remembered apart from the database: the same answers, in any thread, and nobody else's."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from marginbot.domain.errors import NoSuchAccount
from marginbot.domain.grading import DEFAULT_LADDERS, Ladders
from marginbot.domain.shocks import parse_shock
from marginbot.flow.remembered import Remembered
from marginbot.flow.whatif import WhatIf
from tests.builders import T0, pool, position
from tests.flow.conftest import ALICE, BOB, Ledger
from tests.flow.test_whatif import OLDEST, SHORT, account, read


def test_what_is_remembered_answers_like_the_store(store: Ledger) -> None:
    read(store, account(store, "long"), pool(position(), equity="900"))
    read(store, account(store, "short", "bybit"), SHORT)
    account(store, "new")
    store.set_ladders(ALICE.user_id, "long", Ladders(ratio=(0.1, 0.2, 0.3, 0.4), cushion=DEFAULT_LADDERS.cushion))
    asked, remembered = WhatIf(store), WhatIf(Remembered.of(store, ALICE.user_id))
    shock = parse_shock(["-20"])
    assert remembered.stress(ALICE.user_id, None, shock) == asked.stress(ALICE.user_id, None, shock)
    assert remembered.maps(ALICE.user_id, "LONG") == asked.maps(ALICE.user_id, "LONG")
    sheets = remembered.sheets(ALICE.user_id, None, None, stale_before=OLDEST)
    assert sheets.sheets and sheets == asked.sheets(ALICE.user_id, None, None, stale_before=OLDEST)


def test_nobody_elses_accounts_are_in_it(store: Ledger) -> None:
    read(store, account(store, "long"), SHORT)
    read(store, account(store, "hers", person=BOB), SHORT)
    remembered = Remembered.of(store, ALICE.user_id)
    assert [one.label for one in remembered.accounts] == ["long"]
    assert remembered.accounts_of(BOB.user_id) == ()
    for user_id, label in ((ALICE.user_id, "hers"), (BOB.user_id, "hers"), (BOB.user_id, "long")):
        with pytest.raises(NoSuchAccount):
            remembered.account(user_id, label)


async def test_a_thread_can_think_about_it_while_the_store_moves_on(store: Ledger) -> None:
    owned = account(store, "long")
    read(store, owned, pool(position(), equity="900"))
    remembered = WhatIf(Remembered.of(store, ALICE.user_id))
    before = remembered.sheets(ALICE.user_id, None, None, stale_before=OLDEST)
    read(store, owned, pool(position(), equity="90000"), age=-timedelta(minutes=1).total_seconds())
    store.remove_account(ALICE.user_id, "long")
    after = await asyncio.to_thread(remembered.sheets, ALICE.user_id, None, None, stale_before=OLDEST)
    assert after == before and before.read[0][1] == T0
