"""Secrets among the arguments of any command: refused, told where they belong, and never repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from marginbot.arguments import VARIABLES, misplaced
from marginbot.cli import cli
from tests.running import MASTER_KEY

CANARY = "canary-secret-77aa31"
TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"


def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """What a command says that is given these; nothing is done and nothing repeated."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 2
    assert "other processes can see arguments" in result.output
    assert not any(secret in result.output for secret in (CANARY, MASTER_KEY, TOKEN))
    assert list(tmp_path.iterdir()) == []
    return result.output


@pytest.mark.parametrize("command", list(cli.commands))
def test_failure_40_no_command_takes_a_secret(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "MARGINBOT_SECRET" in refused(tmp_path, monkeypatch, command, "--secret", CANARY)
    assert "MARGINBOT_PASSPHRASE" in refused(tmp_path, monkeypatch, command, f"--passphrase={CANARY}")
    assert "MARGINBOT_KEY" in refused(tmp_path, monkeypatch, command, *[CANARY] * 4)
    assert "MARGINBOT_TELEGRAM_TOKEN" in refused(tmp_path, monkeypatch, command, TOKEN)
    assert "MARGINBOT_MASTER_KEY_FILE" in refused(tmp_path, monkeypatch, command, f"--keyring={MASTER_KEY}")


@pytest.mark.parametrize("option", list(VARIABLES))
def test_failure_40_nor_before_the_command(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert VARIABLES[option] in refused(tmp_path, monkeypatch, f"--{option}", CANARY, "run")
    assert VARIABLES[option] in refused(tmp_path, monkeypatch, f"--{option.upper().replace('-', '_')}={CANARY}", "run")


@pytest.mark.parametrize(
    "command",
    [
        ("snapshot", "okx"),
        ("capture", "okx", "new.json"),
        ("replay", "--exchange", "okx", "--period", "2025-10-10"),
    ],
)
def test_failure_40_an_api_key_is_not_an_address(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(tmp_path, monkeypatch, *command, "--key", CANARY)


@pytest.mark.parametrize(
    "argument", ["okx", "--key", "0x" + "ab" * 20, "copy.db", "--exchange=okx", "2025-10-10..2025-10-11", "--", "-h"]
)
def test_what_belongs_there_is_let_through(argument: str) -> None:
    assert misplaced([argument]) is None
