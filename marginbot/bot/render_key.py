"""What a key may do, in words."""

from __future__ import annotations

from datetime import datetime

from marginbot.bot.figures import text
from marginbot.domain.passport import KeyCheck, KeyNews, Passport, Verdict, verdict

RIGHTS = {
    Verdict.READ_ONLY: "read-only",
    Verdict.NEEDS_CONSENT: "<b>can trade</b>",
    Verdict.NOT_VERIFIED: "could not verify what it may do",
    Verdict.REFUSED: "<b>can withdraw</b>",
}
NEWS = {
    KeyNews.CAN_WITHDRAW: "it can withdraw or move funds out",
    KeyNews.CAN_TRADE: "it can trade",
    KeyNews.OPEN_TO_ALL_ADDRESSES: "it works from any address now: its IP list is gone",
}
REMEDY = {
    KeyNews.CAN_WITHDRAW: "Delete it at the exchange, make a read-only key, then /remove this account and /add it "
    "again. If you did not change it yourself, secure your account there first.",
    KeyNews.CAN_TRADE: "I only ever read, and need no more. Take that right away at the exchange.",
    KeyNews.OPEN_TO_ALL_ADDRESSES: "Restrict it to this server's address again.",
    KeyNews.EXPIRES_SOON: "Make a new read-only key before that, or I can no longer watch.",
}


def found(passport: Passport) -> str:
    """What the exchange said of the key that was just sent."""
    told = verdict(passport)
    if told is Verdict.NOT_VERIFIED:
        why = f" ({text(passport.notes[0], 120)})" if passport.notes else ""
        lines = [
            f"🔑 I could not verify what this key may do{why}. Look at the exchange that it can neither trade nor "
            "withdraw."
        ]
    else:
        notes = [text(note, 120) for note in passport.notes]
        lines = [f"🔑 This key: {', '.join([RIGHTS[told], *_details(passport), *notes])}."]
        if passport.can_withdraw is None:
            lines.append("I could not verify whether it can withdraw.")
    return "\n".join(lines)


def question() -> str:
    """Asked before a key that can trade is stored."""
    return (
        "⚠️ <b>This key can trade. Use it anyway?</b>\n"
        "I only ever read, but whoever gets hold of it can trade with it. A read-only key is safer.\n"
        "Nothing is stored yet. Without an answer I forget the key in five minutes."
    )


def listed(check: KeyCheck | None) -> str:
    """For the list of accounts: `read-only, IP list, expires 01 Dec 2026`."""
    if check is None:
        return "not looked at yet"
    if verdict(check.latest) is not Verdict.NOT_VERIFIED:
        return ", ".join([RIGHTS[verdict(check.latest)], *_details(check.latest)])
    if verdict(check.known) is Verdict.NOT_VERIFIED:
        return "could not verify what it may do"
    return f"could not verify; before: {', '.join([RIGHTS[verdict(check.known)], *_details(check.known)])}"


def _details(passport: Passport) -> list[str]:
    addresses = {True: ["IP list"], False: ["no IP list"], None: []}[passport.ip_restricted]
    return addresses + ([f"expires {passport.expires_at:%d %b %Y}"] if passport.expires_at else [])


def news(changes: tuple[KeyNews, ...], expires_at: datetime | None) -> list[str]:
    """What has changed about a key, and what to do about it."""
    lines = [f"• <b>{change}</b>" for change in changed(changes, expires_at)]
    remedies = [REMEDY[change] for change in changes]
    return ["News about the key of this account:", *lines, "", *remedies, "I go on watching with it."]


def changed(changes: tuple[KeyNews, ...], expires_at: datetime | None) -> list[str]:
    """The bare changes."""
    ends = f"it expires on {expires_at:%d %b %Y}" if expires_at else "it expires soon"
    return [NEWS.get(change, ends) for change in changes]
