"""What stands in the outbox, for tests to look at."""

from __future__ import annotations

from collections.abc import Sequence

from marginbot.domain.notices import Notice
from marginbot.flow.ports import Store


def pending(store: Store) -> Sequence[Notice]:
    """The notices that are neither sent nor dropped, oldest first."""
    found = (store.notice(line.id) for line in store.pending_lines(0))
    return [notice for notice in found if notice is not None]
