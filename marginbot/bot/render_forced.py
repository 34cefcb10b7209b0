"""A position that the exchange itself reduced, as far as it says."""

from __future__ import annotations

from marginbot.bot import figures as fig
from marginbot.bot.figures import quiet
from marginbot.domain.forced import ForcedClose, ForcedKind

SAID = {
    ForcedKind.LIQUIDATION: "The exchange says that it liquidates:",
    ForcedKind.DELEVERAGING: "The exchange says that it closes by auto-deleveraging:",
}
NEXT = {
    ForcedKind.LIQUIDATION: "What is left of the position may go as well. Add collateral or close a part.",
    ForcedKind.DELEVERAGING: "A hedge may be gone: other positions may now stand alone.",
}


def news(close: ForcedClose) -> list[str]:
    """What happened, what we do, what to do."""
    return [
        f"<b>{SAID[close.kind]}</b>",
        *bullets(close),
        "This is the first fill of its order; more may follow.",
        "",
        NEXT[close.kind],
        "<b>Check the exchange's order history.</b>",
        "I read the account now, and write if its grade changes.",
    ]


def bullets(close: ForcedClose) -> list[str]:
    """The fill."""
    size = "size not said" if close.quantity is None else fig.plain_number(close.quantity)
    price = "" if close.price is None or close.price <= 0 else f" at {fig.plain_number(close.price)}"
    return [f"• {quiet(f'{close.side} {size} {close.symbol}'.strip(), 80)}{price}", f"• {_profit(close)}"]


def _profit(close: ForcedClose) -> str:
    if close.profit is None:
        return "What was lost with it: not said"
    word = "Lost" if close.profit < 0 else "Gained"
    return f"{word} with it: {fig.plain_number(abs(close.profit))}, in the contract's settlement currency"
