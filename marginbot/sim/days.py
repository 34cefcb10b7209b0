"""More price paths for the simulated exchange: three days that happened, and paths that are invented and called so.

Figures of the days: Binance spot BTC/USDT from the exchange's public data archive, rounded to a dollar; between
them the path is interpolated as in `marginbot.sim.prices`. The published low of USD Coin on 11 March 2023 is
0.8774 (CoinGecko); its way there and back, and everything in the functions called `invented_…`, is made up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from marginbot.sim.prices import PricePath, anchors_of

# open, high, low, close of consecutive hours, 9 May 2022 from 04:00 UTC
_HOURS_9_MAY_2022 = (
    (33563, 33838, 33521, 33649), (33649, 33732, 33462, 33511), (33511, 33593, 33340, 33572),
    (33572, 33749, 33505, 33523), (33523, 33760, 33150, 33671), (33671, 33777, 33423, 33502),
    (33502, 33547, 32650, 32822), (32822, 33180, 32664, 33122), (33122, 33134, 32813, 32859),
    (32859, 33424, 32733, 33036), (33037, 33068, 32420, 32456), (32456, 32676, 32061, 32342),
    (32342, 32588, 31581, 31692), (31692, 31982, 31000, 31268), (31268, 31454, 30334, 30787),
    (30787, 31102, 30370, 30945),
)  # fmt: skip
# 17 August 2023: hours from 12:00 UTC, then five minutes from 21:00 UTC
_HOURS_17_AUGUST_2023 = (
    (28545, 28574, 28435, 28496), (28496, 28545, 28381, 28400), (28400, 28460, 28320, 28394),
    (28394, 28501, 27888, 27934), (27934, 28090, 27700, 27937), (27937, 28040, 27937, 27974),
    (27974, 28025, 27865, 27880), (27880, 27976, 27858, 27894), (27894, 27920, 27530, 27680),
)  # fmt: skip
_FIVE_MINUTES_17_AUGUST_2023 = (
    (27680, 27738, 27670, 27676), (27676, 27692, 27655, 27687), (27687, 27687, 27575, 27598),
    (27598, 27678, 27577, 27674), (27674, 27717, 27674, 27696), (27696, 27699, 27673, 27673),
    (27673, 27716, 27673, 27712), (27712, 27712, 27553, 27579), (27579, 27606, 25188, 25188),
    (25188, 26347, 25166, 26000), (25960, 26482, 25680, 26268),
)  # fmt: skip
# 23 October 2023: hours from 14:00 UTC, then five minutes from 22:00 UTC
_HOURS_23_OCTOBER_2023 = (
    (30610, 30850, 30593, 30779), (30779, 30970, 30757, 30883), (30883, 31289, 30783, 31212),
    (31212, 31317, 30820, 30980), (30980, 31193, 30777, 31168), (31168, 31440, 31079, 31354),
    (31354, 31826, 31319, 31523), (31523, 31662, 31419, 31630),
)  # fmt: skip
_FIVE_MINUTES_23_OCTOBER_2023 = (
    (31630, 31630, 31595, 31601), (31601, 31690, 31601, 31688), (31688, 31900, 31681, 31886),
    (31886, 32000, 31815, 31941), (31941, 31958, 31865, 31950), (31950, 32188, 31907, 32183),
    (32183, 32275, 32039, 32064), (32064, 32355, 32032, 32344), (32344, 34742, 32311, 33966),
    (33968, 34181, 32890, 33545), (33539, 33586, 33072, 33142),
)  # fmt: skip
INVENTED_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def may_2022() -> PricePath:
    """Bitcoin on 9 May 2022, 04:00 to 20:00 UTC: an afternoon that only went down."""
    start = datetime(2022, 5, 9, 4, tzinfo=UTC)
    return PricePath("BTCUSDT", tuple(anchors_of(start, 60, _HOURS_9_MAY_2022)))


def august_2023() -> PricePath:
    """Bitcoin on 17 August 2023, 12:00 to 21:55 UTC: a tenth of its price gone in minutes."""
    start = datetime(2023, 8, 17, 12, tzinfo=UTC)
    hours = anchors_of(start, 60, _HOURS_17_AUGUST_2023)
    minutes = anchors_of(start + timedelta(hours=9), 5, _FIVE_MINUTES_17_AUGUST_2023)
    return PricePath("BTCUSDT", tuple(hours + minutes))


def october_2023() -> PricePath:
    """Bitcoin on 23 October 2023, 14:00 to 22:55 UTC: up by a tenth in an hour."""
    start = datetime(2023, 10, 23, 14, tzinfo=UTC)
    hours = anchors_of(start, 60, _HOURS_23_OCTOBER_2023)
    minutes = anchors_of(start + timedelta(hours=8), 5, _FIVE_MINUTES_23_OCTOBER_2023)
    return PricePath("BTCUSDT", tuple(hours + minutes))


def march_2023_peg() -> PricePath:
    """USD Coin in dollars on 11 March 2023: the published low, with an invented way there and back."""
    start = datetime(2023, 3, 11, 1, tzinfo=UTC)
    points = ((0, 1.0), (60, 0.995), (100, 0.97), (140, 0.945), (180, 0.91), (225, 0.8774), (250, 0.91), (300, 0.96))
    return through(start, points, symbol="USDC")


def invented_unease() -> PricePath:
    """Bitcoin beside the broken peg, invented: a little lower, then as before."""
    start = datetime(2023, 3, 10, 20, tzinfo=UTC)
    return through(start, (*_wavy(0, 390, 20_150), (480, 19_750.0), (525, 19_470.0), (600, 20_300.0)))


def invented_slide() -> PricePath:
    """Bitcoin, invented: six calm hours, a slide of 7 % over an hour and a half, and the way back."""
    points = ((360, 60_000.0), (390, 58_900.0), (420, 57_800.0), (450, 55_900.0), (480, 56_700.0), (540, 59_800.0))
    return through(INVENTED_DAY, (*_wavy(0, 360, 60_000), *points, (600, 59_900.0)))


def invented_fall() -> PricePath:
    """Bitcoin, invented: six calm hours, and a fall of 10 % over three that does not come back."""
    points = ((360, 60_000.0), (420, 58_900.0), (480, 57_600.0), (540, 53_900.0), (560, 54_100.0))
    return through(INVENTED_DAY, (*_wavy(0, 360, 60_000), *points))


def through(start: datetime, points: tuple[tuple[int, float], ...], *, symbol: str = "BTCUSDT") -> PricePath:
    """A path through (minutes after start, price)."""
    began = int(start.timestamp() * 1000)
    return PricePath(symbol, tuple((began + minute * 60_000, price) for minute, price in points))


def _wavy(first: int, last: int, level: int) -> tuple[tuple[int, float], ...]:
    """A quiet market: 0.3 % up and down every half hour."""
    return tuple((minute, level * (1 + (0.003 if minute // 30 % 2 else -0.003))) for minute in range(first, last, 30))
