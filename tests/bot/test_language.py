"""Texts in the language of their reader: none untranslated, and each to whom it is meant for."""

from __future__ import annotations

import ast
import re
import string
from collections import Counter
from pathlib import Path

import pytest

from marginbot.bot import language, render_account
from marginbot.bot.build import TelegramSide
from marginbot.bot.commands.language import choose_language
from marginbot.bot.commands.start import start
from marginbot.bot.figures import width
from marginbot.bot.language import LANGUAGES, _, best, plural, read_in_language
from marginbot.bot.presses import Press, press
from marginbot.bot.render import to_plain
from marginbot.bot.table import show_help
from marginbot.domain.alerting import Reminders
from marginbot.domain.errors import NotAllowed
from marginbot.domain.grading import DEFAULT_LADDERS
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP
from tests.bot.catalogues import PACKAGE, TRANSLATED, Id, catalogue, marked, messages, strings, wanted
from tests.bot.conftest import Desk
from tests.bot.unwrapped import unwrapped
from tests.servers.telegram import TelegramServer

ANEW = "python -m tests.bot.catalogues brings the catalogues up to date and lists what is left to translate"
BOT = PACKAGE / "bot"
TAG = re.compile(r"</?[a-z]+(?:\s[^>]*)?>")
COMMAND = re.compile(r"(?<![\w<:/])/[a-z]+")

# Modules whose texts are English in every language, and why.
EXEMPT = {
    "weblinks.py": "how bytes are encoded",
    "__init__.py": "a switch of the library",
    "language.py": "the names of the languages",
    "charts.py": "words of the drawing library",
    "lettering.py": "the names of fonts",
    "palettes.py": "the numbers of colours",
    "build.py": "words for the log and for who starts the bot",
    "messenger.py": "only where an alert cannot be shown at all",
    "polling.py": "words for the log and /healthz",
    "webhook.py": "words for the log and names of headers",
    "wire.py": "words of the Bot API",
}


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_text_is_untranslated_and_none_is_left_over(code: str) -> None:
    found, wants = messages(code), wanted()
    assert len(wants) > 300
    assert sorted(map(str, wants - set(found))) == [], ANEW
    assert sorted(map(str, set(found) - wants)) == [], ANEW
    assert [message.id for message in found.values() if message.fuzzy or not all(strings(message))] == [], ANEW
    assert not catalogue(code).obsolete


@pytest.mark.parametrize("code", TRANSLATED)
def test_placeholders_markup_and_commands_agree(code: str) -> None:
    wrong = []
    for wants, message in messages(code).items():
        model = wants if isinstance(wants, str) else wants[1]
        wrong += [(model, told) for told in strings(message) if _shape(told) != _shape(model)]
        if code != "zh":  # wide brackets and commas bring their own blank
            wrong += [(model, told) for told in strings(message) if _blank(told) != _blank(model)]
    assert wrong == []


def _shape(template: str) -> tuple[set[str], Counter[str], Counter[str]]:
    return placeholders(template), Counter(TAG.findall(template)), Counter(COMMAND.findall(template))


def _blank(template: str) -> tuple[int, int]:
    return len(template) - len(template.lstrip(" ")), len(template) - len(template.rstrip(" "))


def placeholders(template: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in string.Formatter().parse(template) if name is not None}


def modules() -> list[Path]:
    return [path for path in sorted(BOT.rglob("*.py")) if path.relative_to(BOT).as_posix() not in EXEMPT]


@pytest.mark.parametrize("module", modules(), ids=lambda path: path.relative_to(BOT).as_posix())
def test_every_text_is_looked_up(module: Path) -> None:
    assert unwrapped(module.read_text(encoding="utf-8")) == [], "wrap it in _(), plural() or later()"


def test_what_is_exempt_is_there() -> None:
    assert [name for name in EXEMPT if not (BOT / name).exists()] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('x = "Nothing was stored."', ["Nothing was stored."]),
        ('def f():\n    return f"<b>{x}</b> is late"', ["</b> is late"]),
        ('def f():\n    return f"{_(TEXT)} {x}"', []),
        ('x = _("read {what}", what="main thing")', ["main thing"]),
        ('log.info("seen %s", x)\nb = Button(_("Yes"), f"ack:{n}")', []),
        ('raise RequestError("too late", advice="Too late, sorry.")', ["Too late, sorry."]),
        ('"""What this is."""\nx = "<b>/status</b>"\nif y == "off":\n    pass', []),
    ],
)
def test_what_counts_as_text(source: str, found: list[str]) -> None:
    assert [text for _line, text in unwrapped(source)] == found


def test_every_placeholder_is_given() -> None:
    wrong = []
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store):
                wrong.append(f"{path.name}:{node.lineno}: _ is the look-up, not a name for what nobody needs")
            if not isinstance(node, ast.Call) or ast.unparse(node.func) not in ("_", "plural"):
                continue
            texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            given = {keyword.arg for keyword in node.keywords} | (
                {"n"} if ast.unparse(node.func) == "plural" else set()
            )
            wrong += [
                f"{path.name}:{node.lineno}: {text}" for text in texts if placeholders(text) - {"n"} != given - {"n"}
            ]
    assert wrong == []


def test_a_text_is_looked_up_when_it_is_rendered() -> None:
    with read_in_language("ru"):
        assert _("no position") == "нет позиции"
        assert [plural("{n} account", "{n} accounts", n) for n in (1, 3, 5)] == ["1 счёт", "3 счёта", "5 счетов"]
        with read_in_language("tr"):
            assert _("ratio {ratio}", ratio="71.3%") == "oran 71.3%"
        assert language.language() == "ru"
    assert _("no position") == "no position"
    assert plural("{n} account", "{n} accounts", 1) == "1 account"
    assert _("") == ""


def test_a_translation_that_does_not_fit_costs_no_message() -> None:
    assert language.filled("{nothing} of that name", "ratio {ratio}", {"ratio": "5%"}) == "ratio 5%"


@pytest.mark.parametrize(
    ("codes", "expected"),
    [(("zh-hans", None), "zh"), ((None, "es-419"), "es"), (("ru", "tr"), "ru"), (("de",), "en"), ((None,), "en")],
)
def test_the_first_language_that_is_supported(codes: tuple[str | None, ...], expected: str) -> None:
    assert best(*codes) == expected


@pytest.mark.parametrize("code", TRANSLATED)
async def test_screens_in_each_language(desk: Desk, code: str) -> None:
    """Rendered without error, in other words than the English, and no line that fits a phone in English overflows."""
    account = desk.add(ALICE)

    async def screens() -> list[str]:
        return [
            (await start(desk.call(ALICE), desk.services)).html,
            (await start(desk.call(ALICE, chat_id=GROUP), desk.services)).html,
            (await show_help(desk.call(ALICE), desk.services)).html,
            render_account.thresholds(DEFAULT_LADDERS, None),
            render_account.reminders(Reminders()),
            render_account.accounts([account], {}),
            render_account.watching(account, DEFAULT_LADDERS),
        ]

    english = await screens()
    with read_in_language(code):
        translated = await screens()
    for before, after in zip(english, translated, strict=True):
        assert before != after
        assert Counter(TAG.findall(before)) == Counter(TAG.findall(after))
        assert len(before.split("\n")) == len(after.split("\n"))
        pairs = zip(before.split("\n"), after.split("\n"), strict=True)
        tables = [(b, a) for b, a in pairs if b.startswith("<code>")]
        assert [a for b, a in tables if width(to_plain(b)) <= 40 < width(to_plain(a))] == []


async def test_language_is_chosen_by_word_or_button(desk: Desk) -> None:
    asked = await choose_language(desk.call(ALICE), desk.services)
    names = [button.text for row in asked.buttons for button in row]
    assert names == ["• English", "Español", "Русский", "Türkçe", "中文", "As my Telegram is set"]
    with read_in_language("en"):
        assert "español" in (await choose_language(desk.call(ALICE, "es"), desk.services)).html
    assert desk.store.language_of(ALICE) == "es"
    with read_in_language("en"):
        answer = await press(Press(call=desk.call(ALICE), data="lng:tr"), desk.services)
    assert "Türkçe" in answer.toast
    assert desk.store.chosen_language(ALICE) == "tr"
    with read_in_language("en"):
        await press(Press(call=desk.call(ALICE), data="lng:auto"), desk.services)
    assert desk.store.chosen_language(ALICE) is None


async def test_in_a_group_strangers_do_not_choose(desk: Desk) -> None:
    with pytest.raises(NotAllowed):
        await choose_language(desk.call(CHARLIE, "ru", chat_id=GROUP), desk.services)
    with pytest.raises(NotAllowed):
        await press(Press(call=desk.call(CHARLIE, chat_id=GROUP), data="lng:ru"), desk.services)
    assert desk.store.language_of(GROUP) is None
    with read_in_language("en"):
        await choose_language(desk.call(BOB, "zh", chat_id=GROUP), desk.services)
    assert desk.store.language_of(GROUP) == "zh"
    assert desk.store.chosen_language(BOB) is None
    desk.store.move_chat(GROUP, GROUP - 1)
    assert (desk.store.language_of(GROUP), desk.store.language_of(GROUP - 1)) == (None, "zh")


async def test_replies_follow_telegram_until_one_is_chosen(desk: Desk, bot: TelegramSide, tg: TelegramServer) -> None:
    tg.user(ALICE, language_code="ru")
    tg.private(ALICE, "/cancel")
    await tg.wait_for(ALICE, "Отменять нечего.")
    assert desk.store.language_of(ALICE) == "ru"
    tg.private(ALICE, "/language zh-hans")
    await tg.wait_for(ALICE, "从现在起我在这里说中文")
    tg.private(ALICE, "/cancel")
    await tg.wait_for(ALICE, "没有可取消的内容。")
    tg.private(BOB, "/cancel")
    await tg.wait_for(BOB, "There is nothing to cancel.")
    tg.user(CHARLIE, language_code="es")
    tg.private(CHARLIE, "/cancel")
    await tg.wait_for(CHARLIE, "No hay nada que cancelar.")
    assert CHARLIE not in {person.user_id for person in desk.store.people()}


async def test_a_group_speaks_as_who_added_the_bot(desk: Desk, bot: TelegramSide, tg: TelegramServer) -> None:
    tg.user(ALICE, language_code="tr")
    tg.set_bot_status(GROUP, "left", by=ALICE)
    tg.set_bot_status(GROUP, "member", by=ALICE)
    await tg.wait_for(GROUP, "Borsa hesaplarının teminatını izlerim.")
    tg.say(GROUP, BOB, "/help")
    await tg.wait_for(GROUP, "benden isteyebilecekleriniz")


async def test_who_is_told_of_what_happens_elsewhere_is_told_in_their_own_language(
    desk: Desk, bot: TelegramSide, tg: TelegramServer
) -> None:
    for owner, code in ((ALICE, "ru"), (BOB, "tr")):
        desk.store.set_language(owner, code)
        desk.store.share(GROUP, desk.add(owner, f"of-{owner}").id, amounts=False, now=desk.clock())
    tg.user(CHARLIE, language_code="es")
    tg.set_bot_status(GROUP, "kicked", by=CHARLIE)
    await tg.wait_for(ALICE, "она больше не видит")
    await tg.wait_for(BOB, "artık of-8 hesabını görmüyor")


async def test_menus_in_each_language(bot: TelegramSide, tg: TelegramServer) -> None:
    assert set(LANGUAGES) == {"en", "es", "ru", "tr", "zh"}
    assert tg.commands["all_private_chats"]["cancel"] == "stop the guided /add"
    assert tg.commands["all_private_chats/ru"]["cancel"] == "прервать пошаговый /add"
    assert tg.commands["all_group_chats/zh"]["help"] == "你可以让我做什么"


def test_everything_marked_is_found() -> None:
    wants: set[Id] = wanted()
    assert "no position" in wants  # in a call
    assert "are we fine? worst account first" in wants  # in a table
    assert ("{n} account", "{n} accounts") in wants  # with a number
    assert set(marked("""x = f"{a} {_('in it')}" + plural("one", "many", n) + _(TEXT)""")) == {"in it", ("one", "many")}
    assert "You may not do this. Nothing was changed." in wants  # of an error
    assert "You have no account of that label." in wants  # of where it is raised
    assert not [text for text in wants if text == ""]
