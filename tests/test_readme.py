"""The README keeps up with the code, and the CI runs what the README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from marginbot import listing
from marginbot.bot.table import COMMANDS
from marginbot.cli import cli
from marginbot.config import Settings
from marginbot.domain.grading import DEFAULT_LADDERS
from marginbot.exchanges.venues import OWN, VENUES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_chat_command_is_documented_with_its_usage_and_place() -> None:
    shown = README.replace("\\|", "|")
    assert [command.line for command in COMMANDS if command.line not in shown] == []
    table = README.split("<!-- commands -->")[1].split("<!-- /commands -->")[0]
    documented = {re.split(r"[ `]", row.removeprefix("| `/"))[0]: row for row in table.splitlines() if "| `/" in row}
    assert set(documented) == {command.name for command in COMMANDS}
    for command in COMMANDS:
        assert command.help in documented[command.name]
        assert f"| {command.where} |" in documented[command.name]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    assert f"`MARGINBOT_{name.upper()}`" in README


@pytest.mark.parametrize("name", list(cli.commands))
def test_every_command_line_command_is_documented(name: str) -> None:
    section = README.split("Command line:")[1].split("##")[0]
    assert re.search(rf"`(marginbot )?{name}( [A-Z.a-z ]+)?`", section)


def test_the_table_of_exchanges_is_what_the_adapters_say_of_themselves() -> None:
    section = README.split("## Exchanges")[1].split("##")[0]
    shown = section.split("<!-- venues -->")[1].split("<!-- /venues -->")[0]
    assert shown.strip() == listing.as_markdown(), "write it anew: marginbot venues --markdown"
    assert set(re.findall(r"^\| `(\w+)` \|", shown, re.MULTILINE)) == set(OWN)
    others = section.split("<!-- estimates -->")[1].split("<!-- /estimates -->")[0]
    assert re.findall(r"`(\w+)`", others) == [name for name in VENUES if name not in OWN]


def test_the_ladders_shown_are_the_defaults() -> None:
    ratio = " | ".join(f"{rung:.0%}".replace("%", " %") for rung in DEFAULT_LADDERS.ratio)
    cushion = " | ".join(f"{rung:g}x" for rung in DEFAULT_LADDERS.cushion)
    assert f"| ratio at least | {ratio} |" in README
    assert f"| cushion at most | {cushion} |" in README


def test_the_test_command_can_be_found_by_the_ci_script() -> None:
    after = README.split("<!-- test command -->")[1]
    command = after.split("```")[1].removeprefix("sh\n").strip()
    assert command.endswith("-m pytest")
    assert "requirements-dev.lock" in command


def test_lock_files_have_hashes_and_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        pinned = re.findall(r"^[\w.-]+(\[[\w,-]+\])?==", text, re.MULTILINE)
        assert len(pinned) <= text.count("--hash=sha256:")
        assert "://" not in text
    assert "ccxt==4.5.90" in (ROOT / "requirements.lock").read_text(encoding="utf-8")
