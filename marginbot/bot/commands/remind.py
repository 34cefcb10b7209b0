"""/remind: how often an alert is repeated until somebody acknowledges it."""

from __future__ import annotations

from datetime import timedelta

from marginbot.bot import render_account
from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.domain.alerting import REMINDER_RANGE
from marginbot.domain.grading import Grade
from marginbot.flow.preferences import parse_duration

USAGE = "[WARNING 1h] [CRITICAL 10m] [EMERGENCY 3m]"


async def remind(call: Call, services: Services) -> Reply:
    """/remind [GRADE DURATION]…"""
    user_id = call.person.user_id
    if not call.args:
        return Reply(html=render_account.reminders(services.preferences.reminders(user_id)))
    services.store.remember_person(call.person, call.chat_id, call.at)
    changed = services.preferences.set_reminders(user_id, _chosen(call.args))
    return Reply(html=render_account.reminders(changed, changed=True))


def _chosen(words: tuple[str, ...]) -> dict[Grade, timedelta]:
    names = [word.upper() for word in words[::2]]
    known = {grade.name: grade for grade in REMINDER_RANGE}
    if len(words) % 2 or len(set(names)) != len(names) or not set(names) <= set(known):
        raise wrong_usage(f"/remind {USAGE}", "/remind WARNING 2h CRITICAL 5m")
    return {known[name]: parse_duration(span) for name, span in zip(names, words[1::2], strict=True)}
