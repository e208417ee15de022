"""Times as people read them. All are UTC: a page without script does not know where its reader is."""

from datetime import UTC, datetime
from typing import NamedTuple

_MINUTE = 60_000
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR


class Moment(NamedTuple):
    """A time: for machines (`<time datetime>`), in full, and short."""

    iso: str
    full: str
    short: str


def moment(at: int, now: int) -> Moment:
    """Both in ms since 1970."""
    then = _datetime(at)
    full = f"{then.day} {then:%B %Y, %H:%M} UTC"
    return Moment(then.isoformat(timespec="seconds").replace("+00:00", "Z"), full, ago(at, now))


def ago(at: int, now: int) -> str:
    """`now`, `4 min`, `3 h`, `2 d`, `14 Mar`, `14 Mar 2024`. What lies ahead is `now`: clocks differ."""
    passed = now - at
    if passed < _MINUTE:
        return "now"
    if passed < _HOUR:
        return f"{passed // _MINUTE} min"
    if passed < _DAY:
        return f"{passed // _HOUR} h"
    if passed < 7 * _DAY:
        return f"{passed // _DAY} d"
    return day(at, now)


def day(at: int, now: int) -> str:
    """`14 Mar`, with the year if it is another one."""
    then = _datetime(at)
    year = "" if then.year == _datetime(now).year else f" {then.year}"
    return f"{then.day} {then:%b}{year}"


def _datetime(at: int) -> datetime:
    # Peers may date a post anywhere; years beyond 9999 are no dates for Python.
    return datetime.fromtimestamp(min(max(at, 0), 253_402_300_799_000) / 1000, UTC)
