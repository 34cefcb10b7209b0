"""/language: in which one the bot speaks to a person, or in a group."""

from __future__ import annotations

from marginbot.bot.calls import Button, Call, Reply, Rows, Services, grid, marked, wrong_usage
from marginbot.bot.language import LANGUAGES, _, best, language, read_from_now_on_in_language, supported
from marginbot.domain.errors import NotAllowed

USAGE = "[CODE|auto]"
AUTOMATIC = "auto"


async def choose_language(call: Call, services: Services) -> Reply:
    """/language [CODE|auto]: buttons to choose by, or the choice itself."""
    if len(call.args) > 1:
        raise wrong_usage(f"/language {USAGE}", "/language es")
    if not call.args:
        return Reply(html=_("I speak English here. Which language shall it be?"), buttons=buttons(call))
    word = call.args[0].lower()
    code = None if word == AUTOMATIC else supported(word)
    if word != AUTOMATIC and code is None:
        raise wrong_usage(f"/language {USAGE}", f"/language {' · '.join(LANGUAGES)}")
    return Reply(html=spoken(call, code, services))


def spoken(call: Call, code: str | None, services: Services) -> str:
    """Speak this language in the chat of the call from now on, and say so in it; None: as Telegram is set."""
    if not call.private and not may_choose(call, services):
        raise NotAllowed(
            "a stranger in a group", advice=_("In a group, only people who use me may choose the language.")
        )
    services.store.set_language(call.chat_id, code)
    read_from_now_on_in_language(best(code, call.language if call.private else None))
    if code is None and call.private:
        return _("🌐 I follow the language of your Telegram: English.")
    return _("🌐 I speak English here from now on.")


def buttons(call: Call) -> Rows:
    """One for each language, the present one marked, and in private one to follow Telegram."""
    rows = grid([Button(marked(name, on=code == language()), f"lng:{code}") for code, name in LANGUAGES.items()], 2)
    return (*rows, (Button(_("As my Telegram is set"), f"lng:{AUTOMATIC}"),)) if call.private else rows


def may_choose(call: Call, services: Services) -> bool:
    """Whether this person may choose for a group: they use the bot."""
    user_id = call.person.user_id
    return services.access.may_register(user_id) or bool(services.store.accounts_of(user_id))
