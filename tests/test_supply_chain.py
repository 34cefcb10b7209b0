"""What marginbot is built on: pinned, explained, and without known holes where that can be looked up."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[; ]", requirement)[0].lower() for requirement in requirements}


def test_every_dependency_is_explained_and_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    explained = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    wanted = names(project["dependencies"])
    assert set(re.findall(r"^\| `([\w-]+)` \|", explained, re.MULTILINE)) == wanted
    assert wanted <= pinned()


def defined() -> set[str]:
    """The names of all tests."""
    texts = (file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


def claims() -> dict[str, tuple[list[str], list[str]]]:
    """Of each threat in SECURITY.md: what is claimed against it, and the tests named for that."""
    table = re.findall(r"^\| \*\*(.+?)\*\*.*?\| (.+?) \| .*? ?\| (.+?) \|$", SECURITY, re.MULTILINE)
    return {
        threat: ([] if said == "–" else said.split("; "), re.findall(r"`(\w+)`", tests))
        for threat, said, tests in table
    }


def test_every_claim_of_security_md_has_a_test() -> None:
    found, tests = claims(), defined()
    assert len(found) == len(re.findall(r"^\| \*\*", SECURITY, re.MULTILINE)) >= 14
    assert [
        (threat, name) for threat, (_, names) in found.items() for name in names if f"test_{name}" not in tests
    ] == []
    assert [threat for threat, (said, names) in found.items() if len(set(names)) < len(said)] == []


def test_every_path_that_security_md_names_exists() -> None:
    named = re.findall(r"`((?:tests|bench|docs)/[\w/.]+)`", SECURITY)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_case_in_security_md_has_a_test_named_after_it() -> None:
    cases = re.findall(r"^\| (\d\d) \|", SECURITY, re.MULTILINE)
    assert cases == [str(number) for number in range(32, 43)]
    assert [case for case in cases if not any(name.startswith(f"test_failure_{case}_") for name in defined())] == []


def test_failure_39_no_certificate_check_is_switched_off() -> None:
    found = []
    for file in (ROOT / "marginbot").rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if re.search(r"verify\s*=\s*False|ssl\s*=\s*False|CERT_NONE|_create_unverified_context|check_hostname", text):
            found.append(file.name)
    assert found == []
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]["select"]
    assert "S" in ruff  # S323, S501: the same for requests, httpx and ssl


def test_no_known_hole_in_a_pinned_package() -> None:
    """Looked up only where pip-audit is installed and its database can be reached; says so where not."""
    command = [sys.executable, "-m", "pip_audit", "-r", "requirements.lock", "--disable-pip", "--timeout", "10"]
    told = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120, env={**os.environ}
    )
    if "No module named pip_audit" in told.stderr:
        pytest.skip("pip-audit is not installed: known holes were NOT looked up")
    said = told.stderr + told.stdout
    is_verdict = re.search(r"(Found \d+|No) known vulnerabilit", said) is not None
    if not is_verdict or said.count("could not be audited") > len(pinned()) // 2:
        pytest.skip("the database of known holes cannot be reached: they were NOT looked up")
    assert told.returncode == 0, said


def pinned() -> set[str]:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+)(?:\[[\w,-]+\])?==", lock, re.MULTILINE))
