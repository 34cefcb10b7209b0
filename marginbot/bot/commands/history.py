"""/history: what was told about one's own accounts, and when."""

from __future__ import annotations

from marginbot.bot import render_history
from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.domain.record import episodes

MOST_MESSAGES = 500  # looked through for the last episodes


async def history(call: Call, services: Services) -> Reply:
    """/history [LABEL]: the last episodes of one's accounts, or of one."""
    if len(call.args) > 1:
        raise wrong_usage("/history [LABEL]", "/history main")
    person, store = call.person.user_id, services.store
    accounts = [store.account(person, call.args[0])] if call.args else store.accounts_of(person)
    ids = [account.id for account in accounts]
    found = episodes(store.tellings(ids, MOST_MESSAGES), store.acknowledgements(ids))
    return Reply(html=render_history.history(found, services.clock()))
