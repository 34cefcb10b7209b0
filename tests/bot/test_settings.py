"""/settings: one message with buttons, that does what the commands do, for who may do it."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marginbot.bot import render_settings
from marginbot.bot.build import TelegramSide
from marginbot.bot.calls import Rows
from marginbot.bot.commands.chart import chart
from marginbot.bot.commands.settings import settings, settings_pressed
from marginbot.bot.commands.settings_thresholds import PRESETS, next_cushion
from marginbot.bot.figures import width
from marginbot.bot.language import LANGUAGES, read_in_language
from marginbot.bot.presses import Press, press
from marginbot.bot.render import to_plain
from marginbot.bot.render_settings import Scale
from marginbot.domain.alerting import Reminders
from marginbot.domain.chart import Theme
from marginbot.domain.errors import BadThresholds, NotAllowed
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, Grade, Ladders
from marginbot.domain.hours import QuietHours
from marginbot.domain.trial import Trial
from marginbot.flow.ports import Account
from tests.bot.builders import ALICE, BOB, CHARLIE, GROUP, NOW, pool, report
from tests.bot.conftest import Desk
from tests.bot.golden import check
from tests.servers.telegram import TelegramServer

LATER = Ladders(ratio=(0.60, 0.75, 0.85, 0.93))
LATER_CUSHION = Ladders(cushion=(5.0, 3.5, 2.0, 1.0))
WIDE = Ladders(cushion=(1000, 12.75, 2.25, 1.25))
ACCOUNT = Account(id=3, user_id=ALICE, chat_id=ALICE, exchange="bybit", label="main", created_at=NOW)
OUT_OF_DATE = "This button is out of date"


async def screen(desk: Desk, data: str, user_id: int = ALICE) -> tuple[str, str, Rows]:
    found = await settings_pressed(desk.call(user_id), data, desk.services)
    assert found is not None, data
    return found


def on(buttons: Rows) -> dict[str, str]:
    return {button.text: button.data for row in buttons for button in row}


def trial(*raises: int, days: float = 30) -> Trial:
    return Trial(dict(zip(RUNGS, raises, strict=True)), timedelta(days=days))


def a_draft(
    proposed: Ladders = DEFAULT_LADDERS,
    *,
    scale: Scale = Scale.RATIO,
    days: float = 30,
    pools: tuple[int, int] = (1, 1),
) -> str:
    return render_settings.draft(
        render_settings.Draft(
            account=ACCOUNT,
            scale=scale,
            saved=DEFAULT_LADDERS,
            proposed=proposed,
            as_saved=trial(14, 6, 2, 1, days=days),
            as_proposed=trial(14, 6, 2, 1, days=days) if proposed == DEFAULT_LADDERS else trial(5, 2, 1, 0, days=days),
            pools=pools,
        )
    )


def test_golden() -> None:
    chosen = render_settings.Chosen(
        accounts=2,
        channels=1,
        hours=QuietHours(1380, 420),
        zone=ZoneInfo("Europe/Istanbul"),
        reminders=Reminders(),
        theme=Theme.DARK,
    )
    check("settings", render_settings.overview(chosen, NOW), render_settings.menu())
    check("settings_which_account", render_settings.which_account())
    check("settings_thresholds", a_draft())
    check("settings_thresholds_proposed", a_draft(LATER, days=12))
    check("settings_thresholds_no_history", a_draft(LATER, days=0.5))
    check("settings_thresholds_many_pools", a_draft(days=1, pools=(20, 31)))
    check("settings_thresholds_cushion", a_draft(scale=Scale.CUSHION))
    check("settings_thresholds_cushion_proposed", a_draft(LATER_CUSHION, scale=Scale.CUSHION))
    check("settings_charts", render_settings.theme(Theme.LIGHT))


@pytest.mark.parametrize("code", list(LANGUAGES))
def test_tables_fit_a_phone_in_each_language(code: str) -> None:
    with read_in_language(code):
        shown = a_draft(LATER) + "\n" + a_draft(WIDE, scale=Scale.CUSHION)
        rows = [row for row in shown.split("\n") if row.startswith("<code>")]
    assert len(rows) == 8
    assert [row for row in rows if width(to_plain(row)) > 40] == []


async def test_one_message_is_edited_from_screen_to_screen(bot: TelegramSide, desk: Desk, tg: TelegramServer) -> None:
    desk.add(ALICE)
    asked = tg.private(ALICE, "/settings")
    panel = await tg.wait_for(ALICE, "Settings", after=asked)
    for button, following in (
        ("Quiet hours", "You have no quiet hours"),
        ("23:00-07:00", "are now"),
        ("◀ Back", "Quiet hours: 23:00-07:00"),
        ("Thresholds", "Thresholds of <b>main</b>"),
        ("Later", "a proposal"),
        ("Save", "Thresholds of <b>main</b>"),
        ("cushion", "Cushion: room to liquidation"),
        ("Later", "a proposal"),
        ("Save", "Thresholds of <b>main</b>"),
    ):
        tg.press_button(ALICE, button, ALICE)
        await tg.wait_for(ALICE, following.replace("<b>", "").replace("</b>", ""), after=asked)
    assert tg.messages(ALICE)[-1].message_id == panel.message_id, "no new message"
    assert desk.store.quiet_hours(ALICE) == QuietHours(1380, 420)
    assert desk.store.ladders(desk.store.account(ALICE, "main").id) == Ladders(LATER.ratio, LATER_CUSHION.cushion)


async def test_every_choice_is_kept_and_marked(desk: Desk) -> None:
    for data, marked in (
        ("set:q:22:00-06:00", "• 22:00-06:00"),
        ("set:r:240-30-10", "• Seldom"),
        ("set:h:light", "• light"),
    ):
        _said, _html, buttons = await screen(desk, data)
        assert marked in on(buttons)
    _said, _html, buttons = await screen(desk, "set:z:Europe/Istanbul")
    assert [name for name in on(buttons) if name.startswith("• Istanbul ")]
    assert str(desk.store.zone_of(ALICE)) == "Europe/Istanbul"
    assert desk.store.reminders(ALICE).critical == timedelta(minutes=30)
    _said, _html, buttons = await screen(desk, "set:q:off")
    assert desk.store.quiet_hours(ALICE) is None
    assert desk.store.chart_theme(BOB) is Theme.DARK


async def test_the_language_changes_the_panel_too(desk: Desk) -> None:
    with read_in_language("en"):
        said, html, _buttons = await screen(desk, "set:l:es")
    assert "español" in said
    assert "Español" in html
    with read_in_language("en"):
        await screen(desk, "set:l:auto")
    assert desk.store.chosen_language(ALICE) is None


async def test_a_rung_moves_by_a_button_and_is_stored_by_another(desk: Desk) -> None:
    account = desk.add(ALICE)
    _said, html, buttons = await screen(desk, f"set:t:{account.id}")
    assert "not enough history yet" in html
    assert "Save" not in on(buttons)
    _said, html, buttons = await screen(desk, on(buttons)["warning −"])
    assert "60% (65%)" in html
    assert desk.store.ladders(account.id) == DEFAULT_LADDERS, "nothing is stored yet"
    said, _html, buttons = await screen(desk, on(buttons)["Save"])
    assert said == "Saved for main."
    assert desk.store.ladders(account.id).ratio == (0.5, 0.6, 0.8, 0.9)
    assert desk.store.ladders(account.id).cushion == DEFAULT_LADDERS.cushion


async def test_the_cushion_has_rungs_of_its_own_on_the_same_panel(desk: Desk) -> None:
    account = desk.add(ALICE)
    _said, _html, buttons = await screen(desk, f"set:t:{account.id}")
    assert {"• ratio", "cushion"} <= set(on(buttons))
    _said, html, buttons = await screen(desk, on(buttons)["cushion"])
    assert {"ratio", "• cushion", "• Standard"} <= set(on(buttons))
    assert "Save" not in on(buttons)
    _said, html, buttons = await screen(desk, on(buttons)["warning −"])
    assert "≤4.5x (≤5x)" in html
    assert "50%" not in html
    _said, html, buttons = await screen(desk, on(buttons)["critical +"])
    assert "≤2.75x (≤2.6x)" in html
    assert desk.store.ladders(account.id) == DEFAULT_LADDERS, "nothing is stored yet"
    said, html, buttons = await screen(desk, on(buttons)["Save"])
    assert said == "Saved for main."
    assert "• cushion" in on(buttons)
    assert desk.store.ladders(account.id) == Ladders(cushion=(7.0, 4.5, 2.75, 1.25))


@pytest.mark.parametrize(("multiple", "up", "down"), [
    (0.25, 0.5, 0.0), (1.25, 1.5, 1.0), (2.6, 2.75, 2.5), (2.75, 3.0, 2.5), (3.0, 3.5, 2.75), (3.2, 3.5, 3.0),
    (5.0, 5.5, 4.5), (5.5, 6.0, 5.0), (6.0, 7.0, 5.5), (7.0, 8.0, 6.0), (7.3, 8.0, 7.0), (0.0, 0.25, -0.25),
])  # fmt: skip
def test_a_cushion_moves_to_round_multiples_finer_near_liquidation(multiple: float, up: float, down: float) -> None:
    assert (next_cushion(multiple, 1), next_cushion(multiple, -1)) == (up, down)


@given(st.integers(min_value=1, max_value=4000).map(lambda quarters: quarters / 4))
def test_a_press_up_and_one_down_lead_back_from_what_a_press_reached(start: float) -> None:
    reached = next_cushion(start, 1)
    assert reached > start
    assert next_cushion(next_cushion(reached, 1), -1) == reached


@pytest.mark.parametrize("scale", Scale)
def test_presets_warn_in_the_order_of_their_names(scale: Scale) -> None:
    earlier, standard, later = PRESETS[scale].values()
    assert standard == getattr(DEFAULT_LADDERS, scale.value)
    for sooner, usual, late in zip(earlier, standard, later, strict=True):
        assert sooner < usual < late if scale is Scale.RATIO else sooner > usual > late


async def test_no_cushion_passes_another_nor_nothing(desk: Desk) -> None:
    account = desk.add(ALICE)
    _said, _html, buttons = await screen(desk, f"set:d:{account.id}:c1000000-5000-4500-250")
    assert not {"notice +", "warning −", "critical +", "emergency −"} & set(on(buttons))
    assert {"notice −", "warning +", "critical −", "emergency +"} <= set(on(buttons))


@pytest.mark.parametrize("rungs", ["c5000-7000-2600-1250", "c7000-5000-2600-0", "c1000001-5000-2600-1250"])
async def test_a_cushion_out_of_order_is_refused_as_by_thresholds(desk: Desk, rungs: str) -> None:
    account = desk.add(ALICE)
    for kind in "ds":
        with pytest.raises(BadThresholds):
            await settings_pressed(desk.call(ALICE), f"set:{kind}:{account.id}:{rungs}", desk.services)
    assert desk.store.ladders(account.id) == DEFAULT_LADDERS


async def test_no_rung_passes_another(desk: Desk) -> None:
    account = desk.add(ALICE)
    _said, _html, buttons = await screen(desk, f"set:d:{account.id}:500-550-800-950")
    assert not {"notice +", "warning −", "emergency +"} & set(on(buttons))
    assert {"notice −", "warning +", "critical −", "critical +", "emergency −"} <= set(on(buttons))


async def test_what_it_would_have_meant_is_counted_over_what_was_read(desk: Desk) -> None:
    account, now = desk.add(ALICE), desk.clock()
    for minutes, ratio in ((0, "0.3"), (30, "0.66"), (40, "0.3"), (50, "0.68"), (60, "0.3")):
        graded = Grade.WARNING if ratio > "0.6" else Grade.OK
        read = pool(margin_ratio=Decimal(ratio), cushion=50.0, grade=graded)
        desk.store.gather(account.id, report(read, taken_at=now - timedelta(hours=40, minutes=-minutes)))
    _said, html, _buttons = await screen(desk, f"set:t:{account.id}")
    rows = [line for line in html.split("\n") if line.startswith("<code>")]
    assert [row.split()[-1] for row in rows] == ["0x</code>", "2x</code>", "0x</code>", "0x</code>"]
    assert "in the last day." in html
    _said, html, _buttons = await screen(desk, f"set:d:{account.id}:600-750-850-930")
    rows = [line for line in html.split("\n") if line.startswith("<code>")]
    assert [row.split()[-2:] for row in rows][:2] == [["2x", "(0x)</code>"], ["0x", "(2x)</code>"]]


async def test_what_cushion_thresholds_would_have_meant_is_counted_too(desk: Desk) -> None:
    account, now = desk.add(ALICE), desk.clock()
    for minutes, cushion in ((0, 50.0), (30, 4.0), (40, 50.0), (50, 4.0), (60, 50.0)):
        graded = Grade.WARNING if cushion < 5 else Grade.OK
        read = pool(margin_ratio=Decimal("0.1"), cushion=cushion, grade=graded)
        desk.store.gather(account.id, report(read, taken_at=now - timedelta(hours=40, minutes=-minutes)))
    _said, html, _buttons = await screen(desk, f"set:d:{account.id}:c5000-3500-2000-1000")
    rows = [line for line in html.split("\n") if line.startswith("<code>")]
    assert [row.split()[1:] for row in rows][:2] == [
        ["≤5x", "(≤7x)", "2x", "(0x)</code>"],
        ["≤3.5x", "(≤5x)", "0x", "(2x)</code>"],
    ]


async def test_each_account_by_itself(desk: Desk) -> None:
    _said, html, _buttons = await screen(desk, "set:t")
    assert "/add" in html
    first, second = desk.add(ALICE), desk.add(ALICE, "other")
    _said, html, buttons = await screen(desk, "set:t")
    assert on(buttons)["other"] == f"set:t:{second.id}"
    await screen(desk, f"set:s:{second.id}:600-750-850-930")
    assert (desk.store.ladders(first.id), desk.store.ladders(second.id)) == (DEFAULT_LADDERS, LATER)


@pytest.mark.parametrize("form", [
    "set:t:{}", "set:d:{}:600-750-850-930", "set:s:{}:600-750-850-930",
    "set:t:{}:c", "set:d:{}:c5000-3500-2000-1000", "set:s:{}:c5000-3500-2000-1000",
])  # fmt: skip
async def test_an_account_of_somebody_else_is_refused(desk: Desk, form: str) -> None:
    theirs = desk.add(BOB)
    desk.add(ALICE)
    with pytest.raises(NotAllowed):
        await press(Press(call=desk.call(ALICE), data=form.format(theirs.id)), desk.services)
    assert desk.store.ladders(theirs.id) == DEFAULT_LADDERS


@pytest.mark.parametrize("data", ["set:m", "set:t", "set:q:off", "set:l:ru", "set:h:light", "set:z:UTC"])
async def test_a_stranger_sets_nothing(desk: Desk, data: str) -> None:
    with pytest.raises(NotAllowed):
        await press(Press(call=desk.call(CHARLIE), data=data), desk.services)
    assert CHARLIE not in {person.user_id for person in desk.store.people()}


@pytest.mark.parametrize(
    "data",
    ["set:", "set:m:1", "set:x", "set:t:main", "set:d:1", "set:d:1:50-65-80", "set:s:x:1-2-3-4", "set:q:25:00-07:00",
     "set:r:soon", "set:l:de", "set:z:Nowhere", "set:h:pink", "set:c:1", "set:m\n", "set:t:1:x", "set:t:1c",
     "set:d:1:x7000-5000-2600-1250"],
)  # fmt: skip
async def test_a_button_of_another_version_says_so(desk: Desk, data: str) -> None:
    desk.add(ALICE)
    answer = await press(Press(call=desk.call(ALICE), data=data), desk.services)
    assert answer.toast.startswith(OUT_OF_DATE)
    assert answer.html is None


async def test_in_a_group_the_panel_does_nothing(desk: Desk) -> None:
    desk.add(ALICE)
    answer = await press(Press(call=desk.call(ALICE, chat_id=GROUP), data="set:h:light"), desk.services)
    assert answer.toast.startswith(OUT_OF_DATE)
    assert desk.store.chart_theme(ALICE) is Theme.DARK


async def test_every_button_fits_into_what_telegram_carries(desk: Desk) -> None:
    account = desk.add(ALICE)
    ladders = (f"set:d:{account.id}:600-750-850-930", f"set:d:{account.id}:c999999-99999-9999-1250")
    for data in ("set:m", "set:q", "set:r", "set:l", "set:z", "set:h", "set:c", *ladders):
        _said, _html, buttons = await screen(desk, data)
        assert all(len(value.encode()) <= 64 for value in on(buttons).values())
        assert "◀ Back" in on(buttons) or data == "set:m"


async def test_pictures_are_drawn_as_set(desk: Desk) -> None:
    desk.add(ALICE)
    desk.store.set_chart_theme(ALICE, Theme.LIGHT)
    drawn: list[Theme] = []
    easel = desk.services.easel

    class Watched:
        async def draw(self, prepare, theme):  # type: ignore[no-untyped-def]
            drawn.append(theme)
            return await easel.draw(prepare, theme)

    services = dataclasses.replace(desk.services, easel=Watched())  # type: ignore[arg-type]
    for args in ((), ("dark",)):
        reply = await chart(desk.call(ALICE, *args), services)
        assert reply.then is not None
        await reply.then()
    assert drawn == [Theme.LIGHT, Theme.DARK]


async def test_the_panel_itself(desk: Desk) -> None:
    reply = await settings(desk.call(ALICE), desk.services)
    assert set(on(reply.buttons)) == {
        "Thresholds", "Channels", "Quiet hours", "Reminders", "Language", "Clock", "Charts",
    }  # fmt: skip
