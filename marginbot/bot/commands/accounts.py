"""/accounts, /remove, /rename: a person's own list."""

from __future__ import annotations

from marginbot.bot import render_account
from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.bot.figures import text
from marginbot.bot.language import _
from marginbot.bot.refresh import refresh


async def accounts(call: Call, services: Services) -> Reply:
    """/accounts: what is registered, without any secret."""
    owned = services.store.accounts_of(call.person.user_id)
    checks = {account.id: services.store.key_check(account.id) for account in owned}
    told = render_account.accounts(owned, services.registration.reader.venues(), checks)
    return Reply(html=told, buttons=(refresh("a"),) if owned else ())


async def remove(call: Call, services: Services) -> Reply:
    """/remove LABEL: delete an account with all that belongs to it, at once."""
    if len(call.args) != 1:
        raise wrong_usage("/remove LABEL", "/remove main")
    account = services.store.account(call.person.user_id, call.args[0])
    services.store.remove_account(call.person.user_id, account.label)
    return Reply(
        html=_(
            "🗑 Removed <b>{label}</b> ({exchange}): its key, its history and its alerts are deleted "
            "and it is <b>no longer watched</b>. If you do not need the key any more, delete it at "
            "the exchange too.",
            label=text(account.label, 24),
            exchange=text(account.exchange, 24),
        )
    )


async def rename(call: Call, services: Services) -> Reply:
    """/rename OLD NEW: another label; history and alerts stay."""
    if len(call.args) != 2:
        raise wrong_usage("/rename OLD NEW", "/rename main desk")
    old, new = call.args
    account = services.store.account(call.person.user_id, old)
    if old.casefold() != new.casefold():
        new = services.registration.free_label(call.person.user_id, new)
    services.store.rename_account(call.person.user_id, account.label, new)
    return Reply(
        html=_("✏️ <b>{label}</b> is now called <b>{new}</b>.", label=text(account.label, 24), new=text(new, 24))
    )
