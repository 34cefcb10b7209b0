"""Sending a ccxt client elsewhere: scheme, host and port of its addresses are replaced, paths stay."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

_WEBSOCKET = frozenset({"ws", "wss"})
_SECURE = frozenset({"https", "wss"})


def rebased(urls: Any, base: str) -> Any:
    """A copy of ccxt's nested `urls` in which every address points at the host of `base`."""
    return _rebased(urls, urlsplit(base))


def _rebased(urls: Any, base: SplitResult) -> Any:
    if isinstance(urls, dict):
        return {name: _rebased(value, base) for name, value in urls.items()}
    if isinstance(urls, list):
        return [_rebased(value, base) for value in urls]
    if isinstance(urls, str) and "://" in urls:
        return _moved(urls, base)
    return urls


def _moved(url: str, base: SplitResult) -> str:
    # The host may be a template such as `api.{hostname}`; it goes with the rest.
    parts = urlsplit(url)
    scheme = "ws" if parts.scheme in _WEBSOCKET else "http"
    if base.scheme in _SECURE:
        scheme += "s"
    return urlunsplit((scheme, base.netloc, parts.path, parts.query, parts.fragment))
