"""/replay: would I have been warned? An own account of today in past days, with a picture. Private chats."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial

from marginbot.bot import render_replay
from marginbot.bot.calls import Call, Reply, Services, wrong_usage
from marginbot.bot.commands.chart import drawable
from marginbot.bot.language import _, later
from marginbot.domain.chart import (
    ChartData,
    Frame,
    Mark,
    Price,
    combined,
    cushion_line,
    price_lines,
    ratio_line,
    thinned,
)
from marginbot.domain.grading import Grade
from marginbot.flow.hindsight import Hindsight, Past
from marginbot.flow.ports import Account

USAGE = "LABEL PERIOD"
PATIENCE = timedelta(minutes=3)
TITLE = later("replay")
MOST_WORDS = 40  # characters of a period that is none, said back
ENDED = 0.03  # of the time shown is left free after a liquidation


async def replay(call: Call, services: Services) -> Reply:
    """/replay LABEL PERIOD: read the account now, and put it into those days."""
    if services.hindsight is None:
        return Reply(html=_("I cannot look back here."))
    if len(call.args) < 2:
        raise wrong_usage("/replay LABEL PERIOD", "/replay main 2025-10-10")
    user_id = call.person.user_id
    account = services.store.account(user_id, call.args[0])
    period = services.hindsight.period(" ".join(call.args[1:])[:MOST_WORDS])
    services.replays.require(user_id, call.at)
    look = partial(_look, services.hindsight, account, period, services)
    return Reply(html=render_replay.begun(account, period), then=look)


async def _look(hindsight: Hindsight, account: Account, period: tuple[datetime, datetime], services: Services) -> Reply:
    with services.replays.inside(account.user_id):
        past = await hindsight.look(account, period)
        theme = services.store.chart_theme(account.user_id)
        data, picture = await services.easel.draw(partial(drawn, account, past), theme)
    return Reply(html=render_replay.past(account, past, legend=bool(data.marks)), picture=picture or None)


def drawn(account: Account, past: Past) -> ChartData:
    """The picture's content: the worst of the pools, as far as there is one left."""
    frame = Frame(since=past.since, until=_end(past), patience=max(PATIENCE, 2 * past.pause))
    whole = combined([line for pool in past.pools for line in pool.lines], frame)
    return ChartData(
        title=f"{drawable(account.label)} · {_(TITLE)}",
        since=frame.since,
        until=frame.until,
        ladders=past.ladders,
        ratio=ratio_line(whole, ()),
        cushion=cushion_line(whole, ()),
        gaps=(),
        marks=thinned(sorted(_marks(past), key=lambda mark: mark.at), frame),
        price=_price(past, frame),
        seen=True,
    )


def _end(past: Past) -> datetime:
    """The end of the days, or soon after the last pool is gone."""
    ends = [pool.breach_at for pool in past.pools]
    last = max((end for end in ends if end is not None), default=past.until)
    if None in ends:
        return past.until
    return min(past.until, last + max(PATIENCE, (last - past.since) * ENDED))


def _marks(past: Past) -> Iterator[Mark]:
    for pool in past.pools:
        for at, grade in pool.alerts:
            yield Mark(at, "R" if grade is Grade.OK else grade.name[0], int(grade))
        if pool.breach_at is not None:
            yield Mark(pool.breach_at, "L", int(Grade.DEFICIT) + 1)


def _price(past: Past, frame: Frame) -> Price | None:
    """Of a single position: what has one price to be liquidated at."""
    lines = [line for pool in past.pools for line in pool.lines]
    if len(lines) != 1 or not lines[0] or lines[0][-1].symbol is None:
        return None
    return price_lines(lines[0], frame, lines[0][-1].symbol)
