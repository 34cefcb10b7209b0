"""/status and /positions: what is known of the accounts a chat may see."""

from __future__ import annotations

from marginbot.bot import render_group, render_status
from marginbot.bot.calls import NO_ACCOUNT, NONE_SHARED, Call, Reply, Services, wrong_usage
from marginbot.bot.language import _
from marginbot.bot.refresh import refresh


async def status(call: Call, services: Services) -> Reply:
    """/status [LABEL]: own accounts in private; in a group what was shared with it, percentages only."""
    label = _label(call, "/status [LABEL]")
    if not call.private:
        shared = services.status.group(call.chat_id, label)
        if not shared:
            return Reply(html=_(NONE_SHARED))
        if label:
            return Reply(
                html=render_status.status(shared, services.view), buttons=(refresh("g", shared[0].account.id),)
            )
        return Reply(html=render_group.status(shared, services.view), buttons=(refresh("g"),))
    own = services.status.own(call.person.user_id, label)
    if not own:
        return Reply(html=_(NO_ACCOUNT))
    if label is not None:
        return Reply(html=render_status.single(own[0], services.view), buttons=(refresh("s", own[0].account.id),))
    return Reply(html=render_status.status(own, services.view), buttons=(refresh(),))


async def positions(call: Call, services: Services) -> Reply:
    """/positions [LABEL]: open positions with liquidation price and distance."""
    own = services.status.own(call.person.user_id, _label(call, "/positions [LABEL]"))
    if not own:
        return Reply(html=_(NO_ACCOUNT))
    return Reply(html=render_status.positions(own, services.view))


def _label(call: Call, usage: str) -> str | None:
    if len(call.args) > 1:
        raise wrong_usage(usage)
    return call.args[0] if call.args else None
