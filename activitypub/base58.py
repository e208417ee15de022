"""base58btc in multibase: `z` and the digits. What keys and proofs are written in (FEP-521a, FEP-8b32)."""

from activitypub.errors import Malformed

_DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}


def encode(data: bytes) -> str:
    """Zero bytes in front are kept: each is a "1"."""
    number = int.from_bytes(data, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_DIGITS[digit])
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "z" + "1" * zeros + "".join(reversed(digits))


def decode(text: str, length: int) -> bytes:
    """Exactly `length` bytes, in the one way to write them. Raises Malformed.

    Reading grows with the square of the size: what is longer than `length` bytes can be is refused unread.
    """
    if text[:1] != "z" or not length <= len(text) - 1 <= length * 138 // 100 + 1:
        raise Malformed(f"not {length} bytes in base58btc multibase")
    number = 0
    for character in text[1:]:
        value = _VALUES.get(character)
        if value is None:
            raise Malformed("a character that base58 does not have")
        number = number * 58 + value
    digits = text[1:]
    zeros = len(digits) - len(digits.lstrip("1"))
    size = (number.bit_length() + 7) // 8
    if zeros + size != length:
        raise Malformed(f"not {length} bytes in base58btc multibase")
    return number.to_bytes(length, "big")
