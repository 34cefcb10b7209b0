"""/settings: a panel of buttons. What a press changes is what the commands change; each names its account.

What stands on a button says all that it does, so an old message never acts on what has changed since.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from marginbot.bot import render_account, render_channels, render_hours, render_settings
from marginbot.bot.calls import Button, Call, Reply, Rows, Services
from marginbot.bot.commands.language import AUTOMATIC, spoken
from marginbot.bot.figures import read_from_now_on_in, text
from marginbot.bot.language import LANGUAGES, _, language, later, supported
from marginbot.bot.render_settings import Chosen, Draft, back, grid, marked
from marginbot.domain.alerting import REMINDER_RANGE
from marginbot.domain.chart import Theme
from marginbot.domain.errors import BadThresholds, NotAllowed
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, Ladders
from marginbot.domain.history import Series
from marginbot.domain.hours import find_zone
from marginbot.domain.trial import Trial, tried
from marginbot.flow.ports import Account

MONTH = timedelta(days=30)
STEP = 0.05  # of ratio, by which a press moves a rung
MOST_POOLS = 20  # tried at once: a picture of all of two hundred would take too long
PRESETS = {
    later("Earlier"): (0.40, 0.55, 0.70, 0.80),
    later("Standard"): DEFAULT_LADDERS.ratio,
    later("Later"): (0.60, 0.75, 0.85, 0.93),
}
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
_RATIOS = re.compile(r"([0-9]{1,18}):([0-9]{1,3})-([0-9]{1,3})-([0-9]{1,3})-([0-9]{1,3})")
_MINUTES = re.compile(r"([0-9]{1,4})-([0-9]{1,4})-([0-9]{1,4})")
_OURS = "set"
_RATIO = "ratio"
_ACCOUNT = re.compile(r"[0-9]{1,18}")

Screen = tuple[str, str, Rows]  # a word for the one who pressed, the message, its buttons


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


# --- thresholds ----------------------------------------------------------------------------------


async def _thresholds(call: Call, value: str, services: Services) -> Screen | None:
    """The accounts to choose from, or the thresholds of one."""
    owned = services.store.accounts_of(call.person.user_id)
    if value:
        if not _ACCOUNT.fullmatch(value):
            return None
        account = _owned(call, int(value), services)
        return await _drafted(account, services.store.ladders(account.id), services)
    if len(owned) == 1:
        return await _drafted(owned[0], services.store.ladders(owned[0].id), services)
    if not owned:
        return "", _("You have no account here yet. Add one: /add"), (back(),)
    rows = grid([Button(account.label, f"set:t:{account.id}") for account in owned], 2)
    return "", render_settings.which_account(), (*rows, back())


async def _proposed(call: Call, value: str, services: Services) -> Screen | None:
    """Thresholds on trial: nothing is stored yet."""
    found = _RATIOS.fullmatch(value)
    if found is None:
        return None
    account = _owned(call, int(found[1]), services)
    return await _drafted(account, _with_ratio(services.store.ladders(account.id), found.groups()[1:]), services)


async def _save(call: Call, value: str, services: Services) -> Screen | None:
    found = _RATIOS.fullmatch(value)
    if found is None:
        return None
    account = _owned(call, int(found[1]), services)
    percents = [f"{int(tenths) / 10:g}" for tenths in found.groups()[1:]]
    services.preferences.set_thresholds(call.person.user_id, account.label, _RATIO, percents)
    said, html, buttons = await _drafted(account, services.store.ladders(account.id), services)
    return _("Saved for {label}.", label=text(account.label, 24)) + said, html, buttons


def _owned(call: Call, account_id: int, services: Services) -> Account:
    for account in services.store.accounts_of(call.person.user_id):
        if account.id == account_id:
            return account
    raise NotAllowed("not the owner", advice=_("Only the owner of this account may do that."))


def _with_ratio(ladders: Ladders, tenths: Sequence[str]) -> Ladders:
    notice, warning, critical, emergency = (int(each) / 1000 for each in tenths)
    return Ladders(ratio=(notice, warning, critical, emergency), cushion=ladders.cushion)


async def _drafted(account: Account, proposed: Ladders, services: Services) -> Screen:
    store, until = services.store, services.clock()
    saved, known = store.ladders(account.id), store.pools(account.id)
    looked = known[:MOST_POOLS]
    series = store.history(account.id, until - MONTH, until, looked)
    as_saved, as_proposed = await services.aside(partial(_tried, series, (saved, proposed), until))
    draft = Draft(
        account=account,
        saved=saved,
        proposed=proposed,
        as_saved=as_saved,
        as_proposed=as_proposed,
        pools=(len(looked), len(known)),
    )
    return "", render_settings.draft(draft), _ways(account, saved, proposed)


def _tried(series: Sequence[Series], ladders: Sequence[Ladders], until: datetime) -> list[Trial]:
    return tried((each.load() for each in series), ladders, until=until)


def _ways(account: Account, saved: Ladders, proposed: Ladders) -> Rows:
    """A button for each rung up and down, the presets, and to save what is proposed."""
    rungs = []
    for at, grade in enumerate(RUNGS):
        moves = [("−", -STEP), ("+", STEP)]
        row = [(render_settings.of_grade(grade, sign), _moved(proposed, at, by)) for sign, by in moves]
        rungs.append(tuple(Button(name, _data("d", account, to)) for name, to in row if to is not None))
    presets = tuple(
        Button(marked(_(name), on=ratio == proposed.ratio), _data("d", account, Ladders(ratio, proposed.cushion)))
        for name, ratio in PRESETS.items()
    )
    save = ((Button(_("Save"), _data("s", account, proposed)),),) if proposed != saved else ()
    return (*(row for row in rungs if row), presets, *save, back("m"))


def _moved(ladders: Ladders, at: int, by: float) -> Ladders | None:
    """With one rung moved; None where it would pass another, or the end."""
    ratio = list(ladders.ratio)
    ratio[at] = round(ratio[at] + by, 3)
    try:
        return Ladders((ratio[0], ratio[1], ratio[2], ratio[3]), ladders.cushion)
    except BadThresholds:
        return None


def _data(kind: str, account: Account, ladders: Ladders) -> str:
    return ":".join((_OURS, kind, str(account.id), "-".join(str(round(rung * 1000)) for rung in ladders.ratio)))


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
    "t": _thresholds,
    "d": _proposed,
    "s": _save,
    "c": _channels,
    "q": _quiet,
    "r": _reminders,
    "l": _language,
    "z": _zone,
    "h": _theme,
}
