"""Addresses as people write them into settings: URLs, `host:port`, networks."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit


def checked_url(value: str) -> str:
    """A URL without its last slash; `ValueError` without scheme or host."""
    parts = urlsplit(value.strip())
    if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
        raise ValueError("this is not a URL with scheme and host")
    return value.strip().rstrip("/")


def host_and_port(value: str) -> tuple[str, int]:
    """Both halves of `host:port`; `ValueError` for anything else. An IPv6 host may stand in brackets."""
    host, _, port = value.strip().rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("this is not host:port")
    return host.strip("[]"), int(port)


def networks(value: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Networks with commas between them; `ValueError` for what is none."""
    return tuple(ip_network(part.strip()) for part in value.split(",") if part.strip())
