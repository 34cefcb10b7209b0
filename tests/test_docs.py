"""The manuals keep up with the code: what they name exists, what exists is named, and what they show runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from marginbot.bot.table import COMMANDS
from marginbot.cli import cli
from marginbot.config import Settings
from marginbot.domain.grading import Grade

ROOT = Path(__file__).parent.parent
DOCS = {
    name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("users", "alerts", "operators", "contributors")
}
PAGES = {**DOCS, "README": (ROOT / "README.md").read_text(encoding="utf-8")}


def test_the_user_manual_names_no_command_that_is_none_and_every_grade() -> None:
    """All commands are in the README's table, which tests/test_readme.py holds to."""
    named = set(re.findall(r"`/(\w+)", DOCS["users"]))
    assert len(named) > 20
    assert named - {command.name for command in COMMANDS} == set()
    assert {grade.name for grade in Grade} <= set(re.findall(r"^\| `([A-Z]+)` \|", DOCS["users"], re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_line_that_is_named_exists(page: str) -> None:
    named = set(re.findall(r"(?:`|^|bin/)marginbot ([a-z-]+)", PAGES[page], re.MULTILINE)) - {"snapshot"}
    assert named - set(cli.commands) == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_page_that_is_named_exists(page: str) -> None:
    text, folder = PAGES[page], ROOT if page == "README" else ROOT / "docs"
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    files = re.findall(r"`((?:marginbot|tests|bench|deploy|docs|migrations)/[\w./-]+)`", text)
    assert [link for link in links if not (folder / link).exists()] == []
    assert [file for file in files if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_anchor_is_a_heading(page: str) -> None:
    headings = {re.sub(r"[^\w -]", "", h).strip().lower().replace(" ", "-") for h in _headings(PAGES["README"])}
    for anchor in re.findall(r"\]\(\.\./README\.md#([\w-]+)\)", PAGES[page]):
        assert anchor in headings


def _headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.+)$", text, re.MULTILINE)


@pytest.mark.parametrize("name", cli.commands)
def test_every_help_page_says_what_the_command_does_and_explains_its_options(name: str) -> None:
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: cli {name}")
    assert (cli.commands[name].help or "").split("\n")[0] in re.sub(r"\s+", " ", shown.output)
    for option in re.findall(r"^  (--[\w-]+)(?: [A-Z]+)?$", shown.output, re.MULTILINE):
        pytest.fail(f"{name} {option} has no help")


def test_the_commands_for_programs_are_those_with_json() -> None:
    listed = re.search(r"^(`check`.*?) have `--json`", DOCS["operators"], re.MULTILINE | re.DOTALL)
    assert listed
    with_json = {name for name, cmd in cli.commands.items() if any("--json" in option.opts for option in cmd.params)}
    assert set(re.findall(r"`([a-z-]+)`", listed[1])) == with_json


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_in_the_table_of_the_readme(name: str) -> None:
    table = PAGES["README"].split("## Settings")[1].split("\n## ")[0]
    assert re.search(rf"^\| .*`MARGINBOT_{name.upper()}`", table, re.MULTILINE)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_what_the_manual_says(shell: str) -> None:
    assert "_MARGINBOT_COMPLETE=bash_source marginbot" in DOCS["operators"]
    if shell == "bash" and not Path("/bin/bash").exists():
        pytest.skip("completion for bash asks bash for its version, and there is none")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "_MARGINBOT_COMPLETE": f"{shell}_source"}
    done = subprocess.run(
        [sys.executable, "-c", "from marginbot.cli import main; main()"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "marginbot" in done.stdout
    assert "_MARGINBOT_COMPLETE" in done.stdout


def test_the_modules_of_the_decisions_say_them_in_their_docstring() -> None:
    for file in re.findall(r"^\| `(marginbot/[\w/]+\.py)` \|", DOCS["contributors"], re.MULTILINE):
        assert (ROOT / file).read_text(encoding="utf-8").startswith('"""')
