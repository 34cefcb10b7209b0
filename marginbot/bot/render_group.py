"""What a group sees of the accounts shared with it: /status there, the live board, and what an owner shares inline.

A table of 32 columns, as wide as a phone shows letters of one width: symbol, label, cushion, ratio; amounts only where
their owner allowed them. Whatever else `/status` tells (venue, room, age of the reading) is folded away below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape, unescape

from marginbot.bot import figures as fig
from marginbot.bot.figures import text
from marginbot.bot.language import _
from marginbot.bot.render import LIMIT, length
from marginbot.bot.render_status import View, block, in_sight, is_watched, not_watched, symbol_of, verdict
from marginbot.domain.margin import PoolState
from marginbot.domain.report import PoolReport
from marginbot.flow.ports import Standing
from marginbot.flow.status import grade_of

WIDTH = 32
SYMBOL, LABEL, CUSHION, RATIO = 3, 12, 8, 9  # columns
MOST_ROWS = 30
UNKNOWN, NONE_NEEDED = "?", "–"


def status(standings: Sequence[Standing], view: View) -> str:
    """/status in a group: the answer, the table, and the rest to unfold; always one message."""
    shown = "\n".join([verdict(standings, view), "", *table(standings, view)])
    return shown + _folded(standings, view, LIMIT - length(shown))


def board(standings: Sequence[Standing], view: View) -> str:
    """What the live board shows, without the time: it changes only when the figures do."""
    return "\n".join([verdict(standings, view), "", *table(standings, view), *_dark(standings, view)])


def boarded(shown: str, now: datetime, standings: Sequence[Standing], view: View) -> str:
    """The board with its time; when none of its accounts is in sight, it says at its head that it is history."""
    times = [s.report.taken_at for s in standings if s.report is not None]
    stamp = fig.until(max(times), now) if times else _("never read yet")
    if not is_dark(standings, view):
        return "\n\n".join([f"📌 <b>{_('Live board')}</b>", shown, _("as of {time}", time=stamp)])
    head = _("as of {time}, blind since then", time=stamp) if times else stamp
    return "\n\n".join([f"{fig.BLIND} <i>{_('Board, out of date')}</i>\n<i>{head}</i>", shown])


def is_dark(standings: Sequence[Standing], view: View) -> bool:
    """Whether none of them is in sight."""
    return not any(in_sight(standing, view) for standing in standings)


def worse(standings: Sequence[Standing], view: View) -> str:
    """A message of its own: these accounts have become worse."""
    heads = [
        f"{symbol_of(standing, view)} <b>{_grade(standing)} · {text(standing.account.label, 24)}</b>"
        for standing in standings[:10]
    ]
    return "\n".join(
        [*heads, "", *table(standings[:10], view), _("It has become worse since the board was last told.")]
    )


def redacted(standing: Standing, view: View) -> str:
    """An account for any chat: grade, cushion and ratio, and when that was. No amount and no venue."""
    cushion, ratio = _figures(standing)
    seen, name = standing.report, _grade(standing)
    when = _("never read yet") if seen is None else _("as of {time}", time=fig.until(seen.taken_at, view.now))
    if seen is not None and not in_sight(standing, view):
        when, name = _("{when}, perhaps no longer true", when=when), _("STALE")
    return "\n".join(
        [
            f"{symbol_of(standing, view)} <b>{name} · {text(standing.account.label, 24)}</b>",
            _("cushion {cushion}, ratio {ratio}", cushion=text(cushion), ratio=text(ratio)),
            f"<i>{when}</i>",
        ]
    )


def table(standings: Sequence[Standing], view: View) -> list[str]:
    """Lines of 32 columns at most."""
    head = _row("", _("account"), _("cushion"), _("ratio"))
    rows = [line for standing in standings[:MOST_ROWS] for line in _rows(standing, view)]
    more = len(standings) - MOST_ROWS
    return [head, *rows, *([_("and {n} more", n=more)] if more > 0 else [])]


def _rows(standing: Standing, view: View) -> Iterator[str]:
    symbol, label = symbol_of(standing, view), standing.account.label
    worst = standing.report.worst if standing.report else None
    if standing.report is not None and not in_sight(standing, view):  # old figures would look like today's
        span = fig.ago(view.now - standing.report.taken_at)
        yield _row(symbol, label, _("blind {span}", span=span))
        return
    yield _row(symbol, label, *_figures(standing))
    if worst is None or not standing.shared_amounts:
        return
    yield fig.row(f"   {_('equity')}", fig.money(worst.equity, worst.currency), WIDTH)
    if worst.buffer is not None and worst.state is not PoolState.FLAT:
        yield fig.row(f"   {_('buffer')}", fig.money(worst.buffer, worst.currency), WIDTH)


def _row(symbol: str, label: str, *cells: str) -> str:
    """One line; a symbol takes two columns whatever its letters say, because phones draw it so."""
    mark = f"{symbol} " if symbol else " " * SYMBOL
    name = fig.padded(_cut(label, LABEL), LABEL)
    widths = (CUSHION, RATIO) if len(cells) > 1 else (CUSHION + RATIO,)
    figures = "".join(" " * (columns - fig.width(shown)) + shown for shown, columns in zip(cells, widths, strict=True))
    return f"<code>{mark}{escape(name)}{escape(figures)}</code>"


def _cut(label: str, columns: int) -> str:
    shown = unescape(text(label, columns))
    while fig.width(shown) > columns:
        shown = shown[:-2] + "…"
    return shown


def _figures(standing: Standing) -> tuple[str, str]:
    worst = standing.report.worst if standing.report else None
    return (UNKNOWN, UNKNOWN) if worst is None else (_cushion(worst), _ratio(worst))


def _cushion(pool: PoolReport) -> str:
    if pool.state is PoolState.FLAT or (pool.state is PoolState.OK and pool.room is None and pool.room_known):
        return NONE_NEEDED
    if pool.state is PoolState.DEFICIT:
        return "0x"
    if pool.cushion is None:
        return UNKNOWN
    return "<0.1x" if 0 < pool.cushion < 0.05 else fig.multiple(pool.cushion)


def _ratio(pool: PoolReport) -> str:
    if pool.state is PoolState.FLAT:
        return NONE_NEEDED
    if pool.state is PoolState.DEFICIT:
        return ">100%"
    if pool.margin_ratio is None:
        return UNKNOWN
    value = float(pool.margin_ratio) * 100
    return ">9999%" if value > 9999 else "<0.1%" if 0 < value < 0.05 else f"{value:.1f}%"


def _grade(standing: Standing) -> str:
    grade = grade_of(standing)
    return _(fig.NOT_KNOWN) if grade is None else fig.grade_name(grade)


def _dark(standings: Sequence[Standing], view: View) -> list[str]:
    """Which accounts are not watched, or not wholly: since when, why, and what was last known."""
    dark = [standing for standing in standings[:MOST_ROWS] if not is_watched(standing, view)]
    lines = [f"{fig.BLIND} {text(standing.account.label, 24)}: {_why_dark(standing, view)}" for standing in dark]
    return ["", *lines] if lines else []


def _why_dark(standing: Standing, view: View) -> str:
    report = standing.report
    if standing.account.refused is not None:
        return not_watched(standing.account.refused)
    if report is None:
        return _("never read yet")
    if not in_sight(standing, view):
        cushion, ratio = _figures(standing)
        seen = fig.until(report.taken_at, view.now)
        return _("last seen {time} at {cushion}, {ratio}", time=seen, cushion=text(cushion), ratio=text(ratio))
    since = min((state.blind_since for state in standing.states.values() if state.blind_since), default=None)
    if since is None:
        return _("margin requirement not known: not watched")
    return _("blind in part since {time}", time=fig.until(since, view.now))


def _folded(standings: Sequence[Standing], view: View, room: int) -> str:
    """As much of each account's block as one message takes."""
    blocks: list[str] = []
    for standing in standings:
        found = block(standing, view)
        if length("\n\n".join([*blocks, found])) > room - 100:
            break
        blocks.append(found)
    more = len(standings) - len(blocks)
    if more and blocks:
        blocks.append(_("The rest: /status LABEL"))
    return "\n\n<blockquote expandable>{}</blockquote>".format("\n".join(blocks)) if blocks else ""
