"""What is said to buddies and about them. A buddy learns a grade and a name, never an amount or a label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from marginbot.bot.figures import ago, grade_name, text, word
from marginbot.bot.language import _, later
from marginbot.bot.render_channels import after
from marginbot.domain.escalation import Ring
from marginbot.domain.grading import Grade
from marginbot.flow.buddies import Asked
from marginbot.flow.ports import Person

HOW_TO_ASK = later(
    "/buddy ask makes a link. Pass it on to somebody who would call you: they are asked, and "
    "told only if they agree. Say from which grade and after how long: /buddy ask from "
    "CRITICAL after 15m"
)
REPEATED = later("(Perhaps a repeat: I was interrupted.)")


def listed(whose: Sequence[tuple[int, Person]]) -> str:
    """/buddy."""
    lines = [f"{number}. {_name(owner)}" for number, (_channel, owner) in enumerate(whose, start=1)]
    mine = [_("🤝 You are the buddy of:"), *lines, _("/buddy stop N ends that."), ""] if lines else []
    return "\n".join(
        [*mine, _(HOW_TO_ASK), _("Those who agreed are among your /channels; /channels remove N ends it.")]
    )


def to_pass_on(link: str, from_grade: Grade, delay: timedelta) -> str:
    """The link for the future buddy."""
    return _(
        "🤝 Pass this link on to the person who should call you. It works once, for seven days:\n"
        "{link}\n\nIf they agree, they are told from {from_grade} on, {after} without an "
        "acknowledgement: only that you do not answer, no figures.",
        link=text(link, 200),
        from_grade=word(from_grade),
        after=after(delay),
    )


def question(asked: Asked) -> str:
    """What the future buddy is asked."""
    return _(
        "🤝 <b>{name}</b> asks you to be their buddy.\nI watch exchange accounts. If one of theirs "
        "is in danger and they do not answer me for {wait}, I would write to you, so that you "
        "call them. You would learn no figures and could do nothing to the account. You can stop "
        "at any time.\n\nDo you agree?",
        name=_name(asked.owner),
        wait=ago(asked.delay) if asked.delay else _("a moment"),
    )


def agreed(asked: Asked) -> str:
    """To the new buddy."""
    return _(
        "🤝 Thank you. If {name} does not answer in an emergency, I write here. <b>Please leave "
        "this chat unmuted.</b> /buddy shows how to stop.",
        name=_name(asked.owner),
    )


def has_agreed(buddy: Person, asked: Asked) -> str:
    """To the one who asked."""
    return _(
        "🤝 <b>{name}</b> agreed to be your buddy: from {from_grade} on, {after} without an "
        "acknowledgement. /channels lists them, /drill tries them.",
        name=_name(buddy),
        from_grade=word(asked.from_grade),
        after=after(asked.delay),
    )


def declined(owner: Person) -> str:
    """To the one who said no."""
    return _("Understood: I will not write to you about {name}.", name=_name(owner))


def was_declined(person: Person) -> str:
    """To the one who asked."""
    return _("🤝 {name} does not want to be your buddy. /buddy ask makes a link for somebody else.", name=_name(person))


def stopped(owner: Person) -> str:
    """To the former buddy."""
    return _("You are no longer the buddy of {name}: I write to you about them no more.", name=_name(owner))


def has_stopped(buddy: Person) -> str:
    """To the one who loses a buddy."""
    return _("⚠️ {name} is no longer your buddy. /channels shows who else would be reached.", name=_name(buddy))


def in_danger(ring: Ring, owner: str) -> str:
    """What a buddy is told: who, how bad, and to call."""
    worst = ring.items[0]
    name = text(owner, 40) or _("The person whose buddy you are")
    state = _("is at <b>{grade}</b>", grade=grade_name(worst.alarm.grade))
    if worst.alarm.is_blind:
        state = _("was in danger and can no longer be read (<b>STALE</b>)")
    repeat = f"\n{_(REPEATED)}" if any(item.step.repeats for item in ring.items) else ""
    return _(
        "🤝 <b>{name} does not answer me.</b>\nAn account of theirs {state}. Please call them now.{repeat}",
        name=name,
        state=state,
        repeat=repeat,
    )


def exercise(owner: str) -> str:
    """A drill, or a test line."""
    return _(
        "🧯 <b>This is an exercise</b> of {owner}: nothing is wrong, nothing needs to be done.",
        owner=text(owner, 40) or _("the person whose buddy you are"),
    )


def _name(person: Person) -> str:
    return text(person.name, 40) or _("user {user_id}", user_id=person.user_id)
