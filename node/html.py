"""HTML that came from somebody else: made safe to show, or turned into plain text.

The allow-list is Mastodon's. An HTML5 parser (ammonia, through nh3) reads the markup and serialises it afresh, so what
a browser sees is what was judged.
"""

import html
import re
import unicodedata

import nh3

from node.errors import Invalid

MAX_HTML = 128 * 1024
MAX_ELEMENTS = 5_000
MAX_NAME = 500

_REL = "nofollow noopener noreferrer"
_TARGET = {"a": {"target": "_blank"}}
_TAGS = frozenset(
    [
        "p",
        "br",
        "a",
        "span",
        "del",
        "s",
        "pre",
        "code",
        "em",
        "strong",
        "b",
        "i",
        "u",
        "ul",
        "ol",
        "li",
        "blockquote",
        "ruby",
        "rt",
        "rp",
    ],
)
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
# Their tags go, but what they set apart must not run together: "<div>a</div><div>b</div>" is two words.
_BLOCKS = frozenset(
    [
        "div",
        "section",
        "article",
        "aside",
        "header",
        "footer",
        "main",
        "nav",
        "figure",
        "figcaption",
        "dl",
        "dt",
        "dd",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
        "caption",
        "hr",
        "address",
        "details",
        "summary",
    ]
)
_DROPPED_WITH_CONTENT = frozenset(
    [
        "script",
        "style",
        "template",
        "noscript",
        "iframe",
        "noembed",
        "noframes",
        "object",
        "math",
        "svg",
        "title",
        "textarea",
        "select",
    ]
)
_ATTRIBUTES: dict[str, set[str]] = {"*": {"lang"}, "a": {"href"}, "ol": {"start", "reversed"}, "li": {"value"}}
_CLASSES: dict[str, set[str]] = {
    "a": {"mention", "hashtag", "u-url"},
    "span": {"mention", "hashtag", "h-card", "u-url", "invisible", "ellipsis"},
    "p": {"quote-inline"},
}
_TRANSLATE = {"a": {"translate": {"no"}}, "span": {"translate": {"no"}}}

_NEEDS_REWRITE = re.compile(rf"<(?:{'|'.join(sorted(_HEADINGS | _BLOCKS))})[ >]")
_BLOCK = re.compile(rf"</?(?:{'|'.join(sorted(_BLOCKS))})(?: [^>]*)?>")
_HEADING_START = re.compile(r"<h[1-6](?: [^>]*)?>")
_HEADING_END = re.compile(r"</h[1-6]>")

_TEXT_BREAKS = _HEADINGS | _BLOCKS | frozenset({"p", "br", "li", "ul", "ol", "pre", "blockquote"})
_PARAGRAPH_END = re.compile(r"</(?:p|pre|blockquote|ul|ol|h[1-6])>")
_LINE_END = re.compile(rf"<br>|</li>|</?(?:{'|'.join(sorted(_BLOCKS))})>")
_ANY_TAG = re.compile(rf"</?(?:{'|'.join(sorted(_TEXT_BREAKS))})>")
_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")

_LOOKS_LIKE_HTML = re.compile(r"</?[A-Za-z][^<>]{0,200}>|&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,31});")
_ELEMENT = re.compile(r"<[A-Za-z]")
_ADDRESS = re.compile(r'(?<=<a) href="([^"]*)"')
_IGNORED_IN_ADDRESSES = re.compile(r"[\t\n\r]|^[\x00-\x20]+")
# As browsers read it: any number of slashes, which may lean backwards, then what comes before the host.
_WITH_USER = re.compile(r"https?:[/\\]*[^/\\?#]*@", re.IGNORECASE)
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


def sanitise(markup: str) -> str:
    """Markup from a peer, safe to send to a browser or a client.

    Links keep http and https only, and lose an address with a user in it, which looks like that of another host
    (https://bank.example@evil.example); images, forms, scripts and MathML go; headings become bold paragraphs. Running
    it again changes nothing. Raises Invalid above MAX_HTML characters or MAX_ELEMENTS elements.
    """
    clean = _clean(_bounded(markup), _TAGS | _HEADINGS | _BLOCKS)
    if not _NEEDS_REWRITE.search(clean):
        return clean
    spaced = _BLOCK.sub(" ", clean)
    bold = _HEADING_END.sub("</strong></p>", _HEADING_START.sub("<p><strong>", spaced))
    return _clean(bold, _TAGS).strip()


def to_text(markup: str) -> str:
    """The words of some HTML: paragraphs and lines as newlines, entities decoded, hidden parts of links included.

    Raises Invalid as `sanitise` does.
    """
    tagged = nh3.clean(
        _bounded(markup),
        tags=set(_TEXT_BREAKS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes={},
        link_rel=None,
    )
    lines = _LINE_END.sub("\n", _PARAGRAPH_END.sub("\n\n", tagged.replace("\r", "")))
    text = html.unescape(_ANY_TAG.sub("", lines)).replace("\x00", "\ufffd").replace("\xa0", " ")
    return _BLANK_LINES.sub("\n\n", text).strip()


def plain(html_or_text: str, *, limit: int = MAX_NAME) -> str:
    """A name or a title on one line, of at most `limit` characters, for places that show text.

    By the specification a name is plain text, but some peers send markup or entities: what looks like them is taken
    out. Control characters and those that turn the direction of writing go, since they let a name pose as another.
    """
    text = html_or_text[: limit * 20]
    if _LOOKS_LIKE_HTML.search(text):
        text = to_text(text)
    words = "".join(" " if c in "\t\n\r\u2028\u2029" else c for c in text if not _is_disguise(c)).split()
    return " ".join(words)[:limit].rstrip()


def _is_disguise(character: str) -> bool:
    if character in "\t\n\r\u2028\u2029":
        return False
    code = ord(character)
    return (
        unicodedata.category(character) in ("Cc", "Cs")
        or 0x202A <= code <= 0x202E
        or 0x2066 <= code <= 0x2069
        or code in (0x200E, 0x200F, 0x061C, 0xFEFF)
    )


def _bounded(markup: str) -> str:
    """Refuses what would be slow: the parser takes time squared for deep lists and for many "&"."""
    if len(markup) > MAX_HTML:
        raise Invalid(f"The text is longer than {MAX_HTML} characters.")
    if len(_ELEMENT.findall(markup)) > MAX_ELEMENTS:
        raise Invalid(f"The text has more than {MAX_ELEMENTS} HTML elements.")
    return _LONE_SURROGATES.sub("\ufffd", markup)


def _clean(markup: str, tags: frozenset[str]) -> str:
    clean = nh3.clean(
        markup,
        tags=set(tags),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        tag_attribute_values=_TRANSLATE,
        set_tag_attribute_values=_TARGET,
        url_schemes={"http", "https"},
        url_relative="deny",
        link_rel=_REL,
        strip_comments=True,
    )
    return _ADDRESS.sub(_without_user, clean) if "@" in clean else clean


def _without_user(found: re.Match[str]) -> str:
    address = _IGNORED_IN_ADDRESSES.sub("", html.unescape(found[1]))
    return "" if _WITH_USER.match(address) else found[0]
