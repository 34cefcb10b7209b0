"""A guided /add that was left: whether to go on with it."""

from __future__ import annotations

from marginbot.bot.calls import Button, Reply, Rows, Services
from marginbot.bot.figures import text
from marginbot.bot.language import _
from marginbot.flow.ports import Left


def offer(left: Left, services: Services) -> Reply:
    """Whether to go on with what was left."""
    venue = services.registration.reader.venues().get(left.exchange)
    title = text(venue.title if venue else left.exchange, 60)
    named = _(" as <b>{label}</b>", label=text(left.label, 24)) if left.label else ""
    buttons: Rows = ((Button(_("Go on"), "go-on:"), Button(_("Start over"), "go-new:")),)
    return Reply(html=_("You were adding <b>{venue}</b>{named}; go on?", venue=title, named=named), buttons=buttons)


def taken(user_id: int, services: Services) -> set[str]:
    """The labels that a person's accounts have, without regard to case."""
    return {account.label.casefold() for account in services.store.accounts_of(user_id)}
