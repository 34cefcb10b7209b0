"""OKX: account modes 1 (spot), 2 (futures), 3 (multi-currency) and 4 (portfolio).

OKX's margin ratio falls to 1 as danger grows: `mgnRatio = equity / (maintenance margin + liquidation fee)`. In
futures mode each currency is a pool (`details[].mgnRatio`), in modes 3 and 4 the account is one in USD
(`mgnRatio`, `adjEq`, `mmr`), an isolated position always is one. A blank field means "not applicable" and is
never zero. Source: www.okx.com/docs-v5, "Get balance", "Get positions", "Get account configuration".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marginbot.domain.errors import KeyRefused, NoPermission
from marginbot.domain.margin import Snapshot
from marginbot.exchanges import permissions
from marginbot.exchanges.together import together
from marginbot.exchanges.venue import (
    Api,
    Evidence,
    Facts,
    Fault,
    Payloads,
    Reference,
    Venue,
    candles_of,
    number,
    record,
    rows,
)
from marginbot.exchanges.venues.okx_pools import account_pool, currency_pools, idle_pool, isolated_pool, owes
from marginbot.exchanges.venues.okx_positions import Row, holding_of
from marginbot.exchanges.venues.okx_push import PUSHES
from marginbot.exchanges.venues.okx_tiers import fetch_tiers, with_tiers
from marginbot.flow.ports import VenueInfo

MODES = {"1": "spot", "2": "futures", "3": "multi-currency", "4": "portfolio"}
HEDGED = {"net_mode": "net", "long_short_mode": "hedge"}


async def fetch(api: Api) -> Payloads:
    """Mode, balance and all positions; the mode may be missing, and so may the tiers of what is held."""
    config, balance, positions = await together(
        api.optional("privateGetAccountConfig"),
        api.call("privateGetAccountBalance"),
        api.call("privateGetAccountPositions"),
    )
    tiers = await fetch_tiers(api, positions)
    return {"config": config, "balance": balance, "positions": positions, "tiers": tiers}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    account = record(payloads, "balance", "data", 0)
    details = rows(account, "details")
    position_rows = rows(payloads, "positions", "data")
    level = _level(payloads, account, warnings)
    in_usd = level in ("3", "4") or (level == "1" and number(account, "adjEq") is not None)
    found = (holding_of(row, reference, in_usd=in_usd, warnings=warnings) for row in position_rows)
    tiers = payloads.get("tiers") or {} if level != "4" else {}
    holdings = [with_tiers(holding, tiers, warnings) for holding in found if holding is not None]
    cross = [holding for holding in holdings if not holding.isolated]
    if in_usd:
        pools = [account_pool(account, details, cross, portfolio=level == "4", warnings=warnings)]
    elif level == "1" and not cross and not owes(details):
        pools = [idle_pool(account)]
    else:
        pools = currency_pools(details, cross, warnings)
    pools += [isolated_pool(holding, warnings) for holding in holdings if holding.isolated]
    return Snapshot(
        exchange=INFO.id,
        mode=_mode_name(payloads, level),
        taken_at=now,
        pools=tuple(pools),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _level(payloads: Payloads, account: Row, warnings: list[str]) -> str:
    level = str(_config(payloads).get("acctLv") or "")
    if level in MODES:
        return level
    inferred = "2" if number(account, "adjEq", "mgnRatio") is None else "3"
    warnings.append(f"OKX did not say the account mode; its balance looks like {MODES[inferred]} mode")
    return inferred


def _config(payloads: Payloads) -> dict[str, Any]:
    return record(payloads, "config", "data", 0) if payloads.get("config") else {}


def _mode_name(payloads: Payloads, level: str) -> str:
    hedged = HEDGED.get(str(_config(payloads).get("posMode")))
    return f"{MODES[level]}/{hedged}" if hedged else MODES[level]


INFO = VenueInfo(
    id="okx",
    title="OKX",
    fields=(("key", "API key"), ("secret", "secret key"), ("passphrase", "passphrase of the key")),
    instructions=(
        "At okx.com open your profile, API, Create API key. Give it the permission Read only, nothing else, and "
        "link this server's IP address: a key without a linked address may lapse. You choose the passphrase "
        "yourself on that page; I need it too. A sub-account needs a key of its own."
    ),
    aliases=("okex",),
)
_UNKNOWN_KEY = (
    "OKX does not know this key here. Check that it was copied whole and still exists: keys without a linked IP "
    "address lapse after a while. Keys for demo trading do not work, and accounts of a regional OKX (Europe, US) "
    "live at another address, which the operator can set."
)
FAULTS = {
    "50100": Fault(KeyRefused, "OKX has frozen this API key. Ask OKX why, or make a new read-only key."),
    "50101": Fault(KeyRefused, _UNKNOWN_KEY),
    "50105": Fault(
        KeyRefused,
        "OKX says the passphrase is wrong. It is the one you chose when you made this key, not your password. It "
        "cannot be looked up again: if it is lost, make a new key.",
    ),
    "50110": Fault(
        NoPermission,
        "OKX refuses this server's address: it is not on the key's IP list. Add it at OKX under API, and try again.",
    ),
    "50111": Fault(KeyRefused, _UNKNOWN_KEY),
    "50113": Fault(
        KeyRefused,
        "OKX knows the key, but the signature is wrong: the secret key is probably mistyped or belongs to another "
        "key. OKX shows the secret only once, so you may need a new key.",
    ),
    "50119": Fault(KeyRefused, _UNKNOWN_KEY),
    "50120": Fault(NoPermission),
}
FACTS = Facts(
    modes="futures, multi-currency, portfolio mode; isolated positions",
    ratio_from="`mgnRatio`, recomputed from the amounts",
    evidence=(Evidence.RECORDED, Evidence.DOCUMENTED, Evidence.SIMULATED),
    weight="3 requests, 10 of each in 2 s and user; tiers hourly",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USDT:USDT", "{0}/USD:{0}", "{0}/USDT"),
    permissions=permissions.OKX,
    pushes=PUSHES,
    faults=FAULTS,
)
