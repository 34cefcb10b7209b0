"""Every message of the bot as a phone shows it, light and dark, to be looked at; the main ones in each language.

    PYTHONPATH=. python bench/gallery.py FOLDER [--only alert_] [--png chromium]
    PYTHONPATH=. python bench/gallery.py FOLDER --language ru --png chromium
    PYTHONPATH=. python bench/gallery.py FOLDER --phones alert_worsened_critical,topup --height 520 --png chromium

Reads the golden messages of the tests and writes pages of six phones each into the folder; with `--png` the named
browser (Chromium or Chrome) also makes a picture of every page. Line breaks are those of a phone 360 points wide.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from tests.bot.golden import FOLDER as MESSAGES

PHONES_ON_A_PAGE = 6
PHONE_WIDTH = 360
PHONE_HEIGHT = 1150  # as much as fits is put on a phone; a longer message has one to itself
LINE_HEIGHT = 21
THEMES = {
    "light": {"back": "#cfe0c6", "bubble": "#ffffff", "ink": "#0f1419", "mono": "#b4421f", "key": "#00000038"},
    "dark": {"back": "#0e1621", "bubble": "#182533", "ink": "#f5f5f5", "mono": "#e6a57e", "key": "#ffffff22"},
}
STYLE = """
* {{ box-sizing: border-box; }}
body {{ margin: 0; display: flex; background: #777; font: 16px/1.31 Roboto, 'Liberation Sans', sans-serif; }}
.phone {{ width: {width}px; min-height: 100vh; padding: 8px 44px 8px 8px; margin-right: 4px; background: {back}; }}
.name {{ font-size: 11px; color: #8899aa; margin-top: 8px; }}
.bubble {{ background: {bubble}; color: {ink}; border-radius: 12px; padding: 6px 10px; white-space: pre-wrap;
    overflow-wrap: anywhere; }}
.keys {{ display: flex; gap: 3px; margin-top: 3px; }}
.key {{ flex: 1; background: {key}; color: #fff; border-radius: 6px; padding: 6px 3px; text-align: center;
    font-size: 14px; }}
code, pre {{ font: 14px/1.45 'Roboto Mono', 'Liberation Mono', monospace; color: {mono}; margin: 0; }}
blockquote {{ margin: 4px 0 0; padding: 2px 8px; border-left: 3px solid #3390ec; background: #3390ec22;
    border-radius: 4px; font-size: 14px; }}
"""


def main() -> None:
    """Write the pages, and their pictures if a browser is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="messages whose name begins so")
    parser.add_argument(
        "--language", default="", help="the main messages in es, ru, tr or zh instead of all in English"
    )
    parser.add_argument("--phones", help="exactly these messages, a phone each, on one page: the README's picture")
    parser.add_argument("--height", type=int, default=PHONE_HEIGHT + 50, help="of the pictures")
    parser.add_argument("--png", metavar="BROWSER", help="take pictures with this browser")
    wanted = parser.parse_args()
    wanted.folder.mkdir(parents=True, exist_ok=True)
    messages = MESSAGES / wanted.language
    paths = sorted(path for path in messages.glob("*.html") if path.name.startswith(wanted.only))
    if not paths:
        parser.error(f"no messages in {messages}")
    sheets = [_chosen(messages, wanted.phones.split(","))] if wanted.phones else list(_sheets(paths))
    for theme, colours in THEMES.items():
        for number, phones in enumerate(sheets, start=1):
            page = wanted.folder / f"{theme}-{number:02}.html"
            page.write_text(_page(phones, colours), encoding="utf-8")
            if wanted.png:
                _picture(wanted.png, page, len(phones), wanted.height)
            print(page)


def _chosen(folder: Path, names: Sequence[str]) -> Sequence[str]:
    return [_message("", (folder / f"{name}.html").read_text(encoding="utf-8")) for name in names]


def _sheets(paths: Sequence[Path]) -> Iterator[Sequence[str]]:
    phones = list(_phones(paths))
    yield from (phones[at : at + PHONES_ON_A_PAGE] for at in range(0, len(phones), PHONES_ON_A_PAGE))


def _phones(paths: Sequence[Path]) -> Iterator[str]:
    """The messages, as many on a phone as it has room for."""
    held, height = "", 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        needed = 60 + LINE_HEIGHT * sum(1 + len(line) // 42 for line in text.splitlines())
        if held and height + needed > PHONE_HEIGHT:
            yield held
            held, height = "", 0
        held += _message(path.stem, text)
        height += needed
    if held:
        yield held


def _message(name: str, text: str) -> str:
    html, _, buttons = text.rstrip("\n").partition("\n---\n")
    rows = [row[1:-1].split("] [") for row in buttons.splitlines()]
    keys = "".join(f"<div class=keys>{''.join(map(_key, row))}</div>" for row in rows)
    return f"<div class=name>{name}</div><div class=bubble>{html}</div>{keys}"


def _key(label: str) -> str:
    return f"<div class=key>{escape(label)}</div>"


def _page(phones: Sequence[str], colours: dict[str, str]) -> str:
    style = STYLE.format(width=PHONE_WIDTH, **colours)
    shown = "".join(f"<div class=phone>{phone}</div>" for phone in phones)
    return f"<!doctype html><meta charset=utf-8><style>{style}</style><body>{shown}"


def _picture(browser: str, page: Path, phones: int, height: int) -> None:
    size = f"{phones * (PHONE_WIDTH + 4)},{height}"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size}"]
    picture = f"--screenshot={page.with_suffix('.png').resolve()}"
    subprocess.run([browser, *options, picture, page.resolve().as_uri()], check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    main()
