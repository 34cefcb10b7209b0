"""A loopback venue that answers with recorded payloads: a case of the corpus, each file at its own endpoint.

The real ccxt client asks it, so that addresses, symbols and contract sizes are the library's. Signatures are not
checked here (the servers of single venues do that); what no file answers is refused with 404, as an endpoint that
does not exist is.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from marginbot.sim.server import Call, LoopbackServer, Reply, Routes
from tests.servers.base import wall_clock_ms

KINDS = ("linear", "inverse", "option", "spot", "swap", "futures", "margin")


def payload_folder() -> Path | None:
    """Where the payloads are; None where the corpus is not at hand."""
    corpus = os.environ.get("MARGINBOT_CORPUS")
    return Path(corpus) / "payloads" if corpus else None


def load(name: str) -> Any:
    """A payload by its path in the corpus."""
    folder = payload_folder()
    assert folder is not None, "MARGINBOT_CORPUS does not name a folder"
    return json.loads((folder / name).read_text(encoding="utf-8"))


def cases() -> list[dict[str, Any]]:
    """The cases of the corpus; none where it is not at hand."""
    return load("cases.json") if payload_folder() else []


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    method: str
    path: re.Pattern[str]
    asks: Mapping[str, str]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> _File:
        method, address, *body = entry["endpoint"].split(" ", 2)
        parts = urlsplit(address)
        asks = dict(parse_qsl(parts.query)) | (json.loads(body[0]) if body else {})
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(parts.path))
        # A recording of an endpoint's second version stands in for the third: the fields that count are the same.
        anyone = re.sub(r"/v\d(?=/)", r"/v\\d", pattern)
        return cls(entry["file"], method, re.compile(rf".*{anyone}/?"), asks)

    def score(self, call: Call) -> int:
        """How well the file answers a request; 0: not at all."""
        if call.method != self.method or not self.path.fullmatch(call.path):
            return 0
        asked = call.params | {str(k): str(v) for k, v in _body(call).items()}
        if any(asked.get(name, value) != value for name, value in self.asks.items()):
            return 0
        return 1 + len(self.asks) + self._kind_score(asked)

    def _kind_score(self, asked: Mapping[str, str]) -> int:
        """Files of one endpoint differ by the kind of market in their name."""
        wanted = " ".join(asked.values()).lower()
        own = [kind for kind in KINDS if f"-{kind}" in self.name]
        mentioned = [kind for kind in KINDS if kind in wanted]
        if own and mentioned:
            return 3 if set(own) & set(mentioned) else -10
        return 0


def _body(call: Call) -> Mapping[str, Any]:
    try:
        found = call.json
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class CorpusServer(LoopbackServer):
    """Serves the named files by the endpoints the corpus lists.

    `extra` answers more: by path, by path and one parameter (`/positions?settleCoin=USDC`), both before the files;
    or, with `otherwise ` in front of a path, where none of the files fits.
    """

    def __init__(self, files: Sequence[str], extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(wall_clock_ms)
        entries = {entry["file"]: entry for entry in load("index.json")}
        self._files = [_File.of(entries[name]) for name in files]
        self._extra = dict(extra or {})

    def routes(self) -> Routes:
        return {}

    def not_found(self, call: Call) -> Reply:
        """The best answer to a request."""
        for key in (call.path, *(f"{call.path}?{name}={value}" for name, value in call.params.items())):
            if key in self._extra:
                return Reply(self._extra[key])
        score, name = max(((file.score(call), file.name) for file in self._files), default=(0, ""))
        if score > 0:
            return Reply(load(name))
        otherwise = self._extra.get(f"otherwise {call.path}")
        return Reply({"code": 404, "msg": "no such endpoint"}, 404) if otherwise is None else Reply(otherwise)
