"""The one-time web form: the page, who may use it, and what becomes of what is entered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote, urlencode

import aiohttp
import pytest
from multidict import CIMultiDict

from marginbot.bot.build import TelegramSide, build_telegram
from marginbot.bot.calls import Services
from marginbot.bot.commands.add import add, back_row
from marginbot.bot.commands.data import forget, forget_decided
from marginbot.bot.commands.start import cancel
from marginbot.bot.weblinks import PATIENCE, Wanted, WebLinks
from marginbot.domain.errors import ConfigError, KeyRefused
from marginbot.domain.passport import Passport
from marginbot.exchanges.venues import OWN
from marginbot.flow.ports import Person
from marginbot.logs import STRUCK, scrub
from marginbot.webform import BODY_LIMIT, NOT_FOUND, PER_ADDRESS, FormServer
from tests.bot.builders import ALICE, BOB, NOW
from tests.bot.conftest import Desk, desk, store, tg
from tests.bot.fakes import VENUES
from tests.servers.telegram import TOKEN, TelegramServer

__all__ = ["desk", "store", "tg"]

KEY, SECRET, PHRASE = "form-api-key-0001", "canary-form-secret-41d8", "canary phrase & <b>"
ENTERED = {"key": KEY, "secret": SECRET, "passphrase": PHRASE}
PRESSED = re.compile(r"[\w-]{43}")


class Site:
    """The form's server, the chat beside it, and a browser."""

    def __init__(self, desk: Desk, side: TelegramSide, server: FormServer, browser: aiohttp.ClientSession) -> None:
        self.desk, self.side, self.server, self.browser = desk, side, server, browser
        self.root = ""

    async def asked(self, tg: TelegramServer, user_id: int = ALICE, words: str = "/add okx main") -> str:
        """Somebody is offered the form; its address."""
        asked = tg.private(user_id, words)
        told = await tg.wait_for(user_id, "Or use the web form", after=asked)
        [[button], _] = told.buttons
        assert button.label == "Enter the key in a web form"
        assert button.url
        return self.root + button.url.rpartition("/")[2]

    async def get(self, address: str, **headers: str) -> tuple[int, str]:
        async with self.browser.get(address, headers=headers) as answer:
            return answer.status, await answer.text()

    async def post(self, address: str, entered: dict[str, str] | bytes, **headers: str) -> tuple[int, str]:
        async with self.browser.post(address, data=entered, headers=headers) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def site(desk: Desk, tg: TelegramServer) -> AsyncIterator[Site]:
    links = WebLinks("https://bot.example/key")
    desk.services = replace(desk.services, links=links)
    side = build_telegram(TOKEN, tg.url, desk.services, poll=timedelta(seconds=1))
    server = FormServer(("127.0.0.1", 0), links, side.submitted, clock=desk.clock)
    host, port = await server.start()
    listening = await side.start()
    async with aiohttp.ClientSession() as browser:
        found = Site(desk, side, server, browser)
        found.root = f"http://{host}:{port}/"
        yield found
    await server.stop()
    await side.stop(listening)


def stored(desk: Desk, user_id: int = ALICE) -> list[str]:
    return [account.label for account in desk.store.accounts_of(user_id)]


async def test_a_key_reaches_the_bot_and_never_passes_through_telegram(
    site: Site, desk: Desk, tg: TelegramServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    address = await site.asked(tg)
    status, page = await site.get(address)
    assert status == 200
    assert [name in page for name in ('name="key"', 'name="secret"', 'name="passphrase"', "OKX: main")] == [True] * 4
    assert (await site.post(address, ENTERED))[0] == 200
    await tg.wait_for(ALICE, "Watching main now")
    [account] = desk.store.accounts_of(ALICE)
    credential = desk.store.credential(account.id)
    assert (credential.key, credential.secret, credential.passphrase) == (KEY, SECRET, PHRASE)
    assert [changed.label for changed in desk.changed] == ["main"]
    for canary in (KEY, SECRET, PHRASE):
        assert scrub(f"a line with {canary}") == f"a line with {STRUCK}", "no library may log it either"
    said = "".join(r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "telegram")))
    for canary in (KEY, SECRET, PHRASE, quote(PHRASE), address.rpartition("/")[2]):
        assert canary not in said
        assert all(canary not in text for text in tg.texts(ALICE))


async def test_the_page_runs_nothing_keeps_nothing_and_tells_nobody(site: Site, tg: TelegramServer) -> None:
    address = await site.asked(tg)
    async with site.browser.get(address) as answer:
        headers, page = answer.headers, await answer.text()
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"]) == ("DENY", "nosniff")
    policy = headers["Content-Security-Policy"]
    assert [part in policy for part in ("form-action 'self'", "frame-ancestors 'none'")] == [True, True]
    assert "<script" not in page
    assert page.count('autocomplete="off"') == 4
    assert "http" not in page.replace("http-equiv", "")


async def test_failure_36_wrong_used_and_late_links_are_all_answered_alike(
    site: Site, desk: Desk, tg: TelegramServer
) -> None:
    used = await site.asked(tg)
    assert (await site.post(used, ENTERED))[0] == 200
    await tg.wait_for(ALICE, "Watching main now")
    replaced = await site.asked(tg, words="/add okx second")
    late = await site.asked(tg, words="/add okx third")
    dropped = await site.asked(tg, BOB)
    asked = tg.private(BOB, "/cancel")
    await tg.wait_for(BOB, "Cancelled", after=asked)
    answers = []
    desk.clock.ahead = PATIENCE - timedelta(seconds=2)
    assert (await site.get(late))[0] == 200
    desk.clock.ahead = PATIENCE + timedelta(seconds=1)
    for address in (used, replaced, late, dropped, site.root, site.root + "x" * 43, site.root + "%ff%00/../"):
        answers += [await site.get(address), await site.post(address, ENTERED)]
    assert {status for status, _ in answers} == {404}
    assert len({page for _, page in answers}) == 1
    assert NOT_FOUND in answers[0][1]
    assert stored(desk) == ["main"]
    assert stored(desk, BOB) == []


async def test_two_who_send_at_once_are_one(site: Site, desk: Desk, tg: TelegramServer) -> None:
    address = await site.asked(tg)
    answers = await asyncio.gather(*(site.post(address, ENTERED) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [200] + [404] * 7
    await tg.wait_for(ALICE, "Watching main now")
    assert len(desk.reader.asked) == 1


async def test_what_cannot_be_taken_uses_nothing_up(site: Site, desk: Desk, tg: TelegramServer) -> None:
    address = await site.asked(tg)
    assert (await site.post(address, {**ENTERED, "secret": " "}))[0] == 400
    assert (await site.post(address, {**ENTERED, "secret": "s" * BODY_LIMIT}))[0] == 413
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await site.post(address, b"%", **{"Content-Type": "text/plain"}))[0] == 404
    body = urlencode(ENTERED).encode()
    assert (await site.post(address, body, **{"Content-Type": f"{form['Content-Type']}; charset=nonsense"}))[0] == 404
    for elsewhere in ("cross-site", "same-site"):
        assert (await site.post(address, body, **form, **{"Sec-Fetch-Site": elsewhere}))[0] == 404
    async with site.browser.put(address, data=body, headers=form) as answer:
        assert answer.status == 404
    assert desk.reader.asked == []
    assert (await site.post(address, body, **form, **{"Sec-Fetch-Site": "same-origin"}))[0] == 200
    await tg.wait_for(ALICE, "Watching main now")


async def test_the_checks_of_the_chat_are_made_and_told_there(site: Site, desk: Desk, tg: TelegramServer) -> None:
    desk.reader.answer = KeyRefused("-2015")
    asked = await site.asked(tg)
    assert (await site.post(asked, ENTERED))[0] == 200
    await tg.wait_for(ALICE, "Nothing was stored. To try again: /add okx main")
    desk.reader.answer = type(desk.reader)().answer
    desk.reader.rights = Passport(can_read=True, can_trade=False, can_withdraw=True)
    assert (await site.post(await site.asked(tg), ENTERED))[0] == 200
    await tg.wait_for(ALICE, "can withdraw")
    desk.reader.rights = Passport(can_read=True, can_trade=True, can_withdraw=False)
    assert (await site.post(await site.asked(tg), ENTERED))[0] == 200
    question = await tg.wait_for(ALICE, "This key can trade. Use it anyway?")
    assert stored(desk) == []
    tg.press_button(ALICE, "Yes", ALICE)
    await tg.wait_for(ALICE, "Watching main now", after=question.message_id)


async def test_who_was_put_out_meanwhile_registers_nothing(site: Site, desk: Desk, tg: TelegramServer) -> None:
    address = await site.asked(tg)
    desk.store.end_membership(ALICE)
    assert (await site.post(address, ENTERED))[0] == 200
    await tg.wait_for(ALICE, "This bot is by invitation")
    assert desk.reader.asked == []


async def test_each_address_is_answered_so_often_and_not_more(site: Site) -> None:
    """The last address is the one that the proxy saw; what stands before it anybody may have written."""
    seen = [{"X-Forwarded-For": f"203.0.113.{number}, 198.51.100.1"} for number in range(PER_ADDRESS.burst + 3)]
    statuses = [(await site.get(site.root + "guess", **headers))[0] for headers in seen]
    assert statuses == [404] * PER_ADDRESS.burst + [429] * 3
    assert (await site.get(site.root + "guess", **{"X-Forwarded-For": "198.51.100.2"}))[0] == 404


async def test_a_line_that_the_sender_wrote_beside_the_proxy_s_is_not_believed(site: Site) -> None:
    statuses = []
    for number in range(PER_ADDRESS.burst + 3):
        lines = CIMultiDict([("X-Forwarded-For", f"203.0.113.{number}"), ("X-Forwarded-For", "198.51.100.1")])
        async with site.browser.get(site.root + "guess", headers=lines) as answer:
            statuses.append(answer.status)
    assert statuses == [404] * PER_ADDRESS.burst + [429] * 3


async def test_without_an_address_nothing_is_offered_and_an_address_needs_no_form(desk: Desk) -> None:
    reply = await add(desk.call(ALICE, "okx", "main"), desk.services)
    assert (reply.buttons, "web form" in reply.html) == ((back_row(),), False)
    services = with_links(desk)
    assert (await add(desk.call(ALICE, "hyperliquid", "main"), services)).buttons == (back_row(),)
    assert (await add(desk.call(ALICE, "okx", "main"), services)).buttons != (back_row(),)


async def test_the_servers_own_address_is_shown_for_the_keys_list(desk: Desk) -> None:
    shown = replace(desk.services, egress_ip="203.0.113.7, 2001:db8::7")
    told = (await add(desk.call(ALICE, "okx", "main"), shown)).html
    assert "This server's IP address is <code>203.0.113.7, 2001:db8::7</code>" in told
    assert VENUES["okx"].instructions in told
    assert "known to who runs this bot" in (await add(desk.call(ALICE, "okx", "main"), desk.services)).html
    assert "IP address" not in (await add(desk.call(ALICE, "hyperliquid", "main"), shown)).html


@pytest.mark.parametrize("name", [name for name in OWN if OWN[name].info.needs_secret])
def test_failure_32_each_exchange_has_its_own_way_to_a_key_that_only_reads(name: str) -> None:
    told = OWN[name].info.instructions
    assert re.search(r"\b(read|reading|query|view)\b", told, re.IGNORECASE), told
    assert len(told) < 600, "cut in the chat"


@pytest.mark.parametrize("end", ["cancel", "forget", "the key came in the chat"])
async def test_a_link_ends_with_what_it_was_for(desk: Desk, end: str) -> None:
    services = with_links(desk)
    desk.add(ALICE, "older")
    reply = await add(desk.call(ALICE, "okx", "main"), services)
    token = reply.buttons[0][0].url.rpartition("/")[2]
    assert PRESSED.fullmatch(token)
    assert services.links.wanted(token, desk.clock())
    if end == "cancel":
        await cancel(desk.call(ALICE), services)
    elif end == "forget":
        number = (await forget(desk.call(ALICE), services)).buttons[0][0].data.rpartition(":")[2]
        await forget_decided(desk.call(ALICE), number, services, yes=True)
    else:
        await add(desk.call(ALICE, "okx", "main", KEY, SECRET, PHRASE), services)
    assert services.links.wanted(token, desk.clock()) is None


def with_links(desk: Desk) -> Services:
    return replace(desk.services, links=WebLinks("https://bot.example/"))


def test_a_token_is_kept_as_a_hash_and_belongs_to_one_person() -> None:
    links = WebLinks("https://bot.example")
    wanted = [
        Wanted(person=Person(who, "x"), chat_id=who, venue=VENUES["okx"], label="main", asked_at=NOW)
        for who in (ALICE, BOB)
    ]
    tokens = [str(links.offer(each)).rpartition("/")[2] for each in wanted]
    assert all(token not in repr(vars(links)) for token in tokens)
    links.drop(ALICE)
    assert [links.take(token, NOW) for token in tokens] == [None, wanted[1]]
    assert links.take(tokens[1], NOW) is None


async def test_a_taken_address_names_the_setting(site: Site) -> None:
    port = int(site.root.rstrip("/").rpartition(":")[2])
    second = FormServer(("127.0.0.1", port), WebLinks("x"), site.side.submitted, clock=site.desk.clock)
    with pytest.raises(ConfigError, match="MARGINBOT_FORM_LISTEN"):
        await second.start()
    await second.stop()
