"""What stands under a message that can be brought up to date: the same question asked again."""

from __future__ import annotations

import re
from dataclasses import replace

from marginbot.bot.calls import Call, Handler, Reply, Services
from marginbot.bot.commands.accounts import accounts
from marginbot.bot.commands.look import status
from marginbot.bot.commands.whatif import liquidation_map, topup

_DATA = re.compile(r"ref:(?:([amst])(?::([0-9]{1,18}))?(?::([0-9.]{1,9}[xX%]?))?)?")
_QUESTIONS: dict[str, Handler] = {"": status, "s": status, "m": liquidation_map, "t": topup, "a": accounts}


async def refreshed(call: Call, data: str, services: Services) -> Reply | None:
    """The answer as of now; None: no button of this version. `NotAllowed` when the account is not theirs."""
    found = _DATA.fullmatch(data)
    if found is None:
        return None
    number, target = int(found[2] or 0), found[3]
    label = [services.preferences.owned(call.person.user_id, number).label] if number else []
    return await _QUESTIONS[found[1] or ""](replace(call, args=(*label, *([target] if target else []))), services)
