"""How long to look: MARGINBOT_FUZZ multiplies the number of examples (see bench/fuzz.py)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_TIMES = int(os.environ.get("MARGINBOT_FUZZ", "1"))
EXAMPLES = settings(max_examples=60 * _TIMES, deadline=None, suppress_health_check=list(HealthCheck))
