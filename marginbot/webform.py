"""The one-time web form: a page without scripts that takes a key and hands it to the chat's own checks.

It listens on loopback; the operator's proxy in front of it speaks HTTPS. Nothing of a request is ever logged, and a
link that is wrong, used or too old is answered like any other address that does not exist.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from html import escape

from aiohttp import web

from marginbot.bot.budget import Allowance, Budget
from marginbot.bot.language import _, best, language, later, read_in_language
from marginbot.bot.said import said
from marginbot.bot.weblinks import Wanted, WebLinks
from marginbot.listening import listening

BODY_LIMIT = 8 * 1024
BODY_SECONDS = 10.0
PER_ADDRESS = Allowance(20, timedelta(seconds=3))
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
}
NOT_FOUND = later(
    "This link is not valid: it was used, is older than ten minutes, or never was. Send /add in the chat."
)
TOO_MUCH = later("Too many requests. Wait a minute.")
TOO_LARGE = later("That is too long for a key. Nothing was taken.")
DONE = later("Thank you. What I found is told in the chat. Close this page.")
INCOMPLETE = later("Every field is needed. Nothing was taken yet.")

_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>marginbot</title></head><body>{body}</body></html>
"""
# Plain text fields: a browser offers to keep what is typed into a password field.
_FIELD = (
    '<p><label>{title}<br><input type="text" name="{name}" required maxlength="2000" autocomplete="off" '
    'autocapitalize="off" autocorrect="off" spellcheck="false"></label></p>'
)

Submitted = Callable[[Wanted, Sequence[str]], None]


class FormServer:
    """Serves the form on one address; `submitted` takes what was entered and returns at once."""

    def __init__(
        self, address: tuple[str, int], links: WebLinks, submitted: Submitted, *, clock: Callable[[], datetime]
    ) -> None:
        self._address = address
        self._links = links
        self._submitted = submitted
        self._clock = clock
        self._budget = Budget()
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; where. A `ConfigError` names the setting when the address cannot be used."""
        application = web.Application(client_max_size=BODY_LIMIT)
        application.router.add_route("*", "/{path:.*}", self._answer)
        instead = ", or set MARGINBOT_FORM_URL empty to turn the form off"
        self._runner = await listening(application, self._address, setting="MARGINBOT_FORM_LISTEN", instead=instead)
        bound = self._runner.addresses[0]
        return str(bound[0]), int(bound[1])

    async def stop(self) -> None:
        """Close the listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        if not self._budget.allows(_number(sender(request)), PER_ADDRESS, self._clock()):
            return _told(TOO_MUCH, 429)
        token = request.match_info["path"].rpartition("/")[2]
        wanted = self._links.wanted(token, self._clock())
        with read_in_language(wanted.language if wanted else _asked_for(request)):
            return await self._about(wanted, token, request)

    async def _about(self, wanted: Wanted | None, token: str, request: web.Request) -> web.Response:
        if wanted is None or request.method not in ("GET", "POST"):
            return _told(NOT_FOUND, 404)
        if request.method == "GET":
            return _page(_form(wanted), 200)
        return await self._taken(request, token, wanted)

    async def _taken(self, request: web.Request, token: str, wanted: Wanted) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded" or _from_elsewhere(request):
            return _told(NOT_FOUND, 404)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                given = await request.post()
        except web.HTTPRequestEntityTooLarge:
            return _told(TOO_LARGE, 413)
        except (TimeoutError, ValueError, LookupError):  # too slow, not text, an unknown character set
            return _told(NOT_FOUND, 404)
        parts = [str(given.get(name, "")).strip() for name, _title in wanted.venue.fields]
        if not all(parts):
            return _page(f"<p><b>{escape(_(INCOMPLETE))}</b></p>{_form(wanted)}", 400)
        # Looked up anew: somebody else may have used it while the body was read.
        taken = self._links.take(token, self._clock())
        if taken is None:
            return _told(NOT_FOUND, 404)
        self._submitted(taken, parts)
        return _told(DONE, 200)


def _from_elsewhere(request: web.Request) -> bool:
    """Whether a browser says that another site's page sends this. What says nothing is judged by the link alone."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")


def sender(request: web.Request) -> str:
    """Whose request it is: behind a proxy of the same machine or network, the address the proxy saw."""
    peer = request.remote or ""
    try:
        behind_proxy = ipaddress.ip_address(peer).is_private
    except ValueError:
        return peer
    forwarded = request.headers.getall("X-Forwarded-For", [""])[-1].rpartition(",")[2].strip()
    return forwarded if behind_proxy and forwarded else peer


def _asked_for(request: web.Request) -> str:
    """The first language a browser asks for that there is a catalogue of."""
    return best(*request.headers.get("Accept-Language", "").split(",")[:10])


def _number(address: str) -> int:
    return int.from_bytes(hashlib.sha256(address.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _form(wanted: Wanted) -> str:
    fields = "".join(_FIELD.format(title=escape(said(title)), name=escape(name)) for name, title in wanted.venue.fields)
    return (
        f"<h1>{escape(wanted.venue.title)}: {escape(wanted.label)}</h1><p>{escape(said(wanted.venue.instructions))}</p>"
        f'<form method="post" autocomplete="off">{fields}<p><button>{escape(_("Send"))}</button></p></form>'
        f"<p>{escape(_('This page works once. The key goes to the bot and not through Telegram.'))}</p>"
    )


def _told(words: str, status: int) -> web.Response:
    return _page(f"<p>{escape(_(words))}</p>", status)


def _page(body: str, status: int) -> web.Response:
    return web.Response(
        text=_PAGE.format(language=language(), body=body), status=status, content_type="text/html", headers=HEADERS
    )
