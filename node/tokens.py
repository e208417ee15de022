"""One tokenizer for search, so that SQLite FTS5 and PostgreSQL find the same posts.

Folding: NFKC and casefold; accents of Latin, Greek and Cyrillic letters go ("Müller" is found by "muller"), marks of
other scripts stay, since there they are vowels. There is no stemming and no list of stop words: people search
for names, identifiers and words of many languages, and a wrong stem hides what was asked for.

What `index_tokens` makes of a text:

1. *Words*, one after the other: runs of letters and digits. Scripts written without spaces (Han, kana, Hangul, Thai,
   Lao, Khmer, Burmese) give one token a character, an emoji is a token as well. Phrases are looked up here.
2. *Pairs* of neighbouring characters of those scripts. Two or more characters are looked up here, as a phrase of
   overlapping pairs: the same answer as a phrase of single characters, from much shorter posting lists.
3. *Wholes*: identifiers with their joints (`net/mlx5`, `v1.2.3`, `foo_bar`, `c++`), tags (`#kafka`) and mentions
   (`@ann`, `@ann@sales.example`). They make the exact spelling rank first, and tell the tag from the word.

The three have no token in common (a word has no joint, a pair has two characters), so a phrase of one kind can't
match across them. Within the pairs, two runs could meet so that they read like one ("xa" and "ab" like "xab"): where the
last character of a run is the first one of the next, GAP takes a position of its own.

Storage: FTS5 gets `" ".join(tokens)` in a column of a table made with `tokenize = {FTS5_TOKENIZE}`: the ascii
tokenizer leaves everything beyond ASCII alone, so nothing is split or folded a second time. PostgreSQL gets
`tsvector_literal(tokens)`, cast to tsvector. It knows positions up to 16383 and 256 of them a word: MAX_WORDS keeps
below the former, and a phrase is not found at later repetitions of a word that occurs more often than the latter.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

from node.errors import Invalid
from node.text import find_mentions, find_tags

FTS5_TOKENIZE = "\"ascii tokenchars '#@._-/:+'\""
GAP = "_"
MAX_TOKEN = 64
MAX_TEXT = 100_000
MAX_WORDS = 6_000
MAX_QUERY = 1_000
MAX_QUERY_WORDS = 40

_MAX_UNIT = 8

# Letters that no decomposition reduces to their neighbours; ı so that ISPARTA, Isparta and ısparta are one word.
_LETTERS = str.maketrans({"ı": "i", "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "æ": "ae", "œ": "oe", "‐": "-"})
_IGNORED = dict.fromkeys(map(ord, "\u00ad\u200d\u2060\ufeff\ufe0e\ufe0f"))

_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1100, 0x11FF),  # Hangul jamo
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3021, 0x3035),
    (0x303B, 0x30FF),  # kana
    (0x3100, 0x318F),  # bopomofo, Hangul jamo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)

# Patterns run over the *shape* of a text, in which every character stands for its class:
# w letter or digit, k character of an unspaced script, m mark, s symbol; joints stand for themselves; all else is a space.
_PIECE = re.compile(
    r"(?P<word>w[wm]*(?:(?:[._/-]|::)w[wm]*)*(?P<suffix>\+\+|#(?![wk]))?)|(?P<run>(?:km*)+)|(?P<symbol>s)"
)
_ATOM = re.compile(r"w[wm]*")
_UNIT = re.compile(r"km*")
_CHUNK = re.compile(r'(?P<minus>-(?=[^\s-]))?(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')


class _Kind(Enum):
    WORD = auto()
    RUN = auto()
    SYMBOL = auto()
    NAMED = auto()  # a tag or a mention


class _Piece(NamedTuple):
    """A part of a folded text. `atoms` are its words, `wholes` its exact spellings; `end` is an offset in the text."""

    kind: _Kind
    start: int
    end: int
    atoms: tuple[str, ...]
    wholes: tuple[str, ...] = ()
    exact: bool = False


Phrase = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Term:
    """Phrases any of which will do; each is tokens that follow one another."""

    alternatives: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked for: all `terms` and all `phrases`, and none of the `exclusions`.

    `unfinished` is true if the last thing typed is the last of `terms`, which may then be taken as a beginning.
    """

    terms: tuple[Term, ...] = ()
    phrases: tuple[Term, ...] = ()
    exclusions: tuple[Term, ...] = ()
    unfinished: bool = False


def index_tokens(text: str) -> list[str]:
    """The tokens of a plain text in the order in which they are stored; the same for equal texts. Texts are read up to
    MAX_TEXT characters and MAX_WORDS words."""
    words: list[str] = []
    pairs: list[str] = []
    wholes: list[str] = []
    last_unit = ""
    for piece in _pieces(_fold(text[:MAX_TEXT])[:MAX_TEXT]):
        wholes.extend(piece.wholes)
        atoms = piece.atoms[: MAX_WORDS - len(words)]
        words.extend(atoms)
        if piece.kind is _Kind.RUN and len(atoms) > 1:
            if atoms[0] == last_unit:
                pairs.append(GAP)
            pairs.extend(_pairs(atoms))
            last_unit = atoms[-1]
        if len(words) >= MAX_WORDS:
            break
    return words + pairs + wholes


def query(q: str) -> Query:
    """Read what somebody typed: words, "phrases", and either with a minus sign before it.

    Raises Invalid above MAX_QUERY characters or MAX_QUERY_WORDS words and phrases.
    """
    if len(q) > MAX_QUERY:
        raise Invalid(f"The search is longer than {MAX_QUERY} characters.", field="q")
    terms: list[Term] = []
    phrases: list[Term] = []
    exclusions: list[Term] = []
    unfinished = False
    for chunk in _CHUNK.finditer(_fold(q)):
        quoted = chunk["phrase"] is not None
        found = _phrase(chunk["phrase"]) if quoted else _terms(chunk["word"])
        if not found:
            continue
        unfinished = not quoted and not chunk["minus"]
        (exclusions if chunk["minus"] else phrases if quoted else terms).extend(found)
    if len(terms) + len(phrases) + len(exclusions) > MAX_QUERY_WORDS:
        raise Invalid(f"The search has more than {MAX_QUERY_WORDS} words.", field="q")
    return Query(tuple(terms), tuple(phrases), tuple(exclusions), unfinished)


def fts5_match(asked: Query, *, prefix: bool = False) -> str | None:
    """The right side of MATCH; None if nothing is asked for (FTS5 can't answer exclusions alone)."""
    wanted = _wanted(asked, prefix)
    if not wanted:
        return None
    expression = " AND ".join(_fts5_term(term, begins) for term, begins in wanted)
    if asked.exclusions:
        expression = f"({expression}) NOT ({' OR '.join(_fts5_term(term, False) for term in asked.exclusions)})"
    return expression


def tsquery(asked: Query, *, prefix: bool = False) -> str | None:
    """Text to cast to tsquery (not for to_tsquery, which would parse words again); None if nothing is asked for."""
    wanted = _wanted(asked, prefix)
    if not wanted:
        return None
    parts = [_ts_term(term, begins) for term, begins in wanted]
    parts += [f"!{_ts_term(term, False)}" for term in asked.exclusions]
    return " & ".join(parts)


def fts5_any(terms: Sequence[Term]) -> str | None:
    """The right side of MATCH for what has at least one of them; None for none."""
    return " OR ".join(_fts5_term(term, False) for term in terms) or None


def ts_any(terms: Sequence[Term]) -> str | None:
    """The same for tsquery."""
    return " | ".join(_ts_term(term, False) for term in terms) or None


def fts5_phrase(phrase: Phrase, begins: bool = False) -> str:
    """A phrase for MATCH; `begins`: its last token may be the beginning of a longer one."""
    # No token contains a quotation mark: doubling it is for the day when that changes.
    return '"' + " ".join(phrase).replace('"', '""') + '"' + (" *" if begins else "")


def ts_phrase(phrase: Phrase, begins: bool = False) -> str:
    """The same for tsquery."""
    return " <-> ".join(map(_ts_quote, phrase)) + (":*" if begins else "")


def tsvector_literal(tokens: Iterable[str]) -> str:
    """Text to cast to tsvector: every token at its position, counted from 1. A GAP only takes a position."""
    return " ".join(f"{_ts_quote(token)}:{position}" for position, token in enumerate(tokens, start=1) if token != GAP)


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    # One character can become eighteen (U+FDFA), so the bound is applied again here.
    composed = unicodedata.normalize("NFKC", text.translate(_IGNORED))[:MAX_TEXT]
    folded = composed.casefold().translate(_LETTERS)
    if folded.isascii():
        return folded
    kept: list[str] = []
    strips_marks = False
    for character in unicodedata.normalize("NFKD", folded):
        if unicodedata.category(character)[0] == "M":
            if strips_marks:
                continue
        else:
            strips_marks = character.isalnum() and _loses_accents(ord(character))
        kept.append(character)
    # Once more: what the accents covered may still have a case or a letter of its own (U+1E9E, U+0149, U+01FE …).
    return unicodedata.normalize("NFKC", "".join(kept)).casefold().translate(_LETTERS).translate(_IGNORED)


def _loses_accents(code: int) -> bool:
    return (
        code < 0x0530
        or 0x1C80 <= code <= 0x1C8F
        or 0x1D00 <= code <= 0x1FFF
        or 0x2C60 <= code <= 0x2C7F
        or (0xA640 <= code <= 0xA69F or 0xA720 <= code <= 0xA7FF or 0xAB30 <= code <= 0xAB6F)
    )


class _Shapes(dict[int, str]):
    """A table for str.translate that asks once for each different character of a text."""

    def __missing__(self, code: int) -> str:
        shape = self[code] = _shape(chr(code))
        return shape


@cache
def _ascii_shapes() -> Mapping[int, str]:
    return MappingProxyType({code: _shape(chr(code)) for code in range(128)})


def _shape(character: str) -> str:
    if character in "._-/:+#":
        return character
    code = ord(character)
    category = unicodedata.category(character)
    if category[0] == "M":
        return "m"
    if character.isalnum():
        return "k" if any(first <= code <= last for first, last in _UNSPACED) else "w"
    return "s" if category == "So" else " "


def _pieces(folded: str) -> Iterator[_Piece]:
    """The pieces of a folded text by position; a tag or a mention comes before the words that it is made of."""
    named = sorted(_named(folded), key=lambda piece: piece.start) if "#" in folded or "@" in folded else []
    shape = folded.translate(_Shapes(_ascii_shapes()))
    upcoming = 0
    for found in _PIECE.finditer(shape):
        while upcoming < len(named) and named[upcoming].start <= found.start():
            yield named[upcoming]
            upcoming += 1
        yield _piece(folded, shape, found)
    yield from named[upcoming:]


def _named(folded: str) -> Iterator[_Piece]:
    for tag in find_tags(folded):
        whole = f"#{tag.display}"
        if len(whole) <= MAX_TOKEN:
            yield _Piece(_Kind.NAMED, tag.start, tag.end, (), (whole,))
    for start, end, username, domain in find_mentions(folded):
        wholes = (f"@{username}",) if domain is None else (f"@{username}@{domain}", f"@{username}")
        yield _Piece(_Kind.NAMED, start, end, (), tuple(whole for whole in wholes if len(whole) <= MAX_TOKEN))


def _piece(folded: str, shape: str, found: re.Match[str]) -> _Piece:
    start, end = found.span()
    # Nearly all of a text is plain words: they take the short way.
    if found.lastgroup == "word" and end - start <= MAX_TOKEN and "w" * (end - start) == found.group():
        return _Piece(_Kind.WORD, start, end, (folded[start:end],))
    if found["symbol"]:
        return _Piece(_Kind.SYMBOL, start, end, (folded[start],))
    if found["run"]:
        units = tuple(folded[u.start() : u.end()][:_MAX_UNIT] for u in _UNIT.finditer(shape, start, end))
        return _Piece(_Kind.RUN, start, end, units)
    atoms = tuple(folded[a.start() : a.end()][:MAX_TOKEN] for a in _ATOM.finditer(shape, start, end))
    whole = folded[start:end]
    if len(whole) > MAX_TOKEN or (len(atoms) == 1 and not found["suffix"]):
        return _Piece(_Kind.WORD, start, end, atoms)
    return _Piece(_Kind.WORD, start, end, atoms, (whole,), exact=bool(found["suffix"]))


def _pairs(units: tuple[str, ...]) -> Iterator[str]:
    return (first + second for first, second in pairwise(units))


def _terms(chunk: str) -> list[Term]:
    """What a word typed without quotes asks for.

    Its parts belong together ("東京tower", "don't", "a+b"), so they are a phrase, unless a tag or a mention is among
    them. `net/mlx5` is also asked for as a whole, which ranks the exact spelling first; `c++` only as a whole.
    """
    terms: list[Term] = []
    together: list[_Piece] = []
    covered = 0
    for piece in _pieces(chunk):
        if piece.start < covered:
            continue
        if piece.kind is _Kind.NAMED or piece.exact:
            terms += _together(together)
            together = []
            covered = piece.end
            if piece.wholes:
                terms.append(Term((piece.wholes[:1],)))
                continue
        together.append(piece)
    return terms + _together(together)


def _phrase(chunk: str) -> list[Term]:
    """What was quoted: words that follow one another. A quoted tag or mention alone is that tag or mention."""
    pieces = list(_pieces(chunk))
    named = [piece for piece in pieces if piece.kind is _Kind.NAMED or piece.exact]
    if named and named[0].start == 0 and named[0].end == len(chunk) and named[0].wholes:
        return [Term((named[0].wholes[:1],))]
    return _together([piece for piece in pieces if piece.kind is not _Kind.NAMED])


def _together(pieces: list[_Piece]) -> list[Term]:
    atoms = tuple(atom for piece in pieces for atom in piece.atoms)
    if not atoms:
        return []
    if len(pieces) > 1:
        return [Term((atoms,))]
    if pieces[0].kind is _Kind.RUN and len(atoms) > 1:
        return [Term((tuple(_pairs(atoms)),))]
    return [Term((atoms, *((whole,) for whole in pieces[0].wholes)))]


def _wanted(asked: Query, prefix: bool) -> list[tuple[Term, bool]]:
    """All positive terms, and whether each may be the beginning of something longer."""
    last = len(asked.terms) - 1
    wanted = [(term, prefix and asked.unfinished and i == last) for i, term in enumerate(asked.terms)]
    return wanted + [(phrase, False) for phrase in asked.phrases]


def _fts5_term(term: Term, begins: bool) -> str:
    parts = [fts5_phrase(phrase, begins) for phrase in term.alternatives]
    return parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def _ts_term(term: Term, begins: bool) -> str:
    return f"({' | '.join(ts_phrase(phrase, begins) for phrase in term.alternatives)})"


def _ts_quote(token: str) -> str:
    return "'" + token.replace("\\", "\\\\").replace("'", "''") + "'"
