"""The main messages in each language: word for word, and on a phone as good as the English ones."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marginbot.bot import figures as fig
from marginbot.bot import (
    render_alert,
    render_bundle,
    render_group,
    render_history,
    render_hours,
    render_replay,
    render_reports,
    render_status,
)
from marginbot.bot.build import build_bot
from marginbot.bot.calls import Rows
from marginbot.bot.figures import width
from marginbot.bot.language import _, read_in_language
from marginbot.bot.messenger import TelegramMessenger
from marginbot.bot.refresh import refresh
from marginbot.bot.render import LIMIT, length
from marginbot.domain.alerting import Reason
from marginbot.domain.notices import Facts
from marginbot.domain.outcomes import Sent
from marginbot.flow.deliver import MOST_IN_A_BUNDLE
from tests.bot.builders import ALICE, BOB, CALM, FLAT, GROUP, NOW, facts, notice, pool, report, standing
from tests.bot.catalogues import TRANSLATED, messages, strings
from tests.bot.golden import check
from tests.bot.test_bundle import THREE
from tests.bot.test_history import EPISODES
from tests.bot.test_hours import NIGHT
from tests.bot.test_phone_width import WIDTH, torn
from tests.bot.test_render_alert import MESSAGES, SOON, any_facts
from tests.bot.test_render_forced import CLOSE
from tests.bot.test_render_group import GROUPS
from tests.bot.test_render_status import STATUSES, VIEW
from tests.bot.test_replay import ACCOUNT, PAST
from tests.bot.test_reports import several_accounts, story
from tests.builders import T0
from tests.servers.telegram import TOKEN, TelegramServer
from tests.servers.telegram_html import plain_text
from tests.servers.telegram_methods import formatted

Screen = Callable[[], tuple[str, Rows]]
ALERTS = (
    "worsened_notice",
    "worsened_warning_short",
    "worsened_critical",
    "worsened_emergency",
    "worsened_deficit",
    "first_sight_warning",
    "late_and_perhaps_repeated",
    "recovered",
    "recovered_gone",
    "liquidated",
    "venue_warns",
    "went_blind",
    "key_refused",
    "sight_back_calm",
    "sight_back_critical",
)


def _alert(name: str) -> Screen:
    return lambda: (
        render_alert.alert(MESSAGES[name], NOW + SOON),
        render_alert.buttons(MESSAGES[name]),
    )


def _bundle() -> tuple[str, Rows]:
    return render_bundle.bundle(THREE, NOW), render_bundle.buttons(THREE)


def _forced() -> tuple[str, Rows]:
    about = facts(grade=None, previous=None, pool=None, positions=(), reason=Reason.UNCHANGED, forced=CLOSE)
    told = notice(about, subject=f"{CLOSE.kind} {CLOSE.order}")
    return render_alert.alert(told, NOW), render_alert.buttons(told)


def _group(name: str) -> Screen:
    return lambda: (render_group.status(GROUPS[name], VIEW), ())


def _board(name: str) -> Screen:
    shown = GROUPS[name]
    return lambda: (render_group.boarded(render_group.board(shown, VIEW), NOW, shown, VIEW), ())


def _status(name: str) -> Screen:
    return lambda: (render_status.status(STATUSES[name], VIEW), (refresh(),))


def _details() -> tuple[str, Rows]:
    return render_status.details(standing(report(pool(), FLAT)), VIEW), ()


SCREENS: dict[str, Screen] = {
    **{f"alert_{name}": _alert(name) for name in ALERTS},
    "bundle": _bundle,
    "forced_liquidation": _forced,
    "status_fine": _status("fine"),
    "status_critical_and_blind": _status("critical_and_blind"),
    "status_several_pools": _status("several_pools"),
    "status_snoozed": _status("snoozed"),
    "group_status_amounts": _group("amounts"),
    "group_board_all_states": _board("all_states"),
    "group_board_dark": _board("dark"),
    "group_worse": lambda: (render_group.worse(GROUPS["amounts"][:1], VIEW), ()),
    "group_redacted": lambda: (render_group.redacted(GROUPS["amounts"][0], VIEW), ()),
    "details": _details,
    "positions": lambda: (render_status.positions([standing(report(CALM))], VIEW), ()),
}
OTHERS: dict[str, Screen] = {
    "report": lambda: (render_reports.daily(several_accounts(), NOW), ()),
    "near_miss": lambda: (render_reports.near_miss(story(), NOW + timedelta(minutes=41)), ()),
    "history": lambda: (render_history.history(EPISODES, T0 + timedelta(minutes=25)), ()),
    "replay": lambda: (render_replay.past(ACCOUNT, PAST, legend=True), ()),
    "replay_begun": lambda: (render_replay.begun(ACCOUNT, (PAST.since, PAST.until)), ()),
    "quiet_set": lambda: (render_hours.quiet(NIGHT, UTC, NOW, changed=True), ()),
    "timezone": lambda: (render_hours.zone(UTC, NOW), ()),
}
SCREENS |= OTHERS
ALL: dict[str, Screen] = (
    SCREENS
    | {f"status_{name}": _status(name) for name in STATUSES}
    | {f"alert_{name}": _alert(name) for name in MESSAGES}
)


@pytest.mark.parametrize("code", TRANSLATED)
@pytest.mark.parametrize("name", SCREENS)
def test_message(name: str, code: str) -> None:
    with read_in_language(code):
        html, rows = SCREENS[name]()
    check(f"{code}/{name}", html, rows)


@pytest.mark.parametrize("code", TRANSLATED)
@pytest.mark.parametrize("name", ALL)
def test_a_line_that_fits_a_phone_in_english_fits_it_in_every_language(name: str, code: str) -> None:
    english = plain_text(ALL[name]()[0]).split("\n")
    with read_in_language(code):
        translated = plain_text(ALL[name]()[0]).split("\n")
    assert len(translated) == len(english)
    body = list(zip(english, translated, strict=True))[1:]  # a head is as long as its label lets it be
    assert [after for before, after in body if width(before) <= WIDTH < width(after)] == []
    if code != "zh":  # there a line may end after any character
        assert [number for line in translated for number in torn(line)] == []


@pytest.mark.parametrize("code", sorted(set(TRANSLATED) - {"zh"}))  # Chinese has no capitals
@pytest.mark.parametrize("name", MESSAGES)
def test_one_grade_in_capitals(name: str, code: str) -> None:
    with read_in_language(code):
        loud = re.compile("|".join(rf"\b{_(word)}\b" for word in [*fig.NAMES.values(), *fig.STATES]))
        assert len(set(loud.findall(plain_text(render_alert.alert(MESSAGES[name], NOW))))) <= 1
        if MESSAGES[name].facts.pool is not None and MESSAGES[name].facts.reason is Reason.WORSENED:
            assert len(loud.findall(plain_text(render_alert.alert(MESSAGES[name], NOW)))) == 1


@settings(max_examples=60, deadline=None)
@given(any_facts(), st.sampled_from(TRANSLATED))
def test_nothing_in_the_facts_can_break_a_message_in_any_language(drawn: Facts, code: str) -> None:
    told = notice(drawn, subject="cross:USDT")
    with read_in_language(code):
        assert length(render_alert.alert(told, NOW)) <= LIMIT
        assert len(render_alert.short(told)) <= 400
        html = render_bundle.bundle([told] * MOST_IN_A_BUNDLE, NOW)
    assert length(html) <= LIMIT
    formatted(html, "HTML")


def test_no_label_looks_like_a_grade_in_any_language() -> None:
    with read_in_language("es"):
        assert fig.quiet("CRÍTICO CRITICAL x") == "crítico critical x"
    with read_in_language("tr"):
        assert fig.quiet("KRİTİK") == "kritik"
    assert fig.quiet("CRÍTICO CRITICAL OKX OK") == "CRÍTICO critical OKX ok"


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_tag_is_open_at_the_end_of_a_line(code: str) -> None:
    """Messages are cut between lines."""
    lines = [line for found in messages(code).values() for told in strings(found) for line in told.split("\n")]
    assert [line for line in lines if sorted(re.findall(r"<(\w+)", line)) != sorted(re.findall(r"</(\w+)", line))] == []


async def test_each_chat_is_written_to_in_its_own_language(tg: TelegramServer) -> None:
    languages = {ALICE: "ru", BOB: None, GROUP: "zh"}
    async with build_bot(TOKEN, tg.url) as bot:
        messenger = TelegramMessenger(bot, language_of=languages.get)
        for chat_id in languages:
            assert isinstance(await messenger.send(notice(chat_id=chat_id), NOW), Sent)
    heads = [tg.messages(chat_id)[0].text.split(" · ")[0] for chat_id in languages]
    assert heads == ["🔴 КРИТИЧНО", "🔴 CRITICAL", "🔴 危急"]
