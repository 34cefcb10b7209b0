"""/invite and /health: for the people who run the bot."""

from __future__ import annotations

from marginbot.bot import names
from marginbot.bot.calls import Call, Reply, Services
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.flow.access import AccessMode

INVITES_UNUSED = {
    AccessMode.OPEN: later("Anyone may register accounts here (MARGINBOT_ACCESS=open): no invitation is needed."),
    AccessMode.ADMINS: later(
        "Only operators may register accounts here (MARGINBOT_ACCESS=admins): an invitation would open nothing."
    ),
}


async def invite(call: Call, services: Services) -> Reply:
    """/invite: a code for one person."""
    services.access.require_operator(call.person.user_id)
    if services.access.mode in INVITES_UNUSED:
        return Reply(html=_(INVITES_UNUSED[services.access.mode]))
    code, expires_at = services.access.invite(call.person.user_id, call.at)
    return Reply(
        html=_(
            "🎟 One invitation, for one person, until {until} UTC. Pass this on:\n\n{link}\n\nor have "
            "them send me\n<code>/start {code}</code>",
            until=f"{names.day(expires_at)} {expires_at:%H:%M}",
            link=call.link(code),
            code=text(code),
        )
    )


async def health(call: Call, services: Services) -> Reply:
    """/health: the bot's own state."""
    services.access.require_operator(call.person.user_id)
    return Reply(html="\n".join(text(line, 300) for line in services.health().splitlines()))
