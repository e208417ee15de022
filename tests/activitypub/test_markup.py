"""Content that is no HTML: its lines, its links, and nothing of what it might be taken for."""

import time

import pytest

from activitypub.markup import as_html
from node import html


@pytest.mark.parametrize(
    "media_type", [None, "", "text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml", "video/mp4", "nonsense"]
)
def test_html_and_what_is_said_of_no_text_stay_as_they_are(media_type: str | None) -> None:
    assert as_html("<p>a <b>b</b></p>\n\nc", media_type) == "<p>a <b>b</b></p>\n\nc"


@pytest.mark.parametrize(
    "media_type", ["text/markdown", "text/plain", "Text/Markdown; charset=utf-8", "text/x.misskey"]
)
def test_paragraphs_and_lines_of_a_text_are_kept_and_its_marks_are_no_markup(media_type: str) -> None:
    written = "\r\nOne <b>&amp;\r\ntwo\r\n \r\n\r\n**three**\n"
    made = as_html(written, media_type)
    assert made == "<p>One &lt;b&gt;&amp;amp;<br>two</p><p>**three**</p>"
    assert html.to_text(made) == "One <b>&amp;\ntwo\n\n**three**"


def test_nothing_written_is_nothing() -> None:
    assert as_html("", "text/markdown") == ""
    assert as_html(" \r\n ", "text/markdown") == ""


@pytest.mark.parametrize(
    ("written", "href", "rest"),
    [
        ("see https://a.example/x.", "https://a.example/x", "."),
        ("(https://a.example/x_(y))", "https://a.example/x_(y)", ")"),
        ("HTTPS://a.example/?a=1&b=2!", "HTTPS://a.example/?a=1&amp;b=2", "!"),
        ("<https://a.example/>", "https://a.example/", "&gt;"),
    ],
)
def test_a_bare_address_is_a_link_without_the_punctuation_after_it(written: str, href: str, rest: str) -> None:
    for media_type in ("text/markdown", "text/plain"):
        assert f'<a href="{href}">{href}</a>{rest}</p>' in as_html(written, media_type)


def test_a_named_link_is_one_in_markdown_alone() -> None:
    written = "[@dawn & co](https://a.example/@dawn)"
    assert as_html(written, "text/markdown") == '<p><a href="https://a.example/@dawn">@dawn &amp; co</a></p>'
    assert "[@dawn &amp; co](<a" in as_html(written, "text/plain")


@pytest.mark.parametrize(
    "written",
    [
        "[x](javascript:alert(1))",
        "[x](https://user@a.example/)",
        "https://user:word@a.example/",
        "https://",
        '[x](https://a.example/"onclick="y)',
        "[<script>](data:text/html,x)",
    ],
)
def test_what_is_no_address_stays_text_and_nothing_gets_out_of_an_attribute(written: str) -> None:
    made = as_html(written, "text/markdown")
    assert html.to_text(made) == written
    assert "onclick" not in made.partition(">")[0] + "".join(part.partition(">")[0] for part in made.split("<a")[1:])
    assert "<script" not in made


@pytest.mark.parametrize(
    "piece", ["[", "[a](", "](", "\n", "\n ", "a\n\n", "https://", "[a](https://", "https://a" + ")" * 2000 + " ", "&"]
)
def test_a_hostile_text_takes_no_more_than_linear_time(piece: str) -> None:
    text = (piece * (200_000 // len(piece) + 1))[:200_000]
    started = time.process_time()
    as_html(text, "text/markdown")
    assert time.process_time() - started < 2  # a tenth of it is usual; squared it would be minutes
