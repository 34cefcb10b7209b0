"""What the simulated Bot API refuses, asked in ways the real client never would."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.servers.telegram import TOKEN, TelegramServer
from tests.servers.telegram_spec import Spec, default_spec_path

ALICE, BOB = 7, 8
GROUP, SUPERGROUP = -500, -1001234567890

needs_specification = pytest.mark.skipif(
    Spec.load(default_spec_path()) is None, reason="no Bot API specification: set MARGINBOT_CORPUS"
)


@pytest.fixture
async def tg() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


async def post(tg: TelegramServer, method: str, **params: Any) -> tuple[int, dict[str, Any]]:
    """A raw request."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{tg.url}/bot{TOKEN}/{method}", json=params) as answer,
    ):
        return answer.status, await answer.json()


# What Telegram refuses


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        pytest.param({"text": ""}, "message text is empty", id="no text"),
        pytest.param({"text": "<b> </b>", "parse_mode": "HTML"}, "message text is empty", id="only markup"),
        pytest.param({"text": "x" * 4097}, "message is too long", id="one over 4096"),
        pytest.param({"text": "x", "parse_mode": "html5"}, "unsupported parse_mode", id="unknown mode"),
        pytest.param({"text": "a < b", "parse_mode": "HTML"}, "can't parse entities", id="bare angle bracket"),
        pytest.param(
            {"text": "x", "reply_parameters": {"message_id": 99}}, "to be replied not found", id="reply to nothing"
        ),
    ],
)
async def test_a_message_telegram_would_refuse(tg: TelegramServer, params: dict[str, Any], expected: str) -> None:
    status, answer = await post(tg, "sendMessage", chat_id=ALICE, **params)
    assert (status, answer["ok"], answer["error_code"]) == (400, False, 400)
    assert expected in answer["description"]
    assert tg.violations == [] and tg.messages(ALICE) == []


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        pytest.param({"callback_data": "é" * 32 + "x"}, "BUTTON_DATA_INVALID", id="65 bytes"),
        pytest.param({"callback_data": ""}, "BUTTON_DATA_INVALID", id="empty"),
        pytest.param({}, "exactly one action", id="does nothing"),
        pytest.param({"url": "http://localhost/x"}, "Wrong HTTP URL", id="local link"),
    ],
)
async def test_a_button_telegram_would_refuse(tg: TelegramServer, button: dict[str, str], expected: str) -> None:
    markup = {"inline_keyboard": [[{"text": "Ack"} | button]]}
    status, answer = await post(tg, "sendMessage", chat_id=ALICE, text="x", reply_markup=markup)
    assert status == 400 and expected in answer["description"]


@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        pytest.param([("Status", "x")], "BOT_COMMAND_INVALID", id="capital"),
        pytest.param([("a" * 33, "x")], "BOT_COMMAND_INVALID", id="33 letters"),
        pytest.param([("status", "x" * 257)], "BOT_COMMAND_DESCRIPTION_INVALID", id="long description"),
        pytest.param([(f"c{i}", "x") for i in range(101)], "BOT_COMMANDS_TOO_MUCH", id="101 commands"),
    ],
)
async def test_a_menu_telegram_would_refuse(tg: TelegramServer, commands: list[tuple[str, str]], expected: str) -> None:
    menu = [{"command": name, "description": description} for name, description in commands]
    status, answer = await post(tg, "setMyCommands", commands=menu)
    assert (status, answer["description"]) == (400, f"Bad Request: {expected}")


# The specification


@needs_specification
@pytest.mark.parametrize(
    ("method", "params", "violation"),
    [
        pytest.param("sendMessage", {"chat_id": 7}, "sendMessage: text: required", id="missing"),
        pytest.param(
            "sendMessage", {"chat_id": 7, "text": "x", "txt": 1}, "sendMessage: txt: unknown parameter", id="unknown"
        ),
        pytest.param(
            "deleteMessage", {"chat_id": 7, "message_id": "x"}, "message_id: expected Integer", id="not a number"
        ),
        pytest.param(
            "sendMessage",
            {"chat_id": 7, "text": "x", "disable_notification": 1},
            "expected Boolean",
            id="not a boolean",
        ),
        pytest.param(
            "sendMessage",
            {"chat_id": 7, "text": "x", "reply_markup": '{"inline_keyboard": [[{"txt": "Ack"}]]}'},
            "reply_markup.inline_keyboard[0][0].text: required",
            id="field missing in a nested object",
        ),
        pytest.param(
            "sendMessage",
            {"chat_id": 7, "text": "x", "link_preview_options": {"disabled": True}},
            "link_preview_options.disabled: unknown field of LinkPreviewOptions",
            id="unknown field in a nested object",
        ),
        pytest.param(
            "setMyCommands",
            {"commands": [], "scope": {"type": "chat"}},
            "scope.chat_id: required",
            id="field missing in a variant",
        ),
    ],
)
async def test_what_breaks_the_specification_is_recorded(
    tg: TelegramServer, method: str, params: dict[str, Any], violation: str
) -> None:
    status, answer = await post(tg, method, **params)
    assert status == 400 and not answer["ok"]
    assert any(violation in line for line in tg.violations), tg.violations


@needs_specification
async def test_an_unknown_method_is_not_found(tg: TelegramServer) -> None:
    status, _ = await post(tg, "sendMesage", chat_id=7)
    assert (status, tg.violations) == (404, ["sendMesage: unknown method"])


@needs_specification
async def test_updates_and_answers_keep_to_the_specification(tg: TelegramServer) -> None:
    markup = {"inline_keyboard": [[{"text": "Ack", "callback_data": "ack"}]]}
    sent = [
        await post(tg, "sendMessage", chat_id=ALICE, text="x", reply_markup=markup),
        await post(tg, "sendPhoto", chat_id=ALICE, photo="known-file", caption="chart"),
        await post(tg, "sendDocument", chat_id=ALICE, document="known-file"),
    ]
    asked = tg.private(ALICE, "/ack", reply_to=1)
    tg.rewrite(ALICE, asked, "/ack now")
    tg.press_button(ALICE, "Ack", ALICE)
    tg.block(ALICE)
    tg.say(GROUP, BOB, "/status")
    tg.migrate(GROUP, SUPERGROUP)
    _, chat = await post(tg, "getChat", chat_id=SUPERGROUP)
    _, updates = await post(tg, "getUpdates")
    kinds = [next(name for name in update if name != "update_id") for update in updates["result"]]
    assert kinds == ["message", "edited_message", "callback_query", "my_chat_member"] + ["message"] * 3
    checked = [("Message", answer["result"]) for _, answer in sent]
    checked += [("Update", update) for update in updates["result"]] + [("ChatFullInfo", chat["result"])]
    assert tg.spec is not None
    assert [problem for kind, value in checked for problem in tg.spec.check(kind, value, kind)] == []
