"""Keys at registration, and the daily look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from marginbot.domain.errors import KeyCanWithdraw
from marginbot.domain.passport import KeyNews, Passport
from marginbot.flow.access import Access, AccessMode
from marginbot.flow.passports import KeyChecks
from marginbot.flow.ports import Account, Credential
from marginbot.flow.registration import Registration
from tests.builders import Clock, long_at
from tests.fakes import FakeReader
from tests.flow.conftest import ALICE, Ledger
from tests.outbox import pending as pending_in

READ_ONLY = Passport(can_read=True, can_trade=False, can_withdraw=False, ip_restricted=True)
WITHDRAWS = replace(READ_ONLY, can_withdraw=True)
SILENT = Passport(notes=("the exchange did not say",))
PARTS = ["key", "secret"]


@pytest.fixture
def desk(store: Ledger, reader: FakeReader) -> Registration:
    reader.accounts["key"] = long_at(92)
    reader.passports["key"] = READ_ONLY
    return Registration(reader, store, Access(AccessMode.OPEN, frozenset(), store))


@pytest.fixture
def checks(store: Ledger, reader: FakeReader, clock: Clock) -> KeyChecks:
    return KeyChecks(reader, store, clock)


async def register(desk: Registration, clock: Clock, label: str = "main") -> Account:
    request = desk.request(11, "bybit", label, PARTS)
    return desk.store_account(ALICE, 11, request, clock.now, await desk.passport(request, clock.now))


async def test_a_key_that_can_withdraw_is_refused_and_not_stored(
    desk: Registration, reader: FakeReader, clock: Clock
) -> None:
    reader.passports["key"] = WITHDRAWS
    with pytest.raises(KeyCanWithdraw) as caught:
        await register(desk, clock)
    for said in ("can withdraw", "not stored it", "Make a read-only key", "delete the one you sent"):
        assert said in caught.value.advice
    assert not desk.store.accounts_of(11)


@pytest.mark.parametrize("passport", [READ_ONLY, SILENT, replace(READ_ONLY, can_trade=True)])
async def test_what_was_found_at_registration_is_kept_and_no_news_later(
    desk: Registration, checks: KeyChecks, store: Ledger, reader: FakeReader, clock: Clock, passport: Passport
) -> None:
    reader.passports["key"] = passport
    account = await register(desk, clock)
    kept = store.key_check(account.id)
    assert kept is not None
    assert (kept.latest, kept.checked_at) == (passport, clock.now)
    clock.advance(86_401)
    assert await checks.check_next() == account
    assert not pending_in(store)


async def test_every_key_is_looked_at_once_a_day_one_at_a_time(
    desk: Registration, checks: KeyChecks, store: Ledger, reader: FakeReader, clock: Clock
) -> None:
    for label in ("a", "b"):
        await register(desk, clock, label)
    old = store.add_account(ALICE, 11, "bybit", "old", Credential("key", "secret"), clock.now)
    store.add_account(ALICE, 11, "hyperliquid", "address", Credential("0xabc"), clock.now)
    reader.asked_rights.clear()
    assert await checks.check_next() == old, "never looked at"
    assert await checks.check_next() is None
    clock.advance(timedelta(days=1).total_seconds() + 1)
    seen = [await checks.check_next() for _ in range(4)]
    assert [account.label if account else None for account in seen] == ["a", "b", "old", None]
    assert len(reader.asked_rights) == 4


async def test_a_refused_key_is_left_alone(desk: Registration, checks: KeyChecks, store: Ledger, clock: Clock) -> None:
    account = await register(desk, clock)
    store._db.conn.execute("UPDATE accounts SET refused = 'key_refused', refused_at = 'x' WHERE id = ?", (account.id,))
    clock.advance(86_401)
    assert await checks.check_next() is None


async def test_the_owner_is_told_of_a_change_once_through_the_outbox(
    desk: Registration, checks: KeyChecks, store: Ledger, reader: FakeReader, clock: Clock
) -> None:
    account = await register(desk, clock)
    reader.passports["key"] = replace(WITHDRAWS, ip_restricted=False, expires_at=clock.now + timedelta(days=10))
    for _ in range(3):
        clock.advance(86_401)
        await checks.check_next()
    [notice] = pending_in(store)
    assert notice.facts.key_news == (
        KeyNews.CAN_WITHDRAW,
        KeyNews.OPEN_TO_ALL_ADDRESSES,
        KeyNews.EXPIRES_SOON,
    )
    assert (notice.chat_id, notice.account_id, notice.sound) == (account.chat_id, account.id, True)


async def test_a_silent_venue_changes_nothing(
    desk: Registration, checks: KeyChecks, store: Ledger, reader: FakeReader, clock: Clock
) -> None:
    account = await register(desk, clock)
    reader.passports["key"] = SILENT
    clock.advance(86_401)
    await checks.check_next()
    kept = store.key_check(account.id)
    assert kept is not None
    assert (kept.latest, kept.known.can_withdraw) == (SILENT, False)
    assert not pending_in(store)


async def test_the_answer_about_a_key_that_was_replaced_or_removed_meanwhile_is_dropped(
    desk: Registration, checks: KeyChecks, store: Ledger, reader: FakeReader, clock: Clock
) -> None:
    account = await register(desk, clock)
    reader.passports["key"] = WITHDRAWS
    clock.advance(86_401)

    async def asked(exchange: str, credential: Credential, now: object) -> Passport:
        meanwhile.pop()()
        return WITHDRAWS

    meanwhile: list[Callable[[], object]] = [
        lambda: store.remove_account(11, "main"),
        lambda: store.replace_credential(account.id, Credential("new", "secret"), clock.now),
    ]

    reader.passport = asked  # type: ignore[method-assign]
    await checks.check_next()
    assert store.key_check(account.id) is None, "a new key has no passport yet"
    assert not pending_in(store)

    await checks.check_next()
    assert not pending_in(store)
