"""`marginbot status`: what /status would say of every account, from the database alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from marginbot.app import utc_now
from marginbot.bot.render import to_plain
from marginbot.bot.render_status import View, status
from marginbot.config import Settings
from marginbot.flow.ports import Standing
from marginbot.flow.status import age_seconds, grade_of, is_blind, worst_first
from marginbot.store import open_unsealed
from marginbot.views import report_as_json, timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Every account as last written down, worst first."""

    now: datetime
    stale_after: timedelta
    standings: Sequence[Standing]


def look(settings: Settings) -> Overview:
    """Look into the database, beside a running bot or without one; no master key is needed."""
    with closing(open_unsealed(settings.database)) as store:
        standings = worst_first(store.standing(account) for account in store.all_accounts())
    return Overview(now=utc_now(), stale_after=settings.blind_after, standings=standings)


def as_text(overview: Overview) -> str:
    """For people, as the chat shows it."""
    if not overview.standings:
        return "No accounts are registered yet."
    return to_plain(status(overview.standings, View(now=overview.now, stale_after=overview.stale_after)))


def as_json(overview: Overview) -> dict[str, Any]:
    """For programs; `report` has the schema of `snapshot --json`, null while nothing was ever read."""
    return {"now": timestamp(overview.now), "accounts": [_account(overview, s) for s in overview.standings]}


def _account(overview: Overview, standing: Standing) -> dict[str, Any]:
    account, grade, age = standing.account, grade_of(standing), age_seconds(standing, overview.now)
    stale = age is None or age > overview.stale_after.total_seconds()
    return {
        "account": account.id,
        "owner": account.user_id,
        "label": account.label,
        "exchange": account.exchange,
        "grade": None if grade is None else grade.name,
        "watched": not (stale or is_blind(standing)),
        "key_refused": account.refused is not None,
        "age_seconds": None if age is None else round(age, 3),
        "report": None if standing.report is None else report_as_json(standing.report),
    }
