"""/chart: a picture of what was seen of an account. In groups without prices, unless amounts are shared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from marginbot.bot import figures as fig
from marginbot.bot import names
from marginbot.bot.calls import NO_ACCOUNT, NONE_SHARED, Call, Reply, Services, wrong_usage
from marginbot.bot.figures import text
from marginbot.bot.language import _, later
from marginbot.bot.lettering import LETTERS
from marginbot.domain.chart import (
    ChartData,
    Frame,
    Price,
    Theme,
    combined,
    cushion_line,
    gaps,
    marks,
    price_lines,
    ratio_line,
)
from marginbot.domain.errors import RequestError
from marginbot.domain.grading import Ladders
from marginbot.domain.history import Point, Series
from marginbot.domain.record import Telling
from marginbot.flow.ports import Standing

USAGE = "[LABEL] [PERIOD]"
DEFAULT_PERIOD = timedelta(hours=24)
LONGEST = timedelta(days=366)
MOST_MESSAGES = 2000  # looked through for the marks
MOST_POOLS = 8  # a picture of two hundred would take too long, and its worst line is the same

_PERIOD = re.compile(r"([1-9][0-9]{0,3})(h|d|w|y)", re.IGNORECASE)
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1), "y": timedelta(days=365)}
LEGEND = later("In circles: N W C E D an alert of that grade, S not readable, R recovered.")

NO_POSITION = later("<b>{label}</b> had no position in the last {span}: there is nothing to draw.")
NOT_SEEN = later(
    "Nothing is known of <b>{label}</b> in the last {span}. I draw only what I have seen; /status tells how it is now."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for."""

    label: str | None
    period: timedelta
    theme: Theme | None  # None: as the person has set it


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Everything a picture is made of, as it is stored."""

    standing: Standing
    series: Sequence[Series]
    tellings: Sequence[Telling]
    ladders: Ladders
    frame: Frame
    with_price: bool

    def data(self) -> ChartData:
        """The picture's content; takes its time, so not on the loop."""
        points = {series.pool: series.load() for series in self.series}
        account = self.standing.account
        whole = combined(points.values(), self.frame)
        holes = gaps(whole, self.frame, account.created_at)
        return ChartData(
            title=f"{drawable(account.label)} · {account.exchange}",
            since=self.frame.since,
            until=self.frame.until,
            ladders=self.ladders,
            ratio=ratio_line(whole, holes),
            cushion=cushion_line(whole, holes),
            gaps=holes,
            marks=marks(self.tellings, self.frame),
            price=self._price(points) if self.with_price else None,
            seen=any(point.grade is not None for point in whole),
        )

    def _price(self, points: Mapping[str, Sequence[Point]]) -> Price | None:
        """Of the largest position there is now, or was last."""
        held = self.standing.report.positions if self.standing.report else ()
        for position in sorted(held, key=lambda p: -(p.notional or 0)):
            found = price_lines(
                points.get(position.pool, ()), self.frame, f"{position.symbol} {names.side(position.side)}"
            )
            if found:
                return found
        return None


async def chart(call: Call, services: Services) -> Reply:
    """/chart [LABEL] [PERIOD] [light|dark]: the account that is worst, or the one named."""
    wanted = parsed(call.args)
    if call.private:
        found = services.status.own(call.person.user_id, wanted.label)
    else:
        found = services.status.group(call.chat_id, wanted.label)
    if not found:
        return Reply(html=_(NO_ACCOUNT if call.private else NONE_SHARED))
    others = len(found) - 1
    theme = wanted.theme or services.store.chart_theme(call.person.user_id)
    return Reply(html="", then=partial(_draw, found[0], replace(wanted, theme=theme), others, services))


async def _draw(standing: Standing, wanted: Wanted, others: int, services: Services) -> Reply:
    until, store, account = services.clock(), services.store, standing.account
    frame = Frame(since=until - wanted.period, until=until, patience=services.pause)
    known, told = store.pools(account.id), store.tellings([account.id], MOST_MESSAGES)
    drawn = most_telling(known, standing, [t for t in told if t.decided_at >= frame.since])
    material = Material(
        standing=standing,
        series=store.history(account.id, frame.since, until, drawn),
        tellings=told,
        ladders=store.ladders(account.id),
        frame=frame,
        with_price=standing.shared_amounts,
    )
    data, picture = await services.easel.draw(material.data, wanted.theme or Theme.DARK)
    if not picture:
        return Reply(
            html=_(
                NO_POSITION if data.seen else NOT_SEEN,
                label=text(account.label, 24),
                span=period(wanted.period),
            )
        )
    left_out = "\n" + _(
        "Of {n} pools {drawn} are drawn: those told of, and the worst now.", n=len(known), drawn=len(drawn)
    )
    left_out = left_out if drawn != known else ""
    return Reply(html=caption(standing, data, others) + left_out, picture=picture)


def most_telling(known: Sequence[str], standing: Standing, told: Sequence[Telling]) -> Sequence[str]:
    """All pools, unless there are very many: then those that were told of, and the worst of today."""
    if len(known) <= MOST_POOLS:
        return known
    alarmed = [telling.subject for telling in reversed(told)]
    worst = [pool.name for pool in standing.report.pools] if standing.report else []
    order = dict.fromkeys([*alarmed, *worst, *known])
    return [name for name in order if name in set(known)][:MOST_POOLS]


def parsed(args: Sequence[str]) -> Wanted:
    """Label, period and theme in any order."""
    found = Wanted(label=None, period=DEFAULT_PERIOD, theme=None)
    seen: set[str] = set()
    for word in args:
        kind, found = _understood(word, found)
        if kind in seen:
            raise wrong_usage("/chart [LABEL] [PERIOD] [light|dark]", "/chart main 7d light")
        seen.add(kind)
    return found


def _understood(word: str, found: Wanted) -> tuple[str, Wanted]:
    if word.lower() in list(Theme):
        return "theme", replace(found, theme=Theme(word.lower()))
    match = _PERIOD.fullmatch(word)
    if match is None:
        return "label", replace(found, label=word)
    wanted = int(match[1]) * _UNITS[match[2].lower()]
    if wanted > LONGEST:
        raise RequestError("period too long", advice=_("A year at most, please: /chart 1y"))
    return "period", replace(found, period=wanted)


def caption(standing: Standing, data: ChartData, others: int) -> str:
    """What the picture says, in words; percentages only."""
    account = standing.account
    ratios = [s.high for s in data.ratio if s.high is not None]
    cushions = [s.low for s in data.cushion if s.low is not None]
    worst = [
        *([_("ratio {ratio}", ratio=_ratio(max(ratios)))] if ratios else []),
        *([_("cushion {cushion}", cushion=fig.multiple(min(cushions)))] if cushions else []),
    ]
    unseen = sum(((gap.end - gap.start) for gap in data.gaps), timedelta(0))
    lines = [
        _(
            "📈 <b>{label}</b> · {exchange} · last {span}",
            label=text(account.label, 24),
            exchange=text(account.exchange, 24),
            span=period(data.until - data.since),
        ),
        _("At worst: {worst}", worst=", ".join(worst)),
        *([_("Not seen, or not all of it, for {ago} (hatched)", ago=fig.ago(unseen))] if unseen else []),
        *([_(LEGEND)] if data.marks else []),
        *([_("The worst of {n} accounts; another: /chart LABEL", n=others + 1)] if others else []),
    ]
    return "\n".join(lines)


def _ratio(value: float) -> str:
    return _("beyond all: equity was gone") if value == float("inf") else fig.percent(value)


def period(span: timedelta) -> str:
    """`24 h`, `7 d`."""
    hours = round(span.total_seconds() / 3600)
    return f"{hours} h" if hours <= 48 else f"{hours // 24} d"


def drawable(label: str) -> str:
    """The picture's font has letters, not every sign: others become a blank box, so they are left out."""
    shown = "".join(c for c in label if c.isprintable() and ord(c) < LETTERS)
    return shown[:24].strip() or "account"
