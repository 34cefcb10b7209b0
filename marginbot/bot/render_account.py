"""Accounts as people manage them: what was found, what is watched, which thresholds hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from marginbot.bot import figures as fig
from marginbot.bot import render_key
from marginbot.bot.figures import text
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
        f"🔎 <b>{text(request.label, 24)}</b> at {text(request.venue.title, 60)}: I can read it.",
        f"Mode: {text(report.mode, 60)}",
    ]
    if not report.positions:
        lines.append("No open position at the moment.")
    blocks = ["\n".join(lines), *(_pool(pool, report) for pool in report.pools)]
    if report.warnings:
        notes = [f"<i>{text(note, 300)}</i>" for note in report.warnings[:MOST_NOTES]]
        blocks.append("\n".join(["Please note:", *notes]))
    if passport is not None and request.venue.needs_secret:
        blocks.append(render_key.found(passport))
    return "\n\n".join(blocks)


def _pool(pool: PoolReport, report: AccountReport) -> str:
    lines = [f"<b>{fig.pool_title(pool.name)}</b>", f"equity {fig.money(pool.equity, pool.currency)}"]
    if pool.state is PoolState.UNKNOWN:
        return "\n".join([*lines, "margin requirement not known: <b>not watched</b>"])
    if pool.state is PoolState.FLAT or pool.grade is None:
        return "\n".join(lines)
    if pool.state is PoolState.DEFICIT:
        lines.append("<b>equity is gone</b>, no room left")
    else:
        lines.append(f"margin ratio {fig.ratio_of(pool)} (100% is liquidation)")
        lines.append(f"room: {fig.room(pool)}")
    lines += [] if pool.cushion is None else [f"cushion {fig.multiple(pool.cushion)} an ordinary hour"]
    return "\n".join([*lines, f"{fig.SYMBOLS[pool.grade]} grade: {fig.word(pool.grade)}{fig.decided(pool.decided_by)}"])


def watching(account: Account, ladders: Ladders) -> str:
    """The end of `/add`: what happens from now on."""
    label = text(account.label, 24)
    lines = [
        f"👁 Watching <b>{label}</b> now.",
        "",
        "When it gets tight I write here, worst news first; from grade warning on with sound. "
        "If I cannot read the account, I say that too.",
        "<b>Please leave this chat unmuted.</b>",
        "",
        *_table(ladders),
        f"Change them: /thresholds {label} ratio 40 60 75 85",
    ]
    return "\n".join(lines)


def thresholds(ladders: Ladders, label: str | None, *, changed: bool = False) -> str:
    """The two ladders, side by side."""
    whose = f"of <b>{text(label, 24)}</b>" if label else "for all your accounts"
    head = f"Thresholds {whose} {'are now' if changed else 'are'}:"
    own = f" {text(label, 24)}" if label else ""
    ratio = " ".join(f"{value * 100:g}" for value in ladders.ratio)
    cushion = " ".join(f"{value:g}" for value in ladders.cushion)
    lines = [
        head,
        *_table(ladders),
        "The worse of the two decides. Ratio: margin in use, 100% is liquidation. "
        "Cushion: room to liquidation, in moves of an ordinary hour.",
        "",
        f"Change: /thresholds{own} ratio {ratio}",
        f"or /thresholds{own} cushion {cushion}",
    ]
    return "\n".join(lines)


def reminders(chosen: Reminders, *, changed: bool = False) -> str:
    """How often alerts are repeated."""
    rows = [("warning", chosen.warning), ("critical", chosen.critical), ("emergency", chosen.emergency)]
    command = " ".join(f"{name.upper()} {_span(span)}" for name, span in rows)
    return "\n".join(
        [
            f"Until you acknowledge, I repeat an alert {'from now on' if changed else ''}".rstrip() + ":",
            *(f"<code>{name:<10}every {_span(span)}</code>" for name, span in rows),
            "A deficit counts as an emergency; from critical on with sound.",
            "",
            f"Change: /remind {command}",
        ]
    )


def _span(span: timedelta) -> str:
    minutes = int(span.total_seconds() // 60)
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _table(ladders: Ladders) -> list[str]:
    rows = zip(RUNGS, ladders.ratio, ladders.cushion, strict=True)
    return [
        f"<code>{grade.name.lower():<10}{f'{ratio * 100:g}%':>6}  or {cushion:g}x</code>"
        for grade, ratio, cushion in rows
    ]


def accounts(
    owned: Sequence[Account], venues: Mapping[str, VenueInfo], checks: Mapping[int, KeyCheck | None] | None = None
) -> str:
    """A person's accounts."""
    if not owned:
        return "You have no account here yet. Add one: /add"
    lines = [f"Your accounts ({len(owned)}):", ""]
    for account in owned:
        venue = venues.get(account.exchange)
        title = text(venue.title if venue else account.exchange, 60)
        state = " · <b>not watched: key refused</b>" if account.refused is not None else ""
        lines.append(f"<b>{text(account.label, 24)}</b> · {title}, since {account.created_at:%d %b %Y}{state}")
        if venue is not None:
            told = render_key.listed((checks or {}).get(account.id)) if venue.needs_secret else "none, a public address"
            lines.append(f"   key: {told}")
    return "\n".join([*lines, "", "/status shows how they are; /add, /rename, /remove change the list."])


def quieted(done: Sequence[Quieted], now_word: str, until: Sequence[str]) -> str:
    """What was acknowledged or snoozed, up to which grade and how long."""
    lines = [
        f"🔕 {now_word} <b>{text(q.account.label, 24)}</b>: {_what(q)}, until {ends}."
        for q, ends in zip(done, until, strict=True)
    ]
    return "\n".join([*lines, "Anything worse still comes through."])


def _what(quieted: Quieted) -> str:
    subject = fig.pool_title(quieted.subject) or "the whole account"
    if quieted.mute.grade is Grade.OK:
        return f"{subject}, not readable, calm when last seen"
    return f"{subject}, {fig.word(quieted.mute.grade)}"
