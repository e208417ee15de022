"""What counts as one emoji."""

import pytest
from rich._emoji_codes import EMOJI

from node.pictographs import one_emoji

_NONE_HERE = {"⎈"}
"""In rich's list, and no emoji to Unicode."""


def test_every_emoji_that_a_list_of_them_has_is_one() -> None:
    letters = {chr(code) for code in range(0x1F1E6, 0x1F200)}  # halves of flags
    assert [one for one in set(EMOJI.values()) - letters - _NONE_HERE if one_emoji(one) is None] == []


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("❤", "❤️"),
        ("❤️", "❤️"),
        ("👍", "👍"),
        ("👍🏽", "👍🏽"),
        ("1⃣", "1️⃣"),
        ("🏳‍🌈", "🏳️‍🌈"),
        ("👩‍❤‍💋‍👨", "👩‍❤️‍💋‍👨"),
        ("🇩🇪", "🇩🇪"),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"),
    ],
)
def test_one_emoji_has_one_spelling(written: str, kept: str) -> None:
    assert one_emoji(written) == kept


@pytest.mark.parametrize(
    "written",
    [
        "",
        "a",
        "1",
        "#",
        "❤❤",
        "❤a",
        " ❤",
        "🇩",
        "🇩🇪🇫",
        ":x:",
        "\u200d",
        "\ufe0f",
        "👍" + "\u200d👍" * 30,
        "<b>",
        "\x00",
        "é",
    ],
)
def test_anything_else_is_none(written: str) -> None:
    assert one_emoji(written) is None
