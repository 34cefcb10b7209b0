"""The two ways on from a guided /add that was left."""

from __future__ import annotations

from dataclasses import replace

from marginbot.bot.calls import Call, Reply, Services
from marginbot.bot.commands.add import OUT_OF_DATE, add, ask
from marginbot.bot.commands.left import taken
from marginbot.bot.language import _


async def resume(call: Call, services: Services) -> Reply:
    """A press on Go on: the question that comes after what is kept. Of a key nothing is: it is asked for anew."""
    services.access.require_member(call.person.user_id)
    left = services.dialogues.left(call.person.user_id, call.at)
    if left is None:
        return Reply(html=_(OUT_OF_DATE))
    services.links.drop(call.person.user_id)
    dialogue = services.dialogues.begin(call.person.user_id, call.at)
    dialogue.venue = services.registration.venue(left.exchange)
    if left.label is not None and left.label.casefold() not in taken(call.person.user_id, services):
        dialogue.label = left.label
    return ask(dialogue, call, services)


async def start_over(call: Call, services: Services) -> Reply:
    """A press on Start over: the first question."""
    services.dialogues.end(call.person.user_id)
    return await add(replace(call, args=()), services)
