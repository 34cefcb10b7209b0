"""The rehearsal of the container without an engine: it performs what the Dockerfile says, or stops."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "container" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "container"))
        patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return module


dockerfile = loaded("dockerfile")


class Performed:
    """The Dockerfile performed in folders, its commands written down instead of run."""

    def __init__(self, place: Path, text: str = TEXT) -> None:
        self.ran: list[tuple[str, list[str]]] = []
        self.place = place
        self.stages = dockerfile.stages(text)
        build = dockerfile.Build(place, self.empty, self.shell)
        for stage in self.stages:
            build.begin(stage)
            for word, rest in stage.steps:
                build.perform(stage, word, rest)

    def empty(self, root: Path) -> None:
        root.mkdir()

    def shell(self, root: Path, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
        self.ran.append((root.name, list(argv)))
        (root / "opt/marginbot/bin").mkdir(parents=True, exist_ok=True)
        (root / "opt/marginbot/bin/marginbot").touch()


def test_every_run_of_the_dockerfile_is_exercised_in_its_order(tmp_path: Path) -> None:
    done = Performed(tmp_path)
    joined = re.sub(r"\\\n", " ", TEXT)
    wanted = [line.removeprefix("RUN ").strip() for line in joined.splitlines() if line.startswith("RUN ")]
    assert len(wanted) > 3
    assert [argv for _, argv in done.ran] == [["/bin/sh", "-c", line] for line in wanted]


def test_files_arrive_where_the_dockerfile_puts_them_and_only_those(tmp_path: Path) -> None:
    done = Performed(tmp_path)
    source = tmp_path / "build/src"
    assert (source / "marginbot/cli.py").read_bytes() == (ROOT / "marginbot/cli.py").read_bytes()
    assert {path.name for path in source.iterdir()} == {
        *("requirements.lock", "pyproject.toml", "README.md", "LICENSE", "migrations", "marginbot"),
        "bill_of_materials.py",
    }
    assert not list(source.rglob("__pycache__"))
    assert (tmp_path / done.stages[-1].name / "opt/marginbot/bin/marginbot").exists()


def test_what_is_run_is_what_the_image_runs(tmp_path: Path) -> None:
    image = Performed(tmp_path).stages[-1]
    assert (image.user, image.folder, image.volumes) == ("marginbot", "/data", ["/data"])
    assert image.environment["PATH"] == f"/opt/marginbot/bin:{dockerfile.BASE_PATH}"
    assert image.environment["MARGINBOT_DATABASE"] == "/data/marginbot.db"
    [health] = re.findall(r"HEALTHCHECK.*\\\n\s+CMD (.+)", TEXT)
    asked = {what: argv for what, argv, _, _ in loaded_with(dockerfile).checks(image)}
    assert json.loads(health) in asked.values()
    assert ["marginbot", "run"] in asked.values()


def loaded_with(module: Any) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "dockerfile", module)
        return loaded("rehearse")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param("ADD LICENSE /", "cannot rehearse this step: ADD", id="a step it does not know"),
        pytest.param("RUN --mount=type=cache,target=/c true", "this option", id="an option of RUN"),
        pytest.param("COPY --chown=1:1 LICENSE /", "this option", id="an option of COPY"),
        pytest.param("COPY docs /docs", ".dockerignore keeps docs out", id="a file the engine would not see"),
        pytest.param("FROM python:2.7-slim", "begins with python:2.7-slim", id="another Python"),
        pytest.param("STOPSIGNAL SIGKILL", "cannot rehearse", id="another signal"),
    ],
)
def test_what_it_cannot_perform_it_does_not_pass_over(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        Performed(tmp_path, f"{TEXT}\n{line}\n")


@pytest.mark.parametrize(
    ("path", "kept"),
    [
        ("marginbot/cli.py", True),
        ("container", True),
        (".env", False),
        (".git", False),
        ("tests/data", False),
        ("marginbot/bot/__pycache__", False),
        ("marginbot/bot/__pycache__/x.pyc", False),
    ],
)
def test_the_context_is_what_dockerignore_lets_through(path: str, kept: bool) -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert dockerfile.let_through(path, rules) is kept
