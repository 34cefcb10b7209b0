"""How requests leave: ccxt signs and maps errors, everything between is ours.

`lean` makes of a ccxt class one whose requests go through its session without ccxt's retries, caches and copies.
What an answer means stays with ccxt: its `handle_errors` sees the same status, headers, text and JSON as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import aiohttp
import orjson
import yarl
from ccxt.base import errors as ccxt

from marginbot.exchanges.traffic import Leave, Traffic
from marginbot.flow.pace import Pace

BYTES_IN_A_TURN = 16_000  # of answers decoded in one turn of the loop: an account or two, or a page of candles alone


class _Lean:
    """Mixed in front of a ccxt class.

    `traffic` says when a request may leave, and by which proxy; `pace`, when an answer is taken up.
    """

    traffic: Traffic | None = None
    pace: Pace | None = None

    async def fetch2(
        self: Any,
        path: str,
        api: Any = "public",
        method: str = "GET",
        params: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Any:
        """Sign and ask, once. Retries are the business of who asks, and limits that of the budget."""
        params = dict(params or {})
        request = self.sign(path, api, method, dict(params))
        if self.traffic is None:
            return await self.fetch(request["url"], request["method"], request["headers"], request["body"])
        leave = await self.traffic.leave(request["url"], request["body"], self.apiKey or self.walletAddress or "")
        if leave.waited:
            request = self.sign(path, api, method, params)  # the time that was signed has passed
        return await self._sent(request["url"], request["method"], request["headers"], request["body"], leave)

    async def fetch(self: Any, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """One request; decoded JSON, or the text where it is none. Raises what ccxt would."""
        return await self._sent(url, method, headers, body, None)

    async def _sent(self: Any, url: str, method: str, headers: Any, body: Any, leave: Leave | None) -> Any:
        if not (body is None or isinstance(body, str)):
            return await super().fetch(url, method, headers, body)  # type: ignore[misc]  # forms with parts
        sent = self.prepare_request_headers(headers)
        self.open(lazy=True)
        status, reason, told, raw = await self._accounted(url, method, sent, body, leave)
        if self.pace is not None:
            await self.pace.turn(len(raw))
        parsed, text = _decoded(raw), raw.decode("utf-8", "replace").strip()
        if parsed is None:
            parsed = self.parse_json(text)
        self.handle_errors(status, reason, url, method, told, text, parsed, sent, body)
        self.handle_http_status_code(status, reason, url, method, text)
        return text if parsed is None else parsed

    async def _accounted(self: Any, url: str, method: str, headers: Any, body: str | None, leave: Leave | None) -> Any:
        """`_answer` by the way that the leave names, whose budget learns what became of it."""
        if leave is None:
            return await self._answer(url, method, headers, body, None)
        try:
            answer = await self._answer(url, method, headers, body, leave.proxy)
        except BaseException:  # given up, too
            self.traffic.unanswered(leave)
            raise
        self.traffic.told(leave, answer[0], answer[2])
        return answer

    async def _answer(self: Any, url: str, method: str, headers: Any, body: str | None, proxy: str | None) -> Any:
        """Status, reason, headers and bytes; what goes wrong on the way in ccxt's words."""
        data = body.encode() if body else None
        try:
            async with self.session.request(
                method,
                yarl.URL(url, encoded=True),
                data=data,
                headers=headers,
                proxy=proxy,
                timeout=_timer(self.timeout),
            ) as answer:
                raw = await answer.read()
                return answer.status, answer.reason, dict(answer.headers), raw
        except TimeoutError as error:
            raise ccxt.RequestTimeout(f"{self.id} {method} {url}") from error
        except aiohttp.ClientConnectionError as error:
            raise ccxt.ExchangeNotAvailable(f"{self.id} {method} {url}") from error
        except aiohttp.ClientError as error:
            raise ccxt.ExchangeError(f"{self.id} {method} {url}") from error


@cache
def lean(kind: type[Any]) -> type[Any]:
    """The class with its own way of asking in front."""
    return type(kind.__name__, (_Lean, kind), {})


@cache
def _timer(milliseconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=milliseconds / 1000)


def _decoded(raw: bytes) -> Any:
    """Objects and lists; None for anything else, which the text may explain."""
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None
