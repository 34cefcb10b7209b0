"""Addresses of channels: checked before anything is sent, and never printed whole."""

from __future__ import annotations

import re
import threading
import warnings
from dataclasses import dataclass, field
from functools import cache

from apprise import Apprise, NotifyBase

from marginbot.domain.errors import RequestError
from marginbot.logs import redact

_loading = threading.Lock()
LONGEST_URL = 1000
SHORTEST_SECRET_PART = 10  # shorter parts of an address are ports, flags, ordinary words

# These act on the machine that the bot runs on, or would loop back to the chat that is to be bypassed.
LOCAL = frozenset({"dbus", "kde", "qt", "glib", "gio", "gnome", "macosx", "windows", "syslog", "blink1"})
_PUSHOVER = re.compile(
    r"(?:pover|pushover)://(?P<user>[A-Za-z0-9]{30})@(?P<token>[A-Za-z0-9]{30})(?P<devices>(?:/[A-Za-z0-9_-]{1,25})*)/?"
    r"(?:\?.*)?"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30})://\S+")
_PARTS = re.compile(r"[/@:?&=,]+")


class BadAddress(RequestError):
    """The address of a channel is not one that can be used; never repeats it."""


@dataclass(frozen=True, slots=True)
class Pushover:
    """What Pushover needs to reach somebody."""

    user: str = field(repr=False)
    token: str = field(repr=False)
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """A usable address."""

    title: str  # "Pushover (pover://…)": all that is ever shown of it
    url: str = field(repr=False)  # in the form that Apprise reads
    pushover: Pushover | None = None


def parse_address(url: str) -> Address:
    """The address behind a URL; `BadAddress` says what is wrong with it, without repeating it."""
    url = url.strip()
    keep_out_of_logs(url)
    found = _SCHEME.fullmatch(url)
    if found is None or len(url) > LONGEST_URL:
        raise _bad(
            "not a URL",
            "That is not a channel's address. It looks like pover://USER@TOKEN, ntfys://TOPIC or mailtos://…: "
            "one word with :// in it.",
        )
    scheme = found[1].lower()
    if scheme in LOCAL:
        raise _bad("acts on this server", f"{scheme}:// would notify on my server's own screen, not you.")
    if scheme in ("tgram", "telegram"):
        raise _bad("is Telegram", "That is Telegram again. A further channel must not depend on Telegram.")
    pushover = _pushover_of(url) if scheme in ("pover", "pushover") else None
    if pushover is not None:
        url = "pover://" + url.split("://", 1)[1]
    return Address(title=f"{_service(url, scheme)} ({scheme}://…)", url=url, pushover=pushover)


def keep_out_of_logs(url: str) -> None:
    """The address and its telling parts never reach a log line from now on."""
    redact(url)
    for part in _PARTS.split(url.partition("://")[2]):
        if len(part) >= SHORTEST_SECRET_PART:
            redact(part)


@cache
def load_services() -> None:
    """Load Apprise's many modules, which takes seconds, once. Their own deprecations are not our concern."""
    with _loading, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Apprise.instantiate("json://localhost", suppress_exceptions=True)


def plugin(url: str) -> NotifyBase | None:
    """Apprise's sender for a URL; None for what it does not accept."""
    load_services()
    made = Apprise.instantiate(url, suppress_exceptions=True)
    return made if isinstance(made, NotifyBase) else None


def _service(url: str, scheme: str) -> str:
    sender = plugin(url)
    if sender is None:
        raise _bad(
            f"{scheme} is not accepted by Apprise",
            f"Apprise does not accept this {scheme}:// address: the service is not known or a part is missing. "
            "Its documentation shows the form for each service.",
        )
    if not sender.verify_certificate:
        raise _bad("certificates unchecked", "Leave out verify=no: without that check anybody could listen.")
    return str(sender.service_name)


def _pushover_of(url: str) -> Pushover:
    found = _PUSHOVER.fullmatch(url)
    if found is None:
        raise _bad(
            "malformed Pushover address",
            "A Pushover address is pover://USER@TOKEN: your user key and an application's token, 30 characters each.",
        )
    return Pushover(found["user"], found["token"], tuple(d for d in found["devices"].split("/") if d))


def _bad(why: str, advice: str) -> BadAddress:
    return BadAddress(f"channel address: {why}", advice=f"{advice} Nothing was stored.")
