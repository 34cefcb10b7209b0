"""What each venue requires, as it last said, and the transaction that writes it with what is told of a change."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from marginbot.domain.errors import NoSuchAccount
from marginbot.domain.notices import NewNotice
from marginbot.domain.tier_changes import KeptTerms, Terms
from marginbot.store.alerts import require_account, write_notice
from marginbot.store.codec import TERMS, text_of, time_of
from marginbot.store.rows import Rows

log = logging.getLogger(__name__)


class TierRows(Rows):
    """The latest terms of each venue."""

    def terms_dates(self) -> Mapping[str, datetime]:
        """When each venue's terms were loaded."""
        rows = self._all("SELECT exchange, loaded_at FROM venue_terms")
        return {row["exchange"]: time_of(row["loaded_at"]) for row in rows}

    def terms(self, exchange: str) -> KeptTerms | None:
        """A venue's terms. What cannot be read (written by another version, say) is as if it had not been kept."""
        row = self._one("SELECT loaded_at, terms FROM venue_terms WHERE exchange = ?", exchange)
        if row is None:
            return None
        try:
            return KeptTerms(loaded_at=time_of(row["loaded_at"]), terms=TERMS.decode(row["terms"]))
        except ValueError:
            log.warning("%s: the kept leverage tiers cannot be read", exchange)
            return None

    def record_terms(self, exchange: str, terms: Terms, now: datetime, notices: Sequence[NewNotice] = ()) -> None:
        """A venue's terms and what is to be told of them, in one transaction. Removed accounts are left out."""
        with self._writing() as conn:
            conn.execute(
                "INSERT INTO venue_terms (exchange, loaded_at, terms) VALUES (?, ?, ?) "
                "ON CONFLICT (exchange) DO UPDATE SET loaded_at = excluded.loaded_at, terms = excluded.terms",
                (exchange, text_of(now), TERMS.encode(terms)),
            )
            for notice in notices:
                try:
                    require_account(conn, notice.account_id)
                except NoSuchAccount:
                    log.info("account %s was removed while the terms of %s were looked at", notice.account_id, exchange)
                    continue
                write_notice(conn, notice, now)
