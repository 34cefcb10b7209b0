"""Market stress as people read it."""

from __future__ import annotations

from marginbot.bot import render_turmoil
from marginbot.bot.build import build_bot
from marginbot.bot.teller import TelegramTeller
from marginbot.domain.grading import Grade
from marginbot.domain.turmoil import Crowd, Quote
from marginbot.flow.turmoil import Exposed, Trouble
from tests.bot.builders import ALICE, NOW
from tests.bot.golden import check
from tests.servers.telegram import TOKEN, TelegramServer

CROWD = Trouble(crowd=Crowd(12, 40))
PEG = Trouble(quote=Quote("bybit", "USDC", "USDT", 0.9871, NOW))
MANY = Exposed(user_id=ALICE, labels=(("<b>CRITICAL", Grade.CRITICAL), *((f"a{n}", Grade.OK) for n in range(9))))


def test_the_words() -> None:
    check("turmoil_crowd", render_turmoil.turmoil(MANY, CROWD))
    check("turmoil_peg", render_turmoil.turmoil(Exposed(user_id=ALICE, labels=(("main", None),)), PEG))
    assert "12 of 40" in render_turmoil.operators(CROWD, 7) and "exposed: 7" in render_turmoil.operators(CROWD, 7)


def test_above_one_the_other_coin_is_the_cheap_one() -> None:
    told = render_turmoil.happened(Trouble(quote=Quote("bybit", "USDC", "USDT", 1.012, NOW)))
    assert "Either USDT is too cheap or USDC too dear" in told


async def test_it_arrives(tg: TelegramServer) -> None:
    async with build_bot(TOKEN, tg.url) as bot:
        await TelegramTeller(bot).turmoil(MANY, CROWD)
    assert "Market stress" in tg.texts(ALICE)[0]
