"""Channels and exercises as messages. Of an address, only the service is ever shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from marginbot.bot.figures import ago, text, word
from marginbot.domain.escalation import Channel
from marginbot.flow.channels import Rehearsed, why

HOW_TO_ADD = (
    "/channels add URL adds one: pover://USER@TOKEN for Pushover (it rings until you tap), ntfys://TOPIC, mailtos://… "
    "or any other address that Apprise reads. Your message is deleted at once. "
    "Say from which grade and after how long: /channels add URL from CRITICAL after 5m"
)
EXERCISE = (
    "🧯 <b>This is an exercise.</b> Nothing is wrong with any account.\n"
    "I am trying all ways to reach you now. Tap the button as soon as you notice, as you would in earnest."
)
NEVER_PROVEN = (
    "A further channel of yours was never proven. When you have a quiet minute, /drill tries all ways to reach you."
)
NO_SECOND_WAY = (
    "An account of yours is in danger, and Telegram is my only way to reach you. "
    "/channels shows how to add a second one, such as Pushover, which rings until you tap."
)


def listed(channels: Sequence[Channel], now: datetime) -> str:
    """/channels."""
    if not channels:
        return f"Telegram is my only way to reach you.\n\n{HOW_TO_ADD}"
    lines = [f"{number}. {_line(channel, now)}" for number, channel in enumerate(channels, start=1)]
    return "\n".join(
        [
            f"<b>Your further channels ({len(channels)})</b>, rung when you do not acknowledge in time:",
            *lines,
            "",
            "/channels test N, /channels remove N, /drill tries them all.",
        ]
    )


def _line(channel: Channel, now: datetime) -> str:
    proven = "never proven" if channel.proven_at is None else f"proven {ago(now - channel.proven_at)} ago"
    off = f"\n   ⚠️ switched off: {text(channel.disabled_reason, 120)}" if channel.disabled_at else ""
    return f"{described(channel)}, {proven}{off}"


def described(channel: Channel) -> str:
    """`Pushover (pover://…) from critical on, after 5 min`."""
    after = "at once" if not channel.delay else f"after {ago(channel.delay)}"
    return f"<b>{text(channel.title, 80)}</b> from {word(channel.from_grade)} on, {after}"


def added(channel: Channel) -> str:
    """A channel that was just stored."""
    return (
        f"📣 {described(channel)}, if you have not acknowledged by then. My test line was accepted: did you get it? "
        "/drill shows whether you would notice it."
    )


def rehearsed(done: Sequence[Rehearsed]) -> str:
    """What each channel did with the exercise."""
    if not done:
        return f"🧯 You have no further channel: only Telegram was exercised.\n\n{HOW_TO_ADD}"
    lines = [_outcome(number, one) for number, one in enumerate(done, start=1)]
    return "\n".join(["🧯 <b>Exercise</b>: what became of it", *lines])


def _outcome(number: int, one: Rehearsed) -> str:
    said = "accepted ✅" if one.accepted else f"<b>not accepted</b> ❌ {text(why(one.rang), 120)}"
    return f"{number}. {text(one.channel.title, 80)}: {said}"


def noticed(took: timedelta) -> str:
    """The tap of the exercise's button."""
    return f"🧯 Exercise noticed {ago(took)} after it began."


def switched_off(channel: Channel, error: str) -> str:
    """A service that refuses for good."""
    return (
        f"⚠️ I can no longer reach you through <b>{text(channel.title, 80)}</b>: {text(error, 120)}. "
        "I have switched it off. /channels remove N and add it again, or /channels test N once it works."
    )
