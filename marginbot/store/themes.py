"""The colours of each person's pictures."""

from __future__ import annotations

from marginbot.domain.chart import Theme
from marginbot.store.people import ensure_person
from marginbot.store.rows import Rows


class ThemeRows(Rows):
    """Dark where nothing was chosen."""

    def chart_theme(self, user_id: int) -> Theme:
        """How a person's pictures are drawn."""
        row = self._one("SELECT chart_theme FROM people WHERE user_id = ?", user_id)
        return Theme.DARK if row is None or row["chart_theme"] is None else Theme(row["chart_theme"])

    def set_chart_theme(self, user_id: int, theme: Theme) -> None:
        """Draw them so from now on."""
        with self._writing() as conn:
            ensure_person(conn, user_id)
            conn.execute("UPDATE people SET chart_theme = ? WHERE user_id = ?", (theme.value, user_id))
