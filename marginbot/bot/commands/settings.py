"""/settings: a panel of buttons. What a press changes is what the commands change; each names its account.

What stands on a button says all that it does, so an old message never acts on what has changed since.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from marginbot.bot import render_account, render_channels, render_hours, render_settings
from marginbot.bot.calls import Button, Call, Reply, Screen, Services, grid, marked
from marginbot.bot.commands.language import AUTOMATIC, spoken
from marginbot.bot.commands.settings_thresholds import proposed, saved, thresholds
from marginbot.bot.figures import read_from_now_on_in
from marginbot.bot.language import LANGUAGES, _, language, later, supported
from marginbot.bot.render_settings import Chosen, back
from marginbot.domain.alerting import REMINDER_RANGE
from marginbot.domain.chart import Theme
from marginbot.domain.hours import find_zone

PACES = {later("Often"): (30, 5, 2), later("Standard"): (60, 10, 3), later("Seldom"): (240, 30, 10)}  # minutes
_NIGHTS = ("22:00-06:00", "23:00-07:00", "00:00-08:00", "01:00-09:00")
_ZONES = (
    "UTC",
    "America/Los_Angeles",
    "America/New_York",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Madrid",
    "Europe/Istanbul",
    "Europe/Moscow",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
)
_DATA = re.compile(r"set:([a-z])(?::([A-Za-z0-9_/+:-]{1,56}))?")
_MINUTES = re.compile(r"([0-9]{1,4})-([0-9]{1,4})-([0-9]{1,4})")


async def settings(call: Call, services: Services) -> Reply:
    """/settings: the panel."""
    _said, html, buttons = _overview(call, services)
    return Reply(html=html, buttons=buttons)


async def settings_pressed(call: Call, data: str, services: Services) -> Screen | None:
    """The panel after a press; None: that is no button of this panel, or no longer one."""
    found = _DATA.fullmatch(data)
    screen = SCREENS.get(found[1]) if found else None
    if found is None or screen is None:
        return None
    services.store.remember_person(call.person, call.chat_id, call.at)
    return await screen(call, found[2] or "", services)


async def _main(call: Call, value: str, services: Services) -> Screen | None:
    return None if value else _overview(call, services)


def _overview(call: Call, services: Services, said: str = "") -> Screen:
    user_id, store = call.person.user_id, services.store
    chosen = Chosen(
        accounts=len(store.accounts_of(user_id)),
        channels=len(services.channels.of(user_id)) if services.channels else 0,
        hours=store.quiet_hours(user_id),
        zone=store.zone_of(user_id),
        reminders=services.preferences.reminders(user_id),
        theme=store.chart_theme(user_id),
    )
    return said, render_settings.overview(chosen, call.at), render_settings.menu()


# --- the rest ------------------------------------------------------------------------------------


async def _channels(call: Call, value: str, services: Services) -> Screen | None:
    if value:
        return None
    if services.channels is None:
        return "", _("Further channels are not available here."), (back(),)
    return "", render_channels.listed(services.channels.of(call.person.user_id), call.at), (back(),)


async def _quiet(call: Call, value: str, services: Services) -> Screen | None:
    user_id = call.person.user_id
    if value not in ("", "off", *_NIGHTS):
        return None
    if value:
        services.preferences.set_quiet(user_id, value, call.at)
    hours, zone = services.store.quiet_hours(user_id), services.store.zone_of(user_id)
    nights = [Button(marked(night, on=str(hours) == night), f"set:q:{night}") for night in _NIGHTS]
    off = Button(marked(_("No quiet hours"), on=hours is None), "set:q:off")
    return "", render_hours.quiet(hours, zone, call.at, changed=bool(value)), (*grid(nights, 2), (off,), back())


async def _reminders(call: Call, value: str, services: Services) -> Screen | None:
    user_id, found = call.person.user_id, _MINUTES.fullmatch(value)
    if value and found is None:
        return None
    if found:
        spans = [timedelta(minutes=int(minutes)) for minutes in found.groups()]
        services.preferences.set_reminders(user_id, dict(zip(REMINDER_RANGE, spans, strict=True)))
    now = services.preferences.reminders(user_id)
    present = tuple(span // timedelta(minutes=1) for span in (now.warning, now.critical, now.emergency))
    paces = [
        Button(marked(_(name), on=pace == present), "set:r:" + "-".join(map(str, pace))) for name, pace in PACES.items()
    ]
    return "", render_account.reminders(now, changed=bool(value)), (tuple(paces), back())


async def _language(call: Call, value: str, services: Services) -> Screen | None:
    if value:
        code = None if value == AUTOMATIC else supported(value)
        if value != AUTOMATIC and code is None:
            return None
        said = spoken(call, code, services)
        return _overview(call, services, said)
    names = [Button(marked(name, on=code == language()), f"set:l:{code}") for code, name in LANGUAGES.items()]
    follow = (Button(_("As my Telegram is set"), f"set:l:{AUTOMATIC}"),)
    asked = _("I speak English here. Which language shall it be?")
    return "", asked, (*grid(names, 2), follow, back())


async def _zone(call: Call, value: str, services: Services) -> Screen | None:
    user_id = call.person.user_id
    if value not in ("", *_ZONES):
        return None
    if value:
        services.preferences.set_zone(user_id, value, call.at)
    zone = services.store.zone_of(user_id)
    read_from_now_on_in(zone)
    cities = [Button(marked(_city(name, call.at), on=str(zone) == name), f"set:z:{name}") for name in _ZONES]
    return "", render_hours.zone(zone, call.at, changed=bool(value)), (*grid(cities, 2), back())


def _city(name: str, now: datetime) -> str:
    """By the time of day on it one finds one's own."""
    return f"{name.rpartition('/')[2].replace('_', ' ')} {now.astimezone(find_zone(name)):%H:%M}"


async def _theme(call: Call, value: str, services: Services) -> Screen | None:
    user_id = call.person.user_id
    if value not in ("", *Theme):
        return None
    if value:
        services.store.set_chart_theme(user_id, Theme(value))
    chosen = services.store.chart_theme(user_id)
    buttons = [
        Button(marked(_(render_settings.THEMES[theme]), on=theme is chosen), f"set:h:{theme.value}") for theme in Theme
    ]
    return "", render_settings.theme(chosen), (tuple(buttons), back())


SCREENS: dict[str, Callable[[Call, str, Services], Awaitable[Screen | None]]] = {
    "m": _main,
    "t": thresholds,
    "d": proposed,
    "s": saved,
    "c": _channels,
    "q": _quiet,
    "r": _reminders,
    "l": _language,
    "z": _zone,
    "h": _theme,
}
