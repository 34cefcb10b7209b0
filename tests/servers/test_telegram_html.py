"""The markup check of the simulated Bot API, with the words Telegram uses."""

import re

import pytest

from tests.servers.telegram_html import SUPPORTED, MarkupError, plain_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        pytest.param("a &amp; b & c &foo; &#36;", "a & b & c &foo; $", id="entities, and what is none"),
        pytest.param('<a href="tg://user?id=7">A</a>', "A", id="link"),
        pytest.param('<pre><code class="language-py">x</code></pre>', "x", id="code block"),
        pytest.param("<blockquote expandable>q</blockquote>", "q", id="expandable quote"),
        pytest.param('<span class="tg-spoiler">s</span>', "s", id="spoiler"),
        pytest.param('<tg-emoji emoji-id="5">👍</tg-emoji>', "👍", id="emoji"),
        pytest.param("<B>x</b>\n", "x", id="case and trimming"),
    ],
)
def test_markup_telegram_accepts(html: str, text: str) -> None:
    assert plain_text(html) == text


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        pytest.param("x<br>", 'Unsupported start tag "br" at byte offset 1', id="unsupported tag"),
        pytest.param("é<b>x", 'Can\'t find end tag corresponding to start tag "b"', id="left open"),
        pytest.param("é</b>", "Unexpected end tag at byte offset 2", id="never opened"),
        pytest.param(
            "<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"', id="crossed"
        ),
        pytest.param("<b", "Unclosed start tag at byte offset 0", id="cut in a start tag"),
        pytest.param("<b>x</b", "Unclosed end tag at byte offset 4", id="cut in an end tag"),
        pytest.param("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0', id="bare span"),
        pytest.param("3 < 4", 'Unsupported start tag "" at byte offset 2', id="less than"),
        pytest.param(
            "<a href>x</a>",
            'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0',
            id="no value",
        ),
    ],
)
def test_markup_telegram_refuses(html: str, problem: str) -> None:
    with pytest.raises(MarkupError, match=f"^{re.escape(problem)}$"):
        plain_text(html)


def test_no_tag_is_forgotten() -> None:
    assert len(SUPPORTED) == 16
