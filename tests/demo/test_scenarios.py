"""Every scenario of the demo ends by itself, with the kinds of events its title promises."""

from __future__ import annotations

import io
import json
import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from rich.console import Console

from marginbot.demo import SCENARIOS, Stage, play
from marginbot.demo.show import TICK
from marginbot.demo.stage import Board
from marginbot.demo.story import Story
from marginbot.domain.grading import RUNGS

FAST = 100_000.0
FULL_CLIMB = ("NOTICE", "WARNING", "CRITICAL", "EMERGENCY")


@dataclass(frozen=True)
class Expected:
    """Alerts told at least once, in this order of their first time; whether the position dies; what else happens."""

    grades: tuple[str, ...]
    dies: bool
    twists: tuple[str, ...] = field(default=())
    tick: timedelta = timedelta(minutes=1)


EXPECTED = {
    "may-2021": Expected(FULL_CLIMB, dies=True),
    "slow-bleed": Expected(FULL_CLIMB, dies=True),
    "flash-crash": Expected(("WARNING", "EMERGENCY"), dies=True, tick=TICK),
    "short-squeeze": Expected(FULL_CLIMB, dies=True, tick=TICK),
    "depeg": Expected(("WARNING", "CRITICAL"), dies=False),
    "venue-outage": Expected(("NOTICE", "STALE", "CRITICAL", "OK"), dies=False, twists=("OUTAGE", "BACK")),
    "key-revoked": Expected(("STALE", *FULL_CLIMB), dies=True, twists=("REVOKED", "NEW_KEY")),
}


def test_every_scenario_has_an_expectation() -> None:
    assert list(EXPECTED) == list(SCENARIOS)


@pytest.mark.parametrize("name", EXPECTED)
async def test_a_scenario_tells_what_its_title_promises(name: str) -> None:
    expected = EXPECTED[name]
    events = await _events(name)
    told = [event["grade"] for event in events if event["event"] == "alert"]
    assert set(expected.grades) <= set(told)
    firsts = [told.index(grade) for grade in expected.grades]
    assert firsts == sorted(firsts)
    assert tuple(event["what"] for event in events if event["event"] == "twist") == expected.twists
    kinds = Counter(event["event"] for event in events)
    assert kinds["liquidation"] == (1 if expected.dies else 0)
    assert (kinds["scene"], kinds["summary"], events[-1]["event"]) == (1, 1, "summary")
    assert (events[-1]["liquidated_at"] is not None) is expected.dies
    assert all(at is None or at.endswith("Z") for at in (events[-1]["liquidated_at"], *events[-1]["first"].values()))
    if expected.dies:
        leads = [events[-1]["lead_minutes"][grade.name] for grade in RUNGS]
        assert leads == sorted(leads, reverse=True)
        assert leads[-1] > 0
    assert all(earlier["at"] <= later["at"] for earlier, later in pairwise(events))


async def test_without_a_terminal_there_are_plain_lines_only() -> None:
    output = await _shown("venue-outage", terminal=False)
    assert not set(output) & set("╭│╰━┃\x1b")
    assert "marginbot 🔔: 🔴 CRITICAL · main · " in output
    twists = [line for line in output.splitlines() if "···" in line]
    assert twists and all(line.count("···") == 2 for line in twists), "no line is cut, however narrow the other side"
    assert "the exchange stops answering" in output
    assert output.rstrip().splitlines()[-2].startswith("The position survived; ")


def test_what_an_alarm_by_the_ratio_alone_would_have_known() -> None:
    start = datetime(2021, 5, 19, tzinfo=UTC)
    story = Story()
    for minute, ratio in enumerate((0.5, 0.7, 0.69, None, 0.70, math.inf)):
        story.saw_ratio(ratio, start + timedelta(minutes=minute))
    assert story.summary()["ratio_alarm_lead_minutes"] is None, "the position survived"
    story.liquidated_at = start + timedelta(minutes=6)
    assert story.summary()["ratio_alarm_lead_minutes"] == 2.0, "the last climb counts, and the rung is in it"
    story.saw_ratio(0.6999, start)
    assert story.summary()["ratio_alarm_lead_minutes"] is None


async def test_repeats_take_a_line_and_are_answered_once() -> None:
    output = await _shown("venue-outage", terminal=False)
    assert output.count("you: /ack main") == 1
    assert "🔕 Acknowledged main: " in output
    assert output.index("(reminder)") < output.index("you: /ack main")
    assert "🔁 REMINDER" not in output


async def test_a_terminal_shows_panels_and_the_live_table() -> None:
    output = await _shown("flash-crash", terminal=True)
    for heading in ("UTC", "BTC", "ratio", "room", "cushion", "grade"):
        assert heading in output
    assert "╭─ marginbot · " in output
    assert "How long before the liquidation" in output
    assert "An alarm at a ratio of 70 %, given the same readings, would " in output


def test_on_a_narrow_screen_the_table_is_cut_nowhere() -> None:
    board = Board(price=120_000, grade="EMERGENCY", ratio="100.5%", room="BTC -12.34%", cushion="12.3x")
    for width in (40, 100):
        text = io.StringIO()
        stage = Stage(Console(file=text, force_terminal=True, width=width), as_json=False)
        with stage.open():
            stage.board(datetime(2021, 5, 19, tzinfo=UTC), board)
        assert all(cell in text.getvalue() for cell in ("120,000", "EMERGENCY", "100.5%", "BTC -12.34%", "12.3x"))


async def _events(name: str) -> list[dict[str, Any]]:
    text = io.StringIO()
    await play(SCENARIOS[name](), Stage(Console(file=text), as_json=True), speed=FAST, tick=EXPECTED[name].tick)
    return [json.loads(line) for line in text.getvalue().splitlines()]


async def _shown(name: str, *, terminal: bool) -> str:
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=100 if terminal else 40)
    await play(SCENARIOS[name](), Stage(console, as_json=False), speed=FAST, tick=EXPECTED[name].tick)
    return text.getvalue()
