"""A dress rehearsal of the container where there is no engine: the Dockerfile's steps, then the bot in what they made.

sudo python3.11 container/rehearse.py        (Linux, one to four minutes, and an index to install from)

Every stage of the Dockerfile is performed in a root file system of its own that begins with only this machine's Python
and the few programs that the base image has too. The result is run as the image's user, without network, with nothing
writable but the volumes and /tmp. Settings of pip and proxies are this machine's, and only while building. It needs
root for `unshare` and `chroot`; its mounts end with it, its folder is removed.
"""

from __future__ import annotations

import ast
import ctypes
import fcntl
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from base_image import empty_root
from dockerfile import PROJECT, Build, Stage, inside, stages

DEVICES = ("null", "zero", "random", "urandom")
BUILD_SECONDS, RUN_SECONDS = 900, 120
_CLONE_NEWNET, _SIOCSIFFLAGS, _UP_AND_RUNNING = 0x40000000, 0x8914, 0x41
_BOT = "1:rehearsal"  # of nobody; there is no network either


def checks(stage: Stage) -> list[tuple[str, list[str], int, str]]:
    """What is asked of the image: what for, command, exit code, what its output must hold."""
    write = ["python", "-c", "open('/opt/marginbot/written', 'w')"]
    return [
        ("the tree cannot be written to", write, 1, "Read-only file system"),
        ("it is not root", ["python", "-c", "import os; assert os.getuid(); print(os.getuid())"], 0, ""),
        ("help", [*stage.entry, "--help"], 0, "Usage: marginbot"),
        ("a new master key", [*stage.entry, "keygen"], 0, "="),
        ("the demo", [*stage.entry, "demo", "--speed", "5000"], 0, ""),
        ("a database in the volume", [*stage.entry, "migrate"], 0, ""),
        ("no settings: it says which", [*stage.entry, *stage.command], 2, "MARGINBOT_TELEGRAM_TOKEN"),
        ("nothing listens: unhealthy", stage.health, 1, "Connection refused"),
        ("it answers for its health, and ends at SIGTERM", ["python", "-c", _LIVE, json.dumps(
            [[*stage.entry, *stage.command], stage.health])], 0, "exit code 0"),
    ]  # fmt: skip


# Inside the image: start the bot, wait until the health check is answered (well or ill: there is no Telegram), stop it.
_LIVE = f"""
import json, os, subprocess, sys, time
run, health = json.loads(sys.argv[1])
key = subprocess.run([run[0], 'keygen'], capture_output=True, text=True, check=True).stdout.strip()
bot = subprocess.Popen(run, env=os.environ | {{'MARGINBOT_TELEGRAM_TOKEN': '{_BOT}', 'MARGINBOT_MASTER_KEY': key}})
for _ in range(60):
    time.sleep(0.5)
    asked = subprocess.run(health, capture_output=True, text=True)
    if asked.returncode == 0 or 'HTTP Error' in asked.stderr:
        break
answered = asked.returncode == 0 or 'HTTP Error' in asked.stderr
bot.terminate()
print('exit code', bot.wait(timeout=20), 'after health', asked.returncode, asked.stderr.strip().splitlines()[-1:])
sys.exit(not answered)
"""


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def lend(path: str, root: Path) -> None:
    """Show a file or folder of this machine in the root, to be read only."""
    to = inside(root, path)
    if Path(path).is_dir():
        to.mkdir(parents=True, exist_ok=True)
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        to.touch()
    mount("--bind", path, str(to))
    mount("-o", "remount,bind,ro", str(to))


def furnish(root: Path) -> None:
    """/dev and /tmp; /proc comes with each command."""
    for name in ("dev", "tmp"):
        mount("-t", "tmpfs", "-o", "mode=1777" if name == "tmp" else "mode=755", "tmpfs", str(root / name))
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount("--bind", f"/dev/{name}", str(root / "dev" / name))
    (root / "dev/fd").symlink_to("/proc/self/fd")


def of_this_machine() -> tuple[dict[str, str], list[str]]:
    """Where packages come from here: settings of pip and proxies as environment, and the paths that these name."""
    asked = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    pairs = re.findall(r"^(?:global|install)\.([\w-]+)=(.+)$", asked.stdout, re.MULTILINE)
    told = {f"PIP_{name.upper().replace('-', '_')}": str(ast.literal_eval(value)) for name, value in pairs}
    told |= {name: value for name, value in os.environ.items() if re.match(r"PIP_|SSL_CERT_|\w+_proxy$", name, re.I)}
    words = {re.sub(r"^file://(localhost)?", "", word) for value in told.values() for word in value.split()}
    words = {word.rstrip("/").removesuffix("/simple") for word in words}  # an index's files lie beside its pages
    paths = sorted(word for word in words if word.startswith("/") and Path(word).exists())
    return told, [path for path in paths if not any(str(parent) in paths for parent in Path(path).parents)]


def command(root: Path, user: str, folder: str, argv: Sequence[str]) -> list[str]:
    """The words that run argv in the root as `uid:gid`, with processes of its own that end with it."""
    alone = ["unshare", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc"]
    there = ["chroot", f"--userspec={user}", "--groups=", str(root), "/bin/sh", "-c", 'cd "$0" && exec "$@"', folder]
    return ["setpriv", "--no-new-privs", *alone, *there, *argv]


class Rehearsal:
    """All steps, a line for each."""

    def __init__(self, place: Path) -> None:
        self.place, self.failed = place, 0
        self.settings, self.paths = of_this_machine()

    def line(self, what: str, since: float, trouble: str = "") -> None:
        self.failed += bool(trouble)
        print(f"{'FAILED' if trouble else 'ok':6} {time.monotonic() - since:6.1f} s  {what[:100]}", flush=True)
        if trouble:
            print(trouble, flush=True)

    def empty(self, root: Path) -> None:
        empty_root(root)
        furnish(root)
        for path in (*self.paths, "/etc/resolv.conf", "/etc/hosts"):
            lend(path, root)

    def shell(self, root: Path, argv: Sequence[str], environment: Mapping[str, str], folder: str) -> None:
        done = subprocess.run(
            command(root, "0:0", folder, argv), env={**environment, **self.settings}, capture_output=True, text=True,
            timeout=BUILD_SECONDS, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ValueError(f"exit code {done.returncode}\n{(done.stdout + done.stderr)[-2000:]}")

    def build(self) -> Stage | None:
        """Every step of every stage; the last stage, or None where a step failed."""
        build = Build(self.place, self.empty, self.shell)
        found = stages((PROJECT / "Dockerfile").read_text(encoding="utf-8"))
        for stage in found:
            for word, rest in [("FROM", stage.base), *stage.steps]:
                since = time.monotonic()
                try:
                    build.begin(stage) if word == "FROM" else build.perform(stage, word, rest)
                except (ValueError, OSError, shutil.Error, subprocess.SubprocessError) as error:
                    self.line(re.sub(r"\s+", " ", f"{word} {rest}"), since, str(error))
                    return None
                self.line(re.sub(r"\s+", " ", f"{word} {rest}"), since)
        return found[-1]

    def image(self, stage: Stage) -> Path:
        """The last stage's root as it is run: read only but for /tmp and copies of its volumes."""
        root, image = self.place / stage.name, self.place / "image"
        image.mkdir()
        mount("--bind", str(root), str(image))
        mount("-o", "remount,bind,ro", str(image))
        furnish(image)
        for number, path in enumerate(stage.volumes):
            volume = self.place / f"volume-{number}"
            subprocess.run(["cp", "-a", str(inside(root, path)), str(volume)], check=True)
            mount("--bind", str(volume), str(inside(image, path)))
        return image

    def run(self, stage: Stage) -> None:
        """Ask everything of the image."""
        image = self.image(stage)
        users = [line.split(":") for line in (image / "etc/passwd").read_text(encoding="utf-8").splitlines()]
        uid, gid, home = next((each[2], each[3], each[5]) for each in users if stage.user in (each[0], each[2]))
        without_network()
        for what, argv, code, held in checks(stage):
            since = time.monotonic()
            words = command(image, f"{uid}:{gid}", stage.folder, argv)
            try:
                done = subprocess.run(
                    words, env=stage.environment | {"HOME": home}, capture_output=True, text=True,
                    timeout=RUN_SECONDS, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                self.line(what, since, f"not done after {RUN_SECONDS} s")
                continue
            told = done.stdout + done.stderr
            right = done.returncode == code and held in told and bool(told.strip())
            last = ((done.stdout.strip() or told.strip()).splitlines() or [""])[-1]
            trouble = "" if right else f"exit code {done.returncode} for {code}, {held!r} expected in:\n{told[-2000:]}"
            self.line(f"{what} (exit code {done.returncode}): {last}", since, trouble)


def without_network() -> None:
    """From here on this process and its children have nothing but a loopback interface of their own."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))


def within(place: Path) -> int:
    """The rehearsal, where mounts are this process's own."""
    rehearsal = Rehearsal(place)
    stage = rehearsal.build()
    if stage:
        rehearsal.run(stage)
    print("rehearsed" if not rehearsal.failed else f"{rehearsal.failed} failed")
    return int(bool(rehearsal.failed))


def main() -> int:
    """Exit code 0: all went well, 1: a step failed, 2: not possible here."""
    if len(sys.argv) == 2:
        return within(Path(sys.argv[1]))
    missing = [name for name in ("unshare", "setpriv", "chroot", "ldd", "mount") if not shutil.which(name)]
    if os.geteuid() or missing:
        print(f"missing: {', '.join(missing)}" if missing else "needs root, for chroot and mounts: try sudo")
        return 2
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as place:
        Path(place).chmod(0o755)  # the image's user has to get through
        own = ["unshare", "--mount", "--propagation", "private", "--fork", "--kill-child"]
        # Not before all mounts are gone with the process is the folder removed.
        return subprocess.run([*own, sys.executable, __file__, place], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
