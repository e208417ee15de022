"""Times as people read them."""

import pytest

from web.pages import moments

NOW = 1_790_000_000_000  # 21 September 2026, 14:13:20 UTC
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (-5 * MINUTE, "now"),
        (0, "now"),
        (MINUTE - 1, "now"),
        (MINUTE, "1 min"),
        (HOUR - 1, "59 min"),
        (HOUR, "1 h"),
        (DAY - 1, "23 h"),
        (DAY, "1 d"),
        (7 * DAY - 1, "6 d"),
        (7 * DAY, "14 Sep"),
        (300 * DAY, "25 Nov 2025"),
    ],
)
def test_short_times(passed: int, words: str) -> None:
    assert moments.ago(NOW - passed, NOW) == words


def test_a_moment_for_machines_and_in_full() -> None:
    found = moments.moment(NOW, NOW)
    assert found.iso == "2026-09-21T14:13:20Z"
    assert found.full == "21 September 2026, 14:13 UTC"


@pytest.mark.parametrize("at", [-1, 1 << 62])
def test_dates_that_are_none_break_nothing(at: int) -> None:
    assert moments.moment(at, NOW).iso.endswith("Z")
