"""Golden messages: what people see, word for word. MARGINBOT_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

from marginbot.bot.calls import Rows

FOLDER = Path(__file__).parents[1] / "golden" / "messages"

UPDATE = bool(os.environ.get("MARGINBOT_UPDATE_GOLDEN"))  # read before a fixture clears the environment


def check(name: str, html: str, buttons: Rows = ()) -> None:
    """Compare a message and its buttons with the golden file of that name."""
    rows = "".join("[" + "] [".join(button.text for button in row) + "]\n" for row in buttons)
    got = f"{html}\n{'---' if rows else ''}\n{rows}".rstrip() + "\n"
    path = FOLDER / f"{name}.html"
    if UPDATE:
        path.parent.mkdir(exist_ok=True)
        path.write_text(got, encoding="utf-8")
    assert path.exists(), f"no golden file {path.name}: set MARGINBOT_UPDATE_GOLDEN=1 to write it"
    assert got == path.read_text(encoding="utf-8")
