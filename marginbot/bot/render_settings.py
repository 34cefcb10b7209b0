"""The panel of /settings: one message, edited in place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from marginbot.bot import figures as fig
from marginbot.bot.calls import Button, Rows
from marginbot.bot.figures import text
from marginbot.bot.language import LANGUAGES, _, language, later, plural
from marginbot.bot.render_account import span_of
from marginbot.domain.alerting import Reminders
from marginbot.domain.chart import Theme
from marginbot.domain.grading import RUNGS, Grade, Ladders
from marginbot.domain.hours import QuietHours
from marginbot.domain.trial import Trial
from marginbot.flow.ports import Account


class Scale(StrEnum):
    """Which of the two ladders is looked at."""

    RATIO = "ratio"
    CUSHION = "cushion"


THEMES = {Theme.DARK: later("dark"), Theme.LIGHT: later("light")}
SCALES = {Scale.RATIO: later("ratio"), Scale.CUSHION: later("cushion")}
_SENSE = {
    Scale.RATIO: later("Ratio: margin in use. The lower a threshold, the earlier I warn."),
    Scale.CUSHION: later(
        "Cushion: room to liquidation, in moves of an ordinary hour. The higher a threshold, the earlier I warn."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a person has set."""

    accounts: int
    channels: int
    hours: QuietHours | None
    zone: tzinfo
    reminders: Reminders
    theme: Theme


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Thresholds that were set, those that are proposed on one scale, and what each would have meant."""

    account: Account
    scale: Scale
    saved: Ladders
    proposed: Ladders
    as_saved: Trial
    as_proposed: Trial
    pools: tuple[int, int]  # looked at, of how many


def back(to: str = "m") -> tuple[Button, ...]:
    """The row that leads one step up."""
    return (Button(_("◀ Back"), f"set:{to}"),)


def overview(chosen: Chosen, now: datetime) -> str:
    """All settings at a glance."""
    every = " · ".join(
        span_of(span) for span in (chosen.reminders.warning, chosen.reminders.critical, chosen.reminders.emergency)
    )
    clock = f"{text(str(chosen.zone), 40)}, {now.astimezone(chosen.zone):%H:%M}"
    lines = [
        _("⚙️ <b>Settings</b>"),
        "",
        _("Accounts: {n}", n=chosen.accounts),
        _("Further channels: {n}", n=chosen.channels),
        _("Quiet hours: {hours}", hours=chosen.hours or _("none")),
        _("Reminders: {spans}", spans=every),
        _("Language: {name}", name=LANGUAGES[language()]),
        _("Clock: {clock}", clock=clock),
        _("Charts: {theme}", theme=_(THEMES[chosen.theme])),
        "",
        _("Tap what you want to change."),
    ]
    return "\n".join(lines)


def menu() -> Rows:
    """The subjects."""
    return (
        (Button(_("Thresholds"), "set:t"), Button(_("Channels"), "set:c")),
        (Button(_("Quiet hours"), "set:q"), Button(_("Reminders"), "set:r")),
        (Button(_("Language"), "set:l"), Button(_("Clock"), "set:z")),
        (Button(_("Charts"), "set:h"),),
    )


def which_account() -> str:
    """Before thresholds are shown."""
    return _("Thresholds of which account?")


def draft(shown: Draft) -> str:
    """A ladder, as it is or as proposed, with what it would have meant."""
    changed = shown.proposed != shown.saved
    enough, label = shown.as_proposed.is_enough, text(shown.account.label, 24)
    lines = [
        _("⚖️ <b>{label}</b>: a proposal", label=label) if changed else _("⚖️ Thresholds of <b>{label}</b>", label=label),
        *(f"<code>{row}</code>" for row in _rows(shown, changed=changed, enough=enough)),
        *([_("(in brackets: as it is now)")] if changed else []),
        "",
        _meaning(shown),
        _(_SENSE[shown.scale]),
        _("The worse of ratio and cushion decides."),
    ]
    return "\n".join(lines)


def _rows(shown: Draft, *, changed: bool, enough: bool) -> list[str]:
    rows = []
    for at, grade in enumerate(RUNGS):
        both = (_threshold(each, shown.scale, at) for each in (shown.proposed, shown.saved))
        cells = [_beside(*both, changed=changed, width=6)]
        if enough:
            new, old = (f"{trial.raises[grade]}x" for trial in (shown.as_proposed, shown.as_saved))
            cells.append(_beside(new, old, changed=changed, width=5))
        rows.append((fig.padded(fig.word(grade), 10) + " ".join(cells)).rstrip())
    return rows


def _beside(new: str, old: str, *, changed: bool, width: int) -> str:
    return f"{new:>{width}}" + (f" {f'({old})':<{width + 2}}" if changed else "")


def _threshold(ladders: Ladders, scale: Scale, at: int) -> str:
    """A multiple with a sign before it, so that it is not read as how often."""
    return f"{ladders.ratio[at] * 100:.3g}%" if scale is Scale.RATIO else f"≤{ladders.cushion[at]:g}x"


def _meaning(shown: Draft) -> str:
    trial = shown.as_proposed
    if not trial.is_enough:
        return _("What that would have meant: not enough history yet, I need a day at least.")
    days = plural(
        "On the right: how often I would have raised that grade in the last day.",
        "On the right: how often I would have raised that grade in the last {n} days.",
        max(1, trial.span // timedelta(days=1)),
    )
    looked, known = shown.pools
    few = " " + _("Counted over {looked} of {known} pools.", looked=looked, known=known) if looked < known else ""
    return days + few


def of_grade(grade: Grade, sign: str) -> str:
    """The word on a button that moves a rung."""
    return f"{fig.word(grade)} {sign}"


def theme(chosen: Theme) -> str:
    """The colours of pictures."""
    return _("📈 Pictures are drawn <b>{theme}</b>: /chart and /replay.", theme=_(THEMES[chosen]))
