"""Several alerts as one message: the worst in full, of the others what matters, none without its grade."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marginbot.bot import render_alert
from marginbot.bot.calls import Button, Rows
from marginbot.bot.render import length
from marginbot.bot.render_alert import BLINDNESS, BUDGET
from marginbot.domain.grading import Grade
from marginbot.domain.notices import Notice

LINES_OF_THE_OTHERS = 5


def bundle(notices: Sequence[Notice], now: datetime) -> str:
    """The message of several notices, worst first. Lines are left out where Telegram's limit asks for it, heads never.

    A head has at most 350 characters of markup, so that ten of them always fit.
    """
    alerts = [render_alert.alert(notice, now).split("\n") for notice in notices]
    blocks = [[head] for head, *_ in alerts]
    blocks[0].append(_more(notices))
    left = BUDGET - sum(length(line) + 2 for block in blocks for line in block)
    rests = [alerts[0][1:], *(_gist(alert) for alert in alerts[1:])]
    for block, rest in zip(blocks, rests, strict=True):
        for line in rest:
            left -= length(line) + 1
            if left < 0:
                break
            block.append(line)
    return "\n\n".join("\n".join(block).rstrip() for block in blocks)


def buttons(notices: Sequence[Notice]) -> Rows:
    """Those of the worst, and one for all."""
    rows = render_alert.buttons(notices[0])
    if sum(_can_be_quieted(notice) for notice in notices) < 2:
        return rows
    return (*rows, (Button("Acknowledge all", f"all:{notices[0].id}"),))


def _can_be_quieted(notice: Notice) -> bool:
    return any(button.data.startswith("ack:") for row in render_alert.buttons(notice) for button in row)


def _more(notices: Sequence[Notice]) -> str:
    """How many follow; if the first one is about not seeing, the worst grade that is seen."""
    words = f"and {len(notices) - 1} more below"
    seen = [n.facts.grade for n in notices[1:] if n.facts.reason not in BLINDNESS and n.facts.grade is not None]
    if notices[0].facts.reason in BLINDNESS and max(seen, default=Grade.OK) > Grade.OK:
        return f"{words}, the worst <b>{max(seen).name}</b>"
    return words


def _gist(alert: Sequence[str]) -> Sequence[str]:
    return [line for line in alert[1:] if line][:LINES_OF_THE_OTHERS]
