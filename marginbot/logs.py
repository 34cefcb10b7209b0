"""Where log lines go, and what never gets into them.

Secrets are struck out on the root handlers, after formatting, so that arguments, exception messages and
tracebacks of any library pass through the same sieve. The libraries that write request addresses (which hold
the bot's token) or whole updates (which may hold keys) are kept to warnings, and to those without content.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections import OrderedDict
from datetime import UTC, datetime

STRUCK = "[redacted]"
SHORTEST_SECRET = 6  # anything shorter would strike out ordinary words
MOST_PASSING_SECRETS = 2000
TALKATIVE = (
    "telegram",
    "httpx",
    "httpcore",
    "apscheduler",
    "ccxt",
    "aiohttp.access",
    "asyncio",
    "apprise",
    "urllib3",
    "matplotlib",
    "PIL",
)

# A traceback at each answer that is no JSON, such as a gateway's page: what failed is logged by who asked.
SILENT = ("telegram.request.BaseRequest",)

_TOKEN = re.compile(r"\b\d+:[A-Za-z0-9_-]{30,}")
_TOKEN_IN_URL = re.compile(r"/bot\d+:[^/\s'\"]+")
_secrets: OrderedDict[str, None] = OrderedDict()


def redact(value: str) -> None:
    """Never let this value into a log line from now on; the latest few thousand are remembered."""
    if len(value) < SHORTEST_SECRET:
        return
    _secrets[value] = None
    _secrets.move_to_end(value)
    while len(_secrets) > MOST_PASSING_SECRETS:
        _secrets.popitem(last=False)


def scrub(text: str) -> str:
    """The text without bot tokens and registered secrets."""
    # The longest first: a secret that is a part of another one would leave the rest of it standing.
    for secret in sorted((secret for secret in _secrets if secret in text), key=len, reverse=True):
        text = text.replace(secret, STRUCK)
    return _TOKEN.sub(STRUCK, _TOKEN_IN_URL.sub(f"/bot{STRUCK}", text))


class RedactingFilter(logging.Filter):
    """Replaces a record's message, traceback and stack by their scrubbed text."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.split(".")[0] == "telegram":
            record.args = _without_content(record.args)
        record.msg, record.args = scrub(_message(record)), None
        if record.exc_info:
            record.exc_text = record.exc_text or logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        record.exc_text = scrub(record.exc_text) if record.exc_text else None
        record.stack_info = scrub(record.stack_info) if record.stack_info else None
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):
        return str(record.msg)


def _without_content(args: object) -> tuple[object, ...] | None:
    """What the Telegram library wants to log may be an update or an answer's body: only its type is kept."""
    if not isinstance(args, tuple):
        return None
    return tuple(arg if isinstance(arg, int | float | Exception) else f"<{type(arg).__name__}>" for arg in args)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if hasattr(record, "account"):
            line["account"] = record.account
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def configure(level: str = "info", fmt: str = "text") -> None:
    """Log to stderr as `text` or `json`, at `level`; replaces whatever was configured before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(RedactingFilter())
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonFormatter() if fmt == "json" else text)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
