"""What a key may do, in words."""

from __future__ import annotations

from datetime import datetime

from marginbot.bot import names
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.bot.said import said
from marginbot.domain.passport import KeyCheck, KeyNews, Passport, Verdict, verdict

RIGHTS = {
    Verdict.READ_ONLY: later("read-only"),
    Verdict.NEEDS_CONSENT: later("<b>can trade</b>"),
    Verdict.NOT_VERIFIED: later("could not verify what it may do"),
    Verdict.REFUSED: later("<b>can withdraw</b>"),
}
NEWS = {
    KeyNews.CAN_WITHDRAW: later("it can withdraw or move funds out"),
    KeyNews.CAN_TRADE: later("it can trade"),
    KeyNews.OPEN_TO_ALL_ADDRESSES: later("it works from any address now: its IP list is gone"),
}
REMEDY = {
    KeyNews.CAN_WITHDRAW: later(
        "Delete it at the exchange, make a read-only key, then /remove this account and /add it "
        "again. If you did not change it yourself, secure your account there first."
    ),
    KeyNews.CAN_TRADE: later("I only ever read, and need no more. Take that right away at the exchange."),
    KeyNews.OPEN_TO_ALL_ADDRESSES: later("Restrict it to this server's address again."),
    KeyNews.EXPIRES_SOON: later("Make a new read-only key before that, or I can no longer watch."),
}


def found(passport: Passport) -> str:
    """What the exchange said of the key that was just sent."""
    told = verdict(passport)
    if told is Verdict.NOT_VERIFIED:
        why = f" ({text(said(passport.notes[0]), 160)})" if passport.notes else ""
        lines = [
            _(
                "🔑 I could not verify what this key may do{why}. Look at the exchange that it can neither "
                "trade nor withdraw.",
                why=why,
            )
        ]
    else:
        notes = [text(said(note), 160) for note in passport.notes]
        lines = [_("🔑 This key: {rights}.", rights=", ".join([_(RIGHTS[told]), *_details(passport), *notes]))]
        if passport.can_withdraw is None:
            lines.append(_("I could not verify whether it can withdraw."))
    return "\n".join(lines)


def question() -> str:
    """Asked before a key that can trade is stored."""
    return _(
        "⚠️ <b>This key can trade. Use it anyway?</b>\nI only ever read, but whoever gets hold of "
        "it can trade with it. A read-only key is safer.\nNothing is stored yet. Without an answer "
        "I forget the key in five minutes."
    )


def listed(check: KeyCheck | None) -> str:
    """For the list of accounts: `read-only, IP list, expires 01 Dec 2026`."""
    if check is None:
        return _("not looked at yet")
    if verdict(check.latest) is not Verdict.NOT_VERIFIED:
        return ", ".join([_(RIGHTS[verdict(check.latest)]), *_details(check.latest)])
    if verdict(check.known) is Verdict.NOT_VERIFIED:
        return _("could not verify what it may do")
    return _(
        "could not verify; before: {rights}",
        rights=", ".join([_(RIGHTS[verdict(check.known)]), *_details(check.known)]),
    )


def _details(passport: Passport) -> list[str]:
    addresses = {True: [_("IP list")], False: [_("no IP list")], None: []}[passport.ip_restricted]
    return addresses + (
        [_("expires {date}", date=names.day(passport.expires_at, year=True))] if passport.expires_at else []
    )


def news(changes: tuple[KeyNews, ...], expires_at: datetime | None) -> list[str]:
    """What has changed about a key, and what to do about it."""
    lines = [f"• <b>{change}</b>" for change in changed(changes, expires_at)]
    remedies = [_(REMEDY[change]) for change in changes]
    return [_("News about the key of this account:"), *lines, "", *remedies, _("I go on watching with it.")]


def changed(changes: tuple[KeyNews, ...], expires_at: datetime | None) -> list[str]:
    """The bare changes."""
    ends = _("it expires on {date}", date=names.day(expires_at, year=True)) if expires_at else _("it expires soon")
    return [_(NEWS[change]) if change in NEWS else ends for change in changes]
