"""What a person wrote, and the HTML that is stored for it.

The reading follows Mastodon, so that a post means the same on every server of the fediverse and counts the same in
every client: which `@name@domain` is a mention, which `#word` is a tag, what is a link, how long a text is.

Everything is linear in the length of the text: links are judged in a window of MAX_URL characters, and no pattern can start
twice inside the same run.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from linkify_it import LinkifyIt

from activitypub.errors import Malformed
from activitypub.vocabulary import host
from node.errors import Invalid

MAX_URL = 2048
MAX_TAG = 100
MAX_LINKS = 200
URL_LENGTH = 23
LOCAL_ONLY_MARKER = "\N{EYE}"

# More code points than any emoji sequence in use has; what is beyond them counts as characters of their own, so that a
# heap of combining marks cannot be passed off as a short text.
_MAX_CLUSTER = 16
_DISPLAYED = 30
_REL = "nofollow noopener noreferrer"
_TAG_SEPARATORS = "·・\u200c"

# linkify-it wants a space or punctuation before a link, but Japanese and Chinese put none there: so we find the start,
# with the rule of twitter-text, and leave the end to linkify-it.
_URL_START = re.compile(r"(?<![A-Za-z0-9_@＠$#＃])https?://", re.IGNORECASE)
_URL_END = re.compile(r"[\s\x00-\x20\"<>、。「」『』（），；：！？【】]")
_MENTION = re.compile(
    r"(?<![=/\w])@(?P<user>[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*)"
    r"(?:@(?P<domain>\w+(?:[.-]+\w+)*(?::[0-9]{4,5}(?!\w))?))?"
)
_HASH = re.compile(r"(?<![=/)\w])[#＃](?=[^\s#＃])")
_TAG_RUN = re.compile(rf"[\w{_TAG_SEPARATORS}]+")
_MARKER_AT_END = re.compile(rf"{LOCAL_ONLY_MARKER}[\ufe0e\ufe0f]?\s*\Z")
_URL_PREFIX = re.compile(r"https?://(?:www\.)?", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class MentionRef:
    """One `@username` or `@username@domain` in the text. `domain` is None for this node, otherwise normalised."""

    username: str
    domain: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tag:
    """`name` is the identity of the tag (see `normalise_tag`), `display` is how it was first written here."""

    name: str
    display: str


@dataclass(frozen=True, slots=True)
class TagRef:
    display: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LinkRef:
    url: str
    start: int
    end: int


Span = MentionRef | TagRef | LinkRef


@dataclass(frozen=True, slots=True)
class Written:
    """What `analyse` found. Tags and links are without repetitions, mentions and `spans` are in the order of the text."""

    mentions: tuple[MentionRef, ...]
    tags: tuple[Tag, ...]
    links: tuple[str, ...]
    length: int
    spans: tuple[Span, ...]


def analyse(text: str, *, local_domain: str) -> Written:
    """Find mentions, tags and links, and count as clients count.

    Raises Invalid for a text that no database stores (NUL, lone surrogates).
    """
    if _UNSTORABLE.search(text):
        raise Invalid("The text contains characters that cannot be stored.", field="status")
    spans = tuple(sorted(_spans(text, local_domain.lower()), key=lambda span: span.start))
    tags: dict[str, Tag] = {}
    for span in spans:
        if isinstance(span, TagRef):
            name = normalise_tag(span.display)
            tags.setdefault(name, Tag(name, span.display))
    return Written(
        mentions=tuple(span for span in spans if isinstance(span, MentionRef)),
        tags=tuple(tags.values()),
        links=tuple(dict.fromkeys(span.url for span in spans if isinstance(span, LinkRef))),
        length=_length(text, spans),
        spans=spans,
    )


def render(
    text: str,
    written: Written,
    resolve: Mapping[tuple[str, str | None], tuple[str, str]],
    tag_url: Callable[[str], str],
) -> str:
    """The HTML of `text`, as `written = analyse(text)` read it.

    `resolve` maps (username, domain), exactly as in the mention, to (href, acct); what it lacks stays text.
    `tag_url` gets the normalised name of a tag. Hrefs other than http(s) are left out.
    """
    shown = _display_names(written.mentions, resolve)
    pieces: list[str] = []
    done = 0
    for span in written.spans:
        pieces.append(html.escape(text[done : span.start], quote=True))
        match span:
            case LinkRef():
                pieces.append(_link(span.url))
            case TagRef():
                href = html.escape(tag_url(normalise_tag(span.display)), quote=True)
                name = html.escape(span.display, quote=True)
                pieces.append(f'<a href="{href}" class="mention hashtag" rel="tag">#<span>{name}</span></a>')
            case MentionRef():
                found = resolve.get((span.username, span.domain))
                written_as = html.escape(text[span.start : span.end], quote=True)
                pieces.append(_mention(found[0], shown[found[1]]) if found else written_as)
        done = span.end
    pieces.append(html.escape(text[done:], quote=True))
    return _paragraphs("".join(pieces))


def normalise_tag(tag: str) -> str:
    """The one name of a tag: NFKC and casefold, without '#' or '＃'; the empty string if nothing is left."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", tag).casefold())
    return folded.strip().lstrip("#").strip()


def find_tags(text: str) -> Iterator[TagRef]:
    """The tags of a text in which links don't matter; `start` is at the '#'."""
    return _tags(text, 0, len(text))


def find_mentions(text: str) -> Iterator[tuple[int, int, str, str | None]]:
    """(start, end, username, domain as written) of every mention of a text in which links don't matter."""
    for found in _MENTION.finditer(text):
        yield found.start(), found.end(), found["user"], found["domain"]


def marker_local_only(text: str) -> tuple[str, bool]:
    """Take the marker 👁 off the end: (text without it, whether the post is for this department only)."""
    found = _MARKER_AT_END.search(text[-1000:])
    if found is None:
        return text, False
    return text[: len(text) - len(found.group())].rstrip(), True


def _spans(text: str, local_domain: str) -> Iterator[Span]:
    """Links, and in the gaps between them mentions and tags: neither exists inside a link."""
    done = 0
    for link in _links(text):
        yield from _mentions(text, done, link.start, local_domain)
        yield from _tags(text, done, link.start)
        yield link
        done = link.end
    yield from _mentions(text, done, len(text), local_domain)
    yield from _tags(text, done, len(text))


@cache
def _linkifier() -> LinkifyIt:
    # Built on first use (it compiles large patterns) and never changed afterwards.
    return LinkifyIt(options={"fuzzy_link": False, "fuzzy_email": False})


def _links(text: str) -> Iterator[LinkRef]:
    position = tried = 0
    while tried < MAX_LINKS and (start := _URL_START.search(text, position)):
        tried += 1
        window = text[start.start() : start.start() + MAX_URL + 1]
        if stop := _URL_END.search(window):
            window = window[: stop.start()]
        scheme, _, _ = window.partition("//")
        length = _linkifier().test_schema_at(window, scheme.lower(), len(scheme))
        end = start.start() + len(scheme) + length
        position = max(end, start.end())
        url = text[start.start() : end]
        # A user name in a link only serves to make it look like another host.
        if not length or len(url) > MAX_URL or "@" in re.split(r"[/?#\\]", url, maxsplit=3)[2]:
            continue
        yield LinkRef(url, start.start(), end)


def _mentions(text: str, start: int, end: int, local_domain: str) -> Iterator[MentionRef]:
    for found in _MENTION.finditer(text, start, end):
        domain = _domain(found["domain"]) if found["domain"] else None
        if domain == "":
            continue
        yield MentionRef(found["user"], None if domain == local_domain else domain, found.start(), found.end())


def _domain(written: str) -> str:
    """The domain as peers are known by it; the empty string if it can't be one."""
    if written.isascii():
        return written.lower()
    try:
        return host(f"https://{written}/")
    except Malformed:
        return ""


def _tags(text: str, start: int, end: int) -> Iterator[TagRef]:
    for found in _HASH.finditer(text, start, end):
        if found.start() and _is_mark(text[found.start() - 1]):
            continue
        stop = _tag_end(text, found.end(), end)
        display = text[found.end() : stop].rstrip(_TAG_SEPARATORS)
        if len(display) > MAX_TAG or display[:1] in _TAG_SEPARATORS or not any(map(str.isalpha, display)):
            continue
        yield TagRef(display, found.start(), found.end() + len(display))


def _tag_end(text: str, position: int, end: int) -> int:
    """The end of the run of letters, digits, marks and separators that starts at `position`.

    Python's \\w lacks the marks, of which Devanagari, Thai and decomposed accents are made.
    """
    if position < end and _is_mark(text[position]):
        return position
    while position < end:
        if run := _TAG_RUN.match(text, position, end):
            position = run.end()
        elif _is_mark(text[position]):
            position += 1
        else:
            break
    return position


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _length(text: str, spans: tuple[Span, ...]) -> int:
    total = done = 0
    for span in spans:
        total += _count(text[done : span.start])
        match span:
            case LinkRef():
                total += URL_LENGTH
            case MentionRef():
                total += 1 + len(span.username)
            case TagRef():
                total += _count(text[span.start : span.end])
        done = span.end
    return total + _count(text[done:])


def _count(text: str) -> int:
    """Characters as people see them: combining marks, emoji sequences and flags count once (after UAX 29)."""
    if text.isascii():
        return len(text) - text.count("\r\n")
    count = in_cluster = 0
    previous = ""
    flag_open = False
    for character in text:
        if previous and in_cluster < _MAX_CLUSTER and _joins(previous, character, flag_open):
            in_cluster += 1
            flag_open = False
        else:
            count += 1
            in_cluster = 1
            flag_open = _is_regional(character)
        previous = character
    return count


def _joins(previous: str, character: str, flag_open: bool) -> bool:
    code = ord(character)
    if code < 0x300:
        return previous == "\r" and character == "\n"
    return (
        _is_mark(character)
        or code in (0x200C, 0x200D)
        or 0x1F3FB <= code <= 0x1F3FF
        or 0xE0020 <= code <= 0xE007F
        or (previous == "\u200d" and unicodedata.category(character) == "So")
        or (flag_open and _is_regional(character))
        or _joins_hangul(ord(previous), code)
    )


def _joins_hangul(previous: int, code: int) -> bool:
    vowel_or_final = 0x1160 <= code <= 0x11FF
    return vowel_or_final and (0x1100 <= previous <= 0x11FF or 0xAC00 <= previous <= 0xD7A3)


def _is_regional(character: str) -> bool:
    return 0x1F1E6 <= ord(character) <= 0x1F1FF


def _display_names(
    mentions: tuple[MentionRef, ...], resolve: Mapping[tuple[str, str | None], tuple[str, str]]
) -> dict[str, str]:
    """acct -> what is shown after '@': the bare name, unless two people of that name are mentioned."""
    accts = {found[1] for ref in mentions if (found := resolve.get((ref.username, ref.domain)))}
    names = [acct.partition("@")[0].casefold() for acct in accts]
    return {
        acct: acct if names.count(acct.partition("@")[0].casefold()) > 1 else acct.partition("@")[0] for acct in accts
    }


def _mention(href: str, shown: str) -> str:
    name = html.escape(shown, quote=True)
    if not href.startswith(("https://", "http://")):
        return f"@{name}"
    return (
        f'<span class="h-card"><a href="{html.escape(href, quote=True)}" class="u-url mention">'
        f"@<span>{name}</span></a></span>"
    )


def _link(url: str) -> str:
    found = _URL_PREFIX.match(url)
    prefix = found.group() if found else ""
    rest = url[len(prefix) :]
    css = "ellipsis" if len(rest) > _DISPLAYED else ""
    href, shown_prefix, shown, hidden = (
        html.escape(part, quote=True) for part in (url, prefix, rest[:_DISPLAYED], rest[_DISPLAYED:])
    )
    return (
        f'<a href="{href}" target="_blank" rel="{_REL}" translate="no"><span class="invisible">{shown_prefix}</span>'
        f'<span class="{css}">{shown}</span><span class="invisible">{hidden}</span></a>'
    )


def _paragraphs(body: str) -> str:
    lines = re.sub(r"\r\n?", "\n", body).strip()
    if not lines:
        return ""
    paragraphs = (paragraph.strip("\n").replace("\n", "<br>") for paragraph in re.split(r"\n{2,}", lines))
    return "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
