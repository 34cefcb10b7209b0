"""The letters of pictures: the font that comes with matplotlib has no Chinese ones, others of the machine may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from marginbot.bot.language import ENGLISH, language, read_in_language

LETTERS = 0x530  # up to here the own font has them: Latin, Greek, Cyrillic
OWN_FONT = "DejaVu Sans"
CHINESE = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Noto Sans CJK JP",  # the first face of the file that holds them all
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
)


@contextmanager
def lettered() -> Iterator[None]:
    """What is drawn inside is in the reader's language; in English where this machine has no font of theirs."""
    import matplotlib as mpl

    found = None if language() != "zh" else _chinese()
    code = ENGLISH if language() == "zh" and found is None else language()
    with mpl.rc_context({"font.family": [OWN_FONT, *([found] if found else [])]}), read_in_language(code):
        yield


def _chinese() -> str | None:
    from matplotlib.font_manager import fontManager

    there = {font.name for font in fontManager.ttflist}
    return next((name for name in CHINESE if name in there), None)
