"""What may not stand on a command line: other processes can see arguments, and shells remember them."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Not `--key`: it is there for public addresses, and what it is given is judged with its venue.
VARIABLES = {
    "api-key": "MARGINBOT_KEY",
    "apikey": "MARGINBOT_KEY",
    "secret": "MARGINBOT_SECRET",
    "api-secret": "MARGINBOT_SECRET",
    "secret-key": "MARGINBOT_SECRET",
    "private-key": "MARGINBOT_SECRET",
    "passphrase": "MARGINBOT_PASSPHRASE",
    "password": "MARGINBOT_PASSPHRASE",
    "token": "MARGINBOT_TELEGRAM_TOKEN",
    "telegram-token": "MARGINBOT_TELEGRAM_TOKEN",
    "master-key": "MARGINBOT_MASTER_KEY or MARGINBOT_MASTER_KEY_FILE",
    "new-master-key": "MARGINBOT_NEW_MASTER_KEY",
}
_TOKEN = re.compile(r"\d{5,}:[A-Za-z0-9_-]{30,}")
_MASTER_KEY = re.compile(r"[A-Za-z0-9_+/-]{43}=|[0-9a-fA-F]{64}")


def misplaced(arguments: Sequence[str]) -> str | None:
    """Where a secret among the arguments belongs instead, as a hint that does not repeat it; None: there is none."""
    for argument in arguments:
        option, _, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        name = option.lstrip("-").lower().replace("_", "-")
        if name in VARIABLES:
            return _hint(f"{option} is no option of mine", VARIABLES[name])
        if _TOKEN.fullmatch(value):
            return _hint("a bot's token does not belong into the arguments", VARIABLES["token"])
        if _MASTER_KEY.fullmatch(value):
            return _hint("what looks like a master key does not belong into the arguments", VARIABLES["master-key"])
    return None


def unexpected() -> str:
    """What to say of arguments that nobody asked for: they may be keys, and are not repeated."""
    return _hint("there are more arguments than this command takes", "MARGINBOT_KEY, MARGINBOT_SECRET")


def _hint(what: str, variable: str) -> str:
    return (
        f"{what}: other processes can see arguments. Set {variable} in the environment or the settings file instead, "
        "or leave keys out to be asked. If this was a real one, replace it: your shell may have kept it"
    )
