"""/export and /forget: a person's own data. /users: who uses the bot, for operators."""

from __future__ import annotations

import json

from marginbot.bot.calls import Button, Call, Reply, Rows, Services, wrong_usage
from marginbot.bot.figures import text

FORGET = "forget"
MOST_LISTED = 60
NOTHING = "I hold nothing about you."
FORGOTTEN = (
    "🗑 Done. Your accounts, keys, history, channels and shares are deleted and their place in the database is "
    "overwritten. Nothing of yours is watched any more. Delete the keys at the exchange too, and this chat if you "
    "like: what I wrote here is yours to delete. The operator's older backups may still hold copies, with the keys "
    "sealed."
)


async def forget(call: Call, services: Services) -> Reply:
    """/forget: what would be deleted, and the question whether it shall be."""
    data = services.store.personal_data(call.person.user_id)
    if not data:
        return Reply(html=NOTHING)
    labels = [str(row["label"]) for row in data.get("accounts", [])]
    accounts = f"{len(labels)} account{'' if len(labels) == 1 else 's'}"
    named = f": {', '.join(text(label, 24) for label in labels)}" if labels else ""
    number = services.confirmations.ask(call.person.user_id, FORGET, call.at)
    buttons: Rows = ((Button("Delete everything", f"fgt:yes:{number}"), Button("Keep it", f"fgt:no:{number}")),)
    return Reply(
        html=f"<b>Delete everything about you?</b>\n{accounts}{named}\n"
        f"{sum(len(rows) for rows in data.values())} records in all: keys, history, alerts, channels, shares.\n\n"
        "You will not be warned any more. This cannot be taken back. /export first gives you a copy.",
        buttons=buttons,
    )


async def forget_decided(call: Call, number: str, services: Services, *, yes: bool) -> Reply:
    """The answer to that question."""
    services.confirmations.take(number, call.person.user_id, FORGET, call.at)
    if not yes:
        return Reply(html="Nothing was deleted.")
    services.dialogues.end(call.person.user_id)
    services.questions.drop(call.person.user_id)
    services.store.forget_person(call.person.user_id)
    return Reply(html=FORGOTTEN)


def exported(user_id: int, services: Services) -> bytes | None:
    """All that is stored about a person as a JSON file; None where there is nothing."""
    data = services.store.personal_data(user_id)
    if not data:
        return None
    return json.dumps(data, indent=1, ensure_ascii=False, default=str).encode()


async def users(call: Call, services: Services) -> Reply:
    """/users [out ID]: who uses the bot; end a membership."""
    services.access.require_operator(call.person.user_id)
    if call.args:
        return _put_out(call, services)
    people = services.store.people()
    if not people:
        return Reply(html="Nobody has written to me yet.")
    lines = [f"{len(people)} people, {sum(person.accounts for person in people)} accounts"]
    for person in people[:MOST_LISTED]:
        marks = [f"{person.accounts} accounts"]
        marks += [f"{person.refused} refused"] if person.refused else []
        marks += ["member"] if person.is_member else []
        marks += ["not reachable"] if person.is_unreachable else []
        lines.append(f"<code>{person.user_id}</code> {text(person.name or 'no name', 30)}: {', '.join(marks)}")
    lines += [f"… and {len(people) - MOST_LISTED} more"] if len(people) > MOST_LISTED else []
    return Reply(html="\n".join(lines) + "\n\n/users out ID ends a membership.")


def _put_out(call: Call, services: Services) -> Reply:
    if len(call.args) != 2 or call.args[0] != "out" or not call.args[1].isascii() or not call.args[1].isdigit():
        raise wrong_usage("/users [out ID]", "/users out 12345678")
    if len(call.args[1]) > 18 or not services.store.end_membership(int(call.args[1])):
        return Reply(html="No member has that id. Nothing was changed.")
    return Reply(
        html="Their membership is ended: they can add no account. What they have is watched as before; "
        "they can take it with /export and delete it with /forget."
    )
