"""/thresholds: show or set the two ladders."""

from __future__ import annotations

from marginbot.bot import render_account
from marginbot.bot.calls import Call, Reply, Services

LADDER_NAMES = ("ratio", "cushion")


async def thresholds(call: Call, services: Services) -> Reply:
    """/thresholds [LABEL] [ratio|cushion N W C E]"""
    words = list(call.args)
    label = words.pop(0) if words and words[0].lower() not in LADDER_NAMES else None
    user_id = call.person.user_id
    if label is not None:
        label = services.store.account(user_id, label).label
    if not words:
        return Reply(html=render_account.thresholds(services.preferences.thresholds(user_id, label), label))
    kind, *values = words
    services.store.remember_person(call.person, call.chat_id, call.at)
    ladders = services.preferences.set_thresholds(user_id, label, kind.lower(), values)
    return Reply(html=render_account.thresholds(ladders, label, changed=True))
