"""The canonical form of JSON (RFC 8785), in which documents are hashed."""

import json
from typing import Any

import rfc8785

from activitypub.errors import Malformed

_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode
_LAST_OF_PLANE_0 = "\uffff"


def canonical(value: Any) -> bytes:
    """Raises Malformed for what has no canonical form: integers beyond 2^53, infinities, lone surrogates, odd keys.

    What nearly every document is, Python's own encoder writes the same way at a tenth of the time; where the two could
    differ, numbers that are no small integers and keys outside of the first plane, the library decides.
    """
    try:
        return _PLAIN(value).encode() if _is_plain(value) else rfc8785.dumps(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"no canonical JSON: {error}") from error


def _is_plain(value: Any) -> bool:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        kind = type(one)
        if kind is dict:
            for key in one:
                if type(key) is not str or (not key.isascii() and max(key) > _LAST_OF_PLANE_0):
                    return False
            waiting += one.values()
        elif kind is list:
            waiting += one
        elif kind is int:
            if not -(2**53) < one < 2**53:
                return False
        elif kind is not str and kind is not bool and one is not None:
            return False
    return True
