"""The venue table, from what each adapter says of itself: for the terminal, for programs and for the README."""

from __future__ import annotations

from typing import Any

from marginbot.exchanges.venue import Venue
from marginbot.exchanges.venues import OWN

HEADINGS = ("id", "venue", "modes", "ratio comes from", "checked against", "key check", "one reading costs")


def rows() -> list[tuple[str, ...]]:
    """A row for each venue with an adapter of its own, in the order of the table of venues."""
    return [_row(venue) for venue in OWN.values()]


def _row(venue: Venue) -> tuple[str, ...]:
    facts = venue.facts
    estimates = f"; estimated: {facts.estimates}" if facts.estimates else ""
    return (
        venue.info.id,
        venue.info.title,
        facts.modes,
        facts.ratio_from + estimates,
        ", ".join(facts.evidence),
        key_check(venue),
        facts.weight,
    )


def key_check(venue: Venue) -> str:
    """Whether the venue tells what a key may do."""
    if not venue.info.needs_secret:
        return "no key needed"
    return "by the venue's endpoint" if venue.permissions else "could not verify"


def as_markdown() -> str:
    """The table of the README."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    for name, *rest in rows():
        lines.append(f"| `{name}` | " + " | ".join(cell.replace("|", "\\|") for cell in rest) + " |")
    return "\n".join(lines)


def as_json() -> list[dict[str, Any]]:
    """The same for programs."""
    names = ("id", "title", "modes", "ratio_from", "evidence", "key_check", "weight")
    return [dict(zip(names, row, strict=True)) for row in rows()]


def as_text() -> str:
    """The same for a terminal: a few lines a venue."""
    return "\n".join(_block(row) for row in rows())


def _block(row: tuple[str, ...]) -> str:
    name, title, *rest = row
    lines = [f"  {heading}: {cell.replace('`', '')}" for heading, cell in zip(HEADINGS[2:], rest, strict=True)]
    return "\n".join([f"{name}: {title}", *lines])
