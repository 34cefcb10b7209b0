"""Channels and exercises as messages. Of an address, only the service is ever shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from marginbot.bot.figures import ago, text, word
from marginbot.bot.language import _, later
from marginbot.bot.said import said
from marginbot.domain.escalation import Channel
from marginbot.flow.channels import Rehearsed, why

HOW_TO_ADD = later(
    "/channels add URL adds one: pover://USER@TOKEN for Pushover (it rings until you tap), "
    "ntfys://TOPIC, mailtos://… or any other address that Apprise reads. Your message is "
    "deleted at once. Say from which grade and after how long: /channels add URL from "
    "CRITICAL after 5m"
)
EXERCISE = later(
    "🧯 <b>This is an exercise.</b> Nothing is wrong with any account.\nI am trying all ways to "
    "reach you now. Tap the button as soon as you notice, as you would in earnest."
)
NEVER_PROVEN = later(
    "A further channel of yours was never proven. When you have a quiet minute, /drill tries all ways to reach you."
)
NO_SECOND_WAY = later(
    "An account of yours is in danger, and Telegram is my only way to reach you. /channels "
    "shows how to add a second one, such as Pushover, which rings until you tap."
)


def reminder(*, has_channels: bool) -> str:
    """Said now and then to somebody whose further ways to be reached are none, or not proven."""
    return _(NEVER_PROVEN) if has_channels else _(NO_SECOND_WAY)


def listed(channels: Sequence[Channel], now: datetime) -> str:
    """/channels."""
    if not channels:
        return _("Telegram is my only way to reach you.") + f"\n\n{_(HOW_TO_ADD)}"
    lines = [f"{number}. {_line(channel, now)}" for number, channel in enumerate(channels, start=1)]
    return "\n".join(
        [
            _("<b>Your further channels ({n})</b>, rung when you do not acknowledge in time:", n=len(channels)),
            *lines,
            "",
            _("/channels test N, /channels remove N, /drill tries them all."),
        ]
    )


def _line(channel: Channel, now: datetime) -> str:
    proven = _("never proven") if channel.proven_at is None else _("proven {ago} ago", ago=ago(now - channel.proven_at))
    off = (
        "\n   " + _("⚠️ switched off: {why}", why=text(said(channel.disabled_reason), 120))
        if channel.disabled_at
        else ""
    )
    return f"{described(channel)}, {proven}{off}"


def described(channel: Channel) -> str:
    """`Pushover (pover://…) from critical on, after 5 min`."""
    return _(
        "<b>{title}</b> from {from_grade} on, {after}",
        title=text(channel.title, 80),
        from_grade=word(channel.from_grade),
        after=after(channel.delay),
    )


def after(delay: timedelta) -> str:
    """`after 5 min`."""
    return _("after {delay}", delay=ago(delay)) if delay else _("at once")


def added(channel: Channel) -> str:
    """A channel that was just stored."""
    return _(
        "📣 {channel}, if you have not acknowledged by then. My test line was accepted: did you "
        "get it? /drill shows whether you would notice it.",
        channel=described(channel),
    )


def rehearsed(done: Sequence[Rehearsed]) -> str:
    """What each channel did with the exercise."""
    if not done:
        return _("🧯 You have no further channel: only Telegram was exercised.") + f"\n\n{_(HOW_TO_ADD)}"
    lines = [_outcome(number, one) for number, one in enumerate(done, start=1)]
    return "\n".join([_("🧯 <b>Exercise</b>: what became of it"), *lines])


def _outcome(number: int, one: Rehearsed) -> str:
    became = _("accepted ✅") if one.accepted else _("<b>not accepted</b> ❌ {why}", why=text(said(why(one.rang)), 120))
    return f"{number}. {text(one.channel.title, 80)}: {became}"


def noticed(took: timedelta) -> str:
    """The tap of the exercise's button."""
    return _("🧯 Exercise noticed {took} after it began.", took=ago(took))


def switched_off(channel: Channel, error: str) -> str:
    """A service that refuses for good."""
    return _(
        "⚠️ I can no longer reach you through <b>{title}</b>: {error}. I have switched it off. "
        "/channels remove N and add it again, or /channels test N once it works.",
        title=text(channel.title, 80),
        error=text(said(error), 120),
    )
