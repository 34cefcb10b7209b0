"""The master key in the operating system's keyring; its library is optional and loaded only when this is used."""

from __future__ import annotations

from typing import Any

from marginbot.domain.errors import ConfigError

USER = "master-key"  # the entry's name within the service
_SETTING = "MARGINBOT_MASTER_KEY_KEYRING"


def read_key(service: str) -> str:
    """The master key kept under a service name; a `ConfigError` says why there is none."""
    text = _asked(service, "get_password", service, USER)
    if not text or not text.strip():
        raise ConfigError(
            f"{_SETTING}: the keyring holds no key for {service!r}; "
            f"make one with `marginbot keygen --keyring {service}`"
        )
    return str(text).strip()


def keep_key(service: str, key: str) -> None:
    """Put a new master key there. One that is there already is never replaced: what it sealed would be lost."""
    if _asked(service, "get_password", service, USER):
        raise ConfigError(f"the keyring already holds a key for {service!r}, which is kept: choose another name")
    _asked(service, "set_password", service, USER, key)


def _asked(service: str, action: str, *arguments: str) -> Any:
    """What the keyring answers; its own error texts are not repeated, they may hold anything."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError(
            f"{_SETTING}: the keyring library is not installed: pip install 'marginbot[keyring]', or use "
            "MARGINBOT_MASTER_KEY_FILE"
        ) from None
    try:
        return getattr(keyring, action)(*arguments)
    except KeyringError as error:
        raise ConfigError(
            f"{_SETTING}: the keyring cannot be used for {service!r} ({type(error).__name__}): is it unlocked, and is "
            "there one on this machine? Servers mostly have none: use MARGINBOT_MASTER_KEY_FILE there"
        ) from None
