"""A venue's changed terms, and what they mean for the accounts of one person."""

from __future__ import annotations

from decimal import Decimal

from marginbot.bot import figures as fig
from marginbot.bot.figures import quiet
from marginbot.bot.language import _, later, plural
from marginbot.domain.tier_changes import Change, Effect, Kind, TermsNews

MOST_CHANGES = 6
MOST_EFFECTS = 8
ADVICE = later("If that is too little for you, add collateral or close a part. /status shows where you stand.")


def news(terms: TermsNews) -> list[str]:
    """What has changed, and what it does."""
    lines = [_("The exchange requires more than before:"), *bullets(terms)]
    if terms.effects:
        lines += ["", _("After the change:"), *(f"• {_effect(one)}" for one in terms.effects[:MOST_EFFECTS])]
        more = len(terms.effects) - MOST_EFFECTS
        lines += _more(more, plural("… and {n} more pool", "… and {n} more pools", more))
    if terms.unread:
        names = ", ".join(quiet(label, 24) for label in terms.unread)
        lines += ["", _("Not read just now, so I cannot say what it does to: {names}", names=names)]
    return [*lines, "", _(ADVICE)]


def bullets(terms: TermsNews) -> list[str]:
    """The changes that matter most, the held symbols as the exchange lists them."""
    more = len(terms.changes) - MOST_CHANGES
    return [
        *(f"• {_change(change)}" for change in terms.changes[:MOST_CHANGES]),
        *_more(more, plural("… and {n} more change", "… and {n} more changes", more)),
    ]


def _more(count: int, told: str) -> list[str]:
    return [told] if count > 0 else []


def _change(change: Change) -> str:
    name, old, new = quiet(change.name, 40), change.old, change.new
    if change.kind is Kind.COLLATERAL_CUT:
        return _("{name} counts {new} as collateral, was {old}", name=name, new=fig.percent(new), old=fig.percent(old))
    if change.kind is Kind.RATE_RAISED:
        return _(
            "{name} tier {rung}: maintenance rate {rate}, was {before}",
            name=name,
            rung=change.rung,
            rate=_rate(new),
            before=_rate(old),
        )
    return _(
        "{name} tier {rung}: ends at {new}, was {before}",
        name=name,
        rung=change.rung,
        new=fig.plain_number(new),
        before=_cap(old),
    )


def _rate(rate: Decimal | None) -> str:
    return _(fig.NOT_KNOWN) if rate is None else f"{float(rate) * 100:.3g}%"


def _cap(cap: Decimal | None) -> str:
    return _("without end") if cap is None else f"{float(cap):,.10g}"


def _effect(effect: Effect) -> str:
    where = f"<b>{quiet(effect.label, 24)}</b>, {quiet(fig.pool_title(effect.pool), 60)}"
    return f"{where}: {_rooms(effect)}" + _(
        "ratio {before} → {after}", before=_ratio(effect.ratio_before), after=_ratio(effect.ratio_after)
    )


def _rooms(effect: Effect) -> str:
    if effect.room_before is None or effect.room_after is None:
        return ""
    moves = f"{fig.move(effect.room_before)} → {fig.move(effect.room_after)}"
    return _("room {coin} {moves}, ", coin=fig.underlying(effect.scenario), moves=moves)


def _ratio(ratio: Decimal | None) -> str:
    return _("equity gone") if ratio is None else fig.percent(ratio)
