"""Pictures of an account's history, as PNG, for a phone. matplotlib is big and slow: imported when first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING

from marginbot.bot import names
from marginbot.bot.figures import NAMES
from marginbot.bot.language import _
from marginbot.bot.lettering import lettered
from marginbot.bot.palettes import PALETTES, Palette
from marginbot.domain.chart import ChartData, Price, Sample, Theme
from marginbot.domain.grading import RUNGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DPI = 6.0, 7.2, 180  # inches; 1080 pixels across
TOP_RATIO = 1.06  # above it stands only equity that is gone
LEAST_CUSHION, MOST_CUSHION = 0.4, 40.0
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Easel:
    """Draws off the loop, one picture at a time."""

    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def draw(self, prepare: Callable[[], ChartData], theme: Theme) -> tuple[ChartData, bytes]:
        """What `prepare` finds, and its picture; both are made in another thread. No picture of nothing."""
        async with self._free:
            return await asyncio.to_thread(_drawn, prepare, theme)


def _drawn(prepare: Callable[[], ChartData], theme: Theme) -> tuple[ChartData, bytes]:
    data = prepare()
    return data, b"" if data.is_empty else png(data, theme)


def png(data: ChartData, theme: Theme) -> bytes:
    """The picture, in the reader's language. Slow: call it in a thread, one at a time."""
    with lettered():
        return _png(data, theme)


def _png(data: ChartData, theme: Theme) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    palette = PALETTES[theme]
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor=palette.paper)
    FigureCanvasAgg(figure)
    shares = [0.16, 3.0, 3.0, 2.2] if data.price else [0.16, 3.0, 3.0]
    grid = figure.add_gridspec(
        len(shares), 1, height_ratios=shares, hspace=0.3, left=0.115, right=0.965, top=0.935, bottom=0.08
    )
    strip = figure.add_subplot(grid[0])
    axes = [strip, *(figure.add_subplot(grid[row], sharex=strip) for row in range(1, len(shares)))]
    for axis in axes:
        _prepare(axis, data, palette)
    _titles(figure, data, palette)
    _alerts(axes[0], data, palette)
    _ratio(axes[1], data, palette)
    _cushion(axes[2], data, palette)
    if data.price:
        _price(axes[3], data.price, palette)
    for axis in axes[:-1]:
        axis.tick_params(labelbottom=False)
    _time_axis(axes[-1], data, palette)
    for axis in axes[1:]:
        _gaps(axis, data, palette)
        _alert_lines(axis, data, palette)
    out = BytesIO()
    figure.savefig(out, format="png", facecolor=palette.paper)
    return out.getvalue()


def _prepare(axis: Axes, data: ChartData, palette: Palette) -> None:
    axis.set_facecolor(palette.paper)
    axis.set_xlim(data.since, data.until)  # type: ignore[arg-type]
    axis.tick_params(colors=palette.ink, labelsize=9.5, length=3)
    for side in axis.spines.values():
        side.set_color(palette.line)


def _gaps(axis: Axes, data: ChartData, palette: Palette) -> None:
    """Where nothing was seen there is nothing to read: not even the bands."""
    for gap in data.gaps:
        axis.axvspan(
            gap.start,  # type: ignore[arg-type]
            gap.end,  # type: ignore[arg-type]
            facecolor=palette.paper,
            edgecolor=palette.faint,
            hatch="////",
            linewidth=0,
            zorder=2.5,
        )


def _titles(figure: Figure, data: ChartData, palette: Palette) -> None:
    figure.text(
        0.115, 0.972, data.title, color=palette.ink, fontsize=14, fontweight="bold", va="center", parse_math=False
    )
    until = f"{names.day(data.until, year=True)} {data.until:%H:%M} UTC"
    figure.text(0.965, 0.972, until, color=palette.faint, fontsize=9.5, va="center", ha="right")


def _alerts(axis: Axes, data: ChartData, palette: Palette) -> None:
    """A strip of letters: the alerts in the order they came."""
    axis.set_ylim(0, 1)
    axis.set_yticks([])
    axis.tick_params(bottom=False)
    for side in axis.spines.values():
        side.set_visible(False)
    axis.patch.set_alpha(0)
    for mark in data.marks:
        bad = mark.rank >= RUNGS[1]
        axis.plot(
            [mark.at],  # type: ignore[arg-type]
            [0.5],
            "o",
            markersize=15,
            markerfacecolor=palette.danger if bad else palette.paper,
            markeredgecolor=palette.danger if bad else palette.faint,
            clip_on=False,
        )
        axis.annotate(
            mark.letter,
            (mark.at, 0.5),
            xytext=(0, -0.5),
            textcoords="offset points",
            color=palette.paper if bad else palette.ink,
            fontsize=9,
            fontweight="bold",
            ha="center",
            va="center",
            annotation_clip=False,
        )


def _alert_lines(axis: Axes, data: ChartData, palette: Palette) -> None:
    for mark in data.marks:
        axis.axvline(mark.at, color=palette.faint, linewidth=0.8, linestyle=(0, (2, 3)), zorder=2)  # type: ignore[arg-type]


def _ratio(axis: Axes, data: ChartData, palette: Palette) -> None:
    rungs = data.ladders.ratio
    axis.set_ylim(0, TOP_RATIO)
    _bands(axis, [*zip(rungs, (*rungs[1:], TOP_RATIO), strict=True)], data, palette)
    axis.axhline(1.0, color=palette.danger, linewidth=1.6, zorder=3)
    axis.set_yticks([0, *rungs, 1], labels=[f"{100 * rung:.3g}%" for rung in (0, *rungs, 1)])
    _heading(axis, _("Margin ratio"), _("up is worse; 100% is liquidation"), palette)
    _line(axis, data.ratio, palette.ratio, most=TOP_RATIO - 0.01, upper=True)


def _cushion(axis: Axes, data: ChartData, palette: Palette) -> None:
    """Upside down and logarithmic: up is worse here too, and the last multiples are told apart."""
    axis.set_yscale("log")
    axis.set_ylim(MOST_CUSHION, LEAST_CUSHION)
    rungs = data.ladders.cushion
    _bands(axis, [*zip(rungs, (*rungs[1:], LEAST_CUSHION), strict=True)], data, palette)
    shown = sorted({*rungs, 0.5, 10.0, 20.0, MOST_CUSHION})
    shown = [tick for tick in shown if LEAST_CUSHION <= tick <= MOST_CUSHION]
    axis.set_yticks(shown, labels=[f"{tick:g}x{'+' * (tick == MOST_CUSHION)}" for tick in shown])
    axis.minorticks_off()
    _heading(axis, _("Cushion"), _("ordinary hours to liquidation; up is worse"), palette)
    _line(axis, data.cushion, palette.ratio, least=LEAST_CUSHION * 1.03, most=MOST_CUSHION * 0.97)


def _price(axis: Axes, price: Price, palette: Palette) -> None:
    _heading(axis, price.symbol, "", palette)
    _line(axis, price.mark, palette.ratio, label=_("mark price"))
    _line(axis, price.liquidation, palette.danger, dashed=True, label=_("liquidation price"))
    axis.margins(y=0.12)
    axis.grid(axis="y", color=palette.line, linewidth=0.6)
    axis.ticklabel_format(axis="y", useOffset=False, style="plain")
    axis.yaxis.set_major_formatter(lambda value, at: _amount(value))
    axis.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 0.985),
        ncols=2,
        frameon=False,
        fontsize=9,
        labelcolor=palette.ink,
        borderaxespad=0.1,
        handlelength=1.8,
    )


def _bands(axis: Axes, bands: Sequence[tuple[float, float]], data: ChartData, palette: Palette) -> None:
    """A stripe for each grade with its name in it: the name is what tells them apart, the colour only helps."""
    for grade, (edge, worse), colour in zip(RUNGS, bands, palette.bands, strict=True):
        axis.axhspan(edge, worse, facecolor=colour, zorder=0)
        axis.axhline(edge, color=palette.faint, linewidth=0.7, zorder=1)
        axis.annotate(
            _(NAMES[grade]),
            (0.01, edge),
            xycoords=("axes fraction", "data"),
            xytext=(0, 2.5),
            textcoords="offset points",
            color=palette.ink,
            fontsize=7.5,
            ha="left",
            va="bottom",
            zorder=4,
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8},
        )


def _heading(axis: Axes, title: str, note: str, palette: Palette) -> None:
    axis.annotate(
        title,
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        color=palette.ink,
        fontsize=10.5,
        fontweight="bold",
        parse_math=False,
    )
    axis.annotate(
        note,
        (1, 1),
        xycoords="axes fraction",
        xytext=(0, 4),
        textcoords="offset points",
        color=palette.faint,
        fontsize=9,
        ha="right",
    )


def _line(
    axis: Axes,
    samples: Sequence[Sample],
    colour: str,
    *,
    least: float = -1e12,
    most: float = 1e12,
    upper: bool = False,
    dashed: bool = False,
    label: str = "",
) -> None:
    """A line with the range that each of its points stands for; broken where a sample is."""

    def within(value: float | None) -> float:
        return NAN if value is None else min(max(value, least), most)

    times = [sample.at for sample in samples]
    lows, highs = [within(s.low) for s in samples], [within(s.high) for s in samples]
    axis.fill_between(times, lows, highs, color=colour, alpha=0.3, linewidth=0, zorder=3)  # type: ignore[arg-type]
    worst = highs if upper else lows
    style = (0, (4, 2)) if dashed else "-"
    axis.plot(times, worst, color=colour, linewidth=1.7, linestyle=style, zorder=3.5, label=label)  # type: ignore[arg-type]
    _lonely(axis, times, worst, colour)


def _lonely(axis: Axes, times: Sequence[datetime], values: Sequence[float], colour: str) -> None:
    """A point between two gaps would not be seen as a line."""
    known = [False, *(value == value for value in values), False]
    alone = [n for n in range(len(values)) if known[n + 1] and not known[n] and not known[n + 2]]
    axis.plot([times[n] for n in alone], [values[n] for n in alone], ".", color=colour, markersize=4, zorder=3.5)  # type: ignore[arg-type]


def _time_axis(axis: Axes, data: ChartData, palette: Palette) -> None:
    from matplotlib.dates import AutoDateLocator, num2date

    span = data.until - data.since
    locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(lambda value, at: _when(num2date(value, tz=UTC), span))  # type: ignore[no-untyped-call]
    axis.tick_params(labelbottom=True)
    unit = _("time in UTC") if span <= timedelta(hours=30) else _("days in UTC")
    hatched = _("; hatched: not seen") if data.gaps else ""
    axis.set_xlabel(f"{unit}{hatched}", color=palette.faint, fontsize=9)


def _when(at: datetime, span: timedelta) -> str:
    if span <= timedelta(hours=30):
        return f"{at:%H:%M}"
    return names.day(at) if span <= timedelta(days=200) else names.month(at)


def _amount(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
