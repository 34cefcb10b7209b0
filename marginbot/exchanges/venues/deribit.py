"""Deribit: segregated and cross-collateral accounts, under standard (SM) or portfolio margin (PM).

Liquidation starts where the maintenance margin reaches the margin balance. Segregated models have a pool for
each currency (`maintenance_margin / margin_balance`; under SM the margin balance leaves option values out).
Cross models have one, in USD (`total_…_usd`): there every currency's row shows the *same* account projected
into that currency, so rows are never added up. Source: docs.deribit.com, "private/get_account_summaries".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from marginbot.domain.errors import ClockSkew, KeyRefused, NoPermission, RateLimited
from marginbot.domain.margin import MarginMode, Pool, Position, Snapshot
from marginbot.domain.room import STABLE
from marginbot.exchanges.permissions import DERIBIT
from marginbot.exchanges.reconcile import IDLE, apart, gap
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
    rows,
    total,
)
from marginbot.exchanges.venues.deribit_collateral import collateral_of
from marginbot.exchanges.venues.deribit_growth import with_growth
from marginbot.exchanges.venues.deribit_positions import USD, Held, Row, position_of
from marginbot.exchanges.venues.deribit_push import PUSHES
from marginbot.flow.ports import VenueInfo

MODELS = ("segregated_sm", "segregated_pm", "cross_sm", "cross_pm")


async def fetch(api: Api) -> Payloads:
    """All currencies' summaries and all positions."""
    summaries, positions = await together(api.call("privateGetGetAccountSummaries"), api.call("privateGetGetPositions"))
    return {"summaries": summaries, "positions": positions}


def parse(payloads: Payloads, reference: Reference, now: datetime) -> Snapshot:
    """One snapshot of the account."""
    warnings: list[str] = []
    summaries = rows(payloads, "summaries", "result", "summaries")
    model = _model(summaries, warnings)
    cross = model.startswith("cross")
    position_rows = rows(payloads, "positions", "result")
    held = []
    for row in position_rows:
        pair = position_of(row, reference, in_usd=cross, warnings=warnings)
        if pair is not None:
            listing, position = pair
            held.append((listing, with_growth(position, row) if model == "segregated_sm" else position))
    if cross:
        pools = _cross_pools(summaries, position_rows, held, model, warnings)
    else:
        pools = _segregated_pools(summaries, held, model, warnings)
    return Snapshot(
        exchange=INFO.id, mode=model, taken_at=now, pools=tuple(pools), warnings=tuple(dict.fromkeys(warnings))
    )


def _model(summaries: Sequence[Row], warnings: list[str]) -> str:
    said = {row.get("margin_model") for row in summaries if row.get("margin_model")}
    known = sorted(str(model) for model in said & set(MODELS))
    if len(known) == 1 and len(said) == 1:
        return known[0]
    cross = any(row.get("cross_collateral_enabled") or row.get("total_margin_balance_usd") for row in summaries)
    portfolio = any(row.get("portfolio_margining_enabled") for row in summaries)
    model = f"{'cross' if cross else 'segregated'}_{'pm' if portfolio else 'sm'}"
    if summaries:
        warnings.append(f"Deribit did not say clearly how margin is computed here; taken for {model}")
    return model


def _margin_mode(model: str) -> MarginMode:
    return MarginMode.PORTFOLIO if model.endswith("pm") else MarginMode.CROSS


# -- a pool for each currency


def _segregated_pools(summaries: Sequence[Row], held: Sequence[Held], model: str, warnings: list[str]) -> list[Pool]:
    known = {str(row.get("currency")): row for row in summaries}
    names = dict.fromkeys([*known, *(listing.settle for listing, _ in held)])
    pools = []
    for currency in names:
        positions = tuple(position for listing, position in held if listing.settle == currency)
        row = known.get(currency, {})
        if not row:
            warnings.append(f"cross:{currency}: positions are held, but Deribit gives no summary in {currency}")
        if positions or _holds_something(row):
            pools.append(_segregated_pool(currency, row, positions, model, warnings))
    return pools


def _holds_something(row: Row) -> bool:
    return bool(number(row, "equity") or number(row, "margin_balance") or number(row, "maintenance_margin"))


def _segregated_pool(currency: str, row: Row, positions: tuple[Position, ...], model: str, warnings: list[str]) -> Pool:
    name = f"cross:{currency}"
    said_equity, said_margin = number(row, "margin_balance"), number(row, "maintenance_margin")
    reported = said_margin / said_equity if said_margin and said_equity and said_equity > 0 else None
    return Pool(
        name=name,
        margin_mode=_margin_mode(model),
        currency=currency,
        equity=_segregated_equity(name, row, model, warnings),
        maintenance_margin=_at_least_summed(name, said_margin, positions, model, warnings),
        positions=positions,
        reported_ratio=reported,
        option_equity_counts=model.endswith("pm"),
    )


def _segregated_equity(name: str, row: Row, model: str, warnings: list[str]) -> Decimal | None:
    """Margin balance; the smaller figure where it does not follow from equity and option values."""
    said, own = number(row, "margin_balance"), number(row, "equity")
    if own is not None and not model.endswith("pm"):
        options = number(row, "options_value")
        own = None if options is None else own - options
    if said is None:
        warnings.append(f"{name}: Deribit gives no margin balance")
        return None
    if own is None:
        warnings.append(f"{name}: equity is missing, the margin balance counts unchecked")
        return said
    if apart(said, own):
        warnings.append(f"{name}: margin balance {said:f} does not follow from the equity; the smaller figure counts")
        return min(said, own)
    return said


def _at_least_summed(
    name: str, said: Decimal | None, positions: tuple[Position, ...], model: str, warnings: list[str]
) -> Decimal | None:
    """Maintenance margin; under SM it is at least the sum over the positions."""
    own = total(position.maintenance_margin for position in positions)
    if model.endswith("pm") or not positions:
        own = None
    if said is None:
        told = "cannot be judged" if own is None else "the sum over the positions is used"
        warnings.append(f"{name}: Deribit gives no maintenance margin, {told}")
        return own
    if own is not None and own > said and apart(own, said):
        warnings.append(f"{name}: maintenance margin {said:f}, the positions add up to {own:f}; the larger counts")
        return own
    return said


# -- one pool for the account, in USD


def _cross_pools(
    summaries: Sequence[Row], position_rows: Sequence[Row], held: Sequence[Held], model: str, warnings: list[str]
) -> list[Pool]:
    positions = tuple(position for _, position in held)
    equity, margin = _cross_amounts(summaries, bool(positions), warnings)
    if not positions and not equity and not margin:
        return []
    if margin is not None:
        margin = _at_least_summed("cross", margin, positions, model, warnings)
    collateral = collateral_of(summaries, held, position_rows, warnings) if positions else ()
    pool = Pool(
        name="cross",
        margin_mode=_margin_mode(model),
        currency=USD,
        equity=equity,
        maintenance_margin=margin,
        positions=positions,
        collateral=collateral,
        option_equity_counts=model.endswith("pm"),
    )
    return [replace(pool, reported_ratio=_projected(summaries))]


def _cross_amounts(
    summaries: Sequence[Row], in_use: bool, warnings: list[str]
) -> tuple[Decimal | None, Decimal | None]:
    """Equity and requirement in USD, made worse where a row's projection is."""
    pairs = [
        (number(row, "total_margin_balance_usd"), number(row, "total_maintenance_margin_usd")) for row in summaries
    ]
    known = [(equity, margin) for equity, margin in pairs if equity is not None and margin is not None]
    projected = _projected(summaries)
    if not known:
        return _projected_amounts(summaries, in_use, warnings)
    equity, margin = max(known, key=lambda pair: _ratio(*pair))
    if any(apart(equity, other[0]) or apart(margin, other[1]) for other in known):
        warnings.append("cross: Deribit's currencies disagree about the account's totals; the worst counts")
    ratio = margin / equity if equity > 0 else None
    if projected is None or ratio is None or not in_use:
        return equity, margin
    if apart(projected, ratio) and max(projected, ratio) >= IDLE:
        warnings.append(gap("cross", projected, ratio))
    return equity, max(margin, equity * projected) if apart(projected, ratio) else margin


def _ratio(equity: Decimal, margin: Decimal) -> Decimal:
    return margin / equity if equity > 0 else Decimal("Infinity")


def _projected(summaries: Sequence[Row]) -> Decimal | None:
    """The worst ratio that any currency's row shows for the account."""
    ratios = []
    for row in summaries:
        equity, margin = number(row, "margin_balance"), number(row, "maintenance_margin")
        if equity is not None and margin is not None and equity > 0:
            ratios.append(margin / equity)
    return max(ratios, default=None)


def _projected_amounts(
    summaries: Sequence[Row], in_use: bool, warnings: list[str]
) -> tuple[Decimal | None, Decimal | None]:
    """Without totals: a stablecoin's row stands for USD; otherwise the amounts are unknown."""
    if in_use:
        warnings.append("cross: Deribit gives no totals in USD; a currency's own view of the account is used")
    for row in summaries:
        equity, margin = number(row, "margin_balance"), number(row, "maintenance_margin")
        if row.get("currency") in STABLE and equity is not None and margin is not None:
            worst = _projected(summaries)
            return equity, margin if worst is None else max(margin, equity * worst)
    return None, None


INFO = VenueInfo(
    id="deribit",
    title="Deribit",
    fields=(("key", "Client ID"), ("secret", "Client Secret")),
    instructions=(
        "At deribit.com open Account, API, Add new key. Set account to read and trade to read, everything else "
        "(wallet, block trade, custody) to none, and restrict it to this server's IP address. Send me the Client "
        "ID and the Client Secret. A sub-account needs a key of its own."
    ),
)
FAULTS = {
    "10028": Fault(RateLimited),
    "10047": Fault(RateLimited),
    "13004": Fault(
        KeyRefused,
        "Deribit does not accept this Client ID and Client Secret. Check that both were copied whole, that the key "
        "still exists and is enabled, that it is of the main site and not of test.deribit.com, and that its IP list "
        "admits this server.",
    ),
    # Deribit has one code for a stale time stamp and for a key it no longer takes; only the latter is final.
    "13009": Fault(
        ClockSkew,
        "Deribit did not accept the signed request. Either this server's clock is off (the operator should switch "
        "on time synchronisation), or the key was changed at Deribit: then make a new one.",
    ),
    "13021": Fault(
        NoPermission,
        "The key is valid, but may not read enough. At Deribit it needs account: read and trade: read, nothing more.",
    ),
}
FACTS = Facts(
    modes="segregated and cross-collateral, standard and portfolio margin; inverse, linear, options",
    ratio_from="margin balance and maintenance margin",
    evidence=(Evidence.RECORDED, Evidence.DOCUMENTED, Evidence.SIMULATED),
    weight="2 requests of 20 a second and sub-account",
    estimates="room of options",
)
VENUE = Venue(
    info=INFO,
    facts=FACTS,
    fetch=fetch,
    parse=parse,
    candle_symbols=candles_of("{0}/USD:{0}", "{0}/USDC:USDC", "{0}/USDT:USDT"),
    permissions=DERIBIT,
    pushes=PUSHES,
    requests_at_once=24,  # of 32 connections that an address may have
    faults=FAULTS,
)
