"""Content that is no HTML, as HTML.

By ActivityStreams `content` is HTML unless the object's `mediaType` says otherwise. PeerTube says `text/markdown`; read as
HTML its lines would run together, and what follows a "<" might be lost. What is made here is as little to be trusted as
what came: it is sanitised like all markup of strangers.

Of Markdown only links are read. The rest of it (emphasis, lists, headings) can be read as it is written, and to parse it
in full takes more than linear time for what a hostile peer can write.
"""

import html
import re

from activitypub.vocabulary import is_iri

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_MARKDOWN = frozenset({"text/markdown", "text/x-markdown"})

# Bounded, so that no start is followed further than one URL or one name is long.
_BARE = r"https?://[^\s<>\"'\[\]]{1,2048}"
_NAMED = r"\[(?P<words>[^\[\]\n]{1,300})\]\((?P<to>https?://[^\s<>\"'()]{1,2048})\)"
_LINKS = re.compile(rf"(?P<bare>{_BARE})", re.IGNORECASE)
_MARKDOWN_LINKS = re.compile(rf"{_NAMED}|(?P<bare>{_BARE})", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n?")
_BLANK = re.compile(r"\n\s*\n")
_AFTER_URL = ".,;:!?*)"


def as_html(content: str, media_type: str | None) -> str:
    """`content` as it is, if it is HTML or nothing is said; of other texts its paragraphs, lines and links.

    A `media_type` that is of no text at all is meant for the object (a picture, a film), not for its content.
    """
    kind = (media_type or "").partition(";")[0].strip().lower()
    if kind in _HTML or not kind.startswith("text/"):
        return content
    links = _MARKDOWN_LINKS if kind in _MARKDOWN else _LINKS
    paragraphs = (one.strip("\n") for one in _BLANK.split(_LINE_ENDS.sub("\n", content).strip()))
    return "".join(f"<p>{_line_breaks(_linked(one, links))}</p>" for one in paragraphs if one)


def _line_breaks(markup: str) -> str:
    return markup.replace("\n", "<br>")


def _linked(text: str, links: re.Pattern[str]) -> str:
    pieces: list[str] = []
    done = 0
    for found in links.finditer(text):
        named = found.groupdict()
        bare = named["bare"]
        url = _without_end(bare) if bare is not None else named["to"]
        if not is_iri(url):
            continue
        pieces += [html.escape(text[done : found.start()]), _link(url, named.get("words") or url)]
        done = found.start() + len(url) if bare is not None else found.end()
    return "".join([*pieces, html.escape(text[done:])])


def _without_end(url: str) -> str:
    """A URL in running text: punctuation after it is the sentence's, a bracket too unless it was opened inside."""
    while url[-1] in _AFTER_URL and not (url[-1] == ")" and url.count("(") >= url.count(")")):
        url = url[:-1]
    return url


def _link(url: str, words: str) -> str:
    return f'<a href="{html.escape(url)}">{html.escape(words)}</a>'
