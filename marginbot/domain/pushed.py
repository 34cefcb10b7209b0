"""A warning that a venue sent by itself. Pure values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from marginbot.domain.alerting import AlertState
from marginbot.domain.forced import ForcedClose
from marginbot.domain.grading import Grade


@dataclass(frozen=True, slots=True)
class RiskPush:
    """What the venue says, in its own word, and about which kind of pool as far as it says that."""

    what: str  # "margin call"
    isolated: bool | None = None  # None: it does not say
    closed: tuple[ForcedClose, ...] = ()  # what has been traded already


def concerned(push: RiskPush, states: Mapping[str, AlertState]) -> list[str]:
    """The pools a warning may be about: those of its kind that had something to lose, else of its kind, else any.

    A warning is never dropped for want of a pool it fits: then the pool is called what the warning is about.
    """
    pools = [name for name in states if name]
    kind = [name for name in pools if push.isolated is None or name.startswith("isolated") is push.isolated]
    held = [name for name in kind if _may_lose(states[name])]
    if held:
        return sorted(held)
    found = _worst(kind, states) or _worst(pools, states)
    return [found or ("isolated" if push.isolated else "cross")]


def _may_lose(state: AlertState) -> bool:
    return state.cushion is not None or (state.grade or Grade.OK) > Grade.OK or state.blind_since is not None


def _worst(names: Iterable[str], states: Mapping[str, AlertState]) -> str | None:
    return min(names, key=lambda name: (-(states[name].grade or Grade.OK), name), default=None)
