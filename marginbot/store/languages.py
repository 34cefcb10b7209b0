"""The language of each person and of each group."""

from __future__ import annotations

from marginbot.store.people import ensure_person
from marginbot.store.rows import Rows


class LanguageRows(Rows):
    """Codes such as `ru`. A private chat has the id of its person; a group's id is negative."""

    def language_of(self, chat_id: int) -> str | None:
        """What is spoken in a chat: as chosen there, else as the person's Telegram says; None: not known."""
        if chat_id < 0:
            row = self._one("SELECT language FROM group_languages WHERE chat_id = ?", chat_id)
        else:
            row = self._one(
                "SELECT coalesce(language, client_language) AS language FROM people WHERE user_id = ?", chat_id
            )
        return None if row is None else row["language"]

    def chosen_language(self, user_id: int) -> str | None:
        """What a person chose; None: they did not, and their Telegram decides."""
        row = self._one("SELECT language FROM people WHERE user_id = ?", user_id)
        return None if row is None else row["language"]

    def set_language(self, chat_id: int, language: str | None) -> None:
        """Speak so from now on; None: as a person's Telegram says, or English in a group."""
        with self._writing() as conn:
            if chat_id > 0:
                ensure_person(conn, chat_id)
                conn.execute("UPDATE people SET language = ? WHERE user_id = ?", (language, chat_id))
            elif language is None:
                conn.execute("DELETE FROM group_languages WHERE chat_id = ?", (chat_id,))
            else:
                conn.execute(
                    "INSERT INTO group_languages (chat_id, language) VALUES (?, ?) "
                    "ON CONFLICT (chat_id) DO UPDATE SET language = excluded.language",
                    (chat_id, language),
                )

    def heard_language(self, user_id: int, language: str) -> None:
        """Note what somebody's Telegram says, for messages they did not ask for; nothing is kept of strangers."""
        known = self._one("SELECT client_language FROM people WHERE user_id = ?", user_id)
        if known is None or known["client_language"] == language:
            return
        with self._writing() as conn:
            conn.execute("UPDATE people SET client_language = ? WHERE user_id = ?", (language, user_id))
