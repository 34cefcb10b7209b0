"""A position that the exchange itself reduced, as far as it says."""

from __future__ import annotations

from datetime import datetime

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.figures import quiet
from marginbot.bot.language import _, later
from marginbot.domain.forced import ForcedClose, ForcedKind

STATES = {
    ForcedKind.LIQUIDATION: later("LIQUIDATION"),
    ForcedKind.DELEVERAGING: later("AUTO-DELEVERAGING"),
}
SAID = {
    ForcedKind.LIQUIDATION: later("The exchange says that it liquidates:"),
    ForcedKind.DELEVERAGING: later("The exchange says that it closes by auto-deleveraging:"),
}
NEXT = {
    ForcedKind.LIQUIDATION: later("What is left of the position may go as well. Add collateral or close a part."),
    ForcedKind.DELEVERAGING: later("A hedge may be gone: other positions may now stand alone."),
}


def news(close: ForcedClose, now: datetime) -> list[str]:
    """What happened, what we do, what to do."""
    return [
        f"<b>{_(SAID[close.kind])}</b>",
        *bullets(close),
        _when(close, now),
        "",
        _(NEXT[close.kind]),
        _("<b>Check the exchange's order history.</b>"),
        _("I read the account now, and write if its grade changes."),
    ]


def _when(close: ForcedClose, now: datetime) -> str:
    if close.at is None:
        return _("This is the first fill of its order; more may follow.")
    return _("This was at {time}. I could not hear the exchange then, and asked later.", time=fig.clock(close.at, now))


def bullets(close: ForcedClose) -> list[str]:
    """The fill."""
    size = _("size not said") if close.quantity is None else fig.plain_number(close.quantity)
    fill = quiet(f"{names.side(close.side)} {size} {close.symbol}".strip(), 80)
    if close.price is not None and close.price > 0:
        fill = _("{fill} at {price}", fill=fill, price=fig.plain_number(close.price))
    return [f"• {fill}", f"• {_profit(close)}"]


def _profit(close: ForcedClose) -> str:
    if close.profit is None:
        return _("What was lost with it: not said")
    amount = fig.plain_number(abs(close.profit))
    if close.profit < 0:
        return _("Lost with it: {amount}, in the contract's settlement currency", amount=amount)
    return _("Gained with it: {amount}, in the contract's settlement currency", amount=amount)
