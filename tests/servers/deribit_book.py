"""What a Deribit account is worth and when it is liquidated, by Deribit's own rules.

Liquidation comes when the maintenance margin reaches the margin balance. Segregated accounts are
judged a currency at a time, cross accounts in USD over all of them. Standard margin (SM) adds up
positions: futures at 1 % plus a slope on their size, short options by the published floors; bought
options do not count. Portfolio margin (PM) takes the worst of a grid of price and volatility moves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from tests.servers.deribit_market import ZERO, D, DeribitMarket, Greeks, Instrument

MarginModel = Literal["segregated_sm", "segregated_pm", "cross_sm", "cross_pm"]
INFINITY = D("Infinity")
SLOPE = {"BTC": D("0.00005"), "ETH": D("0.000002")}  # of the future's margin rate, for each coin held
HAIRCUT = {"BTC": D("0.03"), "ETH": D("0.05")}  # cross: weighs on the initial margin only
MOVES = (-0.15, -0.12, -0.09, -0.06, -0.03, 0.0, 0.03, 0.06, 0.09, 0.12, 0.15)
IV_FACTORS = (0.7, 1.0, 1.45)
CONTINGENCY = D("0.006")  # PM: on the gross value of futures and short options


@dataclass(slots=True, kw_only=True)
class DeribitPosition:
    instrument: str
    size: Decimal  # USD when inverse, coins otherwise; negative when sold
    average_price: Decimal
    settled_at: Decimal | None = None  # last settlement; earlier profit is in the balance already


@dataclass(kw_only=True)
class DeribitAccount:
    """One API key and what it sees."""

    client_id: str = "deribit-id"
    client_secret: str = "deribit-secret"
    scope: str = "account:read trade:read wallet:none"
    margin_model: MarginModel = "segregated_sm"
    user_id: int = 10
    refusal: int | None = None  # a Deribit error code that answers every signed call
    balances: dict[str, Decimal] = field(default_factory=lambda: {"BTC": D(1)})
    positions: list[DeribitPosition] = field(default_factory=list)

    @property
    def is_cross(self) -> bool:
        return self.margin_model.startswith("cross")

    @property
    def is_pm(self) -> bool:
        return self.margin_model.endswith("pm")


@dataclass(frozen=True, slots=True)
class Held:
    """A position at the present mark; amounts in the settlement currency."""

    position: DeribitPosition
    instrument: Instrument
    mark: Decimal
    coins: Decimal  # signed size in the underlying
    value: Decimal  # of an option; a future has none
    notional: Decimal
    floating: Decimal  # profit since the last settlement
    total: Decimal
    mm: Decimal
    im: Decimal
    greeks: Greeks | None


@dataclass(frozen=True, slots=True)
class Pool:
    """What is liquidated as a unit."""

    margin_balance: Decimal
    mm: Decimal
    im: Decimal

    @property
    def canonical(self) -> Decimal:
        if not self.mm:
            return ZERO
        return self.mm / self.margin_balance if self.margin_balance > 0 else INFINITY


class DeribitBook:
    """An account valued at the market's present prices."""

    def __init__(self, account: DeribitAccount, market: DeribitMarket) -> None:
        self.account = account
        self.market = market
        self.held = [self._hold(position) for position in account.positions if position.size]

    def currencies(self) -> list[str]:
        settled = [h.instrument.settlement for h in self.held]
        return list(dict.fromkeys(["BTC", "ETH", "USDC", "USDT", *self.account.balances, *settled]))

    def rows(self, currency: str) -> list[Held]:
        return [h for h in self.held if h.instrument.settlement == currency]

    def balance(self, currency: str) -> Decimal:
        return self.account.balances.get(currency, ZERO)

    def options_value(self, currency: str) -> Decimal:
        return sum((h.value for h in self.rows(currency)), ZERO)

    def session_upl(self, currency: str, kind: str) -> Decimal:
        return sum((h.floating for h in self.rows(currency) if h.instrument.kind == kind), ZERO)

    def equity(self, currency: str) -> Decimal:
        return self.balance(currency) + self.session_upl(currency, "future") + self.options_value(currency)

    def own_margin_balance(self, currency: str) -> Decimal:
        """What the currency itself brings: SM leaves option value out, PM counts it."""
        equity = self.equity(currency)
        return equity if self.account.is_pm else equity - self.options_value(currency)

    def segregated(self, currency: str) -> Pool:
        rows = self.rows(currency)
        if self.account.is_pm:
            mm = self._scenario_usd(rows) / self.market.usd(currency)
            return Pool(self.own_margin_balance(currency), mm, mm * D("1.25"))
        mm, im = (sum((getattr(h, name) for h in rows), ZERO) for name in ("mm", "im"))
        return Pool(self.own_margin_balance(currency), mm, im)

    def cross_usd(self) -> Pool:
        """The whole account in USD."""
        balance = haircut = mm = im = ZERO
        for currency in self.currencies():
            own = self.own_margin_balance(currency) * self.market.usd(currency)
            balance += own
            haircut += max(own, ZERO) * HAIRCUT.get(currency, ZERO)
            mm += sum((h.mm for h in self.rows(currency)), ZERO) * self.market.usd(currency)
            im += sum((h.im for h in self.rows(currency)), ZERO) * self.market.usd(currency)
        if self.account.is_pm:
            mm = self._scenario_usd(self.held)
            im = mm * D("1.25")
        return Pool(balance, mm, im + haircut)

    def pool(self, currency: str) -> Pool:
        """As the currency's row shows it: in cross models the same account, seen in that currency."""
        if not self.account.is_cross:
            return self.segregated(currency)
        pool, usd = self.cross_usd(), self.market.usd(currency)
        return Pool(pool.margin_balance / usd, pool.mm / usd, pool.im / usd)

    def margin_ratio(self, pool: str) -> Decimal:
        """Of "cross" in the cross models, of "cross:BTC" in the segregated ones."""
        currency = pool.partition(":")[2]
        return (self.segregated(currency) if currency else self.cross_usd()).canonical

    def liquidation_factor(self, currency: str) -> Decimal | None:
        """The nearest move of the underlying (1 is none) that makes the ratio 1; segregated SM only."""
        bases = {h.instrument.base for h in self.rows(currency)}
        if self.account.margin_model != "segregated_sm" or len(bases) != 1:
            return None
        base = bases.pop()
        steps = (D("1.03") ** n for m in range(1, 100) for n in (m, -m))
        beyond = next((step for step in steps if self._slack(currency, base, step) <= 0), None)
        if beyond is None:
            return None
        within = beyond / D("1.03") if beyond > 1 else beyond * D("1.03")
        for _ in range(48):
            middle = (within + beyond) / 2
            within, beyond = (middle, beyond) if self._slack(currency, base, middle) > 0 else (within, middle)
        return beyond

    def _slack(self, currency: str, base: str, factor: Decimal) -> Decimal:
        pool = DeribitBook(self.account, self.market.moved(base, factor)).segregated(currency)
        return pool.margin_balance - pool.mm

    def _scenario_usd(self, rows: list[Held]) -> Decimal:
        total = ZERO
        for base in {h.instrument.base for h in rows}:
            group = [h for h in rows if h.instrument.base == base]
            worst = min(sum(self._profit_usd(h, m, v) for h in group) for m in MOVES for v in IV_FACTORS)
            at_risk = [h for h in group if h.greeks is None or h.coins < 0]
            gross = sum((abs(h.coins) for h in at_risk), ZERO) * self.market.usd(base)
            total += D(max(-worst, 0.0)) + gross * CONTINGENCY
        return total

    def _profit_usd(self, held: Held, move: float, iv_factor: float) -> float:
        if held.greeks is None:
            return float(held.coins * self.market.usd(held.instrument.base)) * move
        moved = self.market.greeks(held.instrument, move=move, iv_factor=iv_factor)
        return float(held.coins) * (moved.price - held.greeks.price)

    def _hold(self, position: DeribitPosition) -> Held:
        instrument = self.market.instruments[position.instrument]
        if instrument.kind == "option":
            return self._hold_option(position, instrument)
        mark, size = self.market.mark(instrument), position.size
        start = position.average_price if position.settled_at is None else position.settled_at
        if instrument.linear:
            coins, notional = size, abs(size) * mark
            floating, total = (size * (mark - since) for since in (start, position.average_price))
        else:
            coins, notional = size / mark, abs(size) / mark
            floating, total = (size * (1 / since - 1 / mark) for since in (start, position.average_price))
        slope = SLOPE.get(instrument.base, ZERO) * abs(coins)
        return Held(
            position=position,
            instrument=instrument,
            mark=mark,
            coins=coins,
            value=ZERO,
            notional=notional,
            floating=floating,
            total=total,
            mm=notional * (D("0.01") + slope),
            im=notional * (D("0.02") + slope),
            greeks=None,
        )

    def _hold_option(self, position: DeribitPosition, instrument: Instrument) -> Held:
        mark = self.market.mark(instrument)
        start = position.average_price if position.settled_at is None else position.settled_at
        mm, im = self._short_option_margin(instrument, mark) if position.size < 0 else (ZERO, ZERO)
        return Held(
            position=position,
            instrument=instrument,
            mark=mark,
            coins=position.size,
            value=position.size * mark,
            notional=abs(position.size),
            floating=position.size * (mark - start),
            total=position.size * (mark - position.average_price),
            mm=abs(position.size) * mm,
            im=abs(position.size) * im,
            greeks=self.market.greeks(instrument),
        )

    def _short_option_margin(self, instrument: Instrument, mark: Decimal) -> tuple[Decimal, Decimal]:
        """For one coin, in that coin."""
        index = self.market.index(instrument)
        out_of_money = (index - instrument.strike) if instrument.is_put else (instrument.strike - index)
        floor = max(D("0.075"), D("0.075") * mark) if instrument.is_put else D("0.075")
        mm = floor + mark
        im = max(D("0.15") - max(out_of_money, ZERO) / index, D("0.1")) + mark
        return mm, max(im, mm)
