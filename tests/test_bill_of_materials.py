"""The bill of materials of the container: what it lists, and what makes the build fail."""

from __future__ import annotations

import importlib.util
import io
import json
import re
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "container" / "bill_of_materials.py"
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def loaded() -> Any:
    spec = importlib.util.spec_from_file_location("bill_of_materials", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bom = loaded()


def image(folder: Path, packages: dict[str, str]) -> list[Distribution]:
    """An installation of these packages, as far as their metadata goes."""
    for name, version in packages.items():
        about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nLicense-Expression: MIT\n", encoding="utf-8"
        )
    return list(distributions(path=[str(folder)]))


def pinned() -> dict[str, str]:
    return {name: version for name, (version, _) in bom.locked(LOCK).items()}


def test_every_line_of_the_lock_is_understood() -> None:
    lock = bom.locked(LOCK)
    assert len(lock) == len(re.findall(r"^[\w.\[\],-]+==", LOCK, re.MULTILINE)) > 30
    assert all(hashes for _, hashes in lock.values())
    assert sum(len(hashes) for _, hashes in lock.values()) == LOCK.count("--hash=sha256:")


def test_the_bill_names_every_package_and_is_one_that_others_can_read(tmp_path: Path) -> None:
    there = bom.installed(image(tmp_path, pinned() | {"marginbot": "1", "setuptools": "80"}))
    assert bom.differences(bom.locked(LOCK), there) == []
    document = bom.bill(bom.locked(LOCK), there)
    assert {part["name"]: part["version"] for part in document["components"]} == pinned()
    assert document == bom.bill(bom.locked(LOCK), there), "the same image, the same bill"
    cyclonedx = pytest.importorskip("cyclonedx.model.bom")
    read = cyclonedx.Bom.from_json(json.loads(json.dumps(document)))
    assert {(part.name, part.version) for part in read.components} == set(pinned().items())
    [ccxt] = [part for part in read.components if part.name == "ccxt"]
    assert str(ccxt.purl) == f"pkg:pypi/ccxt@{pinned()['ccxt']}"
    [place] = ccxt.external_references
    assert {found.content for found in place.hashes} == set(bom.locked(LOCK)["ccxt"][1])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        pytest.param({"evil-package": "6.6"}, "evil-package 6.6: not in the lock", id="a stranger"),
        pytest.param({"ccxt": "0.1"}, "ccxt 0.1: the lock says", id="another version"),
    ],
)
def test_what_is_not_as_locked_makes_the_build_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, str], told: str
) -> None:
    there = bom.installed(image(tmp_path, pinned() | more))
    found = bom.differences(bom.locked(LOCK), there)
    assert len(found) == 1
    assert found[0].startswith(told)
    monkeypatch.setattr("sys.argv", ["bill_of_materials.py", str(ROOT / "requirements.lock")])
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.setattr("sys.stdout", io.StringIO())
    with pytest.raises(SystemExit, match="not as locked"):
        bom.main()


def test_the_container_build_writes_it_after_everything_is_installed() -> None:
    steps = (ROOT / "Dockerfile").read_text(encoding="utf-8").split("FROM ")[1].splitlines()
    runs = [step for step in steps if step.startswith("RUN ")]
    assert re.search(r"python bill_of_materials\.py requirements\.lock > /opt/marginbot/\S+\.cdx\.json$", runs[-1])
    assert "!container" in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
