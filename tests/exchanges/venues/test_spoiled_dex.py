"""A single number gone or wrong, at the venues that are mostly read without an ordinary key."""

from __future__ import annotations

import pytest

from marginbot.exchanges.venue import Payloads, Reference
from marginbot.exchanges.venues import VENUES
from tests.exchanges.venues import dex_markets as markets
from tests.exchanges.venues import dex_payloads as told
from tests.exchanges.venues.kit import NOW, Path_, judged, looks_calmer, number_paths, spoiled

SOUND: dict[str, tuple[Payloads, Reference]] = {
    "dydx": (told.dydx(), markets.DYDX),
    "lighter": (told.lighter(), markets.LIGHTER),
    "derive": (told.derive(), markets.DERIVE),
    "paradex": (told.paradex(), markets.PARADEX),
    "extended": (told.extended(), markets.EXTENDED),
    "backpack": (told.backpack(), markets.BACKPACK),
    "woo": (told.woo(), markets.WOO),
    "blofin": (told.blofin(), markets.BLOFIN),
    "whitebit": (told.whitebit(), markets.WHITEBIT),
}
NAMES = ("subaccountNumber",)  # no amount: another number is another pool
REPORTS = {name: judged(VENUES[name].parse(payloads, known, NOW)) for name, (payloads, known) in SOUND.items()}


def test_the_sound_accounts_need_no_warning() -> None:
    venue = {"derive", "woo"}  # options are revalued, an isolated requirement is estimated: both say so always
    assert {name for name, report in REPORTS.items() if report.warnings} == venue


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param(name, path, id=f"{name} {'.'.join(map(str, path[-3:]))}")
        for name, (payloads, _) in SOUND.items()
        for path in number_paths(payloads)
        if path[-1] not in NAMES
    ],
)
def test_no_number_gone_wrong_makes_an_account_look_calmer_in_silence(name: str, path: Path_) -> None:
    payloads, known = SOUND[name]
    for how, changed in spoiled(payloads, path):
        assert looks_calmer(REPORTS[name], VENUES[name], changed, known) is None, how
