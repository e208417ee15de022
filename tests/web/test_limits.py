"""Counting requests, and knowing whose they are."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from node.addresses import Networks, forwarded_for
from node.config import ConfigError
from tests.support.clocks import Clock
from web.limits import Limiter


def test_a_window_ends_for_everybody_at_once(clock: Clock) -> None:
    clock.now = 3000.0
    limiter = Limiter(clock)
    budgets = [limiter.take("account", 1, 2) for _ in range(3)]
    assert [(budget.remaining, budget.exceeded) for budget in budgets if budget] == [(1, False), (0, False), (0, True)]
    assert limiter.take("address", 1, 2) != limiter.take("account", 2, 3)
    assert budgets[0] is not None
    assert limiter.seconds_left(budgets[0]) == 300
    clock.advance(300)
    fresh = limiter.take("account", 1, 2)
    assert fresh is not None
    assert fresh.remaining == 1


def test_zero_is_off(clock: Clock) -> None:
    assert Limiter(clock).take("account", 1, 0) is None


def test_what_is_given_back_was_not_asked_and_no_more_than_that(clock: Clock) -> None:
    limiter = Limiter(clock)
    limiter.take("address", 1, 2)
    for _ in range(3):
        limiter.give_back("address", 1)
    limiter.give_back("address", 2)
    budgets = [limiter.take("address", 1, 2) for _ in range(3)]
    assert [budget.exceeded for budget in budgets if budget] == [False, False, True]


def test_no_count_is_lost_between_threads(clock: Clock) -> None:
    limiter = Limiter(clock)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: limiter.take("account", 1, 10_000), range(4000)))
    assert min(budget.remaining for budget in taken if budget) == 6000


def test_a_flood_of_addresses_does_not_clear_the_count_of_the_worst(clock: Clock) -> None:
    limiter = Limiter(clock)
    for _ in range(50):
        limiter.take("address", "203.0.113.1", 40)
    for number in range(50_000):
        limiter.take("address", f"2001:db8::{number:x}", 40)
    worst = limiter.take("address", "203.0.113.1", 40)
    assert worst is not None
    assert worst.exceeded


@pytest.mark.parametrize(
    ("connected", "forwarded", "who"),
    [
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),  # not a proxy of ours: the header is the client's invention
        ("10.0.0.2", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.2", "1.1.1.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("10.0.0.2", "garbage", "10.0.0.2"),
        ("10.0.0.2", "203.0.113.7, garbage", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "[2001:db8::1]", "2001:db8::1"),
        ("::ffff:10.0.0.2", "203.0.113.7", "203.0.113.7"),
    ],
)
def test_who_asks_is_read_from_the_right(connected: str, forwarded: str, who: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    assert forwarded_for(connected, headers, Networks(["10.0.0.0/8"])) == who


def test_a_network_that_is_none_is_a_mistake_in_the_settings() -> None:
    with pytest.raises(ConfigError, match="an IP address or network is needed"):
        Networks(["localhost"])
