"""Short messages, word for word: channels, buddies, reminders, and what became of a message since."""

from __future__ import annotations

from datetime import timedelta

import pytest

from marginbot.bot import render_account, render_buddy, render_bundle, render_channels
from marginbot.domain.alerting import Reminders
from marginbot.domain.escalation import Accepted, Alarm, Channel, Ring, RingItem, RingRefused, Step, StepStatus
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Note, NoteKind, Shown
from marginbot.flow.buddies import Asked
from marginbot.flow.channels import Rehearsed
from marginbot.flow.ports import Person
from tests.bot.builders import ALICE, BOB, NOW, notice
from tests.bot.golden import check

OWNER, BUDDY = Person(ALICE, "Alice"), Person(BOB, "Bob <b>")
ASKED = Asked(owner=OWNER, from_grade=Grade.CRITICAL, delay=timedelta(minutes=15))
CHANNEL = Channel(
    id=1,
    user_id=ALICE,
    title="Pushover, pover://…9abc",
    from_grade=Grade.CRITICAL,
    delay=timedelta(minutes=5),
    created_at=NOW - timedelta(days=9),
    proven_at=NOW - timedelta(days=2),
)


def test_reminders() -> None:
    check("reminders", render_account.reminders(Reminders()))
    check("reminders_changed", render_account.reminders(Reminders(warning=timedelta(hours=2)), changed=True))


def test_channels() -> None:
    check("channels", render_channels.listed([CHANNEL], NOW))
    check("channels_none", render_channels.listed([], NOW))
    check("channel_added", render_channels.added(CHANNEL))
    check("channel_switched_off", render_channels.switched_off(CHANNEL, "the user key is not valid"))
    check("channels_none_in_danger", render_channels.reminder(has_channels=False))
    check("channels_never_proven", render_channels.reminder(has_channels=True))


def test_exercises() -> None:
    done = [Rehearsed(CHANNEL, Accepted()), Rehearsed(CHANNEL, RingRefused("the user key is not valid"))]
    check("exercise_done", render_channels.rehearsed(done))
    check("exercise_telegram_only", render_channels.rehearsed([]))
    check("exercise_noticed", render_channels.noticed(timedelta(seconds=42)))


def test_buddies() -> None:
    check("buddy", render_buddy.listed([(1, OWNER)]))
    check("buddy_none", render_buddy.listed([]))
    check("buddy_link", render_buddy.to_pass_on("https://t.me/b?start=x", Grade.CRITICAL, timedelta(minutes=15)))
    check("buddy_question", render_buddy.question(ASKED))
    check("buddy_agreed", render_buddy.agreed(ASKED))
    check("buddy_has_agreed", render_buddy.has_agreed(BUDDY, ASKED))
    check("buddy_declined", render_buddy.declined(OWNER))
    check("buddy_was_declined", render_buddy.was_declined(BUDDY))
    check("buddy_stopped", render_buddy.stopped(OWNER))
    check("buddy_has_stopped", render_buddy.has_stopped(BUDDY))
    check("buddy_exercise", render_buddy.exercise("Alice"))


@pytest.mark.parametrize(("name", "blind", "repeats"), [("buddy_in_danger", False, 0), ("buddy_blind_again", True, 1)])
def test_a_buddy_is_told(name: str, blind: bool, repeats: int) -> None:
    alarm = Alarm(grade=Grade.EMERGENCY, episode=1, since=NOW, is_blind=blind, is_muted=False)
    step = Step(
        id=1,
        channel_id=1,
        account_id=1,
        subject="cross",
        episode=1,
        number=1,
        grade=Grade.EMERGENCY,
        due_at=NOW,
        status=StepStatus.RINGING,
        repeats=repeats,
    )
    item = RingItem(step=step, alarm=alarm, label="main", exchange="bybit")
    check(name, render_buddy.in_danger(Ring(channel=CHANNEL, items=(item,)), "Alice"))


def test_what_became_of_a_message_since() -> None:
    kept = Note(NoteKind.ACKNOWLEDGED, by="Alice", until=NOW + timedelta(minutes=15))
    check("alert_amended", render_bundle.amended([Shown(notice(), kept)], NOW))
    check("alert_over", render_bundle.amended([Shown(notice(), Note(NoteKind.OVER))], NOW))
