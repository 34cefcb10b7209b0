"""ccxt's errors in our words, without secrets."""

from __future__ import annotations

import json
from typing import Any

import ccxt.async_support as ccxt
import pytest

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
from marginbot.exchanges.faults import TABLE, scrubbed, translate
from marginbot.exchanges.venues import VENUES

KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
PASSPHRASE = "correct horse+battery"
SIGNED = f"https://fapi.binance.com/fapi/v3/account?timestamp=1&signature={'ab12' * 16}"
PAGE = "<html><body>503 upstream</body></html>"


def told(venue: str, error: Exception) -> ReadingError:
    return translate(error, exchange=venue, secrets=(KEY, SECRET, PASSPHRASE), known=VENUES[venue].faults)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (ccxt.AuthenticationError, KeyRefused),
        (ccxt.AccountNotEnabled, KeyRefused),
        (ccxt.AccountSuspended, KeyRefused),
        (ccxt.PermissionDenied, NoPermission),
        (ccxt.InvalidNonce, ClockSkew),
        (ccxt.RateLimitExceeded, RateLimited),
        (ccxt.DDoSProtection, Banned),
        (ccxt.OnMaintenance, VenueDown),
        (ccxt.ExchangeNotAvailable, VenueDown),
        (ccxt.RequestTimeout, VenueDown),
        (ccxt.NetworkError, VenueDown),
        (ccxt.OperationFailed, VenueDown),
        (ccxt.BadResponse, BadPayload),
        (ccxt.NullResponse, BadPayload),
        (ccxt.NotSupported, Unsupported),
        (ccxt.BadSymbol, OurFault),
        (ccxt.ArgumentsRequired, OurFault),
        (ccxt.BaseError, BadPayload),
        (TimeoutError, VenueDown),
        (ConnectionResetError, VenueDown),
        (KeyError, BadPayload),
        (TypeError, BadPayload),
        (ZeroDivisionError, BadPayload),
    ],
)
def test_each_kind(theirs: type[Exception], ours: type[ReadingError]) -> None:
    assert type(told("okx", theirs("okx said something"))) is ours


def test_no_row_hides_a_later_one() -> None:
    for index, (theirs, _) in enumerate(TABLE):
        assert not any(issubclass(theirs, earlier) for earlier, _ in TABLE[:index]), theirs


@pytest.mark.parametrize(
    ("venue", "code", "theirs", "ours", "word"),
    [
        ("binanceusdm", -2015, ccxt.AuthenticationError, KeyRefused, "IP list"),
        ("binanceusdm", -2014, ccxt.AuthenticationError, KeyRefused, "Copy the whole key"),
        ("binanceusdm", -1022, ccxt.AuthenticationError, KeyRefused, "secret"),
        ("binanceusdm", -1021, ccxt.InvalidNonce, ClockSkew, "clock"),
        ("binanceusdm", -1002, ccxt.AuthenticationError, NoPermission, "permission"),
        ("binanceusdm", -1001, ccxt.OperationFailed, VenueDown, "does not answer"),
        ("bybit", 10002, ccxt.InvalidNonce, ClockSkew, "clock"),
        ("bybit", 10003, ccxt.AuthenticationError, KeyRefused, "does not know"),
        ("bybit", 10004, ccxt.AuthenticationError, KeyRefused, "secret"),
        ("bybit", 10005, ccxt.PermissionDenied, NoPermission, "read permission"),
        ("bybit", 10006, ccxt.RateLimitExceeded, RateLimited, "limiting requests"),
        ("bybit", 10009, ccxt.AuthenticationError, Banned, "ban"),
        ("bybit", 10010, ccxt.PermissionDenied, NoPermission, "IP list"),
        ("bybit", 10016, ccxt.ExchangeError, VenueDown, "does not answer"),
        ("bybit", 10028, ccxt.PermissionDenied, Unsupported, "unified"),
        ("bybit", 33004, ccxt.AuthenticationError, KeyRefused, "expired"),
        ("bybit", 98765, ccxt.ExchangeError, BadPayload, "do not understand"),
        ("okx", 50110, ccxt.PermissionDenied, NoPermission, "IP list"),
        ("okx", 50113, ccxt.AuthenticationError, KeyRefused, "secret"),
    ],
)
def test_codes_with_a_meaning_of_their_own(
    venue: str, code: int, theirs: type[Exception], ours: type[ReadingError], word: str
) -> None:
    body = json.dumps({("retCode" if venue == "bybit" else "code"): code, "msg": "words of the venue"})
    fault = told(venue, theirs(f"{venue} {body}"))
    assert type(fault) is ours
    assert str(code) in str(fault)
    assert word in fault.advice


@pytest.mark.parametrize(
    ("theirs", "text", "ours"),
    [
        pytest.param(ccxt.DDoSProtection, "binanceusdm 418 I'm a teapot {}", Banned, id="418"),
        pytest.param(
            ccxt.DDoSProtection,
            "binanceusdm 429 Too Many Requests " + '{"code":-1003,"msg":"x"}',
            RateLimited,
            id="429",
        ),
        pytest.param(ccxt.DDoSProtection, 'deribit {"error":{"message":"too_many_requests"}}', RateLimited, id="words"),
        pytest.param(ccxt.AuthenticationError, f"bybit GET {SIGNED} 401 Unauthorized ", KeyRefused, id="401, empty"),
        pytest.param(ccxt.AuthenticationError, f"bybit GET {SIGNED} 401 No {PAGE}", VenueDown, id="401 by a gateway"),
        pytest.param(ccxt.AuthenticationError, f"bybit GET {SIGNED} 407 Proxy ", VenueDown, id="407 by a proxy"),
        pytest.param(
            ccxt.ExchangeNotAvailable, f"bybit GET {SIGNED} 403 Forbidden access too frequent", Banned, id="403"
        ),
        pytest.param(ccxt.ExchangeError, f"bybit GET {SIGNED}", VenueDown, id="a broken connection"),
    ],
)
def test_what_the_status_tells(theirs: type[Exception], text: str, ours: type[ReadingError]) -> None:
    assert type(told("bybit", theirs(text))) is ours


def test_a_refused_location_is_named() -> None:
    fault = told("binanceusdm", ccxt.ExchangeNotAvailable(f"binanceusdm GET {SIGNED} 451 Unavailable {{}}"))
    assert type(fault) is VenueDown
    assert "location" in fault.advice


def test_an_error_of_ours_is_left_alone() -> None:
    ours = BadPayload("field x is missing")
    assert told("okx", ours) is ours


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"binanceusdm GET {SIGNED} 500 Error {PAGE}", id="signed address"),
        pytest.param(f"binanceusdm GET {SIGNED} 500 Error {KEY} {SECRET}", id="a body that is no JSON"),
        pytest.param(json.dumps({"code": -1, "msg": f"who is {KEY}? not {SECRET}, {PASSPHRASE}"}), id="credentials"),
        pytest.param(json.dumps({"code": 1, "msg": "sign! origin_string[1700000000000" + KEY + "5000a=1]"}), id="echo"),
        pytest.param(json.dumps({"code": 1, "msg": f"see {SIGNED}"}), id="an address in words"),
        pytest.param(json.dumps({"code": 1, "msg": "signature " + "0f9e" * 16 + " differs"}), id="a signature"),
        pytest.param(json.dumps({"code": KEY, "msg": "x"}), id="as a code"),
        pytest.param(json.dumps({"code": 1, "msg": {"key": KEY}}), id="nested"),
        pytest.param(json.dumps({"code": 1, "msg": "passphrase=correct%20horse%2Bbattery"}), id="quoted passphrase"),
    ],
)
@pytest.mark.parametrize("kind", [ccxt.ExchangeError, ccxt.AuthenticationError, ccxt.NetworkError, ValueError])
def test_nothing_secret_is_passed_on(kind: type[Exception], text: str) -> None:
    fault = told("binanceusdm", kind(f"binanceusdm {text}"))
    shown = f"{fault} {fault!r} {fault.advice}"
    for secret in (KEY, SECRET, PASSPHRASE, "ab12ab12", "0f9e0f9e", "horse", KEY[:20], SECRET[-20:], "https://"):
        assert secret not in shown


@pytest.mark.parametrize(
    "words",
    [
        "Timestamp for this request is outside of the recvWindow.",
        "invalid request, please check your server timestamp or recv_window param",
        "Service unavailable from a restricted location",
    ],
)
def test_ordinary_words_survive(words: str) -> None:
    assert scrubbed(words, (KEY, SECRET)) == words


def test_long_words_are_cut() -> None:
    assert len(scrubbed("very " * 1000)) <= 160


def test_shape_of_a_message() -> None:
    body: Any = {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}
    fault = told("binanceusdm", ccxt.InvalidNonce(f"binanceusdm {json.dumps(body)}"))
    assert str(fault) == f"binanceusdm: InvalidNonce code -1021: {body['msg']}"
