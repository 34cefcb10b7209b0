"""What every test starts from: recorded payloads, and an environment without the settings of whoever runs them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Time limits of single examples say more about the machine than about the code.
settings.register_profile("marginbot", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time: what a commit is held to must not change from run to run. People get new ones.
settings.register_profile("repeatable", parent=settings.get_profile("marginbot"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "marginbot"))

CORPUS = os.environ.get("MARGINBOT_CORPUS", "")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MARGINBOT_") and name != "MARGINBOT_CORPUS"]:
        monkeypatch.delenv(name)


@pytest.fixture
def corpus() -> Callable[[str], Any]:
    """Recorded payloads by path, `corpus("bybit/wallet-balance__roq.json")`; skips where they are not at hand."""
    if not CORPUS:
        pytest.skip("MARGINBOT_CORPUS does not name a folder with recorded payloads")
    return lambda name: json.loads((Path(CORPUS) / "payloads" / name).read_text(encoding="utf-8"))
