"""Operators hear of the audit in their private chat, past the outbox."""

from __future__ import annotations

from marginbot.bot.build import build_bot
from marginbot.bot.language import read_in_language
from marginbot.bot.operators import LostLine, OperatorLine, TurmoilLine
from marginbot.bot.render_turmoil import operators
from marginbot.domain.holes import Kind, Violation
from marginbot.domain.turmoil import Crowd
from marginbot.flow.audit import report
from marginbot.flow.turmoil import Trouble
from tests.bot.builders import ALICE, OPERATOR, notice
from tests.servers.telegram import TOKEN, TelegramServer

HOLES = [
    Violation(kind=Kind.OVERDUE, about=f"account {number} (okx), <b>isolated", detail="notice 7, 75 s old")
    for number in range(5)
]


async def test_an_operator_is_told_and_one_who_blocked_the_bot_is_known_not_to_be(tg: TelegramServer) -> None:
    tg.private(OPERATOR, "/start")
    async with build_bot(TOKEN, tg.url) as bot:
        line = OperatorLine(bot)
        assert await line.tell(OPERATOR, report(HOLES))
        tg.block(OPERATOR)
        assert not await line.tell(OPERATOR, report(HOLES))
    told = next(text for text in tg.texts(OPERATOR) if "overdue" in text)
    assert "overdue (5)" in told
    assert "account 0 (okx), <b>isolated: notice 7" in told
    assert "and 2 more" in told


async def test_every_operator_hears_of_market_stress_in_their_language(tg: TelegramServer) -> None:
    trouble = Trouble(crowd=Crowd(12, 40))
    for operator in (OPERATOR, ALICE):
        tg.private(operator, "/start")
    async with build_bot(TOKEN, tg.url) as bot:
        await TurmoilLine(OperatorLine(bot), {OPERATOR, ALICE}, {OPERATOR: "es"}.get).tell(trouble, 7)
    with read_in_language("es"):
        spanish = operators(trouble, 7)
    assert spanish != operators(trouble, 7)
    assert (tg.texts(OPERATOR), tg.texts(ALICE)) == ([spanish], [operators(trouble, 7)])


async def test_operators_hear_of_a_person_who_cannot_be_told(tg: TelegramServer) -> None:
    tg.private(OPERATOR, "/start")
    untold = notice(user_id=ALICE)
    async with build_bot(TOKEN, tg.url) as bot:
        await LostLine(OperatorLine(bot), {OPERATOR, untold.user_id}).tell(untold)
    [told] = tg.texts(OPERATOR)
    assert f"Person {untold.user_id} could not be told" in told
    assert "CRITICAL" in told
    assert tg.texts(ALICE) == []
