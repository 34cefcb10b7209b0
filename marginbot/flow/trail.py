"""What happened to one account, as lines of the log that carry its id: in the words, and as a field of JSON lines.

    jq 'select(.account == 7)'

tells its story: what could not be read, what was decided, what became of the message. No label, no amount, no name.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from marginbot.domain.notices import NewNotice, Notice
from marginbot.domain.outcomes import Outcome, Sent
from marginbot.flow.ports import Unreadable

log = logging.getLogger(__name__)


def _line(account_id: int, text: str) -> None:
    log.info("account %s: %s", account_id, text, extra={"account": account_id})


def unread(account_id: int, exchange: str, reading: Unreadable) -> None:
    """It could not be read."""
    _line(account_id, f"not read at {exchange}: {reading.cause}")


def decided(notices: Sequence[NewNotice]) -> None:
    """A reading led to these notices."""
    for notice in notices:
        facts = notice.facts
        grade = f" at {facts.grade.name}" if facts.grade is not None else ""
        held = f", not sent: {notice.dropped}" if notice.dropped else ""
        _line(notice.account_id, f"episode {notice.episode}.{notice.number} {facts.reason}{grade}{held}")


def handed_over(notices: Sequence[Notice], outcome: Outcome) -> None:
    """What became of a message."""
    became = "accepted" if isinstance(outcome, Sent) else type(outcome).__name__
    for notice in notices:
        where = f"notice {notice.id}, episode {notice.episode}.{notice.number}"
        _line(notice.account_id, f"{where}: {became}, attempt {notice.attempts + 1}")
