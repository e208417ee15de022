"""JSON with one reading only, so that two checks of the same bytes can never see two documents."""

import json
import re
from typing import Any, NoReturn

from activitypub.errors import Malformed

_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_RISKY_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_INTEGER_DIGITS = 19


def load(body: bytes, *, max_depth: int = 64) -> dict[str, Any]:
    """The JSON object in `body`, with one reading only.

    Malformed: not UTF-8, not an object at the top, a key twice, NaN and Infinity, integers beyond 64 bits, lone
    surrogates, NUL, deeper than `max_depth`. The size is the business of whoever read the bytes.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("not UTF-8") from error
    _check_depth(text, max_depth)
    try:
        doc = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_finite,
        )
    except ValueError as error:
        raise Malformed("not JSON") from error
    if not isinstance(doc, dict):
        raise Malformed("not a JSON object")
    if _RISKY_ESCAPES.search(body):
        _check_characters(doc)
    return doc


def _check_depth(text: str, max_depth: int) -> None:
    """Counted before parsing, because the parser recurses."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        mark = found[0]
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        if depth > max_depth:
            raise Malformed(f"nested deeper than {max_depth}")


def _check_characters(doc: dict[str, Any]) -> None:
    waiting: list[Any] = [doc]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.keys()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and any(mark == "\0" or "\ud800" <= mark <= "\udfff" for mark in value):
            raise Malformed("NUL or half a surrogate pair in a string")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    doc = dict(pairs)
    if len(doc) != len(pairs):
        raise Malformed("a key twice in one object")
    return doc


def _no_constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is no JSON")


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _INTEGER_DIGITS or not -(2**63) <= int(digits) < 2**63:
        raise Malformed("an integer beyond 64 bits")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise Malformed("a number beyond all bounds")
    return value
