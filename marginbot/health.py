"""`/healthz` and `/metrics`: whether the bot sees and can speak. No personal data, loopback by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from marginbot.flow.audit import Verdict
from marginbot.flow.ports import Waiting
from marginbot.listening import listening


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What health is derived from; ages None where the thing has not happened yet."""

    version: str
    uptime: timedelta
    telegram_age: timedelta | None  # since Telegram last answered
    cycle_age: timedelta | None  # since the last complete cycle
    cycle_limit: timedelta  # a complete cycle older than this is not fresh
    telegram_limit: timedelta
    accounts: int
    accounts_refused: int
    accounts_blind: int
    notices_pending: int
    reading_ages: Mapping[str, timedelta]  # by venue: of the account that was read longest ago
    audit: Verdict
    audit_age: timedelta | None  # since the last audit
    budgets_used: Mapping[str, float] = field(default_factory=dict)  # share of its request limit, by venue
    oldest_waiting: timedelta | None = None  # how long the notice that waits longest has waited; None: none waits
    boards: int = 0  # live boards in groups
    boards_stale: int = 0  # those that Telegram has not taken for too long
    telegram_trouble: str = ""  # why updates cannot be fetched; empty: they can
    waiting: Mapping[str, Waiting] = field(default_factory=dict)  # by venue: accounts whose turn came, and did not come

    @property
    def telegram_ok(self) -> bool:
        """Telegram answered a moment ago."""
        return self.telegram_age is not None and self.telegram_age <= self.telegram_limit

    @property
    def cycle_ok(self) -> bool:
        """The last complete cycle is fresh."""
        return self.cycle_age is not None and self.cycle_age <= self.cycle_limit

    @property
    def healthy(self) -> bool:
        """What decides between 200 and 503."""
        return self.telegram_ok and self.cycle_ok


def seconds(age: timedelta | None) -> float | None:
    """An age as a number; not known stays so."""
    return None if age is None else round(age.total_seconds(), 3)


def as_json(vitals: Vitals) -> dict[str, object]:
    """The body of `/healthz`."""
    return {
        "status": "ok" if vitals.healthy else "unhealthy",
        "version": vitals.version,
        "uptime_seconds": seconds(vitals.uptime),
        "telegram": {
            "ok": vitals.telegram_ok,
            "answered_seconds_ago": seconds(vitals.telegram_age),
            "trouble": vitals.telegram_trouble,
        },
        "cycle": {"ok": vitals.cycle_ok, "completed_seconds_ago": seconds(vitals.cycle_age)},
        "accounts": {
            "watched": vitals.accounts,
            "key_refused": vitals.accounts_refused,
            "blind": vitals.accounts_blind,
        },
        "readings": {venue: {"oldest_seconds": seconds(age)} for venue, age in vitals.reading_ages.items()},
        "late": {
            venue: {"accounts": waiting.count, "by_seconds": seconds(waiting.longest)}
            for venue, waiting in vitals.waiting.items()
        },
        "limits_used": {venue: round(share, 3) for venue, share in vitals.budgets_used.items()},
        "notices_pending": vitals.notices_pending,
        "audit": {
            "ok": vitals.audit.ok,
            "violations": len(vitals.audit.violations),
            "kinds": {str(kind): count for kind, count in vitals.audit.by_kind.items() if count},
            "checked_seconds_ago": seconds(vitals.audit_age),
        },
    }


class HealthServer:
    """Serves the two pages on one address."""

    def __init__(
        self, address: tuple[str, int], vitals: Callable[[], Vitals], metrics: Callable[[Vitals], bytes]
    ) -> None:
        self._address = address
        self._page = metrics
        self._vitals = vitals
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; a `ConfigError` names the setting when the address cannot be used."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/metrics", self._metrics)
        instead = ", or set it empty to turn it off"
        self._runner = await listening(application, self._address, setting="MARGINBOT_HTTP_LISTEN", instead=instead)

    async def stop(self) -> None:
        """Close the listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        vitals = self._vitals()
        return web.json_response(as_json(vitals), status=200 if vitals.healthy else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._page(self._vitals()), headers={"Content-Type": CONTENT_TYPE_LATEST})
