"""Dictionaries of Structured Field Values (RFC 8941), as Signature-Input, Signature and Content-Digest use
them.

Stricter than the RFC in one point: a repeated key is an error, where the RFC lets the last one win. Two
readers that disagree about a signature's parameters are how signatures get bypassed. Dates and display
strings (RFC 9651) are not read. Every pattern is anchored and possessive, so reading takes time linear in the
length.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from activitypub.errors import Malformed


class Token(str):
    """A bare word, to tell `sig` from `"sig"`."""

    __slots__ = ()


Bare = int | float | str | bytes | bool  # str: a String, unless it is a Token


@dataclass(frozen=True, slots=True)
class Item:
    """`raw` is the text it was read from, parameters included."""

    value: Bare
    params: Mapping[str, Bare]
    raw: str


@dataclass(frozen=True, slots=True)
class InnerList:
    items: tuple[Item, ...]
    params: Mapping[str, Bare]
    raw: str


_KEY = re.compile(r"[a-z*][a-z0-9_.*-]*+")
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*+)"')
_BYTES = re.compile(r":([A-Za-z0-9+/=]*+):")
_NUMBER = re.compile(r"-?[0-9]++(\.[0-9]++)?+")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*+")
_BOOLEAN = re.compile(r"\?([01])")
_OWS = re.compile(r"[ \t]*+")
_SPACES = re.compile(r" *+")
_ESCAPED = re.compile(r"\\(.)")


def dictionary(text: str) -> dict[str, Item | InnerList]:
    """Raises Malformed."""
    scanner = _Scanner(text.strip(" "))
    members: dict[str, Item | InnerList] = {}
    while not scanner.at_end():
        key = scanner.take(_KEY)[0]
        if key in members:
            raise Malformed("a repeated key in a structured field")
        members[key] = scanner.member()
        scanner.take(_OWS)
        if scanner.at_end():
            break
        scanner.expect(",")
        scanner.take(_OWS)
        if scanner.at_end():
            raise Malformed("a structured field that ends with a comma")
    return members


def string(text: str) -> str:
    """Serialise a String. Raises Malformed for what one cannot hold."""
    if not text.isascii() or not text.isprintable():
        raise Malformed("a structured field string holds printable ASCII only")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def byte_sequence(data: bytes) -> str:
    return f":{base64.b64encode(data).decode('ascii')}:"


class _Scanner:
    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def at_end(self) -> bool:
        return self.at >= len(self.text)

    def next_is(self, character: str) -> bool:
        return self.text.startswith(character, self.at)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise Malformed(f"not a structured field, from character {self.at}")
        self.at = match.end()
        return match

    def expect(self, character: str) -> None:
        if not self.next_is(character):
            raise Malformed(f"not a structured field: {character!r} is missing at character {self.at}")
        self.at += 1

    def member(self) -> Item | InnerList:
        """What follows a dictionary's key. A key alone is the Boolean true (RFC 8941 §3.2)."""
        if not self.next_is("="):
            start = self.at
            params = self.params()
            return Item(True, params, self.text[start : self.at])
        self.at += 1
        return self.inner_list() if self.next_is("(") else self.item()

    def inner_list(self) -> InnerList:
        start = self.at
        self.expect("(")
        items: list[Item] = []
        self.take(_SPACES)
        while not self.next_is(")"):
            items.append(self.item())
            if not self.take(_SPACES)[0] and not self.next_is(")"):
                raise Malformed("members of an inner list without a space between them")
        self.at += 1
        params = self.params()
        return InnerList(tuple(items), params, self.text[start : self.at])

    def item(self) -> Item:
        start = self.at
        value = self.bare()
        params = self.params()
        return Item(value, params, self.text[start : self.at])

    def params(self) -> dict[str, Bare]:
        params: dict[str, Bare] = {}
        while self.next_is(";"):
            self.at += 1
            self.take(_SPACES)
            key = self.take(_KEY)[0]
            if key in params:
                raise Malformed("a repeated parameter in a structured field")
            value: Bare = True
            if self.next_is("="):
                self.at += 1
                value = self.bare()
            params[key] = value
        return params

    def bare(self) -> Bare:
        first = self.text[self.at : self.at + 1]
        if first == '"':
            return _ESCAPED.sub(r"\1", self.take(_STRING)[1])
        if first == ":":
            return _decoded(self.take(_BYTES)[1])
        if first == "?":
            return self.take(_BOOLEAN)[1] == "1"
        if first == "-" or first.isdigit():
            return _number(self.take(_NUMBER))
        return Token(self.take(_TOKEN)[0])


def _number(match: re.Match[str]) -> int | float:
    """Integers have at most 15 digits, decimals at most 12 and 3 (RFC 8941 §3.3.1, §3.3.2)."""
    whole, _, fraction = match[0].lstrip("-").partition(".")
    if len(whole) > (12 if fraction else 15) or len(fraction) > 3:
        raise Malformed("a number too long for a structured field")
    return float(match[0]) if fraction else int(match[0])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Malformed("a byte sequence that is not base64") from error
