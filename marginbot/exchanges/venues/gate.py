"""Gate: classic futures wallets (USDT, BTC, delivery), their new mode, and the unified account in its modes.

Gate keeps a wallet per settlement currency and answers USER_NOT_FOUND for one that was never used. A wallet that could
not be read for another reason is unknown, not empty. Sources: www.gate.com/docs/developers/apiv4 "Query user's
assets", "List all positions of a user", "Get unified account information". The ratios: `gate_classic`, `gate_unified`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from marginbot.domain.errors import ClockSkew, KeyRefused, NoPermission, Unsupported, VenueDown
from marginbot.domain.margin import Pool, Snapshot
from marginbot.domain.passport import Passport
from marginbot.domain.room import STABLE
from marginbot.exchanges.permissions import unreadable
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Payloads,
    Permissions,
    Reference,
    Venue,
    candles_of,
    dig,
    number,
    price,
    record,
    rows,
)
from marginbot.exchanges.venues.gate_classic import unread_pool, wallet_pool
from marginbot.exchanges.venues.gate_rows import Held, held_of, isolated_pool
from marginbot.exchanges.venues.gate_unified import unified_pools
from marginbot.flow.ports import VenueInfo

_ASKED_AT_ONCE = 10  # contracts whose tiers, and coins whose price, are asked for in one reading
NEVER_USED: Mapping[str, Any] = {"never_used": True}


@dataclass(frozen=True, slots=True)
class Wallet:
    """A futures wallet of Gate."""

    kind: str  # of endpoint: Futures, Delivery
    settle: str

    @property
    def name(self) -> str:
        """Its place in the payloads."""
        return f"{self.kind.lower()}:{self.settle}"

    @property
    def pool(self) -> str:
        """The name of its cross pool."""
        return f"cross:{self.settle.upper()}" + ("" if self.kind == "Futures" else f":{self.kind.lower()}")


MAIN = Wallet("Futures", "usdt")
WALLETS = (MAIN, Wallet("Futures", "btc"), Wallet("Delivery", "usdt"))


async def fetch(api: Api) -> Payloads:
    """The mode, the unified account where there is one, all positions, and the wallets of a classic account."""
    told = await api.recent("privateUnifiedGetUnifiedMode")
    mode = str(dig(told, "mode") or "")
    unified = None
    if mode != "classic":
        asked = api.call if mode else api.optional
        unified = await asked("privateUnifiedGetAccounts")
    positions = dict(zip(_names(), await together(*(_asked(api, at, "Positions") for at in WALLETS)), strict=True))
    accounts: dict[str, Any] = {}
    if unified is None:
        accounts = dict(zip(_names(), await together(*(_asked(api, at, "Accounts") for at in WALLETS)), strict=True))
    tiers, prices = await together(_tiers(api, positions), _prices(api, unified))
    return {
        "mode": mode,
        "unified": unified,
        "positions": positions,
        "accounts": accounts,
        "tiers": tiers,
        "prices": prices,
    }


def _names() -> list[str]:
    return [wallet.name for wallet in WALLETS]


async def _asked(api: Api, wallet: Wallet, what: str) -> Any:
    """An answer about a wallet; None where a wallet other than the main one could not be read."""
    try:
        return await api.call(f"private{wallet.kind}GetSettle{what}", {"settle": wallet.settle})
    except Unsupported:
        return NEVER_USED
    except VenueDown:
        if wallet is MAIN:
            raise
        return None


async def _tiers(api: Api, positions: Mapping[str, Any]) -> dict[str, Any]:
    open_ = [row for row in _rows(positions.get(MAIN.name)) if number(row, "size")]
    contracts = list(dict.fromkeys(str(row.get("contract")) for row in open_))[:_ASKED_AT_ONCE]
    method = "publicFuturesGetSettleRiskLimitTiers"
    told = await together(*(api.shared(method, {"settle": MAIN.settle, "contract": name}) for name in contracts))
    return dict(zip(contracts, told, strict=True))


async def _prices(api: Api, unified: Any) -> dict[str, Any]:
    """Spot prices of what backs a unified account."""
    balances = dig(unified, "balances")
    held = [name for name in balances if number(record(balances, name), "equity")] if isinstance(balances, dict) else []
    coins = [name for name in held if name not in STABLE and name != "POINT"][:_ASKED_AT_ONCE]
    told = await together(*(api.optional("publicSpotGetTickers", {"currency_pair": f"{at}_USDT"}) for at in coins))
    return dict(zip(coins, told, strict=True))


def _rows(answer: Any) -> list[dict[str, Any]]:
    return [] if answer is None or answer == NEVER_USED else rows(answer)


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    positions = record(payloads, "positions")
    held: dict[str, list[Held]] = {}
    for wallet in WALLETS:
        found = (
            held_of(
                row,
                wallet.settle,
                reference,
                told_tiers=dig(payloads, "tiers", str(row.get("contract"))),
                warnings=warnings,
            )
            for row in _rows(positions.get(wallet.name))
        )
        held[wallet.name] = [position for position in found if position is not None]
    everything = [position for part in held.values() for position in part]
    isolated = [isolated_pool(position, warnings) for position in everything if position.is_isolated]
    unified, mode = payloads.get("unified"), str(payloads.get("mode") or "")
    if unified is not None:
        cross = [position for position in everything if not position.is_isolated]
        pools = unified_pools(
            record(unified), cross, prices=_told_prices(payloads, cross), mode=mode, warnings=warnings
        )
        pools += [unread_pool(at.pool, at.settle) for at in WALLETS if positions.get(at.name) is None]
    else:
        pools = _classic_pools(payloads, held, warnings)
    warnings += [f"{at.pool}: this wallet could not be read" for at in WALLETS if _unread(payloads, at)]
    staked = [pool for pool in [*pools, *isolated] if pool.positions or pool.maintenance_margin or pool.has_debt]
    return Snapshot(
        exchange=INFO.id,
        mode=_mode(payloads, warnings),
        taken_at=now,
        pools=tuple(staked or [pool for pool in pools if pool.equity]),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _unread(payloads: Payloads, wallet: Wallet) -> bool:
    parts = ("positions",) if payloads.get("unified") is not None else ("positions", "accounts")
    return any(dig(payloads, part, wallet.name) is None for part in parts)


def _classic_pools(payloads: Payloads, held: Mapping[str, Sequence[Held]], warnings: list[str]) -> list[Pool]:
    pools = []
    for wallet in WALLETS:
        told = dig(payloads, "accounts", wallet.name)
        if _unread(payloads, wallet):
            pools.append(unread_pool(wallet.pool, wallet.settle))
        elif told != NEVER_USED or held[wallet.name]:
            row = {} if told == NEVER_USED else record(told)
            pools.append(wallet_pool(wallet.pool, row, held[wallet.name], settle=wallet.settle, warnings=warnings))
    return pools


def _told_prices(payloads: Payloads, cross: Sequence[Held]) -> dict[str, Decimal]:
    marks = {held.position.underlying: held.position.mark_price for held in cross}
    spot = {name: price(dig(answer, 0) or {}, "last") for name, answer in (payloads.get("prices") or {}).items()}
    return {name: value for name, value in {**marks, **spot}.items() if value is not None}


def _mode(payloads: Payloads, warnings: list[str]) -> str:
    mode = str(payloads.get("mode") or "")
    if payloads.get("unified") is not None:
        if not mode:
            warnings.append("Gate did not say the mode of the unified account")
        return f"unified/{mode.replace('_', '-')}" if mode else "unified"
    new = any(dig(payloads, "accounts", name, "enable_evolved_classic") is True for name in _names())
    return "classic/new" if new else "classic"


async def fetch_permissions(api: Api) -> Any:
    """What Gate tells of the account and the key's addresses."""
    return await api.call("privateAccountGetDetail")


def parse_permissions(answer: Any) -> Passport:
    """The address list alone: Gate does not tell a key its rights."""
    addresses = dig(answer, "ip_whitelist")
    if not isinstance(addresses, list):
        return unreadable("Gate")
    return Passport(ip_restricted=bool(addresses), notes=("Gate does not tell what a key may do",))


INFO = VenueInfo(
    id="gate",
    title="Gate",
    fields=(("key", "API key"), ("secret", "secret key")),
    instructions=(
        "At gate.com open your profile, API management, Create API key. Tick read-only for perpetual and delivery "
        "futures and for the unified account, nothing else, and enter this server's IP address if you can."
    ),
    aliases=("gateio", "gate.io"),
)
FAULTS = {
    "INVALID_KEY": Fault(
        KeyRefused, "Gate does not know this key. Check that it was copied whole and was not deleted."
    ),
    "INVALID_CREDENTIALS": Fault(KeyRefused),
    "INVALID_SIGNATURE": Fault(
        KeyRefused,
        "Gate knows the key, but the signature is wrong: the secret is probably mistyped or belongs to another key. "
        "Gate shows it only once, so you may need a new key.",
    ),
    "IP_FORBIDDEN": Fault(
        NoPermission, "Gate refuses this server's address: it is not on the key's IP list. Add it at Gate."
    ),
    "FORBIDDEN": Fault(NoPermission),
    "READ_ONLY": Fault(NoPermission),
    "REQUEST_EXPIRED": Fault(ClockSkew),
    "USER_NOT_FOUND": Fault(Unsupported, "Gate has no futures account for this key. Open it at Gate, then try again."),
}
FACTS = Facts(
    modes="classic futures (USDT, BTC, delivery), new classic mode; unified in its modes; cross, isolated",
    ratio_from="`total_maintenance_margin_rate`, `cross_maintenance_margin`; recomputed from rates and fee",
    evidence=(Evidence.DOCUMENTED,),
    weight="7 requests (unified 5), 200 of each in 10 s",
    estimates="classic mode: all of it from positions; `cross_mmr`; coins that back a unified account",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USD:{0}"),
    options={"fetchMarkets": {"types": ["swap", "future"]}, "unifiedAccount": False},
    permissions=Permissions(fetch_permissions, parse_permissions),
    faults=FAULTS,
)
