"""Accounts of the simulated exchange spelled out in code, and what their owners do in answer to advice."""

from __future__ import annotations

from decimal import Decimal

from marginbot.sim.book import Account
from marginbot.sim.positions import ZERO, Position


def wallets(**amounts: str) -> dict[str, Decimal]:
    """`wallets(USDT="1000", BTC="0.5")`."""
    return {asset: Decimal(amount) for asset, amount in amounts.items()}


def reduce(account: Account, position: Position, amount: Decimal, *, fee_rate: Decimal = ZERO) -> None:
    """Close `amount` contracts at the mark price; an isolated position gives that part of its wallet back."""
    share = amount / abs(position.amount)
    assert 0 < share <= 1
    freed = account.unrealized_pnl(position) * share - fee_rate * amount * account.market.mark(position.symbol)
    if position.isolated_wallet is not None:
        freed += position.isolated_wallet * share
        position.isolated_wallet *= 1 - share
    position.amount *= 1 - share
    if position.amount == 0:
        account.positions.remove(position)
    account.deposit(position.asset, freed)


def add_margin(account: Account, position: Position, amount: Decimal) -> None:
    """Move cross wallet to the margin of an isolated position."""
    assert position.isolated_wallet is not None
    position.isolated_wallet += amount
    account.deposit(position.asset, -amount)
