"""What ccxt raises, in our words. One table for all venues; a venue adds only codes that ccxt lumps together.

The texts of ccxt hold the request's address with key and signature, and some venues echo what was signed.
So a message is put together from the error's name, the venue's code and its cleaned words, nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from ccxt.base import errors as ccxt

from marginbot.domain.errors import (
    BadPayload,
    Banned,
    ClockSkew,
    KeyRefused,
    NoPermission,
    OurFault,
    RateLimited,
    ReadingError,
    Unsupported,
    VenueDown,
)
from marginbot.exchanges.venue import Fault

# What a payload of an unforeseen shape makes our code (or ccxt's) raise.
PARSE_ERRORS = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)
REQUEST_ERRORS = (ccxt.BaseError, aiohttp.ClientError, OSError, *PARSE_ERRORS)

# Most specific first: the first row that fits counts.
TABLE: tuple[tuple[type[Exception], type[ReadingError]], ...] = (
    (ccxt.AccountNotEnabled, KeyRefused),
    (ccxt.AccountSuspended, KeyRefused),
    (ccxt.PermissionDenied, NoPermission),
    (ccxt.AuthenticationError, KeyRefused),
    (ccxt.InvalidNonce, ClockSkew),
    (ccxt.RateLimitExceeded, RateLimited),
    (ccxt.DDoSProtection, Banned),
    (ccxt.NetworkError, VenueDown),  # also OnMaintenance, ExchangeNotAvailable, RequestTimeout
    (ccxt.BadResponse, BadPayload),  # also NullResponse
    (ccxt.OperationFailed, VenueDown),
    (ccxt.NotSupported, Unsupported),
    (ccxt.RestrictedLocation, VenueDown),
    (ccxt.ExchangeClosedByUser, VenueDown),
    (ccxt.ArgumentsRequired, OurFault),
    (ccxt.BadRequest, OurFault),  # also BadSymbol
    (ccxt.BaseError, BadPayload),  # a code that ccxt does not know
    (OSError, VenueDown),  # also TimeoutError
    (aiohttp.ClientError, VenueDown),
)

_LOCATION_ADVICE = (
    "The exchange refuses requests from this server's location, so the account is not being watched. "
    "The operator has to run me elsewhere."
)
_STATUS = re.compile(r"^\S+ (?:(?:GET|POST|PUT|DELETE) \S+ )?([1-5]\d\d)\b")
_ADDRESS = re.compile(r"\w+://\S+")
_TOKEN = re.compile(r"(?=[A-Za-z+/=_%&\[\]-]*\d)[\w+/=%&\[\].-]{16,}|[\w+/=%&-]{24,}")
_CODES = ("retCode", "ret_code", "err_code", "err-code", "code", "label")
_WORDS = ("retMsg", "ret_msg", "err_msg", "err-msg", "msg", "message")
_LONGEST = 160
_SHORTEST_SECRET = 4


def translate(
    error: Exception, *, exchange: str, secrets: Iterable[str] = (), known: Mapping[str, Fault] | None = None
) -> ReadingError:
    """Our error for one of ccxt's (or of the code around it); holds nothing secret."""
    if isinstance(error, ReadingError):
        return error
    if isinstance(error, PARSE_ERRORS) and not isinstance(error, OSError):
        return BadPayload(f"{exchange}: {type(error).__name__} while reading the answer")
    text = str(error)
    status, told = _status(text), _told(text)
    code, words = _code_and_words(told)
    message = _message(exchange, error, status=status, code=code, words=scrubbed(words, secrets))
    fault = _known(known or {}, code, text)
    if fault is not None:
        return fault.error(message, advice=fault.advice)
    kind = _kind(error, status=status, is_page=told is None, text=text)
    refused_here = status == 451 or isinstance(error, ccxt.RestrictedLocation)
    return kind(message, advice=_LOCATION_ADVICE if refused_here else None)


def scrubbed(text: str, secrets: Iterable[str] = ()) -> str:
    """Words of a venue without addresses, credentials, and whatever looks like a key or signature."""
    for secret in sorted((secret for secret in secrets if len(secret) >= _SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, "…").replace(quote(secret, safe=""), "…")
    text = _TOKEN.sub("…", _ADDRESS.sub("…", text))
    return " ".join(text.split())[:_LONGEST]


def _kind(error: Exception, *, status: int | None, is_page: bool, text: str) -> type[ReadingError]:
    if isinstance(error, ccxt.DDoSProtection):
        return _limited_or_banned(status, text.lower())
    if isinstance(error, ccxt.AuthenticationError) and (status in (407, 511) or (status == 401 and "<" in text)):
        # A proxy's or gateway's page says nothing about the key; only the venue's own answer stops polling.
        return VenueDown
    if type(error) is ccxt.ExchangeError and is_page:
        return VenueDown
    return next((ours for theirs, ours in TABLE if isinstance(error, theirs)), OurFault)


def _limited_or_banned(status: int | None, text: str) -> type[ReadingError]:
    """ccxt has one error for both; being told to slow down is not yet a ban."""
    if status == 418 or "banned" in text:
        return Banned
    if status == 429 or "too many" in text or "too_many" in text:
        return RateLimited
    return Banned


def _known(known: Mapping[str, Fault], code: str, text: str) -> Fault | None:
    """The venue's own row: by its error code, or by words in an answer that has no code."""
    if code:
        return known.get(code)
    lowered = text.lower()
    return next((fault for words, fault in known.items() if " " in words and words in lowered), None)


def _status(text: str) -> int | None:
    found = _STATUS.match(text)
    return int(found.group(1)) if found else None


def _told(text: str) -> dict[str, Any] | None:
    """The JSON object in a text of ccxt, if there is one."""
    start = text.find("{")
    while start >= 0:
        try:
            found, _ = json.JSONDecoder().raw_decode(text, start)
        except ValueError:
            start = text.find("{", start + 1)
        else:
            return found if isinstance(found, dict) else None
    return None


def _code_and_words(told: Mapping[str, Any] | None) -> tuple[str, str]:
    if told is None:
        return "", ""
    inner = told.get("error")
    if isinstance(inner, dict):
        told = inner
    code = next((told[name] for name in _CODES if name in told), "")
    words = next((told[name] for name in _WORDS if name in told), "")
    return str(code), str(words)


def _message(exchange: str, error: Exception, *, status: int | None, code: str, words: str) -> str:
    parts = [f"{exchange}: {type(error).__name__}"]
    if status is not None:
        parts.append(f"HTTP {status}")
    if re.fullmatch(r"-?\d{1,9}", code):
        parts.append(f"code {code}")
    return " ".join(parts) + (f": {words}" if words else "")
