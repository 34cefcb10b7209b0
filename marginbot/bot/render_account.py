"""Accounts as people manage them: what was found, what is watched, which thresholds hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from marginbot.bot import figures as fig
from marginbot.bot import names, render_key
from marginbot.bot.calls import NO_ACCOUNT
from marginbot.bot.figures import text
from marginbot.bot.language import _
from marginbot.bot.said import said
from marginbot.domain.alerting import Reminders
from marginbot.domain.grading import RUNGS, Grade, Ladders
from marginbot.domain.margin import PoolState
from marginbot.domain.passport import KeyCheck, Passport
from marginbot.domain.report import AccountReport, PoolReport
from marginbot.flow.ports import Account, VenueInfo
from marginbot.flow.preferences import Quieted
from marginbot.flow.registration import Request

MOST_NOTES = 8


def found(request: Request, report: AccountReport, passport: Passport | None = None) -> str:
    """What the first reading showed, for the owner to compare with the exchange's own screen."""
    lines = [
        _(
            "🔎 <b>{label}</b> at {venue}: I can read it.",
            label=text(request.label, 24),
            venue=text(request.venue.title, 60),
        ),
        _("Mode: {mode}", mode=text(names.mode(report.mode), 60)),
    ]
    if not report.positions:
        lines.append(_("No open position at the moment."))
    blocks = ["\n".join(lines), *(_pool(pool) for pool in report.pools)]
    if report.warnings:
        notes = [f"<i>{text(said(note), 300)}</i>" for note in report.warnings[:MOST_NOTES]]
        blocks.append("\n".join([_("Please note:"), *notes]))
    if passport is not None and request.venue.needs_secret:
        blocks.append(render_key.found(passport))
    return "\n\n".join(blocks)


def _pool(pool: PoolReport) -> str:
    lines = [f"<b>{fig.pool_title(pool.name)}</b>", _("equity {equity}", equity=fig.money(pool.equity, pool.currency))]
    if pool.state is PoolState.UNKNOWN:
        return "\n".join([*lines, _("margin requirement not known: <b>not watched</b>")])
    if pool.state is PoolState.FLAT or pool.grade is None:
        return "\n".join(lines)
    if pool.state is PoolState.DEFICIT:
        lines.append(_("<b>equity is gone</b>, no room left"))
    else:
        lines.append(_("margin ratio {ratio} (100% is liquidation)", ratio=fig.ratio_of(pool)))
        lines.append(_("room: {room}", room=fig.room(pool)))
    lines += (
        [] if pool.cushion is None else [_("cushion {cushion} an ordinary hour", cushion=fig.multiple(pool.cushion))]
    )
    return "\n".join(
        [
            *lines,
            f"{fig.SYMBOLS[pool.grade]} "
            + _("grade: {grade}", grade=fig.word(pool.grade))
            + fig.decided(pool.decided_by),
        ]
    )


def watching(account: Account, ladders: Ladders) -> str:
    """The end of `/add`: what happens from now on."""
    label = text(account.label, 24)
    lines = [
        _("👁 Watching <b>{label}</b> now.", label=label),
        "",
        _(
            "When it gets tight I write here, worst news first; from grade warning on with sound. If "
            "I cannot read the account, I say that too."
        ),
        _("<b>Please leave this chat unmuted.</b>"),
        "",
        *_table(ladders),
        _("Change them: /thresholds {label} ratio 40 60 75 85", label=label),
    ]
    return "\n".join(lines)


def thresholds(ladders: Ladders, label: str | None, *, changed: bool = False) -> str:
    """The two ladders, side by side."""
    head = _head(label, changed=changed)
    own = f" {text(label, 24)}" if label else ""
    ratio = " ".join(f"{value * 100:g}" for value in ladders.ratio)
    cushion = " ".join(f"{value:g}" for value in ladders.cushion)
    lines = [
        head,
        *_table(ladders),
        _(
            "The worse of the two decides. Ratio: margin in use, 100% is liquidation. Cushion: room "
            "to liquidation, in moves of an ordinary hour."
        ),
        "",
        _("Change: /thresholds{own} ratio {ratio}", own=own, ratio=ratio),
        _("or /thresholds{own} cushion {cushion}", own=own, cushion=cushion),
    ]
    return "\n".join(lines)


def _head(label: str | None, *, changed: bool) -> str:
    if label is None:
        return _("Thresholds for all your accounts are now:") if changed else _("Thresholds for all your accounts are:")
    shown = text(label, 24)
    if changed:
        return _("Thresholds of <b>{label}</b> are now:", label=shown)
    return _("Thresholds of <b>{label}</b> are:", label=shown)


def reminders(chosen: Reminders, *, changed: bool = False) -> str:
    """How often alerts are repeated."""
    rows = [(Grade.WARNING, chosen.warning), (Grade.CRITICAL, chosen.critical), (Grade.EMERGENCY, chosen.emergency)]
    command = " ".join(f"{grade.name} {span_of(span)}" for grade, span in rows)
    told = [(fig.word(grade), _("every {span}", span=span_of(span))) for grade, span in rows]
    return "\n".join(
        [
            _("Until you acknowledge, I repeat an alert from now on:")
            if changed
            else _("Until you acknowledge, I repeat an alert:"),
            *(f"<code>{fig.padded(name, 10)}{every}</code>" for name, every in told),
            _("A deficit counts as an emergency; from critical on with sound."),
            "",
            _("Change: /remind {command}", command=command),
        ]
    )


def span_of(span: timedelta) -> str:
    """`2h`, `10m`."""
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _table(ladders: Ladders) -> list[str]:
    rows = zip(RUNGS, ladders.ratio, ladders.cushion, strict=True)
    return [
        f"<code>{fig.padded(fig.word(grade), 10)}{f'{ratio * 100:g}%':>6}  "
        + _("or {cushion}", cushion=f"{cushion:g}x")
        + "</code>"
        for grade, ratio, cushion in rows
    ]


def accounts(
    owned: Sequence[Account], venues: Mapping[str, VenueInfo], checks: Mapping[int, KeyCheck | None] | None = None
) -> str:
    """A person's accounts."""
    if not owned:
        return _(NO_ACCOUNT)
    lines = [_("Your accounts ({n}):", n=len(owned)), ""]
    for account in owned:
        venue = venues.get(account.exchange)
        title = text(venue.title if venue else account.exchange, 60)
        state = " · " + _("<b>not watched: key refused</b>") if account.refused is not None else ""
        lines.append(
            _(
                "<b>{label}</b> · {venue}, since {date}",
                label=text(account.label, 24),
                venue=title,
                date=names.day(account.created_at, year=True),
            )
            + state
        )
        if venue is not None:
            told = (
                render_key.listed((checks or {}).get(account.id)) if venue.needs_secret else _("none, a public address")
            )
            lines.append("   " + _("key: {rights}", rights=told))
    return "\n".join([*lines, "", _("/status shows how they are; /add, /rename, /remove change the list.")])


def quieted(done: Sequence[Quieted], now_word: str, until: Sequence[str]) -> str:
    """What was acknowledged or snoozed, up to which grade and how long."""
    lines = [
        _(
            "🔕 {done} <b>{label}</b>: {what}, until {ends}.",
            done=now_word,
            label=text(q.account.label, 24),
            what=_what(q),
            ends=ends,
        )
        for q, ends in zip(done, until, strict=True)
    ]
    return "\n".join([*lines, _("Anything worse still comes through.")])


def _what(quieted: Quieted) -> str:
    subject = fig.pool_title(quieted.subject) or _("the whole account")
    if quieted.mute.grade is Grade.OK:
        return _("{subject}, not readable, calm when last seen", subject=subject)
    return f"{subject}, {fig.word(quieted.mute.grade)}"
