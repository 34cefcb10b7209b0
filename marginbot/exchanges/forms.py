"""What is plainly malformed about credentials, told before anything is sent to a venue."""

from __future__ import annotations

from marginbot.domain.errors import BadCredentials
from marginbot.flow.ports import Credential, VenueInfo

_LONGEST = 2048  # some venues' read-only keys are signed tokens


def check_form(info: VenueInfo, credential: Credential) -> None:
    """Raise `BadCredentials` with advice for the first field that cannot be right."""
    for name, title in info.fields:
        _check(title, getattr(credential, name))
    if credential.secret and credential.key == credential.secret:
        raise _bad("key and secret are the same", "You sent the same text as key and as secret.")


def _check(title: str, value: str) -> None:
    if not value:
        raise _bad(f"{title} is empty", f"The {title} is missing.")
    if "PRIVATE KEY" in value:
        raise _bad(
            f"{title} is a private key file",
            "Keys with an RSA or Ed25519 file are not supported: create "
            "a key of the ordinary kind, with a secret made by the exchange.",
        )
    if any(character.isspace() for character in value):
        raise _bad(
            f"{title} holds blanks", f"The {title} has a blank or a line break inside: copy it again in one piece."
        )
    if not value.isascii() or not value.isprintable():
        raise _bad(f"{title} holds strange characters", f"The {title} has characters that no key has: copy it again.")
    if len(value) > _LONGEST:
        raise _bad(f"{title} is too long", f"The {title} is far too long: copy just the {title} itself.")


def _bad(message: str, advice: str) -> BadCredentials:
    return BadCredentials(message, advice=f"{advice} Nothing was stored.")
