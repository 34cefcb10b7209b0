"""Facts, reports and notices with sensible values; a test names only what it is about."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from marginbot.domain.alerting import AlertState, Reason
from marginbot.domain.grading import DecidedBy, Grade
from marginbot.domain.margin import MarginMode, Pool, PoolState, Position, Side, Snapshot
from marginbot.domain.notices import Facts, Notice
from marginbot.domain.report import AccountReport, PoolReport, PositionReport
from marginbot.flow.ports import Account, Standing

NOW = datetime(2026, 11, 22, 3, 24, 0, tzinfo=UTC)
ALICE, BOB, CHARLIE, OPERATOR = 7, 8, 9, 1
GROUP = -500
GROUP_COMMANDS = ("status", "chart", "timezone", "language", "share", "unshare", "board", "help", "start")

T = TypeVar("T")


def _made(kind: type[T], changed: dict[str, Any], defaults: dict[str, Any]) -> T:
    return kind(**defaults | changed)


def pool(**changed: Any) -> PoolReport:
    return _made(
        PoolReport,
        changed,
        {
            "name": "cross:USDT",
            "margin_mode": "cross",
            "currency": "USDT",
            "state": PoolState.OK,
            "equity": Decimal("1402.11"),
            "maintenance_margin": Decimal("1000"),
            "margin_ratio": Decimal("0.7132"),
            "buffer": Decimal("402.11"),
            "reported_ratio": Decimal("0.7130"),
            "room": -0.0421,
            "scenario": "BTC",
            "cushion": 1.83,
            "grade": Grade.CRITICAL,
            "decided_by": DecidedBy.CUSHION,
            "top_up": Decimal("352"),
            "close_share": Decimal("0.36"),
            "target": Grade.NOTICE,
        },
    )


CALM = pool(
    margin_ratio=Decimal("0.123"),
    maintenance_margin=Decimal("172.4"),
    buffer=Decimal("1229.71"),
    reported_ratio=None,
    room=-0.451,
    cushion=31.0,
    grade=Grade.OK,
    decided_by=DecidedBy.NOTHING,
    top_up=None,
    close_share=None,
    target=None,
)
FLAT = pool(
    state=PoolState.FLAT,
    equity=Decimal("12.5"),
    maintenance_margin=Decimal(0),
    margin_ratio=None,
    buffer=Decimal("12.5"),
    reported_ratio=None,
    room=None,
    scenario=None,
    cushion=None,
    grade=Grade.OK,
    decided_by=DecidedBy.NOTHING,
    top_up=None,
    close_share=None,
    target=None,
)
UNKNOWN = pool(
    name="isolated:ETH/USDT:USDT:short",
    state=PoolState.UNKNOWN,
    maintenance_margin=None,
    margin_ratio=None,
    buffer=None,
    reported_ratio=None,
    room=None,
    scenario=None,
    cushion=None,
    grade=None,
    decided_by=DecidedBy.NOTHING,
    top_up=None,
    close_share=None,
    target=None,
)
GONE_EQUITY = pool(
    state=PoolState.DEFICIT,
    equity=Decimal("-12.3"),
    maintenance_margin=Decimal("350"),
    margin_ratio=None,
    buffer=Decimal("-362.3"),
    reported_ratio=None,
    room=None,
    scenario=None,
    cushion=None,
    grade=Grade.DEFICIT,
    decided_by=DecidedBy.DEFICIT,
    top_up=Decimal("712"),
    close_share=None,
)


def facts(**changed: Any) -> Facts:
    return _made(
        Facts,
        changed,
        {
            "label": "main",
            "exchange": "binanceusdm",
            "mode": "single-asset/one-way",
            "reason": Reason.WORSENED,
            "at": NOW,
            "grade": Grade.CRITICAL,
            "previous": Grade.WARNING,
            "pool": pool(),
            "positions": ("long 0.5 BTC/USDT:USDT",),
        },
    )


def notice(about: Facts | None = None, **changed: Any) -> Notice:
    return _made(
        Notice,
        changed,
        {
            "id": 41,
            "account_id": 1,
            "subject": "cross:USDT",
            "episode": 1,
            "number": 1,
            "user_id": ALICE,
            "chat_id": ALICE,
            "sound": True,
            "facts": about or facts(),
            "created_at": NOW,
        },
    )


def position(**changed: Any) -> PositionReport:
    return _made(
        PositionReport,
        changed,
        {
            "pool": "cross:USDT",
            "symbol": "BTC/USDT:USDT",
            "side": "long",
            "contracts": Decimal("0.500"),
            "notional": Decimal("48211"),
            "entry_price": Decimal("101000"),
            "mark_price": Decimal("96422"),
            "liquidation_price": Decimal("92380.5"),
            "maintenance_margin": Decimal("241.1"),
        },
    )


def report(*pools: PoolReport, **changed: Any) -> AccountReport:
    pools = pools or (pool(),)
    return _made(
        AccountReport,
        changed,
        {
            "exchange": "binanceusdm",
            "mode": "single-asset/one-way",
            "taken_at": NOW - timedelta(seconds=12),
            "state": max((p.state for p in pools), key=lambda state: state.severity),
            "margin_ratio": pools[0].margin_ratio,
            "pools": pools,
            "positions": (position(),) if pools[0].state is PoolState.OK else (),
            "warnings": (),
        },
    )


def account(label: str = "main", **changed: Any) -> Account:
    return _made(
        Account,
        changed,
        {
            "id": 1,
            "user_id": ALICE,
            "chat_id": ALICE,
            "exchange": "binanceusdm",
            "label": label,
            "created_at": NOW - timedelta(days=30),
        },
    )


def standing(of: AccountReport | None = None, *, label: str = "main", **changed: Any) -> Standing:
    """An account just as its report says; its pools were seen."""
    states = {p.name: AlertState(grade=p.grade, seen_at=NOW) for p in (of.pools if of else ()) if p.grade is not None}
    return _made(
        Standing,
        changed,
        {"account": account(label), "report": of, "states": states},
    )


def snapshot(*, equity: str = "1000", maintenance: str = "100", notional: str = "5000", **changed: Any) -> Snapshot:
    """A long position in one cross pool, as a reader gives it."""
    held = Position(
        symbol="BTC/USDT:USDT",
        underlying="BTC",
        side=Side.LONG,
        contracts=Decimal("0.05"),
        notional=Decimal(notional),
        entry_price=Decimal("101000"),
        mark_price=Decimal("100000"),
        liquidation_price=Decimal("82000"),
        maintenance_margin=Decimal(maintenance),
    )
    cross = Pool(
        name="cross:USDT",
        margin_mode=MarginMode.CROSS,
        currency="USDT",
        equity=Decimal(equity),
        maintenance_margin=Decimal(maintenance),
        positions=(held,),
    )
    return _made(
        Snapshot,
        changed,
        {"exchange": "bybit", "mode": "unified/cross", "taken_at": NOW, "pools": (cross,)},
    )
