"""What market stress is judged by, and what was told of it."""

from __future__ import annotations

from datetime import datetime

from marginbot.domain.alerting import Reason
from marginbot.domain.turmoil import TurmoilState
from marginbot.store.codec import TURMOIL, text_of
from marginbot.store.rows import Rows

NAME = "turmoil"


class TurmoilRows(Rows):
    """The market as the store knows it."""

    def worsened_since(self, at: datetime) -> frozenset[int]:
        """The accounts of which a worsening was told (or meant to be told) since."""
        rows = self._all(
            "SELECT DISTINCT account_id FROM notices WHERE created_at >= ? AND subject <> '' AND json_valid(facts) "
            "AND json_extract(facts, '$.reason') = ?",
            text_of(at),
            Reason.WORSENED.value,
        )
        return frozenset(row["account_id"] for row in rows)

    def turmoil(self) -> TurmoilState:
        """The episode that lasts, if one does; one written by another version is begun anew."""
        stored = self.get_meta(NAME)
        try:
            return TurmoilState() if stored is None else TURMOIL.decode(stored)
        except ValueError:
            return TurmoilState()

    def set_turmoil(self, state: TurmoilState) -> None:
        """Keep it."""
        self.set_meta(NAME, TURMOIL.encode(state))
