"""OKX accounts and their payloads, as the loopback venue answers them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marginbot.domain.margin import Snapshot
from marginbot.exchanges.venue import Instrument, Payloads, Reference
from marginbot.exchanges.venues.okx import VENUE
from tests.exchanges.venues.kit import NOW
from tests.servers.okx import OkxAccount, OkxBook, OkxMarket, OkxPosition
from tests.servers.okx_rows import balance_row, config_row, position_row

D = Decimal
PRICES = {"BTC": D(60000), "ETH": D(3000)}
BTC_SWAP = Instrument(symbol="BTC/USDT:USDT", underlying="BTC", settle="USDT", contract_size=D("0.01"))
COIN_SWAP = Instrument(symbol="BTC/USD:BTC", underlying="BTC", settle="BTC", contract_size=D(100), is_inverse=True)
ETH_SWAP = Instrument(symbol="ETH/USDT:USDT", underlying="ETH", settle="USDT", contract_size=D("0.1"))
ETH_FUTURE = Instrument(
    symbol="ETH/USD:ETH-210430", underlying="ETH", settle="ETH", contract_size=D(10), is_inverse=True
)
MARKETS = Reference(
    instruments={
        "BTC-USDT-SWAP": BTC_SWAP,
        "BTC-USD-SWAP": COIN_SWAP,
        "ETH-USDT-SWAP": ETH_SWAP,
        "ETH-USD-210430": ETH_FUTURE,
    }
)
LONG = OkxPosition(inst_id="BTC-USDT-SWAP", pos=D(100), avg_px=D(60000))
COIN_SHORT = OkxPosition(inst_id="BTC-USD-SWAP", pos=D(-300), avg_px=D(60000))
ISOLATED = OkxPosition(inst_id="ETH-USDT-SWAP", pos=D(-100), avg_px=D(3000), mgn_mode="isolated")
ISOLATED_COIN = OkxPosition(inst_id="BTC-USD-SWAP", pos=D(300), avg_px=D(60000), mgn_mode="isolated")
HOLDINGS = {"USDT": D(10000), "BTC": D("0.2")}


def payloads(account: OkxAccount, prices: dict[str, Decimal] | None = None) -> Payloads:
    book = OkxBook(account, OkxMarket(prices or PRICES))
    held = [position_row(book, exposure, n, 1) for n, exposure in enumerate(book.exposures)]
    return answers([balance_row(book, 1)], held, [config_row(account)])


def answers(balance: list[Any], positions: list[Any], config: list[Any] | None) -> Payloads:
    told = None if config is None else {"code": "0", "data": config}
    return {
        "balance": {"code": "0", "data": balance},
        "positions": {"code": "0", "data": positions},
        "config": told,
    }


def holding(level: Any, *positions: OkxPosition, **fields: Any) -> OkxAccount:
    return OkxAccount(acct_lv=level, positions=list(positions), **({"balances": HOLDINGS} | fields))


def parsed(account: OkxAccount, reference: Reference = MARKETS) -> Snapshot:
    return VENUE.parse(payloads(account), reference, NOW)
