"""The colours of pictures, by theme."""

from __future__ import annotations

from dataclasses import dataclass

from marginbot.domain.chart import Theme


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Colours; the bands grow in strength with the grade, so that they can be told apart without hue."""

    paper: str
    ink: str
    faint: str
    line: str
    ratio: str
    danger: str
    bands: tuple[str, str, str, str]


PALETTES = {
    Theme.DARK: Palette(
        paper="#12161c",
        ink="#e8ecf1",
        faint="#9aa5b1",
        line="#3a4450",
        ratio="#7cc7ff",
        danger="#ff8a80",
        bands=("#2b2a1c", "#3d2f18", "#552722", "#7a2230"),
    ),
    Theme.LIGHT: Palette(
        paper="#ffffff",
        ink="#14181d",
        faint="#55606b",
        line="#c3cad1",
        ratio="#0b62a8",
        danger="#b3261e",
        bands=("#fdf6d8", "#fbe3bd", "#f7c3b4", "#ee9ca0"),
    ),
}
