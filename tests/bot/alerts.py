"""An account in danger, and buttons to press about it."""

from __future__ import annotations

from marginbot.bot.presses import Answer, Press, press
from marginbot.domain.alerting import AlertState, Mute
from marginbot.domain.grading import Grade
from marginbot.domain.notices import NewNotice, Notice
from marginbot.domain.outcomes import Sent
from marginbot.flow.ports import Account, CycleRecord
from tests.bot.builders import facts, pool, report
from tests.bot.conftest import Desk
from tests.outbox import pending as pending_in

CRITICAL = AlertState(grade=Grade.CRITICAL, announced=Grade.CRITICAL, episode=1, number=1)


def alerted(desk: Desk, account: Account, *, state: AlertState = CRITICAL, subject: str = "cross:USDT") -> Notice:
    """The account has a critical pool, which its owner was told in message 77."""
    about = facts(label=account.label, grade=state.grade or Grade.CRITICAL)
    now = desk.clock()
    told = NewNotice(
        account_id=account.id,
        subject=subject,
        episode=1,
        number=1,
        user_id=account.user_id,
        chat_id=account.chat_id,
        sound=True,
        facts=about,
    )
    desk.store.record(
        CycleRecord(
            account_id=account.id,
            at=now,
            report=report(pool(), taken_at=now),
            states={subject: state},
            notices=[told],
            next_due_at=now,
        )
    )
    [pending] = [n for n in pending_in(desk.store) if n.account_id == account.id]
    desk.store.finish_attempts([pending.id], Sent(77), None, now)
    return pending


def mute_of(desk: Desk, account: Account, subject: str = "cross:USDT") -> Mute | None:
    return desk.store.states(account.id)[subject].mute


async def pressed(desk: Desk, user_id: int, data: str, html: str = "🔴 text") -> Answer:
    return await press(Press(call=desk.call(user_id), data=data, html=html), desk.services)
