"""What an OKX account is worth and when it is liquidated, by OKX's own rules.

Published rules: a margin ratio is equity / (maintenance margin + liquidation fee of 0.05 % of the
notional), and liquidation comes when it falls to 1. The maintenance rate of a tier binds the whole
position. Futures mode keeps one pool a currency; multi-currency and portfolio mode keep one in USD,
where collateral counts after a discount. Portfolio mode charges each underlying its worst shock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

D = Decimal
ZERO = D(0)
TENFOLD = D(10)
FEE_RATE = D("0.0005")
DISCOUNT = {"USDT": D(1), "USDC": D(1), "BTC": D("0.98"), "ETH": D("0.975")}
SHOCK = {"BTC": D("0.12"), "ETH": D("0.15")}  # portfolio mode: the price move to survive
PORTFOLIO_FLOOR = D("0.003")  # portfolio mode: least requirement on the gross notional
INFINITY = D("Infinity")


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to `max_contracts`, a position must keep `mmr` of its value."""

    max_contracts: Decimal
    mmr: Decimal
    max_leverage: Decimal


TIERS = (
    Tier(D(1000), D("0.004"), D(100)),
    Tier(D(5000), D("0.005"), D(50)),
    Tier(D(20000), D("0.01"), D(25)),
    Tier(D(1000000), D("0.02"), D(10)),
)


@dataclass(frozen=True, slots=True)
class Instrument:
    inst_id: str
    inst_type: Literal["SPOT", "SWAP", "FUTURES", "OPTION"]
    contract: Decimal = ZERO  # in the base coin when linear, in USD when inverse
    settle: str = ""

    @property
    def family(self) -> str:
        return "-".join(self.inst_id.split("-")[:2])

    @property
    def base(self) -> str:
        return self.inst_id.split("-")[0]

    @property
    def quote(self) -> str:
        return self.inst_id.split("-")[1]

    @property
    def inverse(self) -> bool:
        return self.settle == self.base

    def tier(self, contracts: Decimal) -> Tier:
        return next((tier for tier in TIERS if contracts <= tier.max_contracts), TIERS[-1])


INSTRUMENTS = (
    Instrument("BTC-USDT", "SPOT"),
    Instrument("ETH-USDT", "SPOT"),
    Instrument("USDC-USDT", "SPOT"),
    Instrument("BTC-USDT-SWAP", "SWAP", D("0.01"), "USDT"),
    Instrument("ETH-USDT-SWAP", "SWAP", D("0.1"), "USDT"),
    Instrument("BTC-USD-SWAP", "SWAP", D(100), "BTC"),
    Instrument("ETH-USD-SWAP", "SWAP", D(10), "ETH"),
    Instrument("BTC-USDT-271231", "FUTURES", D("0.01"), "USDT"),
    Instrument("BTC-USD-271231", "FUTURES", D(100), "BTC"),
    Instrument("BTC-USD-271231-100000-C", "OPTION", D(1), "BTC"),
    Instrument("BTC-USD-271231-50000-P", "OPTION", D(1), "BTC"),
)


class OkxMarket:
    """Prices: a coin in USD moves everything quoted on it, an instrument's own mark comes first."""

    def __init__(self, prices: Mapping[str, Decimal]) -> None:
        self.instruments = {instrument.inst_id: instrument for instrument in INSTRUMENTS}
        self._usd = {"USD": D(1), "USDT": D(1), "USDC": D(1), **prices}
        self._marks: dict[str, Decimal] = {}

    def set_price(self, name: str, price: Decimal) -> None:
        """Of a coin ("BTC", also "USDT") in USD, or of one instrument ("BTC-USDT-SWAP")."""
        if name in self.instruments:
            self._marks[name] = price
            return
        self._usd[name] = price
        gone = [i for i in self._marks if name in (self.instruments[i].base, self.instruments[i].quote)]
        for inst_id in gone:
            del self._marks[inst_id]

    def usd(self, currency: str) -> Decimal:
        return self._usd[currency]

    def mark(self, inst_id: str) -> Decimal:
        instrument = self.instruments[inst_id]
        if instrument.inst_type == "OPTION":
            return self._marks.get(inst_id, D("0.05"))
        return self._marks.get(inst_id, self.index(instrument))

    def index(self, instrument: Instrument) -> Decimal:
        return self.usd(instrument.base) / self.usd(instrument.quote)


@dataclass(slots=True, kw_only=True)
class OkxPosition:
    inst_id: str
    pos: Decimal  # contracts, negative for a short
    avg_px: Decimal
    mgn_mode: Literal["cross", "isolated"] = "cross"
    lever: Decimal = TENFOLD
    margin: Decimal | None = None  # isolated only, in the settlement currency; None: value at entry / lever

    @property
    def side(self) -> Literal["long", "short"]:
        return "long" if self.pos > 0 else "short"


@dataclass(kw_only=True)
class OkxAccount:
    """One API key and what it sees."""

    key: str = "okx-key"
    secret: str = "okx-secret"
    passphrase: str = "okx-passphrase"
    acct_lv: Literal["1", "2", "3", "4"] = "2"
    pos_mode: Literal["net_mode", "long_short_mode"] = "net_mode"
    perm: str = "read_only"
    ip: str = ""  # comma-separated allow-list; callers come from 127.0.0.1
    uid: str = "44705892343619584"
    label: str = "margin watch"
    refusal: str | None = None  # an OKX error code that answers every signed call
    balances: dict[str, Decimal] = field(default_factory=lambda: {"USDT": D(10000)})
    positions: list[OkxPosition] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Exposure:
    """A position at the present mark; amounts in the settlement currency unless named otherwise."""

    position: OkxPosition
    instrument: Instrument
    mark: Decimal
    value: Decimal
    value_usd: Decimal
    upl: Decimal
    mmr: Decimal
    imr: Decimal
    margin: Decimal  # isolated margin, 0 in cross

    @property
    def fee(self) -> Decimal:
        return self.value * FEE_RATE

    @property
    def isolated(self) -> bool:
        return self.position.mgn_mode == "isolated"


@dataclass(frozen=True, slots=True)
class Pool:
    """What is liquidated as a unit."""

    equity: Decimal
    mmr: Decimal
    imr: Decimal
    fee: Decimal

    @property
    def mgn_ratio(self) -> Decimal | None:
        """As OKX prints it: higher is safer; none where nothing can be liquidated."""
        required = self.mmr + self.fee
        return self.equity / required if required else None

    @property
    def canonical(self) -> Decimal:
        """Requirement over equity: 1 is liquidation, higher is worse."""
        required = self.mmr + self.fee
        if not required:
            return ZERO
        return required / self.equity if self.equity > 0 else INFINITY


class OkxBook:
    """An account valued at the market's present prices."""

    def __init__(self, account: OkxAccount, market: OkxMarket) -> None:
        self.account = account
        self.market = market
        self.exposures = [self._expose(position) for position in account.positions if position.pos]

    def currencies(self) -> list[str]:
        return list(dict.fromkeys([*self.account.balances, *(e.instrument.settle for e in self.exposures)]))

    def cross(self, currency: str | None = None) -> list[Exposure]:
        rows = [e for e in self.exposures if not e.isolated]
        return rows if currency is None else [e for e in rows if e.instrument.settle == currency]

    def isolated(self, currency: str) -> list[Exposure]:
        return [e for e in self.exposures if e.isolated and e.instrument.settle == currency]

    def cross_equity(self, currency: str) -> Decimal:
        return self.account.balances.get(currency, ZERO) + sum((e.upl for e in self.cross(currency)), ZERO)

    def discounted_usd(self, currency: str) -> Decimal:
        equity = self.cross_equity(currency)
        rate = DISCOUNT.get(currency, ZERO) if equity > 0 else D(1)
        return equity * rate * self.market.usd(currency)

    def usd(self, exposures: Iterable[Exposure], amount: str) -> Decimal:
        rows = (getattr(e, amount) * self.market.usd(e.instrument.settle) for e in exposures)
        return sum(rows, ZERO)

    @property
    def one_pool(self) -> bool:
        return self.account.acct_lv in ("3", "4")

    def currency_pool(self, currency: str) -> Pool:
        rows = self.cross(currency)
        mmr, imr, fee = (sum((getattr(e, name) for e in rows), ZERO) for name in ("mmr", "imr", "fee"))
        return Pool(self.cross_equity(currency), mmr, imr, fee)

    def account_pool(self) -> Pool:
        equity = sum((self.discounted_usd(currency) for currency in self.currencies()), ZERO)
        fee = self.usd(self.cross(), "fee")
        if self.account.acct_lv == "4":
            mmr = self._portfolio_mmr()
            return Pool(equity, mmr, mmr * D("1.3"), fee)
        return Pool(equity, self.usd(self.cross(), "mmr"), self.usd(self.cross(), "imr"), fee)

    def pool_of(self, exposure: Exposure) -> Pool:
        if exposure.isolated:
            return Pool(exposure.margin + exposure.upl, exposure.mmr, exposure.imr, exposure.fee)
        return self.account_pool() if self.one_pool else self.currency_pool(exposure.instrument.settle)

    def margin_ratio(self, pool: str) -> Decimal:
        """Of "cross" (modes 3 and 4), "cross:USDT" (mode 2) or "isolated:BTC-USDT-SWAP[:long]"."""
        kind, _, name = pool.partition(":")
        if kind == "cross":
            return (self.currency_pool(name) if name else self.account_pool()).canonical
        inst_id, _, side = name.partition(":")
        for exposure in self.exposures:
            position = exposure.position
            if exposure.isolated and position.inst_id == inst_id and side in ("", position.side):
                return self.pool_of(exposure).canonical
        raise KeyError(pool)

    def liquidation_price(self, exposure: Exposure) -> Decimal | None:
        """The mark at which the pool's ratio is 1 while every other instrument stands still."""
        if self.one_pool and not exposure.isolated and (exposure.instrument.inverse or self._is_portfolio):
            return None
        pool = self.pool_of(exposure)
        rows = [exposure] if exposure.isolated else self._same_instrument(exposure)
        size = sum((e.position.pos for e in rows), ZERO) * exposure.instrument.contract
        held = sum((self._rate(e) * abs(e.position.pos) for e in rows), ZERO) * exposure.instrument.contract
        usd = self.market.usd(exposure.instrument.settle) if self.one_pool and not exposure.isolated else D(1)
        slack = (pool.equity - pool.mmr - pool.fee) / usd + sum((e.mmr + e.fee for e in rows), ZERO)
        if exposure.instrument.inverse:
            room = slack + size / exposure.mark
            price = (size + held) / room if room else D(-1)
        else:
            price = (size * exposure.mark - slack) / (size - held) if size != held else D(-1)
        return price if price > 0 else None

    @property
    def _is_portfolio(self) -> bool:
        return self.account.acct_lv == "4"

    def _same_instrument(self, exposure: Exposure) -> list[Exposure]:
        return [e for e in self.cross() if e.instrument == exposure.instrument]

    @staticmethod
    def _rate(exposure: Exposure) -> Decimal:
        return exposure.instrument.tier(abs(exposure.position.pos)).mmr + FEE_RATE

    def _portfolio_mmr(self) -> Decimal:
        """Worst shock of each underlying's net position, but never under the floor on its gross."""
        total = ZERO
        for base in {e.instrument.base for e in self.cross()}:
            rows = [e for e in self.cross() if e.instrument.base == base]
            net = sum((e.value_usd if e.position.pos > 0 else -e.value_usd for e in rows), ZERO)
            gross = sum((e.value_usd for e in rows), ZERO)
            total += max(abs(net) * SHOCK.get(base, D("0.2")), gross * PORTFOLIO_FLOOR)
        return total

    def _expose(self, position: OkxPosition) -> Exposure:
        instrument = self.market.instruments[position.inst_id]
        if instrument.inst_type not in ("SWAP", "FUTURES"):
            raise ValueError(f"no margin rules here for {position.inst_id}")
        mark = self.market.mark(position.inst_id)
        size = position.pos * instrument.contract
        if instrument.inverse:
            value, entry_value = abs(size) / mark, abs(size) / position.avg_px
            upl = size * (1 / position.avg_px - 1 / mark)
        else:
            value, entry_value = abs(size) * mark, abs(size) * position.avg_px
            upl = size * (mark - position.avg_px)
        margin = entry_value / position.lever if position.margin is None else position.margin
        return Exposure(
            position=position,
            instrument=instrument,
            mark=mark,
            value=value,
            value_usd=value * self.market.usd(instrument.settle),
            upl=upl,
            mmr=value * instrument.tier(abs(position.pos)).mmr,
            imr=value / position.lever,
            margin=margin if position.mgn_mode == "isolated" else ZERO,
        )
