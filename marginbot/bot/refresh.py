"""The button that brings a message up to date in place."""

from __future__ import annotations

from marginbot.bot.calls import Button
from marginbot.bot.language import _


def refresh(*what: object) -> tuple[Button, ...]:
    """A row with the button; `what` says which message it is: a letter, an account's number, a target."""
    return (Button(_("🔄 Refresh"), "ref:" + ":".join(str(part) for part in what)),)
