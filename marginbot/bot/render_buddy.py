"""What is said to buddies and about them. A buddy learns a grade and a name, never an amount or a label."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from marginbot.bot.figures import ago, text, word
from marginbot.domain.escalation import Ring
from marginbot.domain.grading import Grade
from marginbot.flow.buddies import Asked
from marginbot.flow.ports import Person

HOW_TO_ASK = (
    "/buddy ask makes a link. Pass it on to somebody who would call you: they are asked, and told only if they agree. "
    "Say from which grade and after how long: /buddy ask from CRITICAL after 15m"
)
REPEATED = "(Perhaps a repeat: I was interrupted.)"


def listed(whose: Sequence[tuple[int, Person]]) -> str:
    """/buddy."""
    lines = [f"{number}. {_name(owner)}" for number, (_, owner) in enumerate(whose, start=1)]
    mine = ["🤝 You are the buddy of:", *lines, "/buddy stop N ends that.", ""] if lines else []
    return "\n".join([*mine, HOW_TO_ASK, "Those who agreed are among your /channels; /channels remove N ends it."])


def to_pass_on(link: str, from_grade: Grade, delay: timedelta) -> str:
    """The link for the future buddy."""
    return (
        f"🤝 Pass this link on to the person who should call you. It works once, for seven days:\n{text(link, 200)}\n\n"
        f"If they agree, they are told from {word(from_grade)} on, {_after(delay)} without an acknowledgement: only "
        "that you do not answer, no figures."
    )


def question(asked: Asked) -> str:
    """What the future buddy is asked."""
    return (
        f"🤝 <b>{_name(asked.owner)}</b> asks you to be their buddy.\n"
        "I watch exchange accounts. If one of theirs is in danger and they do not answer me for "
        f"{ago(asked.delay) if asked.delay else 'a moment'}, I would write to you, so that you call them. You would "
        "learn no figures and could do nothing to the account. You can stop at any time.\n\nDo you agree?"
    )


def agreed(asked: Asked) -> str:
    """To the new buddy."""
    return (
        f"🤝 Thank you. If {_name(asked.owner)} does not answer in an emergency, I write here. "
        "<b>Please leave this chat unmuted.</b> /buddy shows how to stop."
    )


def has_agreed(buddy: Person, asked: Asked) -> str:
    """To the one who asked."""
    return (
        f"🤝 <b>{_name(buddy)}</b> agreed to be your buddy: from {word(asked.from_grade)} on, {_after(asked.delay)} "
        "without an acknowledgement. /channels lists them, /drill tries them."
    )


def declined(owner: Person) -> str:
    """To the one who said no."""
    return f"Understood: I will not write to you about {_name(owner)}."


def was_declined(person: Person) -> str:
    """To the one who asked."""
    return f"🤝 {_name(person)} does not want to be your buddy. /buddy ask makes a link for somebody else."


def stopped(owner: Person) -> str:
    """To the former buddy."""
    return f"You are no longer the buddy of {_name(owner)}: I write to you about them no more."


def has_stopped(buddy: Person) -> str:
    """To the one who loses a buddy."""
    return f"⚠️ {_name(buddy)} is no longer your buddy. /channels shows who else would be reached."


def in_danger(ring: Ring, owner: str) -> str:
    """What a buddy is told: who, how bad, and to call."""
    worst = ring.items[0]
    name = text(owner, 40) or "The person whose buddy you are"
    state = f"is at <b>{worst.alarm.grade.name}</b>"
    if worst.alarm.is_blind:
        state = "was in danger and can no longer be read (<b>STALE</b>)"
    repeat = f"\n{REPEATED}" if any(item.step.repeats for item in ring.items) else ""
    return f"🤝 <b>{name} does not answer me.</b>\nAn account of theirs {state}. Please call them now.{repeat}"


def exercise(owner: str) -> str:
    """A drill, or a test line."""
    return (
        f"🧯 <b>This is an exercise</b> of {text(owner, 40) or 'the person whose buddy you are'}: nothing is wrong, "
        "nothing needs to be done."
    )


def _after(delay: timedelta) -> str:
    return f"after {ago(delay)}" if delay else "at once"


def _name(person: Person) -> str:
    return text(person.name, 40) or f"user {person.user_id}"
