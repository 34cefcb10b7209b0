"""What a key may do: each venue's own endpoint, read with suspicion.

A right counts as absent only where the venue says so in the form we know. A field that is missing or strange is
None, a right that we do not know by name is taken for a right to trade. Sources: developers.binance.com "Get API Key
Permission", bybit-exchange.github.io "Get API Key Information", okx.com/docs-v5 "Get account configuration",
docs.deribit.com "public/auth" and "Access scope".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from marginbot.domain.passport import Passport
from marginbot.exchanges.venue import Api, Permissions, dig

TRANSFERS = "it may move funds to other accounts"

_LONGEST_NAME = 40
_NEVER = 1970


def nothing_said(why: str) -> Passport:
    """A passport that could not be read."""
    return Passport(notes=(why,))


def unreadable(exchange: str) -> Passport:
    """The endpoint answered in a form we do not know."""
    return nothing_said(f"{exchange} answered in a form I do not know")


# -- Binance

_BINANCE_WITHDRAW = ("enableWithdrawals", "enableInternalTransfer", "permitsUniversalTransfer")
_BINANCE_TRADE = ("enableSpotAndMarginTrading", "enableFutures")  # always told; further ones where they exist
_BINANCE_READ = frozenset({"enableReading", "enableFixReadOnly"})


async def fetch_binance(api: Api) -> Any:
    """The flags of the key."""
    return await api.call("sapiGetAccountApiRestrictions")


def parse_binance(answer: Any) -> Passport:
    """Every right is a flag of its own."""
    if not isinstance(answer, dict):
        return unreadable("Binance")
    rights = [name for name in answer if str(name).startswith(("enable", "permits"))]
    others = [name for name in rights if name not in _BINANCE_READ and name not in _BINANCE_WITHDRAW]
    transfers = answer.get("enableWithdrawals") is not True and any(answer.get(n) is True for n in _BINANCE_WITHDRAW)
    return Passport(
        can_read=_flag(answer.get("enableReading")),
        can_trade=_any(answer, {*_BINANCE_TRADE, *others}),
        can_withdraw=_any(answer, _BINANCE_WITHDRAW),
        ip_restricted=_flag(answer.get("ipRestrict")),
        notes=(TRANSFERS,) if transfers else (),
    )


def _any(row: Mapping[str, Any], names: Iterable[str]) -> bool | None:
    """True as soon as one flag is set; False only where all are there and none is."""
    flags = [_flag(row.get(name)) for name in names]
    if True in flags:
        return True
    return None if None in flags else False


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


# -- Bybit

_BYBIT_SENDS = frozenset({"SubMemberTransfer", "SubMemberTransferList"})


async def fetch_bybit(api: Api) -> Any:
    """What Bybit tells a key of itself."""
    return await api.call("privateGetV5UserQueryApi")


def parse_bybit(answer: Any) -> Passport:
    """`readOnly` is 1 or 0; the listed permissions of a read-only key are only what it may look at."""
    told = dig(answer, "result")
    mode = dig(told, "readOnly")
    if not isinstance(told, dict) or isinstance(mode, bool) or str(mode) not in ("0", "1"):
        return unreadable("Bybit")
    writes = str(mode) == "0"
    wallet = _words(dig(told, "permissions", "Wallet"))
    # `Withdraw` on a key that calls itself read-only is contradictory: the worse half counts.
    withdraws = None if wallet is None else "Withdraw" in wallet
    sends = writes and wallet is not None and bool(_BYBIT_SENDS & wallet)
    return Passport(
        can_read=True,
        can_trade=writes,
        can_withdraw=True if sends else (withdraws if writes else withdraws or False),
        ip_restricted=_bybit_addresses(told.get("ips")),
        expires_at=_time(told.get("expiredAt")),
        notes=(TRANSFERS,) if sends and not withdraws else (),
    )


def _words(value: Any) -> frozenset[str] | None:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return frozenset(value)


def _bybit_addresses(value: Any) -> bool | None:
    addresses = _words(value)
    return None if addresses is None else bool(addresses) and "*" not in addresses


def _time(value: Any) -> datetime | None:
    """An ISO 8601 time; 1970 stands for never."""
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return None if found.year <= _NEVER else found.astimezone(UTC)


# -- OKX


async def fetch_okx(api: Api) -> Any:
    """The account's configuration, which also describes the key that asks."""
    return await api.call("privateGetAccountConfig")


def parse_okx(answer: Any) -> Passport:
    """`perm` is a list of words; `ip` is empty for a key that works from anywhere."""
    told, said = dig(answer, "data", 0, "perm"), dig(answer, "data", 0, "ip")
    words = {word.strip() for word in told.split(",")} - {""} if isinstance(told, str) else set()
    if not words:
        return unreadable("OKX")
    strange = words - {"read_only", "trade", "withdraw"}
    return Passport(
        can_read=None if strange else "read_only" in words,
        can_trade="trade" in words or bool(strange),
        can_withdraw="withdraw" in words,
        ip_restricted=bool(said.strip()) if isinstance(said, str) else None,
        notes=tuple(_unknown_right(word) for word in sorted(strange)),
    )


def _unknown_right(word: str) -> str:
    shown = re.sub(r"[^A-Za-z0-9_:-]", "", word)[:_LONGEST_NAME]
    return f"it has a right that I do not know: {shown}"


# -- Deribit

_DERIBIT_SENDS = ("wallet", "custody")


async def fetch_deribit(api: Api) -> Any:
    """The scope granted to the key. The token that comes with it is dropped here: nothing else ever sees it."""
    asked = {"grant_type": "client_credentials", "client_id": api.key, "client_secret": api.secret}
    answer = await api.call("publicGetAuth", asked)
    return {"scope": dig(answer, "result", "scope")}


def parse_deribit(answer: Any) -> Passport:
    """Words such as `trade:read`; any `:read_write` is more than we need."""
    scope = dig(answer, "scope")
    if not isinstance(scope, str) or not scope.strip():
        return unreadable("Deribit")
    granted = dict(word.split(":", 1) for word in scope.split() if ":" in word)
    writes = [name for name, level in granted.items() if level == "read_write"]
    account = "account" in writes and "trade" not in writes
    return Passport(
        can_read=_deribit_level(granted, "trade", {"read", "read_write"}),
        can_trade=True if set(writes) - {*_DERIBIT_SENDS} else _deribit_level(granted, "trade", {"read_write"}),
        can_withdraw=True if set(writes) & {*_DERIBIT_SENDS} else _deribit_level(granted, "wallet", {"read_write"}),
        ip_restricted=True if "ip" in granted else None,
        notes=("it may change the settings of the account",) if account else (),
    )


def _deribit_level(granted: Mapping[str, str], name: str, wanted: set[str]) -> bool | None:
    level = granted.get(name)
    return level in wanted if level in ("none", "read", "read_write") else None


# -- Hyperliquid


async def ask_nothing(api: Api) -> Any:
    """There is no key to ask about."""
    return None


def public_address(answer: Any) -> Passport:
    """Anyone may look at an address, and nobody can do anything with it."""
    return Passport(can_read=True, can_trade=False, can_withdraw=False)


BINANCE = Permissions(fetch_binance, parse_binance)
BYBIT = Permissions(fetch_bybit, parse_bybit)
OKX = Permissions(fetch_okx, parse_okx)
DERIBIT = Permissions(fetch_deribit, parse_deribit)
PUBLIC_ADDRESS = Permissions(ask_nothing, public_address)
