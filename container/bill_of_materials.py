"""The bill of materials of the container, CycloneDX as JSON, from the hashed lock and what is really installed.

python bill_of_materials.py requirements.lock > sbom.cdx.json

It uses nothing but Python itself: it runs in the image that it describes. It fails when something is installed that
the lock does not name, or in another version.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

OURS = "marginbot"
TOOLS = frozenset({OURS, "pip", "setuptools", "wheel"})  # of the virtual environment; nothing imports them
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def locked(text: str) -> dict[str, tuple[str, list[str]]]:
    """Name to version and hashes, of every package that the lock names."""
    starts = list(_PINNED.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    return {
        canonical(match[1]): (match[2], _HASH.findall(text[match.start() : end]))
        for match, end in zip(starts, ends, strict=True)
    }


def canonical(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed(found: Iterable[Distribution]) -> dict[str, Distribution]:
    """What is there, by name."""
    return {canonical(each.metadata["Name"]): each for each in found}


def differences(lock: Mapping[str, tuple[str, list[str]]], there: Mapping[str, Distribution]) -> list[str]:
    """What is installed and not as the lock says. What the lock names for other systems may be missing."""
    strangers = [
        f"{name} {each.version}: not in the lock" for name, each in there.items() if name not in {*lock, *TOOLS}
    ]
    others = [
        f"{name} {there[name].version}: the lock says {version}"
        for name, (version, _) in lock.items()
        if name in there and there[name].version != version
    ]
    return sorted(strangers + others)


def component(name: str, version: str, hashes: list[str], licence: str | None) -> dict[str, object]:
    """One package. Its files differ by platform: the hashes of all are those of its distribution."""
    purl = f"pkg:pypi/{name}@{version}"
    described: dict[str, object] = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence:
        described["licenses"] = [{"license": {"name": licence}}]
    if hashes:
        found = [{"alg": "SHA-256", "content": content} for content in hashes]
        page = f"https://pypi.org/project/{name}/{version}/"
        described["externalReferences"] = [{"type": "distribution", "url": page, "hashes": found}]
    return described


def licence_of(there: Distribution) -> str | None:
    """What a package says of its licence, where it is one line."""
    said = there.metadata.get("License-Expression") or there.metadata.get("License") or ""
    return said if said and "\n" not in said and len(said) < 100 else None


def bill(lock: Mapping[str, tuple[str, list[str]]], there: Mapping[str, Distribution]) -> dict[str, object]:
    """The document: every locked package that is installed. The same for the same image, so without a date."""
    parts = [
        component(name, version, hashes, licence_of(there[name]))
        for name, (version, hashes) in sorted(lock.items())
        if name in there
    ]
    number = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(parts, sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{number}",
        "version": 1,
        "metadata": {"component": {"type": "application", "bom-ref": OURS, "name": OURS}},
        "components": parts,
        "dependencies": [{"ref": OURS, "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def main() -> None:
    """Print the document; exit code 1 where what is installed is not what the lock says."""
    lock, there = locked(Path(sys.argv[1]).read_text(encoding="utf-8")), installed(distributions())
    wrong = differences(lock, there)
    if wrong:
        sys.exit("installed and not as locked: " + "; ".join(wrong))
    json.dump(bill(lock, there), sys.stdout, indent=1)


if __name__ == "__main__":
    main()
