"""Where the story is shown: a live table and panels on a terminal, plain lines without one, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

PHONE = 46  # columns of a message panel, frame included
COLOURS = {"NOTICE": "yellow", "WARNING": "dark_orange", "CRITICAL": "red", "EMERGENCY": "bold red"}
_FRAMES_A_SECOND = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """What the live table shows: the account as last judged, in words that fit a cell."""

    price: float
    grade: str
    ratio: str = "–"
    room: str = "–"
    cushion: str = "–"
    note: str = ""


_WIDE_ENOUGH = 72  # columns of a screen for the table in one row


class Stage:
    """Shows the events of a demo."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        self._console = console
        self._as_json = as_json
        self._live: Live | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether there is a screen to draw on."""
        return self._console.is_terminal and not self._as_json

    @contextmanager
    def open(self) -> Iterator[None]:
        """Keep the live table at the bottom of a terminal while the story lasts."""
        if not self.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=_FRAMES_A_SECOND, transient=True) as self._live:
            yield
        self._live = None

    def board(self, at: datetime, board: Board) -> None:
        """Redraw the live table; nothing where there is none."""
        if self._live is not None:
            self._live.update(_table(at, board, narrow=self._console.width < _WIDE_ENOUGH))

    def event(self, kind: str, at: datetime, **facts: Any) -> None:
        """Show one event."""
        if self._as_json:
            line = {"event": kind, "at": at.isoformat().replace("+00:00", "Z"), **facts}
            self._console.file.write(json.dumps(line) + "\n")
            self._console.file.flush()
            return
        getattr(self, f"_show_{kind}")(at, facts)

    def _line(self, at: datetime, who: str, text: str) -> None:
        """A message without a terminal: its lines below each other, the time before the first."""
        first, *rest = text.split("\n")
        self._console.print(f"{at:%H:%M:%S}  {who}: {first}", markup=False, highlight=False, soft_wrap=True)
        for line in rest:
            self._console.print(f"          {line}", markup=False, highlight=False, soft_wrap=True)

    def _show_scene(self, _: datetime, facts: dict[str, Any]) -> None:
        intro = (
            "A simulated exchange on this machine, the real exchange client, the real alarm; only the market is "
            f"replayed, {facts['speed']:.0f} times as fast, and the chat is here instead of on your phone."
        )
        if self.is_terminal:
            self._console.rule(facts["title"])
        else:
            self._console.print(facts["title"], highlight=False, soft_wrap=True)
        self._console.print(intro + "\n", highlight=False, soft_wrap=not self.is_terminal)

    def _show_you(self, at: datetime, facts: dict[str, Any]) -> None:
        if not self.is_terminal:
            self._line(at, "you", facts["text"])
            return
        bubble = Panel(facts["text"], title=f"you · {at:%H:%M}", width=PHONE, border_style="blue", title_align="left")
        self._console.print(Padding(bubble, (0, 0, 0, 6)))

    def _show_bot(self, at: datetime, facts: dict[str, Any]) -> None:
        if not self.is_terminal:
            self._line(at, "marginbot", facts["text"])
            return
        self._console.print(Panel(facts["markup"], title=f"marginbot · {at:%H:%M}", width=PHONE, title_align="left"))

    def _show_alert(self, at: datetime, facts: dict[str, Any]) -> None:
        bell = "🔔" if facts["sound"] else "🔕"
        if facts["reason"] in ("reminder_due", "still_blind"):
            self._show_reminder(at, bell, facts)
            return
        if not self.is_terminal:
            self._line(at, f"marginbot {bell}", facts["text"])
            return
        title = f"marginbot · {at:%H:%M:%S} {bell}"
        style = COLOURS.get(facts["grade"], "green")
        self._console.print(Panel(facts["markup"], title=title, width=PHONE, title_align="left", border_style=style))

    def _show_reminder(self, at: datetime, bell: str, facts: dict[str, Any]) -> None:
        """As on a lock screen: a repeat says little that is new, and there may be many."""
        line = f"{at:%H:%M:%S}  marginbot {bell}: {facts['text'].partition(chr(10))[0]} (reminder)"
        self._console.print(line, style=COLOURS.get(facts["grade"]), markup=False, highlight=False, soft_wrap=True)

    def _show_twist(self, at: datetime, facts: dict[str, Any]) -> None:
        line = f"{at:%H:%M:%S}  ··· {facts['text']} ···"
        self._console.print(line, style="bold magenta", highlight=False, soft_wrap=not self.is_terminal)

    def _show_quiet(self, at: datetime, facts: dict[str, Any]) -> None:
        line = f"{at:%H:%M}  BTC {facts['price']:>9,.0f}  {facts['line']}"
        self._console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)

    def _show_liquidation(self, at: datetime, facts: dict[str, Any]) -> None:
        text = f"{at:%H:%M:%S} UTC: the exchange liquidates the position at {facts['price']:,.2f}."
        if self.is_terminal:
            self._console.print(Panel(text, border_style="bold red", width=PHONE))
        else:
            self._console.print(text, highlight=False, soft_wrap=True)

    def _show_summary(self, _: datetime, facts: dict[str, Any]) -> None:
        for line in _summary_lines(facts):
            self._console.print(line, highlight=False, soft_wrap=not self.is_terminal)
        last = "Try it on your own account: see the README, it takes five minutes."
        self._console.print(last, soft_wrap=not self.is_terminal)


def _summary_lines(facts: dict[str, Any]) -> list[str]:
    """How long before the end each grade had been told, aligned."""
    if facts["liquidated_at"] is None:
        return [f"The position survived; {facts['messages']} messages were sent."]
    lines = ["How long before the liquidation each grade had been told:"]
    for name, lead in facts["lead_minutes"].items():
        told = facts["first"][name]
        left = "never" if lead is None else f"{lead:>8,.1f} min before, at {told[11:19]} UTC"
        lines.append(f"  {name:<10}{left}")
    plain = facts["ratio_alarm_lead_minutes"]
    when = "never have rung" if plain is None else f"have rung {plain:,.1f} min before"
    return [*lines, f"An alarm at a ratio of 70 %, given the same readings, would {when}."]


def _table(at: datetime, board: Board, *, narrow: bool) -> Table:
    """One row of figures; on a narrow screen they stand below each other."""
    style = COLOURS.get(board.grade, "green")
    cells = {
        "UTC": f"{at:%H:%M:%S}",
        "BTC": f"{board.price:,.0f}",
        "ratio": board.ratio,
        "room": board.room,
        "cushion": board.cushion,
        "grade": f"[{style}]{board.grade}[/{style}]",
    }
    table = Table(expand=False, show_header=not narrow, caption=board.note or None, caption_justify="left")
    if narrow:
        table.add_column()
        table.add_column(justify="right", min_width=12)
        for heading, cell in cells.items():
            table.add_row(heading, cell)
        return table
    for heading in cells:
        table.add_column(heading, justify="right", min_width=8)
    table.add_row(*cells.values())
    return table
