"""A venue's changed terms, and what they mean for the accounts of one person."""

from __future__ import annotations

from marginbot.bot import figures as fig
from marginbot.bot.figures import quiet
from marginbot.domain.tier_changes import Change, Effect, Kind, TermsNews

MOST_CHANGES = 6
MOST_EFFECTS = 8
ADVICE = "If that is too little for you, add collateral or close a part. /status shows where you stand."


def news(terms: TermsNews) -> list[str]:
    """What has changed, and what it does."""
    lines = ["The exchange requires more than before:", *bullets(terms)]
    if terms.effects:
        lines += ["", "After the change:", *(f"• {_effect(one)}" for one in terms.effects[:MOST_EFFECTS])]
        lines += _more(len(terms.effects) - MOST_EFFECTS, "pool")
    if terms.unread:
        names = ", ".join(quiet(label, 24) for label in terms.unread)
        lines += ["", f"Not read just now, so I cannot say what it does to: {names}"]
    return [*lines, "", ADVICE]


def bullets(terms: TermsNews) -> list[str]:
    """The changes that matter most, the held symbols as the exchange lists them."""
    return [
        *(f"• {_change(change)}" for change in terms.changes[:MOST_CHANGES]),
        *_more(len(terms.changes) - MOST_CHANGES, "change"),
    ]


def _more(count: int, what: str) -> list[str]:
    return [f"… and {count} more {what}{'s' if count > 1 else ''}"] if count > 0 else []


def _change(change: Change) -> str:
    name, old, new = quiet(change.name, 40), change.old, change.new
    if change.kind is Kind.COLLATERAL_CUT:
        return f"{name} counts {fig.percent(new)} as collateral, was {fig.percent(old)}"
    if change.kind is Kind.RATE_RAISED:
        return f"{name} tier {change.rung}: maintenance rate {_rate(new)}, was {_rate(old)}"
    return f"{name} tier {change.rung}: ends at {fig.plain_number(new)}, was {_cap(old)}"


def _rate(rate: object) -> str:
    return f"{float(str(rate)) * 100:.3g}%"


def _cap(cap: object) -> str:
    return "without end" if cap is None else f"{float(str(cap)):,.10g}"


def _effect(effect: Effect) -> str:
    where = f"<b>{quiet(effect.label, 24)}</b>, {quiet(fig.pool_title(effect.pool), 60)}"
    return f"{where}: {_rooms(effect)}ratio {_ratio(effect.ratio_before)} → {_ratio(effect.ratio_after)}"


def _rooms(effect: Effect) -> str:
    if effect.room_before is None or effect.room_after is None:
        return ""
    moves = f"{fig.move(effect.room_before)} → {fig.move(effect.room_after)}"
    return f"room {fig.underlying(effect.scenario)} {moves}, "


def _ratio(ratio: object) -> str:
    return "equity gone" if ratio is None else fig.percent(float(str(ratio)))
