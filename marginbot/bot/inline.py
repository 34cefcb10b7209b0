"""Inline mode: an owner shares the state of an own account in any chat, in percentages, without amounts.

What is offered is private to who asks; what they choose is theirs to show. It is a picture of one moment, and says
of which.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from telegram import (
    Bot,
    InlineQuery,
    InlineQueryResultArticle,
    InlineQueryResultsButton,
    InputTextMessageContent,
    LinkPreviewOptions,
)
from telegram.constants import ParseMode
from telegram.error import TelegramError

from marginbot.bot import render_group
from marginbot.bot.budget import MEMBER, STRANGER
from marginbot.bot.calls import Services
from marginbot.bot.figures import text
from marginbot.bot.language import _
from marginbot.bot.render import to_plain
from marginbot.bot.render_status import View
from marginbot.bot.wire import outcome_of
from marginbot.flow.ports import Standing

log = logging.getLogger(__name__)

CACHE_SECONDS = 5  # of figures that are of this moment
MOST_ARTICLES = 20
PAYLOAD = "inline"  # of /start, when somebody came from here


async def answer_inline(query: InlineQuery, bot: Bot, services: Services) -> None:
    """Offer the own accounts whose label begins with what was typed; others get a button to the private chat."""
    own = services.status.own(query.from_user.id)
    articles = _articles(query, own, services)
    button = None if own else InlineQueryResultsButton(_("Start with me in private"), start_parameter=PAYLOAD)
    try:
        await bot.answer_inline_query(query.id, articles, cache_time=CACHE_SECONDS, is_personal=True, button=button)
    except TelegramError as error:
        log.info("an inline query could not be answered: %s", outcome_of(error))


def _articles(query: InlineQuery, own: Sequence[Standing], services: Services) -> list[InlineQueryResultArticle]:
    now, user_id = services.clock(), query.from_user.id
    if not services.inline_budget.allows(user_id, MEMBER if own else STRANGER, now):
        log.info("user %s asks too much inline", user_id)
        return []
    view, wanted = services.view, query.query.strip().casefold()
    return [_article(s, view) for s in own if s.account.label.casefold().startswith(wanted)][:MOST_ARTICLES]


def _article(standing: Standing, view: View) -> InlineQueryResultArticle:
    html = render_group.redacted(standing, view)
    head, *rest = to_plain(html).split("\n")
    return InlineQueryResultArticle(
        id=str(standing.account.id),
        title=head,
        description=text(" · ".join(rest)),
        input_message_content=InputTextMessageContent(
            html, parse_mode=ParseMode.HTML, link_preview_options=LinkPreviewOptions(is_disabled=True)
        ),
    )
