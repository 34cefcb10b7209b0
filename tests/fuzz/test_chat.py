"""Any words, from anybody: an answer or one of our errors, and nothing changed without permission."""

from __future__ import annotations

import contextlib
import string
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.bot.calls import Reply
from marginbot.bot.intake import command_of, holds_secret
from marginbot.bot.presses import Press, press
from marginbot.bot.table import COMMANDS
from marginbot.domain.errors import MarginbotError
from marginbot.flow.buddies import BuddyDesk
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP
from tests.bot.conftest import Desk, desk, store
from tests.fuzz.conftest import EXAMPLES
from tests.servers.telegram_html import plain_text

__all__ = ["desk", "store"]

MARKUP = ["<b>", "&lt;", "'; DROP TABLE accounts; --", "%s", "\x00", "\u202e", "🙂" * 30]
ODD = ["main", "MAIN", "9" * 40, "9" * 400, "-1", "1e309", *MARKUP]
words = st.one_of(
    st.sampled_from(ODD),
    st.text(max_size=40),
    st.text(alphabet=string.printable, max_size=20),
    st.integers().map(str),
    st.floats().map(str),
)
PREFIXES = ["ack", "all", "snz", "det", "try", "res", "drl", "add", "wif", "wif:1"]
PREFIXES += ["key:yes", "key:no", "fgt:yes", "fgt:no", "bud:yes", "bud:no", "bud:stop", "x"]


def written(desk: Desk, *, but: int | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the database, except those about one person."""
    conn = desk.store._db.conn
    tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = {table: conn.execute(f"SELECT * FROM {table}").fetchall() for table in tables if table != "sqlite_sequence"}
    return {table: [row for row in found if but not in row] for table, found in rows.items()}


async def fully(reply: Reply) -> None:
    while True:
        plain_text(reply.html)
        if reply.then is None:
            return
        reply = await reply.then()


@pytest.mark.parametrize("who", [ALICE, CHARLIE], ids=["owner", "stranger"])
@EXAMPLES
@given(st.sampled_from(COMMANDS), st.lists(words, max_size=6), st.booleans())
async def test_commands(desk: Desk, who: int, command: Any, args: list[str], private: bool) -> None:
    if not desk.store.accounts_of(BOB):
        desk.add(BOB)
    before = written(desk, but=who)
    call = desk.call(who, *args, chat_id=None if private else GROUP)
    if not command.where.includes(private=private):
        return
    try:
        await fully(await command.handler(call, desk.services))
    except MarginbotError as error:
        plain_text(error.advice.replace("<", "&lt;"))
    assert written(desk, but=who) == before


@pytest.mark.parametrize("who", [ALICE, CHARLIE], ids=["another member", "stranger"])
@EXAMPLES
@given(st.one_of(words, st.tuples(st.sampled_from(PREFIXES), words).map(":".join)), st.booleans())
async def test_presses_on_what_belongs_to_another(desk: Desk, who: int, data: str, private: bool) -> None:
    if not desk.store.accounts_of(BOB):
        desk.add(BOB)
    services = replace(desk.services, buddies=BuddyDesk(desk.store))
    before = written(desk)
    with contextlib.suppress(MarginbotError):
        await press(Press(call=desk.call(who, chat_id=None if private else GROUP), data=data), services)
    assert written(desk) == before


@EXAMPLES
@given(st.text(max_size=300), st.text(max_size=20))
def test_texts_are_taken_apart_without_a_fault(text: str, name: str) -> None:
    found = command_of(text, name)
    assert found is None or text.lstrip().startswith("/")
    assert holds_secret(text) in (True, False)
