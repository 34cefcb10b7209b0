"""What the store offers by subject, where nothing but the domain is spoken of. `ports.Store` has all of it.

The conventions are those of `ports`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Protocol

from marginbot.domain.alerting import Reminders
from marginbot.domain.board import Board
from marginbot.domain.chart import Theme
from marginbot.domain.grading import Grade, Ladders
from marginbot.domain.history import Series
from marginbot.domain.hours import QuietHours
from marginbot.domain.notices import DropReason, Line, NewNotice, Notice
from marginbot.domain.outcomes import Outcome
from marginbot.domain.record import Acknowledged, Telling
from marginbot.domain.tier_changes import KeptTerms, Terms


class Outbox(Protocol):
    """What is to be sent, and what became of it."""

    def count_pending(self) -> int:
        """How many notices are neither sent nor dropped."""

    def pending_lines(self, after: int) -> Sequence[Line]:
        """What decides the turn of each pending notice with an id above `after`, oldest first."""

    def begin_attempts(self, notice_ids: Sequence[int], now: datetime, until: datetime) -> Sequence[Notice]:
        """Take those that are pending and due for sending, in one transaction, until `until`; the others are left out.

        Written before the request leaves: a repeat after a crash can be marked as one, and nobody else sends them
        meanwhile. The answer is as they were before, in the order asked for.
        """

    def account_notices(self, account_ids: Sequence[int], since: datetime) -> Sequence[Notice]:
        """Notices about accounts as a whole (not a pool) written since, without those given up."""

    def finish_attempts(
        self, notice_ids: Sequence[int], outcome: Outcome, next_attempt_at: datetime | None, now: datetime
    ) -> None:
        """Record what became of one message, for all the notices it carried, in one transaction.

        `Sent` closes them, `Unreachable` drops them.
        """

    def hasten(self, notice_ids: Sequence[int], now: datetime) -> None:
        """Pending notices that were to wait longer are due now."""

    def notices_with(self, notice_id: int) -> Sequence[Notice]:
        """What the message that carried this one tells now: of each story the last word."""

    def episode_message(self, notice_id: int) -> int | None:
        """The message that last told of a pending notice's episode, in its chat; None: there is none."""

    def carried(self, chat_id: int, message_id: int) -> Sequence[Notice]:
        """Every notice and note that a message carries, oldest first."""

    def drop_notice(self, notice_id: int, reason: DropReason, now: datetime) -> None: ...
    def notice_of_message(self, chat_id: int, message_id: int) -> Notice | None:
        """The notice that a message in a chat carried, the worst of several, for replies and buttons."""

    def notice(self, notice_id: int) -> Notice | None: ...
    def move_chat(self, old: int, new: int) -> Sequence[int]:
        """A group became a supergroup: rewrite its id everywhere in one transaction; ids of the accounts it sees."""

    def is_alert_due(self, now: datetime) -> bool:
        """Whether an alert waits to be sent at this moment."""


class Boards(Protocol):
    """The live boards of groups."""

    def boards(self) -> Sequence[Board]:
        """The live boards of all groups."""

    def board(self, chat_id: int) -> Board | None: ...
    def start_board(self, board: Board, now: datetime) -> None: ...
    def post_board(self, chat_id: int, message_id: int, shown: str, now: datetime) -> None:
        """The other side has taken the board, or a change of it."""

    def tell_board(self, chat_id: int, told: Mapping[int, Grade]) -> None:
        """The group knows of these grades, by account."""

    def hurry_board(self, chat_id: int) -> None: ...
    def close_board(self, chat_id: int) -> bool:
        """Ask for its end; False where there is none."""

    def drop_board(self, chat_id: int) -> None: ...


class Past(Protocol):
    """What was measured of accounts, and what was told of them."""

    def pools(self, account_id: int) -> Sequence[str]:
        """The pools of an account that there is a history of, those that are gone too."""

    def history(
        self, account_id: int, since: datetime, until: datetime, pools: Collection[str] | None = None
    ) -> Sequence[Series]:
        """What is kept of an account's pools (or some) in a time; pools without any are left out."""

    def tellings(self, account_ids: Sequence[int], limit: int) -> Sequence[Telling]:
        """The last messages about accounts, oldest first."""

    def acknowledgements(self, account_ids: Sequence[int]) -> Sequence[Acknowledged]:
        """Every time somebody asked for quiet about them, oldest first."""


class VenueTerms(Protocol):
    """What venues require, as last looked at."""

    def terms_dates(self) -> Mapping[str, datetime]:
        """When each venue's terms were loaded."""

    def terms(self, exchange: str) -> KeptTerms | None:
        """The latest terms of a venue; None: none are kept."""

    def record_terms(self, exchange: str, terms: Terms, now: datetime, notices: Sequence[NewNotice] = ()) -> None:
        """A venue's terms and what is to be told of them, in one transaction. Removed accounts are left out."""


class Members(Protocol):
    """Who may register accounts, and how they come to it."""

    def is_member(self, user_id: int) -> bool: ...
    def create_invite(self, code: str, by: int, now: datetime, expires_at: datetime) -> None: ...
    def redeem_invite(self, code: str, user_id: int, now: datetime) -> None:
        """Make the user a member; `BadInvite` when the code is unknown, used or expired."""

    def end_membership(self, user_id: int) -> bool:
        """A person may register nothing more; False where they were no member."""


class Manner(Protocol):
    """How a person wants to be told: from where on and how often, in which language and colours, at which hours."""

    def ladders(self, account_id: int) -> Ladders:
        """The account's own ladders, else its owner's, else the defaults."""

    def set_ladders(self, user_id: int, label: str | None, ladders: Ladders) -> None:
        """For one account, or (label None) as the owner's default and on all their accounts."""

    def user_ladders(self, user_id: int) -> Ladders: ...
    def reminders(self, user_id: int) -> Reminders:
        """How often a person's alerts are repeated."""

    def set_reminders(self, user_id: int, reminders: Reminders) -> None: ...

    def language_of(self, chat_id: int) -> str | None:
        """The code of what is spoken in a chat: as chosen, else as the person's Telegram says; None: not known."""

    def chosen_language(self, user_id: int) -> str | None:
        """What a person chose; None: their Telegram decides."""

    def set_language(self, chat_id: int, language: str | None) -> None: ...
    def heard_language(self, user_id: int, language: str) -> None:
        """Note what the Telegram of somebody known says."""

    def chart_theme(self, user_id: int) -> Theme:
        """The colours of a person's pictures; dark where none were chosen."""

    def set_chart_theme(self, user_id: int, theme: Theme) -> None: ...

    def zone_of(self, chat_id: int) -> tzinfo:
        """The time zone of a person, or of a group; UTC where none was set."""

    def set_zone(self, user_id: int, name: str, now: datetime) -> None: ...
    def set_group_zone(self, chat_id: int, name: str) -> None: ...
    def quiet_hours(self, user_id: int) -> QuietHours | None: ...
    def set_quiet_hours(self, user_id: int, hours: QuietHours | None, now: datetime) -> None:
        """Hold what is not grave in these hours, or (None) never."""

    def quiet_until(self, user_id: int, now: datetime) -> datetime | None:
        """When the quiet hours that a person is in now end; None: they are in none."""

    def hold_notice(self, notice_id: int, until: datetime) -> None:
        """Note that a pending notice is held back until then; it stays pending."""
