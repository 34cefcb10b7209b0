"""`/metrics`: counters and histograms of the work, gauges of the state. Venues and kinds only, no personal data."""

from __future__ import annotations

from datetime import timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from marginbot.health import Vitals, seconds

DWELL_BUCKETS = (0.5, 1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 900, 3600)
CYCLE_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)


class Metrics:
    """A `Meter` that Prometheus can ask."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._readings = Counter(
            "marginbot_readings", "readings of accounts", ["venue", "outcome"], registry=self._registry
        )
        self._sends = Counter("marginbot_sends", "notices handed to Telegram", ["outcome"], registry=self._registry)
        self._boards = Counter(
            "marginbot_board_changes",
            "messages and changes of live boards handed to Telegram",
            ["step", "outcome"],
            registry=self._registry,
        )
        self._cycle = Histogram(
            "marginbot_cycle_seconds", "duration of complete cycles", buckets=CYCLE_BUCKETS, registry=self._registry
        )
        self._dwell = Histogram(
            "marginbot_notice_dwell_seconds",
            "time from the reading to the acceptance of a notice that rests on it",
            buckets=DWELL_BUCKETS,
            registry=self._registry,
        )

    def reading(self, venue: str, outcome: str) -> None:
        """An account was read: "ok", or the cause why not."""
        self._readings.labels(venue, outcome).inc()

    def cycle(self, took: timedelta) -> None:
        """All accounts that were due have been read and written down."""
        self._cycle.observe(took.total_seconds())

    def send(self, outcome: str) -> None:
        """A notice was handed to the other side."""
        self._sends.labels(outcome).inc()

    def dwell(self, took: timedelta) -> None:
        """A notice was accepted, so long after the reading it rests on."""
        self._dwell.observe(took.total_seconds())

    def board(self, step: str, outcome: str) -> None:
        """A live board was to be changed."""
        self._boards.labels(step, outcome).inc()

    def page(self, vitals: Vitals) -> bytes:
        """Everything, with the state as it is now."""
        return generate_latest(self._registry) + generate_latest(_state(vitals))


def _state(vitals: Vitals) -> CollectorRegistry:
    """The state as gauges; an age that is not known is left out."""
    registry = CollectorRegistry()
    gauges = {
        "marginbot_up": ("1 when healthy", float(vitals.healthy)),
        "marginbot_accounts": ("registered accounts that are polled", float(vitals.accounts)),
        "marginbot_accounts_refused": ("accounts whose key the venue refused", float(vitals.accounts_refused)),
        "marginbot_accounts_blind": ("accounts or pools that cannot be judged", float(vitals.accounts_blind)),
        "marginbot_notices_pending": ("notices not yet accepted", float(vitals.notices_pending)),
        "marginbot_notice_oldest_seconds": ("age of the oldest waiting notice; 0: none", _waiting(vitals)),
        "marginbot_boards": ("live boards in groups", float(vitals.boards)),
        "marginbot_boards_stale": ("live boards not brought up to date for three minutes", float(vitals.boards_stale)),
        "marginbot_cycle_age_seconds": ("age of the last complete cycle", seconds(vitals.cycle_age)),
        "marginbot_telegram_age_seconds": ("time since Telegram answered", seconds(vitals.telegram_age)),
        "marginbot_audit_age_seconds": ("time since the last audit", seconds(vitals.audit_age)),
    }
    for name, (meaning, value) in gauges.items():
        if value is not None:
            Gauge(name, meaning, registry=registry).set(value)
    ages = Gauge("marginbot_reading_age_seconds", "age of the oldest last reading", ["venue"], registry=registry)
    for venue, age in vitals.reading_ages.items():
        ages.labels(venue).set(age.total_seconds())
    late = Gauge("marginbot_late_accounts", "accounts whose turn came and was not taken", ["venue"], registry=registry)
    late_by = Gauge("marginbot_late_seconds", "how late the latest of them is", ["venue"], registry=registry)
    for venue, waiting in vitals.waiting.items():
        late.labels(venue).set(waiting.count)
        late_by.labels(venue).set(waiting.longest.total_seconds())
    used = Gauge("marginbot_budget_used", "share of the request limit that is used", ["venue"], registry=registry)
    for venue, share in vitals.budgets_used.items():
        used.labels(venue).set(share)
    violations = Gauge("marginbot_audit_violations", "what the last audit found", ["kind"], registry=registry)
    for kind, count in vitals.audit.by_kind.items():
        violations.labels(str(kind)).set(count)
    return registry


def _waiting(vitals: Vitals) -> float:
    return vitals.oldest_waiting.total_seconds() if vitals.oldest_waiting else 0.0
