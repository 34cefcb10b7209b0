"""`marginbot audit`: what is wrong now, and what was told in the past hours, with how long it took."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marginbot.app import utc_now
from marginbot.bot.render import to_plain
from marginbot.bot.render_history import episode as shown
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError
from marginbot.domain.holes import AuditRules, Violation
from marginbot.domain.record import Episode, Telling, dwells, episodes, percentile
from marginbot.store import open_database, pending
from marginbot.store.audit import holes
from marginbot.store.record import acknowledgements, tellings
from marginbot.views import timestamp

SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the database tells an operator."""

    now: datetime
    since: datetime
    violations: Sequence[Violation]
    tellings: Sequence[Telling]
    episodes: Sequence[Episode]

    @property
    def latency(self) -> dict[str, float | None]:
        """Seconds from reading to acceptance."""
        spans = dwells(self.tellings)
        return {name: _seconds(percentile(spans, share)) for name, share in SHARES}


def examine(settings: Settings, wanted: timedelta) -> Findings:
    """Look into the database, beside a running bot or without one; no master key is needed."""
    now = utc_now()
    since = now - wanted
    rules = AuditRules(poll_interval=settings.poll_every, stale_after=settings.blind_after)
    with closing(open_database(settings.database, create=False)) as database:
        if pending(database):
            raise ConfigError("MARGINBOT_DATABASE has an older schema: run `marginbot migrate` first")
        told = tellings(database.conn, since=since)
        quiets = acknowledgements(database.conn, since=since)
        found = holes(database.conn, rules, now)
    return Findings(now=now, since=since, violations=found, tellings=told, episodes=episodes(told, quiets))


def as_json(findings: Findings) -> dict[str, Any]:
    """The findings for programs."""
    return {
        "now": timestamp(findings.now),
        "since": timestamp(findings.since),
        "ok": not findings.violations,
        "violations": [
            {"kind": str(v.kind), "about": v.about, "detail": v.detail, "advice": v.advice} for v in findings.violations
        ],
        "messages": len(findings.tellings),
        "accepted": sum(telling.accepted_at is not None for telling in findings.tellings),
        "reading_to_acceptance_seconds": findings.latency,
        "episodes": [_episode(episode) for episode in findings.episodes],
    }


def as_text(findings: Findings) -> str:
    """The findings for people."""
    data = as_json(findings)
    latency = ", ".join(
        f"{name} {'not known' if took is None else f'{took:.1f} s'}" for name, took in findings.latency.items()
    )
    lines = [
        f"since {data['since']}: {data['messages']} messages, {data['accepted']} accepted",
        f"from reading to acceptance: {latency}",
        *(f"\n{to_plain(shown(episode, findings.now))}" for episode in findings.episodes),
        "",
        *(f"VIOLATION {violation}\n  {violation.advice}" for violation in findings.violations),
        *([] if findings.violations else ["nobody is left untold"]),
    ]
    return "\n".join(lines)


def _episode(episode: Episode) -> dict[str, Any]:
    first = episode.first
    return {
        "account": first.account_id,
        "label": first.label,
        "exchange": first.exchange,
        "subject": first.subject,
        "reason": str(first.reason),
        "worst": None if episode.worst is None else episode.worst.name,
        "read_at": _time(first.read_at),
        "decided_at": _time(first.decided_at),
        "sent_at": _time(first.sent_at),
        "accepted_at": _time(first.accepted_at),
        "acknowledged_at": _time(episode.acknowledged_at),
        "ended_at": _time(episode.ended_at),
        "ending": str(episode.ending),
        "messages": episode.messages,
        "accepted": episode.accepted,
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else round(span.total_seconds(), 3)
