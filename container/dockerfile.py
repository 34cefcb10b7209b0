"""The steps of a Dockerfile, as far as this project's needs it, performed in folders: see rehearse.py."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).resolve().parent.parent
BASE = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"

# The root, the command, its environment, the folder to be in; raises where the command fails.
Shell = Callable[[Path, Sequence[str], Mapping[str, str], str], None]


@dataclass
class Stage:
    """One root file system, and what the Dockerfile says of it so far."""

    name: str
    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": BASE_PATH, "LANG": "C.UTF-8", "HOME": "/root"})
    folder: str = "/"
    user: str = "root"
    volumes: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def stages(text: str) -> list[Stage]:
    """The Dockerfile's stages. ValueError: something before the first FROM."""
    lines = "\n".join(line for line in text.splitlines() if not re.match(r"\s*#", line))
    found: list[Stage] = []
    for line in filter(None, (line.strip() for line in re.sub(r"\\\n", " ", lines).splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, *name = re.split(r"\s+AS\s+", rest, flags=re.IGNORECASE)
            found.append(Stage(name[0] if name else f"stage-{len(found)}", base))
        elif found:
            found[-1].steps.append((word, rest.strip()))
        else:
            raise ValueError(f"{word} before FROM")
    return found


def let_through(path: str, rules: Sequence[str]) -> bool:
    """Whether .dockerignore leaves this path of the project in the build's context: the last rule that fits decides."""
    kept = True
    parts = path.split("/")
    heads = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for rule in filter(None, (line.strip() for line in rules)):
        pattern = rule.lstrip("!")
        if any(fnmatch(head, pattern) or fnmatch(f"/{head}", pattern.replace("**", "*")) for head in heads):
            kept = rule.startswith("!")
    return kept


class Build:
    """Performs stages, each in a folder under `place`; a step it does not know, or an option, is a ValueError."""

    def __init__(self, place: Path, empty: Callable[[Path], None], shell: Shell) -> None:
        self.place, self.empty, self.shell = place, empty, shell
        self.rules = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    def root(self, stage: Stage) -> Path:
        return self.place / stage.name

    def begin(self, stage: Stage) -> None:
        """The base image's stand-in."""
        if stage.base != BASE:
            raise ValueError(f"the Dockerfile begins with {stage.base}, this Python stands in for {BASE}")
        self.empty(self.root(stage))

    def perform(self, stage: Stage, word: str, rest: str) -> None:
        """One step, the way an engine would."""
        if word in ("RUN", "COPY") and rest.startswith("--") and not rest.startswith("--from="):
            raise ValueError(f"cannot rehearse this option: {word} {rest}")
        match word:
            case "RUN":
                argv = json.loads(rest) if rest.startswith("[") else ["/bin/sh", "-c", rest]
                self.shell(self.root(stage), argv, stage.environment, stage.folder)
            case "COPY":
                self.copy(stage, shlex.split(rest))
            case "WORKDIR":
                stage.folder = str(PurePosixPath(stage.folder, rest))
                inside(self.root(stage), stage.folder).mkdir(parents=True, exist_ok=True)
            case "ENV":
                pairs = [pair.partition("=") for pair in shlex.split(rest)]
                known = dict(stage.environment)
                stage.environment |= {name: _filled(value, known) for name, _, value in pairs}
            case "USER":
                stage.user = rest
            case "VOLUME":
                stage.volumes += json.loads(rest) if rest.startswith("[") else rest.split()
            case "HEALTHCHECK":
                stage.health = json.loads(rest[rest.index("CMD ") + 4 :])
            case "ENTRYPOINT":
                stage.entry = json.loads(rest)
            case "CMD":
                stage.command = json.loads(rest)
            case "STOPSIGNAL" if rest == "SIGTERM":
                pass
            case _:
                raise ValueError(f"cannot rehearse this step: {word} {rest}")

    def copy(self, stage: Stage, words: list[str]) -> None:
        """COPY from the project as .dockerignore leaves it, or from another stage; what it copies belongs to root."""
        source, foreign = PROJECT, words[0].startswith("--from=")
        if foreign:
            source = self.place / words.pop(0).removeprefix("--from=")
        *names, target = words
        to = inside(self.root(stage), str(PurePosixPath(stage.folder, target)))
        for name in names:
            what = inside(source, name)
            if not foreign and not let_through(os.path.normpath(name), self.rules):
                raise ValueError(f".dockerignore keeps {name} out of the build")
            if what.is_dir():
                shutil.copytree(what, to, symlinks=True, dirs_exist_ok=True, ignore=None if foreign else self.ignored)
            else:
                into = to / what.name if target.endswith(("/", ".")) else to
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(what, into)

    def ignored(self, folder: str, names: list[str]) -> list[str]:
        """For copytree: what .dockerignore keeps out."""
        here = Path(folder).relative_to(PROJECT)
        return [name for name in names if not let_through((here / name).as_posix(), self.rules)]


def inside(root: Path, path: str) -> Path:
    """A path of a root file system, seen from outside."""
    return root / os.path.normpath(path).lstrip("/")


def _filled(value: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)\}?", lambda match: known.get(match[1], ""), value)
