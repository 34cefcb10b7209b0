"""Who may do what: operators, members, strangers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.domain.errors import BadInvite, NotAllowed
from marginbot.flow.access import INVITE_LIFETIME, Access, AccessMode
from tests.builders import T0
from tests.flow.conftest import ALICE, BOB, CHARLIE, Ledger

OPERATOR, MEMBER, STRANGER = ALICE.user_id, BOB.user_id, CHARLIE.user_id


def access(store: Ledger, mode: AccessMode) -> Access:
    return Access(mode, frozenset({OPERATOR}), store)


def admit(store: Ledger) -> None:
    code, _ = access(store, AccessMode.INVITE).invite(OPERATOR, T0)
    store.redeem_invite(code, MEMBER, T0)


@pytest.mark.parametrize(
    ("mode", "operator", "member", "stranger"),
    [
        (AccessMode.ADMINS, True, False, False),
        (AccessMode.INVITE, True, True, False),
        (AccessMode.OPEN, True, True, True),
    ],
)
def test_who_may_register(store: Ledger, mode: AccessMode, operator: bool, member: bool, stranger: bool) -> None:
    admit(store)
    asked = access(store, mode)
    assert [asked.may_register(who) for who in (OPERATOR, MEMBER, STRANGER)] == [operator, member, stranger]


@pytest.mark.parametrize(
    ("mode", "way_in"), [(AccessMode.ADMINS, "Only the people who run this bot"), (AccessMode.INVITE, "/start CODE")]
)
def test_a_stranger_is_told_the_way_in(store: Ledger, mode: AccessMode, way_in: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        access(store, mode).require_member(STRANGER)
    assert way_in in caught.value.advice


@pytest.mark.parametrize("who", [MEMBER, STRANGER])
def test_only_operators_invite(store: Ledger, who: int) -> None:
    admit(store)
    with pytest.raises(NotAllowed):
        access(store, AccessMode.OPEN).invite(who, T0)


def test_failure_36_an_invite_works_once_and_not_for_ever(store: Ledger) -> None:
    asked = access(store, AccessMode.INVITE)
    code, expires_at = asked.invite(OPERATOR, T0)
    assert expires_at == T0 + INVITE_LIFETIME
    store.redeem_invite(code, MEMBER, expires_at - timedelta(seconds=1))
    with pytest.raises(BadInvite):
        store.redeem_invite(code, STRANGER, T0)
    late, expires_at = asked.invite(OPERATOR, T0)
    with pytest.raises(BadInvite):
        store.redeem_invite(late, STRANGER, expires_at)
    assert not asked.may_register(STRANGER)


def test_no_two_invites_are_alike(store: Ledger) -> None:
    asked = access(store, AccessMode.INVITE)
    assert len({asked.invite(OPERATOR, T0)[0] for _ in range(50)}) == 50
