"""`marginbot check`: looks at everything the bot needs, and says what to do about what is wrong."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from marginbot.app import reading, stored, utc_now
from marginbot.bot.probe import WebhookState, probe_token, probe_webhook
from marginbot.config import Settings
from marginbot.domain.errors import ConfigError, MarginbotError, ReadingError, VaultError
from marginbot.exchanges.reader import CcxtReader
from marginbot.flow.cycle import take_reading
from marginbot.flow.ports import Account, Unreadable
from marginbot.store import SqliteStore, open_database, parse_master_key, pending

TOLERATED_SKEW = timedelta(seconds=1)
RECENT = timedelta(hours=1)  # an older failure of a push is history
LEAST_FREE = 200_000_000  # bytes; a hundred accounts write less in a year


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    ok: bool
    text: str
    remedy: str = ""  # what to do about it; empty where all is well, or where the text says it


def as_text(findings: Sequence[Finding]) -> str:
    """A line for each, and below what failed the remedy; last, the verdict."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok  ' if finding.ok else 'FAIL'} {finding.subject}: {finding.text}")
        if finding.remedy:
            lines.append(f"     → {finding.remedy}")
    failed = sum(not finding.ok for finding in findings)
    return "\n".join([*lines, "all is well" if not failed else f"{failed} of {len(findings)} failed"])


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings for programs."""
    rows = [{"subject": f.subject, "ok": f.ok, "text": f.text, "remedy": f.remedy or None} for f in findings]
    return {"ok": all(finding.ok for finding in findings), "findings": rows}


async def examine(settings: Settings) -> list[Finding]:
    """Every check, in the order in which they depend on each other."""
    findings = [Finding("configuration", ok=True, text="read"), _folder(settings), _health_page(settings)]
    findings += [await _telegram(settings), *await _webhook(settings)]
    if not settings.database.exists():
        return [*findings, Finding("database", ok=True, text="none yet, it will be made"), _master_key(settings)]
    return [*findings, _schema(settings), *await _stored(settings)]


def _folder(settings: Settings) -> Finding:
    """Whether the database has where to grow."""
    folder = settings.database.absolute().parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("folder", ok=False, text=f"{folder}: {error.strerror}", remedy=f"make it: mkdir -p {folder}")
    words = f"{folder}: {free / 1e9:,.1f} GB free"
    if not os.access(folder, os.W_OK):
        remedy = "give it to the user that runs marginbot, or set MARGINBOT_DATABASE to another path"
        return Finding("folder", ok=False, text=f"{folder} may not be written by this user", remedy=remedy)
    if free < LEAST_FREE:
        return Finding("folder", ok=False, text=words, remedy="make room: without it nothing can be written down")
    return Finding("folder", ok=True, text=words)


def _health_page(settings: Settings) -> Finding:
    """Whether the address of `/healthz` can be listened on, or a bot is there already."""
    if settings.listen is None:
        return Finding("health page", ok=True, text="turned off")
    host, port = settings.listen
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return Finding("health page", ok=True, text=f"{host}:{port} is in use, by the running bot I suppose")
        remedy = "set MARGINBOT_HTTP_LISTEN to another host:port, or empty to turn it off"
        return Finding("health page", ok=False, text=f"{host}:{port}: {error.strerror}", remedy=remedy)
    return Finding("health page", ok=True, text=f"{host}:{port} is free; no bot runs here")


def _master_key(settings: Settings) -> Finding:
    try:
        parse_master_key(settings.master_key_text())
    except ConfigError as error:
        return Finding("master key", ok=False, text=str(error))
    return Finding("master key", ok=True, text="has the right form")


def _schema(settings: Settings) -> Finding:
    try:
        with closing(open_database(settings.database, create=False)) as database:
            missing = pending(database)
    except MarginbotError as error:
        return Finding("schema", ok=False, text=str(error), remedy="bring a backup back: marginbot restore FILE")
    if missing:
        return Finding("schema", ok=True, text=f"will be brought up to date: {', '.join(missing)}")
    return Finding("schema", ok=True, text="current")


async def _stored(settings: Settings) -> list[Finding]:
    findings: list[Finding] = []
    try:
        with stored(settings) as store:
            findings.append(Finding("database", ok=True, text=f"{settings.database} opens"))
            findings.append(Finding("master key", ok=True, text="opens the stored credentials"))
            async with reading(settings) as reader:
                findings += await _accounts(store, reader)
    except ConfigError as error:
        findings.append(Finding("database and master key", ok=False, text=str(error)))
    except VaultError as error:
        findings.append(Finding("master key", ok=False, text=error.advice))
    return findings


async def _telegram(settings: Settings) -> Finding:
    try:
        name = await probe_token(settings.require_token(), settings.telegram_api_url)
    except ConfigError as error:
        remedy = "take the token from @BotFather (/mybots), and see that api.telegram.org can be reached from here"
        return Finding("Telegram", ok=False, text=str(error), remedy=remedy)
    return Finding("Telegram", ok=True, text=f"the token belongs to @{name}")


async def _webhook(settings: Settings) -> list[Finding]:
    """Where updates are pushed: whether Telegram pushes them there, and whether they arrive."""
    if settings.webhook_url is None:
        return []
    try:
        found = await probe_webhook(settings.require_token(), settings.telegram_api_url)
    except ConfigError as error:
        return [Finding("webhook", ok=False, text=str(error))]
    return [judge_webhook(found, settings.webhook_url, utc_now())]


def judge_webhook(found: WebhookState, wanted: str, now: datetime) -> Finding:
    """What to make of Telegram's view. An address is named by its host alone: its path may be known to nobody else."""
    waiting = f"{found.waiting} updates wait"
    if not found.url:
        return Finding("webhook", ok=True, text=f"none is set yet, the bot does that when it starts; {waiting}")
    if found.url != wanted:
        host = urlsplit(found.url).hostname
        remedy = "start the bot anew, and see that no other program uses this token"
        return Finding("webhook", ok=False, text=f"Telegram pushes to another address, at {host}", remedy=remedy)
    if found.failed_at is not None and now - found.failed_at < RECENT:
        ago = (now - found.failed_at) // timedelta(minutes=1)
        remedy = "see that your HTTPS proxy has a valid certificate and passes requests on to MARGINBOT_WEBHOOK_LISTEN"
        words = f"a push failed {ago} min ago ({found.error[:100]}); {waiting}"
        return Finding("webhook", ok=False, text=words, remedy=remedy)
    return Finding("webhook", ok=True, text=f"set; {waiting}")


async def _accounts(store: SqliteStore, reader: CcxtReader) -> list[Finding]:
    accounts = store.all_accounts()
    if not accounts:
        return [Finding("accounts", ok=True, text="none registered yet")]
    findings = [await _clock(reader, exchange) for exchange in sorted({a.exchange for a in accounts})]
    return findings + [await _account(store, reader, account) for account in accounts]


async def _clock(reader: CcxtReader, exchange: str) -> Finding:
    subject = f"clock against {exchange}"
    try:
        skew = await reader.clock_skew(exchange, utc_now)
    except ReadingError as error:
        return Finding(subject, ok=False, text=error.advice)
    if skew is None:
        return Finding(subject, ok=True, text="the exchange does not tell the time; not checked")
    words = f"{skew.total_seconds():+.2f} s"
    if abs(skew) > TOLERATED_SKEW:
        return Finding(subject, ok=False, text=words, remedy="switch on time synchronisation (NTP) on this server")
    return Finding(subject, ok=True, text=words)


async def _account(store: SqliteStore, reader: CcxtReader, account: Account) -> Finding:
    subject = f"account {account.id} ({account.exchange})"
    try:
        credential = store.credential(account.id)
    except VaultError as error:
        return Finding(subject, ok=False, text=error.advice)
    found, _ = await take_reading(reader, account.exchange, credential, utc_now())
    if isinstance(found, Unreadable):
        return Finding(subject, ok=False, text=str(found.cause), remedy=found.advice)
    return Finding(subject, ok=True, text=f"readable, {found.mode}, {found.state}")
