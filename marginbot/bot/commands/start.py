"""/start and /cancel: the way in, and the way out of a dialogue."""

from __future__ import annotations

from dataclasses import replace

from marginbot.bot.calls import Button, Call, Reply, Rows, Services
from marginbot.bot.commands.add import add
from marginbot.bot.commands.buddy import PAYLOAD, ask_them
from marginbot.bot.inline import PAYLOAD as INLINE
from marginbot.bot.language import _, later

WHAT_I_AM = later(
    "I watch the margin of your exchange accounts with read-only keys and warn you, step by "
    "step, long before a liquidation."
)


async def start(call: Call, services: Services) -> Reply:
    """/start [CODE|add]: who the bot is, and what to do next."""
    if not call.private:
        return Reply(
            html=_(
                "👋 {what_i_am} Accounts are added in our private chat; their owner may show them here with /share.",
                what_i_am=_(WHAT_I_AM),
            ),
            buttons=((Button(_("Open the private chat"), url=call.link("add")),),),
        )
    if call.args[:1] == ("add",):
        return await add(replace(call, args=()), services)
    if call.args and call.args[0].startswith(PAYLOAD):
        return ask_them(call, call.args[0].removeprefix(PAYLOAD), services)
    if services.access.may_register(call.person.user_id):
        return Reply(html=f"👋 {_(WHAT_I_AM)}\n\n{_next_step(call, services)}", buttons=_ways(call, services))
    if not call.args or call.args == (INLINE,):
        services.access.require_member(call.person.user_id)
    services.store.remember_person(call.person, call.chat_id, call.at)
    services.store.redeem_invite(call.args[0], call.person.user_id, call.at)
    # The bot may be open to operators only: then a code, even a good one, opens nothing.
    services.access.require_member(call.person.user_id)
    return Reply(
        html=_("👋 Welcome. {what_i_am}", what_i_am=_(WHAT_I_AM)) + f"\n\n{_next_step(call, services)}",
        buttons=_ways(call, services),
    )


def _ways(call: Call, services: Services) -> Rows:
    """The next sensible step, to tap."""
    if services.store.accounts_of(call.person.user_id):
        return ((Button(_("How are they?"), "go-status:"), Button(_("Add another account"), "go-add:")),)
    return ((Button(_("Add my first account"), "go-add:"),),)


def _next_step(call: Call, services: Services) -> str:
    if services.store.accounts_of(call.person.user_id):
        return _("/status shows how your accounts are. /add adds another one, /help lists the rest.")
    return _(
        "Next: /add your first account. You need a <b>read-only</b> API key of your exchange (or "
        "just the address, where the exchange is on a chain). /help lists the rest."
    )


async def cancel(call: Call, services: Services) -> Reply:
    """/cancel: leave the guided /add, or the question about a key that can trade."""
    asked = services.questions.drop(call.person.user_id)
    services.links.drop(call.person.user_id)
    if services.dialogues.end(call.person.user_id) or asked:
        return Reply(html=_("Cancelled. Nothing was stored."))
    return Reply(html=_("There is nothing to cancel."))
