"""/ack and /snooze: quiet at the present grade; anything worse always comes through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from marginbot.bot import render_account
from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.bot.figures import until
from marginbot.bot.language import _, later
from marginbot.domain.alerting import MuteKind
from marginbot.domain.notices import Notice
from marginbot.flow.preferences import Quieted, parse_duration

YES = frozenset({"ack", "ok", "okay", "k", "yes", "seen", "got it", "on it", "noticed", "done", "👍", "👌", "✅"})
NOTHING_OPEN = later("There is no alert to quiet at the moment.")


async def ack(call: Call, services: Services) -> Reply:
    """/ack [LABEL], or as a reply to an alert."""
    if len(call.args) > 1:
        raise wrong_usage("/ack [LABEL]")
    notice = _notice_answered(call, services)
    if notice is not None and not call.args:
        return _told(_all_of(call, services, notice), call)
    label = call.args[0] if call.args else None
    return _told(services.preferences.acknowledge(call.person.user_id, label, call.at, by=call.person.name), call)


async def snooze(call: Call, services: Services) -> Reply:
    """/snooze [LABEL] DURATION, or /snooze DURATION as a reply to an alert."""
    if not 1 <= len(call.args) <= 2:
        raise wrong_usage("/snooze [LABEL] DURATION", "/snooze 2h")
    wait = parse_duration(call.args[-1])
    notice = _notice_answered(call, services)
    if notice is not None and len(call.args) == 1:
        return _told(_one(call, services, notice, wait), call)
    label = call.args[0] if len(call.args) == 2 else None
    return _told(services.preferences.snooze(call.person.user_id, label, wait, call.at, by=call.person.name), call)


def is_acknowledgement(call: Call, words: str, services: Services) -> bool:
    """Whether plain words answer an alert and say that it was noticed. Any others acknowledge nothing."""
    return words.strip().rstrip(".!").lower() in YES and _notice_answered(call, services) is not None


def _notice_answered(call: Call, services: Services) -> Notice | None:
    if call.replied_to is None:
        return None
    return services.store.notice_of_message(call.chat_id, call.replied_to)


def _all_of(call: Call, services: Services, notice: Notice) -> Sequence[Quieted]:
    """Whoever answers a message answers all that it tells."""
    together, person = services.store.notices_with(notice.id), call.person
    return services.preferences.acknowledge_messages(person.user_id, together, call.at, by=person.name)


def _one(call: Call, services: Services, notice: Notice, wait: timedelta | None) -> Sequence[Quieted]:
    person = call.person
    return services.preferences.quiet_message(person.user_id, notice, wait, call.at, by=person.name)


def _told(done: Sequence[Quieted], call: Call) -> Reply:
    if not done:
        return Reply(html=_(NOTHING_OPEN))
    word = _("Acknowledged") if done[0].mute.kind is MuteKind.ACKNOWLEDGED else _("Snoozed")
    return Reply(html=render_account.quieted(done, word, [until(q.mute.until, call.at) for q in done]))
