"""What somebody asks "what if" about: moves of prices, of pegs, of option volatility, and funding.

-20  +10%             everything that is not a stablecoin
BTC -15 ETH -25       these alone, beside or instead of the above
USDT=0.97             the stablecoin's price in dollars
IV +50                implied volatility of options, per cent of what it is now
funding 8h            every perpetual pays the announced rate for so long; not known: the usual, whichever its side
funding 0.01%x3       three payments at this rate: above zero longs pay shorts
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from marginbot.domain.errors import RequestError
from marginbot.domain.room import STABLE

USUAL_FUNDING = 0.0001  # each eight hours: the base rate of the large venues
FUNDING_HOURS = 8.0
_LOWEST, _HIGHEST = -0.99, 5.0
_LONGEST_FUNDING_HOURS = 30 * 24.0

_VOLATILITY = ("IV", "VOL")
_MOVE = re.compile(r"([+-]\d{1,4}(?:\.\d{1,6})?)%?")
_COIN = re.compile(r"[A-Z0-9]{1,20}")
_COIN_MOVE = re.compile(r"([A-Z0-9]*[A-Z])([+-]\d{1,4}(?:\.\d{1,6})?)%?")
_PEG = re.compile(r"([A-Z0-9]{1,20})=(\d{1,9}(?:\.\d{1,8})?)")
_HOURS = re.compile(r"(\d{1,4}(?:\.\d{1,2})?)(H|D)")
_PAYMENTS = re.compile(r"([+-]?\d{1,2}(?:\.\d{1,6})?)%X(\d{1,4})")

USAGE = "/stress [LABEL] SHOCK…"
EXAMPLES = "/stress -20, /stress BTC -15 ETH -25, /stress USDT=0.97, /stress main -10 IV +50 funding 8h"


@dataclass(frozen=True, slots=True)
class Funding:
    """Payments of perpetuals, as a fraction of notional each."""

    rate: float
    payments: float
    known: bool  # True: stated, longs pay what is above zero; False: the usual one, and every position pays


@dataclass(frozen=True, slots=True, kw_only=True)
class Shock:
    """All that happens together. Moves are fractions; what is not named stands still."""

    market: float | None = None  # of everything but stablecoins
    moves: Mapping[str, float] = field(default_factory=dict)  # by coin
    pegs: Mapping[str, float] = field(default_factory=dict)  # price in dollars, by stablecoin
    volatility: float = 0.0  # of options, relative
    funding: Funding | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether nothing was asked."""
        return self == Shock()

    def move_of(self, underlying: str) -> float:
        """How far this coin moves."""
        everything = 0.0 if self.market is None or underlying in STABLE else self.market
        return self.moves.get(underlying, everything)

    def part(self, share: float) -> Shock:
        """This share of the way there; option volatility is changed from the start."""
        return replace(
            self,
            market=None if self.market is None else self.market * share,
            moves={coin: move * share for coin, move in self.moves.items()},
            pegs={coin: 1 - (1 - price) * share for coin, price in self.pegs.items()},
            funding=self.funding and replace(self.funding, payments=self.funding.payments * share),
        )

    @property
    def coins(self) -> frozenset[str]:
        """Every coin that is named."""
        return frozenset(self.moves) | frozenset(self.pegs)


def parse_shock(words: Sequence[str]) -> Shock:
    """The shock that these words mean; `RequestError` naming the word that is none."""
    left = [word.upper().replace("−", "-") for word in words]
    shock = Shock()
    while left:
        shock, left = _next(shock, left)
    if shock.is_nothing:
        raise _misunderstood("nothing")
    return shock


def _next(shock: Shock, words: list[str]) -> tuple[Shock, list[str]]:
    word, rest = words[0].rstrip(","), words[1:]
    if found := _MOVE.fullmatch(word):
        return replace(shock, market=_fraction(found[1])), rest
    if found := _PEG.fullmatch(word):
        return _with_peg(shock, found[1], float(found[2])), rest
    if word in _VOLATILITY and rest and (found := _MOVE.fullmatch(rest[0].rstrip(","))):
        return replace(shock, volatility=_fraction(found[1])), rest[1:]
    if word == "FUNDING" and rest:
        return _funding(shock, rest)
    if found := _COIN_MOVE.fullmatch(word):
        if found[1] in _VOLATILITY:
            return replace(shock, volatility=_fraction(found[2])), rest
        return _with_move(shock, found[1], found[2]), rest
    if _COIN.fullmatch(word) and rest and (found := _MOVE.fullmatch(rest[0].rstrip(","))):
        return _with_move(shock, word, found[1]), rest[1:]
    raise _misunderstood(words[0])


def _with_move(shock: Shock, coin: str, percent: str) -> Shock:
    if coin in STABLE:
        return _with_peg(shock, coin, 1 + _fraction(percent))
    return replace(shock, moves={**shock.moves, coin: _fraction(percent)})


def _with_peg(shock: Shock, coin: str, price: float) -> Shock:
    if coin not in STABLE - {"USD"}:
        raise RequestError(
            "not a stablecoin",
            advice=f"{coin[:20]} is no stablecoin I know: give its move instead, for instance {coin[:20]} -15.",
        )
    if not 0.01 <= price <= 2:
        raise RequestError("peg out of bounds", advice="A stablecoin's price must be between 0.01 and 2 dollars.")
    return replace(shock, pegs={**shock.pegs, coin: price})


def _funding(shock: Shock, words: list[str]) -> tuple[Shock, list[str]]:
    first = words[0].rstrip(",")
    joined = first + words[1].rstrip(",") if len(words) > 1 and words[1].startswith("X") else first
    if found := _HOURS.fullmatch(first):
        hours = float(found[1]) * (24 if found[2] == "D" else 1)
        if not 0 < hours <= _LONGEST_FUNDING_HOURS:
            raise RequestError("funding too long", advice="Funding is worked out for at most 30 days.")
        return replace(shock, funding=Funding(USUAL_FUNDING, hours / FUNDING_HOURS, known=False)), words[1:]
    if found := _PAYMENTS.fullmatch(joined):
        funding = Funding(float(found[1]) / 100, float(found[2]), known=True)
        return replace(shock, funding=funding), words[1:] if joined == first else words[2:]
    raise _misunderstood(f"funding {words[0]}")


def _fraction(percent: str) -> float:
    value = float(percent) / 100
    if not _LOWEST <= value <= _HIGHEST:
        raise RequestError("move out of bounds", advice="A move must be between -99 and +500 percent.")
    return value


def _misunderstood(word: str) -> RequestError:
    return RequestError(
        "not a shock",
        advice=f"I do not understand “{word[:40]}”. A move needs its sign, and coins come before it. "
        f"Send it like this: {USAGE}, for instance {EXAMPLES}",
    )
