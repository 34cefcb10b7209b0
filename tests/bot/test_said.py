"""What other layers say in English reaches people in their own language: recognised by its template, values and all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marginbot.bot import names
from marginbot.bot.language import read_in_language
from marginbot.bot.said import said
from marginbot.exchanges.venues import VENUES
from marginbot.flow.channels import EXERCISE, HELLO
from tests.bot.catalogues import TRANSLATED, messages, strings
from tests.bot.elsewhere import EXEMPT, PACKAGE, said_elsewhere, templates

SLOT = re.compile(r"\{(\w+)\}")
# The same word in this language: names of fields, and what everybody says in English.
# Words that are the same there: Chinese exchanges name the parts of a key in English.
CREDENTIALS = {"API Key", "API Secret", "API key", "access key", "passphrase", "secret key"}
ALIKE = {"es": {"margin call"}, "tr": {"spot"}, "zh": CREDENTIALS}
EVERYWHERE = {"Client ID", "Client Secret", "API key ID", "API passphrase", "API secret"}


def filled(template: str) -> tuple[str, list[str]]:
    """The template with a value for each placeholder, none of which is a text itself."""
    values = [f"V{number}" for number, _name in enumerate(SLOT.findall(template))]
    left = iter(values)
    return SLOT.sub(lambda _found: next(left), template), values


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_sentence_is_recognised_with_its_values(code: str) -> None:
    lost = []
    for template in said_elsewhere():
        sentence, values = filled(template)
        with read_in_language(code):
            told = said(sentence)
        told_as = strings(messages(code)[template])[0]
        if (told == sentence and told_as != template) or any(value not in told for value in values):
            lost.append((template, told))
    assert lost == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_translations_are_no_copies(code: str) -> None:
    copied = {
        str(template)
        for template in said_elsewhere()
        if strings(messages(code)[template])[0].lower() == template.lower()
    }
    assert copied <= EVERYWHERE | ALIKE.get(code, set())


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        pytest.param("BTC/USDT:USDT: no mark price", "BTC/USDT:USDT: нет цены маркировки", id="about a symbol"),
        pytest.param(
            "isolated:BTC/USDT:USDT:long: its value is not known",
            "изолированная BTC/USDT:USDT:лонг: стоимость неизвестна",
            id="about a pool",
        ),
        pytest.param(
            "cross:USDT: Binance gives no maintenance margin, so it is unknown",
            "кросс USDT: Binance не даёт поддерживающей маржи, поэтому неизвестно",
            id="a clause in its middle that is a text itself",
        ),
        pytest.param(
            "ADA: what it counts as collateral is missing, its full value is used",
            "ADA: нет зачтённого как залог, взята полная стоимость",
            id="a clause added at its end",
        ),
        pytest.param(
            "The API key is missing. Nothing was stored.", "Не хватает: API-ключ. Ничего не сохранено.", id="two"
        ),
        pytest.param("cross: a figure from the moon", "cross: a figure from the moon", id="not known"),
        pytest.param("", "", id="nothing"),
        pytest.param(
            "BTC/USDT:USDT: size 5 does not fit a long position",
            "BTC/USDT:USDT: размер 5 не подходит позиции лонг",
            id="a side",
        ),
    ],
)
def test_said_in_russian(sentence: str, told: str) -> None:
    with read_in_language("ru"):
        assert said(sentence) == told
    assert said(sentence) == sentence


def test_a_label_that_is_a_word_of_ours_stays() -> None:
    with read_in_language("ru"):
        assert said("You already have an account called equity.") == "У вас уже есть счёт equity."


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_instruction_and_field_of_every_venue(code: str) -> None:
    english = []
    with read_in_language(code):
        for venue in VENUES.values():
            for text in (venue.info.instructions, *(title for _name, title in venue.info.fields)):
                known = text in EVERYWHERE or text.casefold() in (
                    "api key",
                    "api secret",
                    "api key id",
                    "api passphrase",
                )
                english += [text] if said(text) == text and not known else []
    assert english == []


@pytest.mark.parametrize("code", TRANSLATED)
def test_modes_pools_and_sides(code: str) -> None:
    with read_in_language(code):
        assert names.mode("unified/cross") != "unified/cross"
        assert names.mode("SPAN/cross") == f"SPAN/{names.pool('cross')}"
        assert names.pool("cross:USDT").endswith(" USDT")
        assert names.position("long 0.5 BTC/USDT:USDT").endswith(" 0.5 BTC/USDT:USDT")
    assert names.pool("isolated:BTC/USDT:USDT:long") == "isolated BTC/USDT:USDT:long"


@pytest.mark.parametrize("code", TRANSLATED)
def test_lines_at_other_services(code: str) -> None:
    with read_in_language(code):
        assert all(said(text) != text for text in (*HELLO, *EXERCISE))


def test_what_is_found_in_a_module() -> None:
    source = '''"""Documentation that nobody is told."""
def f(warnings, pool, asset, told):
    """Nor is this."""
    log.info("nor what is logged, %s", told)
    warnings.append(f"{pool.name}: no price of {asset}; what of it")
    how = "it is unknown" if told else "that of the tiers counts"
    raise BadPayload("only the log sees this", advice=f"I do not know {told}.{_meant(told)} Nothing was stored.")
'''
    assert sorted(templates(source)) == [
        "I do not know {told}.",
        "Nothing was stored.",
        "it is unknown",
        "no price of {asset}; what of it",
        "that of the tiers counts",
    ]


def test_what_is_exempt_is_there() -> None:
    assert [name for name in EXEMPT if not Path(PACKAGE / name).exists()] == []
