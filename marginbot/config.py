"""Settings: environment variables over a `.env` file (or one named by `--config`). An error names its variable."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict

from marginbot.domain.errors import ConfigError
from marginbot.endpoints import checked_url, host_and_port, networks
from marginbot.flow.access import AccessMode
from marginbot.strongbox import read_key

_PREFIX = "MARGINBOT_"
_LEVELS = ("debug", "info", "warning", "error")

# What a right value looks like, by field; shown beside the complaint.
EXAMPLES = {
    "telegram_token": "123456789:AA…, the token that @BotFather gave you",
    "telegram_api_url": "https://api.telegram.org",
    "database": "marginbot.db",
    "master_key": "the line that `marginbot keygen` prints",
    "master_key_file": "/etc/marginbot/master-key, a file holding the line that `marginbot keygen` prints",
    "master_key_keyring": "marginbot, the name given to `marginbot keygen --keyring marginbot`",
    "admin_ids": "12345678,87654321",
    "access": "admins, invite or open",
    "poll_interval": "30",
    "stale_after": "180",
    "retention_days": "365",
    "exchange_urls": '{"bybit": "https://api.bybit.example"}',
    "proxies": '{"binanceusdm": ["http://10.0.0.2:3128", "http://10.0.0.3:3128"]}',
    "http_listen": "127.0.0.1:8080, or empty to turn it off",
    "egress_ip": "203.0.113.7, the address that exchanges see of this server; several with commas",
    "form_url": "https://bot.example/key, the address at which your HTTPS proxy shows MARGINBOT_FORM_LISTEN",
    "form_listen": "127.0.0.1:8081",
    "webhook_url": "https://bot.example/telegram, the address at which your HTTPS proxy shows MARGINBOT_WEBHOOK_LISTEN",
    "webhook_listen": "127.0.0.1:8082",
    "webhook_sources": "149.154.160.0/20,91.108.4.0/22",
    "heartbeat_url": "https://hc.example/ping/…",
    "venue_pushes": "true or false",
    "live_marks": "true or false",
    "log_level": "debug, info, warning or error",
    "log_format": "text or json",
}


class Settings(BaseSettings):
    """All settings; see the README for what each means."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=False)

    telegram_token: SecretStr | None = None
    telegram_api_url: str | None = None
    database: Path = Path("marginbot.db")
    master_key: SecretStr | None = None
    master_key_file: Path | None = None
    master_key_keyring: str | None = None  # a service name
    admin_ids: Annotated[frozenset[int], NoDecode] = frozenset()
    access: AccessMode = AccessMode.INVITE
    poll_interval: float = Field(default=30.0, ge=0.05, le=3600)
    stale_after: float = Field(default=180.0, ge=0.1, le=86400)
    retention_days: int = Field(default=365, ge=7, le=3650)
    exchange_urls: dict[str, str] = Field(default_factory=dict)
    proxies: dict[str, tuple[str, ...]] = Field(default_factory=dict, repr=False)  # an address may hold a password
    http_listen: str = "127.0.0.1:8080"
    egress_ip: str = ""
    form_url: str | None = None
    form_listen: str = "127.0.0.1:8081"
    webhook_url: str | None = None
    webhook_listen: str = "127.0.0.1:8082"
    webhook_sources: str = "149.154.160.0/20,91.108.4.0/22"  # core.telegram.org/bots/webhooks
    heartbeat_url: str | None = Field(default=None, repr=False)  # the address may hold a token
    venue_pushes: bool = False
    live_marks: bool = True
    log_level: str = "info"
    log_format: str = "text"

    @field_validator(
        "telegram_token",
        "telegram_api_url",
        "master_key",
        "master_key_file",
        "master_key_keyring",
        "form_url",
        "webhook_url",
        "heartbeat_url",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("database", mode="before")
    @classmethod
    def _named_file(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("this is not the path of a file")
        return value

    @field_validator("admin_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        if isinstance(value, str):
            return frozenset(int(part) for part in value.split(",") if part.strip())
        return value

    @field_validator("admin_ids")
    @classmethod
    def _people(cls, value: frozenset[int]) -> frozenset[int]:
        if any(number <= 0 for number in value):
            raise ValueError("a person's id is above zero; one below is a group's")
        return value

    @field_validator("telegram_token")
    @classmethod
    def _token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"\d+:[\w-]{3,}", value.get_secret_value().strip()):
            raise ValueError("this is not the form of a bot token")
        return value

    @field_validator("telegram_api_url", "heartbeat_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        return None if value is None else checked_url(value)

    @field_validator("egress_ip")
    @classmethod
    def _addresses(cls, value: str) -> str:
        return ", ".join(str(ip_address(part.strip())) for part in value.split(",") if part.strip())

    @field_validator("form_url")
    @classmethod
    def _form_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(checked_url(value))
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1")):
            raise ValueError("keys are sent there, so it must be https")
        return checked_url(value)

    @field_validator("webhook_url")
    @classmethod
    def _webhook_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(checked_url(value)).scheme != "https":
            raise ValueError("Telegram pushes to https only")
        return None if value is None else checked_url(value)

    @field_validator("webhook_sources")
    @classmethod
    def _networks(cls, value: str) -> str:
        if not networks(value):
            raise ValueError("no network is named")
        return value

    @field_validator("form_listen", "webhook_listen")
    @classmethod
    def _form_listen(cls, value: str) -> str:
        host_and_port(value)
        return value.strip()

    @field_validator("exchange_urls")
    @classmethod
    def _urls(cls, value: dict[str, str]) -> dict[str, str]:
        return {name.strip().lower(): checked_url(url) for name, url in value.items()}

    @field_validator("proxies")
    @classmethod
    def _proxies(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        found = {name.strip().lower(): tuple(checked_url(url) for url in urls) for name, urls in value.items()}
        if any(urlsplit(url).scheme not in ("http", "https") for urls in found.values() for url in urls):
            raise ValueError("a proxy is reached by http or https")
        return found

    @field_validator("log_level")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.lower() not in _LEVELS:
            raise ValueError("unknown level")
        return value.lower()

    @field_validator("log_format")
    @classmethod
    def _format(cls, value: str) -> str:
        if value.lower() not in ("text", "json"):
            raise ValueError("unknown format")
        return value.lower()

    @field_validator("http_listen")
    @classmethod
    def _listen(cls, value: str) -> str:
        if value.strip():
            host_and_port(value)
        return value.strip()

    @property
    def listen(self) -> tuple[str, int] | None:
        """Where `/healthz` and `/metrics` listen; None when turned off."""
        return host_and_port(self.http_listen) if self.http_listen else None

    @property
    def form_address(self) -> tuple[str, int] | None:
        """Where the web form for keys listens; None when turned off."""
        return host_and_port(self.form_listen) if self.form_url else None

    @property
    def webhook_address(self) -> tuple[str, int]:
        """Where pushed updates are listened for, when `webhook_url` is set."""
        return host_and_port(self.webhook_listen)

    @property
    def webhook_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """From where updates may be pushed."""
        return networks(self.webhook_sources)

    @property
    def poll_every(self) -> timedelta:
        """The calm interval between two readings."""
        return timedelta(seconds=self.poll_interval)

    @property
    def blind_after(self) -> timedelta:
        """How long without a good reading before the owner is told."""
        return timedelta(seconds=self.stale_after)

    @property
    def pause(self) -> timedelta:
        """The pause between two readings beyond which a chart has a gap."""
        return max(self.blind_after, 3 * self.poll_every)

    @property
    def retention(self) -> timedelta:
        """How long history and closed messages are kept."""
        return timedelta(days=self.retention_days)

    def require_token(self) -> str:
        """The bot token, or a `ConfigError` that says where to get one."""
        if self.telegram_token is None:
            raise ConfigError(f"{_PREFIX}TELEGRAM_TOKEN is not set: set it to {EXAMPLES['telegram_token']}")
        return self.telegram_token.get_secret_value().strip()

    def master_key_text(self) -> str:
        """The master key from the environment, its file or the keyring; a `ConfigError` says how to make one."""
        if self.master_key is not None:
            return self.master_key.get_secret_value().strip()
        if self.master_key_file is None and self.master_key_keyring is not None:
            return read_key(self.master_key_keyring.strip())
        if self.master_key_file is None:
            raise ConfigError(
                f"{_PREFIX}MASTER_KEY is not set: make a key with `marginbot keygen`, keep it outside the database's "
                f"backups, and set {_PREFIX}MASTER_KEY, {_PREFIX}MASTER_KEY_FILE or {_PREFIX}MASTER_KEY_KEYRING"
            )
        try:
            text = self.master_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{_PREFIX}MASTER_KEY_FILE cannot be read: {type(error).__name__}") from None
        if not text:
            raise ConfigError(f"{_PREFIX}MASTER_KEY_FILE names an empty file; it should hold {EXAMPLES['master_key']}")
        return text


def load_settings(config: Path | None = None) -> Settings:
    """Settings from the environment and the file; a `ConfigError` names the variable and shows a right value."""
    if config is not None and not config.is_file():
        raise ConfigError(f"--config names {config}, which is not a file")
    try:
        return Settings(_env_file=config or Path(".env"))  # type: ignore[call-arg]
    except ValidationError as error:
        raise ConfigError(_complaint(error)) from None
    except ValueError as error:
        # pydantic-settings wraps a variable that is not JSON where JSON is due; its text holds the field's name.
        field = next((name for name in EXAMPLES if f'"{name}"' in str(error)), "")
        raise ConfigError(_named(field, "is not valid JSON") if field else "the settings cannot be read") from None
    except OSError as error:
        raise ConfigError(f"the settings file cannot be read: {type(error).__name__}") from None


def unknown_variables(config: Path | None = None) -> list[str]:
    """Variables, of the environment or the settings file, that look like ours but are not: misspelt, most likely."""
    others = ("KEY", "SECRET", "PASSPHRASE", "NEW_MASTER_KEY", "CORPUS")
    known = {_PREFIX + name.upper() for name in (*Settings.model_fields, *others)}
    named = {name.upper() for name in DotEnvSettingsSource(Settings, env_file=config or Path(".env")).env_vars}
    return sorted(name for name in {*os.environ, *named} if name.startswith(_PREFIX) and name not in known)


def _complaint(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    return _named(field, str(first["msg"]).removeprefix("Value error, ").lower())


def _named(field: str, complaint: str) -> str:
    example = f"; a right value looks like: {EXAMPLES[field]}" if field in EXAMPLES else ""
    return f"{_PREFIX}{field.upper()}: {complaint}{example}"
