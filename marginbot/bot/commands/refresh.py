"""What stands under a message that can be brought up to date: the same question asked again."""

from __future__ import annotations

import re
from dataclasses import replace

from marginbot.bot.calls import Call, Handler, Reply, Services
from marginbot.bot.commands.accounts import accounts
from marginbot.bot.commands.look import status
from marginbot.bot.commands.whatif import liquidation_map, topup
from marginbot.bot.language import _

_DATA = re.compile(r"ref:(?:([amst])(?::([0-9]{1,18}))?(?::([0-9.]{1,9}[xX%]?))?)?")
_GROUPS_DATA = re.compile(r"ref:g(?::([0-9]{1,18}))?")
_QUESTIONS: dict[str, Handler] = {"": status, "s": status, "m": liquidation_map, "t": topup, "a": accounts}


async def refreshed_in_group(call: Call, data: str, services: Services) -> Reply | None:
    """What /status answers in this group now, for whoever presses; None: no button of this version."""
    found = _GROUPS_DATA.fullmatch(data)
    if found is None:
        return None
    number = int(found[1] or 0)
    shown = [s.account.label for s in services.status.group(call.chat_id) if s.account.id == number]
    if number and not shown:
        return Reply(html=_("This account is no longer shared with this group."))
    return await status(replace(call, args=tuple(shown)), services)


async def refreshed(call: Call, data: str, services: Services) -> Reply | None:
    """The answer as of now; None: no button of this version. `NotAllowed` when the account is not theirs."""
    found = _DATA.fullmatch(data)
    if found is None:
        return None
    number, target = int(found[2] or 0), found[3]
    label = [services.preferences.owned(call.person.user_id, number).label] if number else []
    return await _QUESTIONS[found[1] or ""](replace(call, args=(*label, *([target] if target else []))), services)
