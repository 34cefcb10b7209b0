"""Several alerts as one message: the worst in full, of the others what matters, none without its grade."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from marginbot.bot import render_alert
from marginbot.bot.calls import Button, Rows
from marginbot.bot.figures import grade_name, quiet, text, until
from marginbot.bot.language import _, later
from marginbot.bot.render import length
from marginbot.bot.render_alert import BUDGET
from marginbot.domain.alerting import BLINDNESS
from marginbot.domain.grading import Grade
from marginbot.domain.notices import NoteKind, Notice, Shown

LINES_OF_THE_OTHERS = 5
MOST_NOTES = 4  # what the budget of a message leaves room for
MARK = "🔕 "
DONE = {NoteKind.ACKNOWLEDGED: later("Acknowledged"), NoteKind.SNOOZED: later("Snoozed")}


def bundle(notices: Sequence[Notice], now: datetime) -> str:
    """The message of several notices, worst first. Lines are left out where Telegram's limit asks for it, heads never.

    A head has at most 350 characters of markup, so that ten of them always fit.
    """
    alerts = [render_alert.unfolded(notice, now) for notice in notices]
    blocks = [[alert[0]] for alert in alerts]
    blocks[0].append(_more(notices))
    left = BUDGET - sum(length(line) + 2 for block in blocks for line in block)
    rests = [alerts[0][1:], *(_gist(alert) for alert in alerts[1:])]
    for block, rest in zip(blocks, rests, strict=True):
        for line in rest:
            left -= length(line) + 1
            if left < 0:
                break
            block.append(line)
    return "\n\n".join("\n".join(block).rstrip() for block in blocks)


def buttons(notices: Sequence[Notice]) -> Rows:
    """Those of the worst, and one for all."""
    rows = render_alert.buttons(notices[0])
    if sum(_can_be_quieted(notice) for notice in notices) < 2:
        return rows
    return (*rows, (Button(_("Acknowledge all"), f"all:{notices[0].id}"),))


def amended(told: Sequence[Shown], now: datetime) -> str:
    """A message that was sent, as it is now: the last word of each story, and at the foot what happened since.

    That it was late, or perhaps a repeat, was a word for the moment when it came.
    """
    fresh = [replace(one.notice, attempts=0) for one in told]
    at = min(notice.created_at for notice in fresh)
    html = render_alert.alert(fresh[0], at) if len(fresh) == 1 else bundle(fresh, at)
    notes = [_note(one, now, named=len(told) > 1) for one in told if one.note is not None]
    return "\n".join([html, *dict.fromkeys(notes[:MOST_NOTES])])


def amended_buttons(told: Sequence[Shown]) -> Rows:
    """What can still be done about it: the worst that nobody asked to be quiet about and that is not over."""
    open_ones = [one.notice for one in told if one.note is None]
    if open_ones:
        return buttons(open_ones)
    worst = told[0]
    details = Button(_("Details"), f"det:{worst.notice.id}")
    over = all(one.note is not None and one.note.kind is NoteKind.OVER for one in told)
    return ((details,),) if over else ((Button(_("Snooze 1 h"), f"snz:{worst.notice.id}"), details),)


def _note(one: Shown, now: datetime, *, named: bool) -> str:
    assert one.note is not None
    who = f"{quiet(one.notice.facts.label, 24)}: " if named else ""
    if one.note.kind is NoteKind.OVER:
        return f"✅ {who}" + _("this is over")
    done, name = _(DONE[one.note.kind]), text(one.note.by, 40)
    ends = "" if one.note.until is None else until(one.note.until, now)
    if name and ends:
        return f"{MARK}{who}" + _("{done} by {name} until {ends}", done=done, name=name, ends=ends)
    if ends:
        return f"{MARK}{who}" + _("{done} until {ends}", done=done, ends=ends)
    return f"{MARK}{who}" + (_("{done} by {name}", done=done, name=name) if name else done)


def _can_be_quieted(notice: Notice) -> bool:
    return any(button.data.startswith("ack:") for row in render_alert.buttons(notice) for button in row)


def _more(notices: Sequence[Notice]) -> str:
    """How many follow; if the first one is about not seeing, the worst grade that is seen."""
    words = _("and {n} more below", n=len(notices) - 1)
    seen = [n.facts.grade for n in notices[1:] if n.facts.reason not in BLINDNESS and n.facts.grade is not None]
    if notices[0].facts.reason in BLINDNESS and max(seen, default=Grade.OK) > Grade.OK:
        return _("{words}, the worst <b>{grade}</b>", words=words, grade=grade_name(max(seen)))
    return words


def _gist(alert: Sequence[str]) -> Sequence[str]:
    return [line for line in alert[1:] if line][:LINES_OF_THE_OTHERS]
