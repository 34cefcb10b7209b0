"""/export and /forget: a person's own data. /users: who uses the bot, for operators."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from datetime import date

from marginbot.bot.calls import Button, Call, Document, Reply, Rows, Services, wrong_usage
from marginbot.bot.figures import text
from marginbot.bot.language import _, later, plural
from marginbot.domain.errors import LimitReached

FORGET = "forget"
MOST_LISTED = 60
PLAIN_LIMIT = 5 * 1024**2  # a larger file is sent compressed
FILE_LIMIT = 50 * 1024**2  # the largest file that Telegram takes from a bot
_FILE = "marginbot-{day}.json"
_PACKED = ".gz"
NOTHING = later("I hold nothing about you.")
FORGOTTEN = later(
    "🗑 Done. Your accounts, keys, history, channels and shares are deleted and their place in "
    "the database is overwritten. Nothing of yours is watched any more. Delete the keys at "
    "the exchange too, and this chat if you like: what I wrote here is yours to delete. The "
    "operator's older backups may still hold copies, with the keys sealed."
)


async def forget(call: Call, services: Services) -> Reply:
    """/forget: what would be deleted, and the question whether it shall be."""
    data = services.store.personal_data(call.person.user_id)
    if not data:
        return Reply(html=_(NOTHING))
    labels = [str(row["label"]) for row in data.get("accounts", [])]
    accounts = plural("{n} account", "{n} accounts", len(labels))
    named = f": {', '.join(text(label, 24) for label in labels)}" if labels else ""
    number = services.confirmations.ask(call.person.user_id, FORGET, call.at)
    buttons: Rows = (
        (
            Button(_("Delete everything"), f"fgt:yes:{number}"),
            Button(_("Keep it"), f"fgt:no:{number}"),
        ),
    )
    return Reply(
        html=_(
            "<b>Delete everything about you?</b>\n{accounts}{named}\n{records} records in all: keys, "
            "history, alerts, channels, shares.\n\nYou will not be warned any more. This cannot be "
            "taken back. /export first gives you a copy.",
            accounts=accounts,
            named=named,
            records=sum(len(rows) for rows in data.values()),
        ),
        buttons=buttons,
    )


async def forget_decided(call: Call, number: str, services: Services, *, yes: bool) -> Reply:
    """The answer to that question."""
    services.confirmations.take(number, call.person.user_id, FORGET, call.at)
    if not yes:
        return Reply(html=_("Nothing was deleted."))
    services.dialogues.end(call.person.user_id)
    services.questions.drop(call.person.user_id)
    services.links.drop(call.person.user_id)
    services.store.forget_person(call.person.user_id)
    return Reply(html=_(FORGOTTEN))


async def export(call: Call, services: Services) -> Reply:
    """/export: everything about the person who asks; who was put out may take it too."""
    for account in services.store.accounts_of(call.person.user_id):
        services.store.pools(account.id)  # writes what of its history was in memory only
    data = services.store.personal_data(call.person.user_id)
    if not data:
        return Reply(html=_(NOTHING))
    document = await asyncio.to_thread(exported, data, call.at.date())
    count = sum(len(rows) for rows in data.values())
    return Reply(
        html=_(
            "📄 All that I hold about you: {count} records. Your keys and the addresses of your channels are left "
            "out: they are sealed, and never leave. Money and prices in the history have five digits. "
            "/forget deletes everything.",
            count=count,
        ),
        document=document,
    )


def exported(data: Mapping[str, object], day: date) -> Document:
    """A person's data as a JSON file, compressed where it is large; `LimitReached` where even that is too large."""
    name, content = _FILE.format(day=day), json.dumps(data, indent=1, ensure_ascii=False, default=str).encode()
    if len(content) > PLAIN_LIMIT:
        name, content = name + _PACKED, gzip.compress(content)
    if len(content) > FILE_LIMIT:
        raise LimitReached(
            "an export too large to send",
            advice=_(
                "What I hold about you is {size} MB, compressed; Telegram takes {limit} MB from a bot. Ask the "
                "operator to hand it to you. Nothing was sent.",
                size=f"{len(content) / 1024**2:.0f}",
                limit=FILE_LIMIT // 1024**2,
            ),
        )
    return Document(name, content)


async def users(call: Call, services: Services) -> Reply:
    """/users [out ID]: who uses the bot; end a membership."""
    services.access.require_operator(call.person.user_id)
    if call.args:
        return _put_out(call, services)
    people = services.store.people()
    if not people:
        return Reply(html=_("Nobody has written to me yet."))
    lines = [_("{n} people, {accounts} accounts", n=len(people), accounts=sum(person.accounts for person in people))]
    for person in people[:MOST_LISTED]:
        marks = [_("{accounts} accounts", accounts=person.accounts)]
        marks += [_("{n} refused", n=person.refused)] if person.refused else []
        marks += [_("member")] if person.is_member else []
        marks += [_("not reachable")] if person.is_unreachable else []
        lines.append(f"<code>{person.user_id}</code> {text(person.name or _('no name'), 30)}: {', '.join(marks)}")
    lines += [_("… and {n} more", n=len(people) - MOST_LISTED)] if len(people) > MOST_LISTED else []
    return Reply(html="\n".join(lines) + "\n\n" + _("/users out ID ends a membership."))


def _put_out(call: Call, services: Services) -> Reply:
    if len(call.args) != 2 or call.args[0] != "out" or not call.args[1].isascii() or not call.args[1].isdigit():
        raise wrong_usage("/users [out ID]", "/users out 12345678")
    if len(call.args[1]) > 18 or not services.store.end_membership(int(call.args[1])):
        return Reply(html=_("No member has that id. Nothing was changed."))
    return Reply(
        html=_(
            "Their membership is ended: they can add no account. What they have is watched as before; "
            "they can take it with /export and delete it with /forget."
        )
    )
