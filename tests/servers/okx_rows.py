"""The rows OKX answers with, in its field names; every amount is text and "" means not applicable."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.servers.okx_book import TIERS, Exposure, Instrument, OkxAccount, OkxBook
from tests.servers.quotes import Candle, plain

Row = dict[str, Any]
LISTED_AT = "1609459200000"
NOT_FOR_ALL = ("alias", "baseCcy", "quoteCcy", "ctType", "ctValCcy", "expTime", "stk", "optType")
ACCOUNT_WIDE = ("adjEq", "imr", "mmr", "mgnRatio", "notionalUsd", "availEq", "ordFroz", "upl")


def instrument_row(instrument: Instrument) -> Row:
    spot = instrument.inst_type == "SPOT"
    option = instrument.inst_type == "OPTION"
    row: Row = dict.fromkeys(NOT_FOR_ALL, "")
    row |= {
        "instType": instrument.inst_type,
        "instId": instrument.inst_id,
        "instFamily": "" if spot else instrument.family,
        "uly": "" if spot else instrument.family,
        "settleCcy": instrument.settle,
        "ctVal": "" if spot else plain(instrument.contract),
        "ctMult": "" if spot else ("0.01" if option else "1"),
        "lever": "" if option else ("10" if spot else "100"),
        "tickSz": "0.0001" if option else "0.1",
        "lotSz": "0.00000001" if spot else "1",
        "minSz": "0.00001" if spot else "1",
        "maxLmtSz": "100000000",
        "maxMktSz": "1000000",
        "category": "1",
        "listTime": LISTED_AT,
        "ruleType": "normal",
        "state": "live",
    }
    if spot:
        return row | {"baseCcy": instrument.base, "quoteCcy": instrument.quote}
    if option:
        strike, right = instrument.inst_id.split("-")[3:]
        row |= {"stk": strike, "optType": right, "ctValCcy": instrument.base}
    else:
        row |= {"ctType": "inverse" if instrument.inverse else "linear"}
        row |= {"ctValCcy": instrument.quote if instrument.inverse else instrument.base}
    if instrument.inst_type != "SWAP":
        row |= {"expTime": _expiry_ms(instrument), "alias": "" if option else "quarter"}
    return row


def _expiry_ms(instrument: Instrument) -> str:
    day = datetime.strptime(instrument.inst_id.split("-")[2], "%y%m%d").replace(hour=8, tzinfo=UTC)
    return str(int(day.timestamp() * 1000))


def tier_rows(family: str) -> list[Row]:
    rows, least = [], Decimal(0)
    for number, tier in enumerate(TIERS, start=1):
        rows.append(
            {
                "instFamily": family,
                "uly": family,
                "instId": "",
                "tier": str(number),
                "minSz": plain(least),
                "maxSz": plain(tier.max_contracts),
                "mmr": plain(tier.mmr),
                "imr": plain(1 / tier.max_leverage),
                "maxLever": plain(tier.max_leverage),
                "baseMaxLoan": "",
                "quoteMaxLoan": "",
                "optMgnFactor": "0",
            }
        )
        least = tier.max_contracts
    return rows


def candle_row(opens_at: int, candle: Candle, *, mark: bool, closed: bool) -> list[str]:
    prices = [plain(price, 4) for price in (candle.open, candle.high, candle.low, candle.close)]
    volume = plain(candle.volume, 4)
    volumes = [] if mark else [volume, volume, plain(candle.volume * candle.close, 4)]
    return [str(opens_at), *prices, *volumes, "1" if closed else "0"]


def config_row(account: OkxAccount) -> Row:
    return {
        "uid": account.uid,
        "mainUid": account.uid,
        "acctLv": account.acct_lv,
        "posMode": account.pos_mode,
        "autoLoan": account.acct_lv in ("3", "4"),
        "greeksType": "PA",
        "level": "Lv1",
        "levelTmp": "",
        "ctIsoMode": "automatic",
        "mgnIsoMode": "automatic",
        "spotOffsetType": "",
        "roleType": "0",
        "traderInsts": [],
        "label": account.label,
        "perm": account.perm,
        "ip": account.ip,
        "kycLv": "3",
        "liquidationGear": "-1",
        "type": "0",
    }


def balance_row(book: OkxBook, now_ms: int) -> Row:
    isolated = [e for e in book.exposures if e.isolated]
    iso_equity = book.usd(isolated, "margin") + book.usd(isolated, "upl")
    total = sum((_equity(book, ccy) * book.market.usd(ccy) for ccy in book.currencies()), Decimal(0))
    row: Row = dict.fromkeys(ACCOUNT_WIDE, "")
    row |= {
        "totalEq": plain(total),
        "isoEq": plain(iso_equity),
        "uTime": str(now_ms),
        "details": [_detail(book, currency, now_ms) for currency in book.currencies()],
    }
    if not book.one_pool:
        return row
    pool = book.account_pool()
    return row | {
        "adjEq": plain(pool.equity),
        "availEq": plain(max(pool.equity - pool.imr, Decimal(0))),
        "imr": plain(pool.imr),
        "mmr": plain(pool.mmr),
        "mgnRatio": _text(pool.mgn_ratio),
        "notionalUsd": plain(book.usd(book.cross(), "value")),
        "ordFroz": "0",
        "borrowFroz": "0",
        "upl": plain(book.usd(book.exposures, "upl")),
    }


def _detail(book: OkxBook, currency: str, now_ms: int) -> Row:
    pool = book.currency_pool(currency)
    isolated = book.isolated(currency)
    iso_upl = sum((e.upl for e in isolated), Decimal(0))
    iso_equity = sum((e.margin for e in isolated), Decimal(0)) + iso_upl
    equity = _equity(book, currency)
    own = not book.one_pool
    notional = sum((e.value for e in book.cross(currency)), Decimal(0))
    free = plain(max(pool.equity - pool.imr, Decimal(0)))
    zeros = (
        "frozenBal",
        "ordFrozen",
        "interest",
        "maxLoan",
        "isoLiab",
        "stgyEq",
        "twap",
        "crossLiab",
        "uplLiab",
    )
    return dict.fromkeys(zeros, "0") | {
        "ccy": currency,
        "cashBal": plain(book.account.balances.get(currency, Decimal(0))),
        "eq": plain(equity),
        "eqUsd": plain(equity * book.market.usd(currency)),
        "disEq": plain(book.discounted_usd(currency)),
        "availBal": free,
        "availEq": free,
        "upl": plain(sum((e.upl for e in book.cross(currency)), iso_upl)),
        "isoEq": plain(iso_equity),
        "isoUpl": plain(iso_upl),
        "liab": plain(max(-equity, Decimal(0))),
        "imr": plain(pool.imr) if own else "",
        "mmr": plain(pool.mmr) if own else "",
        "mgnRatio": _text(pool.mgn_ratio) if own else "",
        "notionalLever": plain(notional / equity) if own and equity > 0 else "",
        "collateralEnabled": True,
        "uTime": str(now_ms),
    }


def _equity(book: OkxBook, currency: str) -> Decimal:
    isolated = book.isolated(currency)
    return book.cross_equity(currency) + sum((e.margin + e.upl for e in isolated), Decimal(0))


def position_row(book: OkxBook, exposure: Exposure, number: int, now_ms: int) -> Row:
    position, instrument = exposure.position, exposure.instrument
    hedged = book.account.pos_mode == "long_short_mode"
    per_position = exposure.isolated or book.account.acct_lv != "4"
    base = exposure.margin or exposure.imr
    blanks = ("deltaBS", "deltaPA", "gammaBS", "gammaPA", "thetaBS", "thetaPA", "vegaBS", "vegaPA")
    liability = ("liab", "liabCcy", "optVal", "posCcy", "spotInUseAmt", "spotInUseCcy")
    mark = plain(exposure.mark)
    return dict.fromkeys((*blanks, *liability), "") | {
        "instId": position.inst_id,
        "instType": instrument.inst_type,
        "posId": f"3395525080623800{number:02d}",
        "mgnMode": position.mgn_mode,
        "posSide": position.side if hedged else "net",
        "pos": plain(abs(position.pos) if hedged else position.pos),
        "availPos": plain(abs(position.pos)),
        "ccy": instrument.settle,
        "lever": plain(position.lever),
        "avgPx": plain(position.avg_px),
        "markPx": mark,
        "last": mark,
        "idxPx": plain(book.market.index(instrument)),
        "usdPx": plain(book.market.usd(instrument.settle)),
        "liqPx": _text(book.liquidation_price(exposure)),
        "upl": plain(exposure.upl),
        "uplRatio": plain(exposure.upl / base),
        "margin": plain(exposure.margin) if exposure.isolated else "",
        "imr": plain(exposure.imr) if per_position and not exposure.isolated else "",
        "mmr": plain(exposure.mmr) if per_position else "",
        "mgnRatio": _text(book.pool_of(exposure).mgn_ratio),
        "notionalUsd": plain(exposure.value_usd),
        "interest": "0",
        "adl": "1",
        "realizedPnl": "0",
        "tradeId": str(1000 + number),
        "cTime": str(now_ms - 3_600_000),
        "uTime": str(now_ms),
    }


def risk_row(book: OkxBook, now_ms: int) -> Row:
    def held(exposure: Exposure, number: int) -> Row:
        row = position_row(book, exposure, number, now_ms)
        names = ("instType", "instId", "mgnMode", "posId", "posSide", "pos", "ccy", "notionalUsd")
        return {name: row[name] for name in names} | {"notionalCcy": plain(exposure.value)}

    return {
        "ts": str(now_ms),
        "adjEq": plain(book.account_pool().equity) if book.one_pool else "",
        "balData": [
            {"ccy": ccy, "eq": plain(_equity(book, ccy)), "disEq": plain(book.discounted_usd(ccy))}
            for ccy in book.currencies()
        ],
        "posData": [held(exposure, number) for number, exposure in enumerate(book.exposures)],
    }


def _text(value: Decimal | None) -> str:
    return "" if value is None else plain(value)
