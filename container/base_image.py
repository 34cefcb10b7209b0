"""A stand-in for the base image, made of this machine's Python and a few of its programs: see rehearse.py."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from dockerfile import BASE_PATH, inside

PROGRAMS = (
    *("sh", "cat", "chmod", "chown", "cp", "env", "id", "install", "ln", "ls", "mkdir", "mv", "rm"),
    *("grep", "sed", "useradd", "groupadd"),
)
# What the base image has and wheels count on: the C library's parts, and those of C++.
SHARED = (
    *("libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libnss_dns.so.2"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
)
SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/login.defs",
    "/etc/default/useradd",
    "/usr/lib/ssl/openssl.cnf",
)


def libraries(files: Sequence[Path]) -> set[Path]:
    """The shared libraries that these files are linked to, as the loader of this machine finds them."""
    told = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    more = [re.search(rf"^\s*{re.escape(name)} .*=> (\S+)", cache, re.MULTILINE) for name in SHARED]
    return {Path(path) for path in re.findall(r"(?:=> |^\s)(/\S+)", told, re.MULTILINE)} | {
        Path(match[1]) for match in more if match
    }


def empty_root(root: Path) -> None:
    """Only a Python in /usr/local, PROGRAMS, what both are linked to, and files naming users and certificates."""
    for folder in (
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
        "usr/local/bin",
        "usr/local/lib",
        "etc",
        "root",
        "proc",
    ):
        (root / folder).mkdir(parents=True)
    for name in ("dev", "tmp"):
        (root / name).mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    put_python(root)
    put_files(root)
    subprocess.run(["/sbin/ldconfig", "-r", str(root)], check=True)


def put_python(root: Path) -> None:
    """Python, the programs, and what both are linked to."""
    version, stdlib = f"python{sys.version_info.major}.{sys.version_info.minor}", Path(sysconfig.get_path("stdlib"))
    left_out = shutil.ignore_patterns("site-packages", "dist-packages", "test", "__pycache__", "_tkinter*", "config-*")
    shutil.copytree(stdlib, root / "usr/local/lib" / version, ignore=left_out)
    python = (Path(sys.base_prefix) / "bin" / version).resolve()
    shutil.copy2(python, root / "usr/local/bin" / version)
    for name in ("python", "python3"):
        (root / "usr/local/bin" / name).symlink_to(version)
    programs = [Path(path) for path in (shutil.which(name, path=BASE_PATH) for name in PROGRAMS) if path]
    for program in programs:
        shutil.copy2(program.resolve(), root / ("usr/sbin" if "sbin" in program.parts else "usr/bin") / program.name)
    extensions = [path for path in stdlib.glob("lib-dynload/*.so") if not path.name.startswith("_tkinter")]
    for library in libraries([python, *programs, *extensions]):
        system = library.parts[1] in ("lib", "lib64") or library.is_relative_to("/usr/lib")
        to = inside(root, str(library)) if system else root / "usr/local/lib" / library.name
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library.resolve(), to)


def put_files(root: Path) -> None:
    """Who there is, how names are looked up, where libraries lie."""
    for name in filter(os.path.exists, SYSTEM_FILES):
        inside(root, name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(name, inside(root, name))
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (root / "etc/group").write_text("root:x:0:\n", encoding="utf-8")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n", encoding="utf-8")
    (root / "etc/ld.so.conf").write_text(
        f"/usr/local/lib\n/usr/lib/{sysconfig.get_config_var('MULTIARCH')}\n", encoding="utf-8"
    )
