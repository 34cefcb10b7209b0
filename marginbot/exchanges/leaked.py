"""Shouting where someone has sent a secret that nobody may ever have."""

from __future__ import annotations

import re

from marginbot.domain.errors import BadCredentials

_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{63,80}")
_SEED_WORDS = (12, 15, 18, 21, 24)


def is_private_key(text: str) -> bool:
    """Whether a text has the form of a wallet's private key."""
    return _PRIVATE_KEY.fullmatch(text) is not None


def is_seed_phrase(text: str) -> bool:
    """Whether a text has the form of a seed phrase."""
    words = text.split()
    return len(words) in _SEED_WORDS and all(word.isalpha() for word in words)


def refuse_secrets(text: str, *, wanted: str) -> None:
    """Raise `BadCredentials` where a private key or a seed phrase was sent in place of what is wanted."""
    if is_private_key(text):
        raise leaked("a PRIVATE KEY", wanted=wanted)
    if is_seed_phrase(text):
        raise leaked("a SEED PHRASE", wanted=wanted)


def leaked(what: str, *, wanted: str) -> BadCredentials:
    """The error that tells it."""
    return BadCredentials(
        f"looks like {what.lower()}",
        advice=(
            f"⚠️ STOP: this looks like {what}. Whoever has seen it can take everything in that wallet. Never send it to "
            f"anyone, and not to me: I only need {wanted}. I stored nothing, but the message has passed through "
            "Telegram: delete it, move your funds to a new wallet, and stop using the old one."
        ),
    )
