"""/board: one message in a group that is kept up to date."""

from __future__ import annotations

from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.bot.language import _
from marginbot.flow.boards import BoardDesk

USAGE = "[off]"


async def board(call: Call, services: Services) -> Reply:
    """/board [off]: start the live board of this group, or end it."""
    desk = BoardDesk(services.store, services.status, services.access)
    if call.args == ("off",):
        if not desk.end(call.person, call.chat_id):
            return Reply(html=_("There is no live board here. /board starts one."))
        return Reply(html=_("📌 The live board ends here. /status still works, and /board starts another."))
    if call.args:
        raise wrong_usage(f"/board {USAGE}", "/board off")
    if desk.start(call.person, call.chat_id, call.thread_id, call.at):
        return Reply(
            html=_(
                "📌 I post one message here and keep it up to date. You hear of me again only when it gets worse. "
                "/board off ends it."
            )
        )
    return Reply(html=_("📌 There is a live board here already: I bring it up to date now. /board off ends it."))
