"""For all tests against a ccxt client."""

from __future__ import annotations

import ccxt.async_support as ccxt
import pytest


@pytest.fixture(autouse=True)
def _no_wait_on_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """ccxt waits a quarter of a second on closing, for TLS; there is none on loopback."""
    monkeypatch.setattr(ccxt.Exchange, "timeout_on_exit", 0)
