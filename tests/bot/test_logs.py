"""Canaries: what is secret never comes out of the log."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from telegram.error import TelegramError
from telegram.request import BaseRequest

from marginbot import logs
from marginbot.bot.build import TelegramSide
from tests.bot.builders import BOB, CHARLIE, OPERATOR
from tests.bot.conftest import Desk
from tests.servers.telegram import TelegramServer

TOKEN = "8123456789:AAE-canary_token_0123456789abcdefgh"
SECRET = "canary-secret-5f2c9d7e1b"


@pytest.fixture(autouse=True)
def _keep_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.TALKATIVE}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def _fail() -> None:
    raise ValueError(f"could not use {SECRET} with {TOKEN}")


@pytest.mark.parametrize("fmt", ["text", "json"])
def test_failure_33_nothing_secret_reaches_the_log(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.redact(SECRET)
    logs.configure("debug", fmt)
    log = logging.getLogger("anything")
    log.info("GET https://api.telegram.org/bot%s/getMe", TOKEN)
    log.info("as a plain message: %s" % SECRET)  # noqa: UP031 - the message itself, not an argument
    log.info("wrong arguments %s %s", SECRET)  # noqa: PLE1206 - that is the point
    log.warning("short test token in /bot123456:TEST/getMe")
    try:
        _fail()
    except ValueError as error:
        log.exception("failed with %r", error)
    written = capsys.readouterr().err
    assert SECRET not in written
    assert TOKEN not in written
    assert "123456:TEST" not in written
    assert "ValueError" in written
    assert written.count(logs.STRUCK) >= 6


async def test_failure_41_no_code_that_lets_somebody_in_reaches_the_log_or_the_database(
    bot: TelegramSide, desk: Desk, tg: TelegramServer, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("debug", "text")
    asked = tg.private(OPERATOR, "/invite")
    told = await tg.wait_for(OPERATOR, "/start ", after=asked)
    code = told.text.split("/start ")[1].split()[0]
    asked = tg.private(CHARLIE, f"/start {code}")
    await tg.wait_for(CHARLIE, "Welcome", after=asked)
    asked = tg.private(CHARLIE + 1, f"/start {code}")
    await tg.wait_for(CHARLIE + 1, "not valid", after=asked)
    asked = tg.private(BOB, "/forget")
    question = await tg.wait_for(BOB, "Delete everything about you?", after=asked)
    number = str(question.buttons[0][0].data).rpartition(":")[2]
    written = capsys.readouterr().err
    assert "refused" in written
    rows = [str(row) for row in desk.store._db.query("SELECT * FROM invites")]
    assert rows
    for secret in (code, number):
        assert secret not in written
        assert secret not in "".join(rows)


def test_requests_and_updates_of_the_telegram_library_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "text")
    logging.getLogger("httpx").info("HTTP Request: POST https://api.telegram.org/...")
    logging.getLogger("telegram.ext.Application").debug("Processing update %s", "Update(message=/add key)")
    logging.getLogger("telegram.request").error('Can not load invalid JSON data: "%s"', "an update with a key")
    written = capsys.readouterr().err
    assert "HTTP Request" not in written
    assert "key" not in written
    assert "Can not load invalid JSON data" in written


def test_a_gateway_that_answers_with_a_page_fills_no_log_with_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("debug", "text")
    with pytest.raises(TelegramError):
        BaseRequest.parse_json_payload(b"<html>bad gateway</html>")
    assert capsys.readouterr().err == ""


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("info", "json")
    logging.getLogger("a").info("hello %s", "world")
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["logger"], line["message"]) == ("info", "a", "hello world")


def test_ordinary_words_are_not_struck_out() -> None:
    logs.redact("main")
    assert logs.scrub("main account") == "main account"


def test_a_secret_that_begins_like_another_leaves_nothing_of_it() -> None:
    logs.redact("s3cret-one")
    logs.redact("s3cret-one-and-more")
    assert logs.scrub("key s3cret-one-and-more, s3cret-one") == f"key {logs.STRUCK}, {logs.STRUCK}"


def test_the_registry_of_secrets_is_bounded() -> None:
    for number in range(logs.MOST_PASSING_SECRETS + 5):
        logs.redact(f"passing-{number:06}")
    assert logs.scrub("passing-000000") == "passing-000000"
    assert logs.scrub(f"passing-{logs.MOST_PASSING_SECRETS:06}") == logs.STRUCK
