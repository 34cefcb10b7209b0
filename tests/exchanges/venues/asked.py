"""An account behind an adapter's `fetch`: which requests are made, and in what case."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from marginbot.domain.errors import BadPayload, ReadingError


class Asked:
    """Answers by ccxt method (a function gets the parameters); what has none is refused, an error is raised."""

    key, secret, passphrase = "key", "secret", "passphrase"

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers
        self.made: list[tuple[str, Mapping[str, Any]]] = []

    async def call(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        self.made.append((method, params or {}))
        answer = self._answers.get(method)
        answer = answer(params or {}) if callable(answer) else answer
        if isinstance(answer, ReadingError):
            raise answer
        if answer is None:
            raise BadPayload(method)
        return copy.deepcopy(answer)

    async def optional(self, method: str, params: Mapping[str, Any] | None = None) -> Any:
        try:
            return await self.call(method, params)
        except ReadingError:
            return None

    shared = recent = optional

    async def unified(self, method: str, *arguments: Any) -> Any:
        raise AssertionError(f"an adapter of its own asked for ccxt's {method}")
