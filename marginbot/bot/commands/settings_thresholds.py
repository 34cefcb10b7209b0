"""The thresholds in /settings: a ladder at a time, moved rung by rung and tried on what was read before it is saved.

The counts are of grades as they are raised, by the worse of both ladders, whichever of them is on the screen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from marginbot.bot import render_settings
from marginbot.bot.calls import NO_ACCOUNT, Button, Call, Rows, Screen, Services, grid, marked
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.bot.render_settings import SCALES, Draft, Scale, back
from marginbot.domain.errors import BadThresholds
from marginbot.domain.grading import DEFAULT_LADDERS, RUNGS, Ladders
from marginbot.domain.history import Series
from marginbot.domain.trial import Trial, tried
from marginbot.flow.ports import Account

MONTH = timedelta(days=30)
MOST_POOLS = 20  # tried at once: a picture of all of two hundred would take too long
RATIO_STEP = 0.05
CUSHION_STEPS = ((6.0, 1.0), (3.0, 0.5), (0.0, 0.25))  # from this multiple on, by so much
Rungs = tuple[float, float, float, float]
PRESETS: Mapping[Scale, Mapping[str, Rungs]] = {
    Scale.RATIO: {
        later("Earlier"): (0.40, 0.55, 0.70, 0.80),
        later("Standard"): DEFAULT_LADDERS.ratio,
        later("Later"): (0.60, 0.75, 0.85, 0.93),
    },
    Scale.CUSHION: {
        later("Earlier"): (10.0, 7.0, 4.0, 2.0),
        later("Standard"): DEFAULT_LADDERS.cushion,
        later("Later"): (5.0, 3.5, 2.0, 1.0),
    },
}
_OURS = "set"
_SIGNS = {Scale.RATIO: "", Scale.CUSHION: "c"}  # before what stands on a button
_SHOWN = re.compile(r"([0-9]{1,18})(?::(c))?")
_RUNGS = re.compile(r"([0-9]{1,18}):(c?)([0-9]{1,7})-([0-9]{1,7})-([0-9]{1,7})-([0-9]{1,7})")  # thousandths


async def thresholds(call: Call, value: str, services: Services) -> Screen | None:
    """The accounts to choose from, or the thresholds of one."""
    owned = services.store.accounts_of(call.person.user_id)
    if value:
        found = _SHOWN.fullmatch(value)
        if found is None:
            return None
        return await _as_saved(
            services.preferences.owned(call.person.user_id, int(found[1])), _scale(found[2]), services
        )
    if len(owned) == 1:
        return await _as_saved(owned[0], Scale.RATIO, services)
    if not owned:
        return "", _(NO_ACCOUNT), (back(),)
    rows = grid([Button(account.label, f"set:t:{account.id}") for account in owned], 2)
    return "", render_settings.which_account(), (*rows, back())


async def proposed(call: Call, value: str, services: Services) -> Screen | None:
    """Thresholds on trial: nothing is stored yet."""
    found = _RUNGS.fullmatch(value)
    if found is None:
        return None
    account, scale = services.preferences.owned(call.person.user_id, int(found[1])), _scale(found[2])
    on_trial = _with(services.store.ladders(account.id), scale, [int(each) / 1000 for each in found.groups()[2:]])
    return await _drafted(account, scale, on_trial, services)


async def saved(call: Call, value: str, services: Services) -> Screen | None:
    """Thresholds are stored, as by /thresholds."""
    found = _RUNGS.fullmatch(value)
    if found is None:
        return None
    account, scale = services.preferences.owned(call.person.user_id, int(found[1])), _scale(found[2])
    unit = 10 if scale is Scale.RATIO else 1000  # /thresholds takes percent, and multiples
    words = [str(int(each) / unit) for each in found.groups()[2:]]
    services.preferences.set_thresholds(call.person.user_id, account.label, scale.value, words)
    said, html, buttons = await _as_saved(account, scale, services)
    return _("Saved for {label}.", label=text(account.label, 24)) + said, html, buttons


def _scale(sign: str | None) -> Scale:
    return Scale.CUSHION if sign else Scale.RATIO


def _rungs(ladders: Ladders, scale: Scale) -> Rungs:
    return ladders.ratio if scale is Scale.RATIO else ladders.cushion


def _with(ladders: Ladders, scale: Scale, rungs: Sequence[float]) -> Ladders:
    notice, warning, critical, emergency = rungs
    four = (notice, warning, critical, emergency)
    return replace(ladders, ratio=four) if scale is Scale.RATIO else replace(ladders, cushion=four)


async def _as_saved(account: Account, scale: Scale, services: Services) -> Screen:
    return await _drafted(account, scale, services.store.ladders(account.id), services)


async def _drafted(account: Account, scale: Scale, on_trial: Ladders, services: Services) -> Screen:
    store, until = services.store, services.clock()
    present, known = store.ladders(account.id), store.pools(account.id)
    looked = known[:MOST_POOLS]
    series = store.history(account.id, until - MONTH, until, looked)
    as_saved, as_proposed = await services.aside(partial(_tried, series, (present, on_trial), until))
    draft = Draft(
        account=account,
        scale=scale,
        saved=present,
        proposed=on_trial,
        as_saved=as_saved,
        as_proposed=as_proposed,
        pools=(len(looked), len(known)),
    )
    return "", render_settings.draft(draft), _ways(account, scale, present, on_trial)


def _tried(series: Sequence[Series], ladders: Sequence[Ladders], until: datetime) -> list[Trial]:
    return tried((each.load() for each in series), ladders, until=until)


def _ways(account: Account, scale: Scale, present: Ladders, on_trial: Ladders) -> Rows:
    """The other ladder, a button for each rung up and down, the presets, and to save what is proposed."""
    rungs = []
    for at, grade in enumerate(RUNGS):
        moves = [("−", -1), ("+", 1)]
        row = [(render_settings.of_grade(grade, sign), _moved(on_trial, scale, at, to)) for sign, to in moves]
        rungs.append(tuple(Button(name, _data("d", account, scale, to)) for name, to in row if to is not None))
    presets = tuple(
        Button(marked(_(name), on=four == _rungs(on_trial, scale)), _data("d", account, scale, four))
        for name, four in PRESETS[scale].items()
    )
    save = ((Button(_("Save"), _data("s", account, scale, _rungs(on_trial, scale))),),) if on_trial != present else ()
    return (_scales(account, scale), *(row for row in rungs if row), presets, *save, back("m"))


def _scales(account: Account, shown: Scale) -> tuple[Button, ...]:
    """Both ladders, as they are saved; what is proposed on one is not carried to the other."""
    return tuple(
        Button(marked(_(name), on=scale is shown), ":".join(filter(None, (_OURS, "t", str(account.id), _SIGNS[scale]))))
        for scale, name in SCALES.items()
    )


def _moved(ladders: Ladders, scale: Scale, at: int, to: int) -> Rungs | None:
    """With one rung moved up (1) or down (-1); None where it would pass another, or the end."""
    rungs = [round(each, 3) for each in _rungs(ladders, scale)]
    rungs[at] = round(rungs[at] + to * RATIO_STEP, 3) if scale is Scale.RATIO else next_cushion(rungs[at], to)
    try:
        return _rungs(_with(ladders, scale, rungs), scale)
    except BadThresholds:
        return None


def next_cushion(multiple: float, to: int) -> float:
    """The next round multiple above (1) or below (-1), in steps that are finer near liquidation."""
    fits = (step for least, step in CUSHION_STEPS if multiple > least or (to > 0 and multiple == least))
    step = next(fits, CUSHION_STEPS[-1][1])
    return (math.floor(multiple / step) + 1) * step if to > 0 else (math.ceil(multiple / step) - 1) * step


def _data(kind: str, account: Account, scale: Scale, rungs: Rungs) -> str:
    thousandths = "-".join(str(round(rung * 1000)) for rung in rungs)
    return ":".join((_OURS, kind, str(account.id), _SIGNS[scale] + thousandths))
