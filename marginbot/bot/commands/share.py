"""/share and /unshare: what a group may see of an account."""

from __future__ import annotations

from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.bot.figures import text
from marginbot.bot.language import _


async def share(call: Call, services: Services) -> Reply:
    """/share LABEL [amounts]: let this group see an account of one's own."""
    if not 1 <= len(call.args) <= 2 or call.args[1:] not in ((), ("amounts",)):
        raise wrong_usage("/share LABEL [amounts]", "/share main")
    amounts = len(call.args) == 2
    account = services.preferences.share(call.person.user_id, call.chat_id, call.args[0], amounts=amounts, now=call.at)
    what = _("grades, percentages and amounts") if amounts else _("grades and percentages, no amounts")
    return Reply(
        html=_(
            "👥 This group may now see <b>{label}</b> with /status: {what}. Take it back with /unshare {label}",
            label=text(account.label, 24),
            what=what,
        )
    )


async def unshare(call: Call, services: Services) -> Reply:
    """/unshare LABEL: take an account out of this group's sight."""
    if len(call.args) != 1:
        raise wrong_usage("/unshare LABEL", "/unshare main")
    account = services.preferences.unshare(call.person.user_id, call.chat_id, call.args[0])
    return Reply(html=_("This group no longer sees <b>{label}</b>.", label=text(account.label, 24)))
