"""Market stress in words."""

from __future__ import annotations

from marginbot.bot import figures as fig
from marginbot.bot.figures import quiet, text
from marginbot.bot.language import _
from marginbot.domain.turmoil import Quote
from marginbot.flow.turmoil import Exposed, Trouble

MOST_LABELS = 8


def turmoil(exposed: Exposed, trouble: Trouble) -> str:
    """To somebody exposed to it."""
    shown = [f"{quiet(label, 24)} ({fig.word(grade)})" for label, grade in exposed.labels[:MOST_LABELS]]
    more = len(exposed.labels) - MOST_LABELS
    yours = ", ".join([*shown, *([_("and {n} more", n=more)] if more > 0 else [])])
    return "\n".join(
        [
            _("🌊 <b>Market stress</b>") + f"\n{text(happened(trouble))}",
            _("Exposed: {yours}", yours=yours),
            _("While it lasts I read the most endangered accounts more often, calm ones less."),
            _("/status shows how things are. I say this once; alerts come as ever."),
        ]
    )


def happened(trouble: Trouble) -> str:
    """What is seen, in a sentence or two; nothing of any single account."""
    if trouble.quote is not None:
        return _parted(trouble.quote)
    crowd = trouble.crowd
    assert crowd is not None
    return _(
        "{worsened} of {watched} watched accounts with positions have worsened within 10 minutes.",
        worsened=crowd.worsened,
        watched=crowd.watched,
    )


def _parted(quote: Quote) -> str:
    cheap, dear = (quote.asset, quote.quote) if quote.deviation < 0 else (quote.quote, quote.asset)
    return _(
        "{asset} costs {price} {quote} at {exchange}, {deviation} off its peg. Either {cheap} is "
        "too cheap or {dear} too dear: their prices are seen in each other only.",
        asset=quote.asset,
        price=f"{quote.price:.4f}",
        quote=quote.quote,
        exchange=quote.exchange,
        deviation=fig.move(quote.deviation),
        cheap=cheap,
        dear=dear,
    )


def operators(trouble: Trouble, people: int) -> str:
    """To the people who run the bot."""
    return _("Market stress: {what} Told to those exposed: {n}.", what=happened(trouble), n=people)
