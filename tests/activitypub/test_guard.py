import asyncio
import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import HostRefused
from activitypub.guard import Guard, GuardedResolver, is_public

ADDRESSES = [
    # (address, whether a stranger's name may resolve to it)
    ("8.8.8.8", True),
    ("1.1.1.1", True),
    ("93.184.215.14", True),
    ("223.255.255.254", True),
    ("11.0.0.1", True),
    ("9.255.255.255", True),
    ("172.15.255.255", True),
    ("172.32.0.0", True),
    ("192.167.255.255", True),
    ("192.169.0.0", True),
    ("126.255.255.255", True),
    ("128.0.0.1", True),
    ("100.63.255.255", True),
    ("100.128.0.0", True),
    ("169.253.255.255", True),
    ("198.17.255.255", True),
    ("198.20.0.0", True),
    ("10.0.0.0", False),
    ("10.255.255.255", False),
    ("172.16.0.1", False),
    ("172.31.255.255", False),
    ("192.168.0.1", False),
    ("127.0.0.1", False),
    ("127.255.255.254", False),
    ("0.0.0.0", False),
    ("0.1.2.3", False),
    ("100.64.0.1", False),
    ("100.127.255.255", False),
    ("169.254.169.254", False),
    ("192.0.0.9", False),
    ("192.0.0.170", False),
    ("192.0.2.1", False),
    ("192.88.99.1", False),
    ("198.18.0.1", False),
    ("198.19.255.255", False),
    ("198.51.100.7", False),
    ("203.0.113.7", False),
    ("224.0.0.1", False),
    ("239.255.255.250", False),
    ("240.0.0.1", False),
    ("255.255.255.255", False),
    ("2606:4700:4700::1111", True),
    ("2a00:1450:4001:80b::200e", True),
    ("2003::1", True),
    ("::", False),
    ("::1", False),
    ("::127.0.0.1", False),
    ("::8.8.8.8", False),
    ("::ffff:127.0.0.1", False),
    ("::ffff:10.0.0.1", False),
    ("::ffff:169.254.169.254", False),
    ("::ffff:0.0.0.0", False),
    ("::ffff:8.8.8.8", True),
    ("::ffff:0:127.0.0.1", False),
    ("64:ff9b::127.0.0.1", False),
    ("64:ff9b::10.1.2.3", False),
    ("64:ff9b::8.8.8.8", True),
    ("64:ff9b:1::8.8.8.8", False),
    ("64:ff9b:1:ffff::1", False),
    ("2002:7f00:1::", False),
    ("2002:a00:1::1", False),
    ("2002:808:808::1", True),
    ("2001:0:7f00:1:0:0:f7f7:f7f7", False),
    ("2001:0:808:808:0:0:80ff:fffe", False),
    ("2001:0:808:808:0:0:f7f7:f7f7", True),
    ("2001:2::1", False),
    ("2001:10::1", False),
    ("2001:db8::1", False),
    ("3fff::1", False),
    ("3ffe::1", True),
    ("100::1", False),
    ("5f00::1", False),
    ("fc00::1", False),
    ("fd12:3456::1", False),
    ("fe80::1", False),
    ("fe80::1%eth0", False),
    ("2606:4700:4700::1111%eth0", False),
    ("fec0::1", False),
    ("ff02::1", False),
    ("ff0e::1", False),
    ("4000::1", False),
]


@pytest.mark.parametrize(("address", "public"), ADDRESSES)
def test_only_public_addresses_are_open_to_strangers(address: str, public: bool) -> None:
    assert _permits(Guard(), "stranger.test", 443, address) is public


@pytest.mark.parametrize("address", [address for address, _ in ADDRESSES])
def test_in_loopback_mode_nothing_is_added_but_loopback(address: str) -> None:
    ip = ipaddress.ip_address(address)
    is_loopback = ip in ipaddress.ip_network("127.0.0.0/8") or ip == ipaddress.ip_address("::1")
    dev = Guard(allow_http=True, private="loopback")
    assert _permits(dev, "peer.test", 8000, address) is is_loopback
    assert _permits(dev, "peer.test", 443, address) is (is_loopback or _permits(Guard(), "p.test", 443, address))


def test_what_is_hidden_in_teredo_is_read_as_the_specification_says() -> None:
    address = ipaddress.IPv6Address("2001:0:808:808::f7f7:f7f7")
    assert address.teredo == (ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("8.8.8.8"))
    assert is_public(address)


@pytest.mark.parametrize(
    ("text", "requested"),
    [
        ("https://peer.test/inbox", "https://peer.test/inbox"),
        ("HTTPS://Peer.TEST/Inbox", "https://peer.test/Inbox"),
        ("https://peer.test", "https://peer.test/"),
        ("https://peer.test:443/a%2Fb?c=d%26e%2Bf", "https://peer.test/a%2Fb?c=d%26e%2Bf"),
        ("https://peer.test:80/a", "https://peer.test:80/a"),
        ("https://peer.test/a#main-key", "https://peer.test/a"),
        ("https://peer.test/@alice", "https://peer.test/@alice"),
        ("https://bücher.test/a", "https://xn--bcher-kva.test/a"),
        ("https://node_a.test/", "https://node_a.test/"),
        ("https://8.8.8.8/", "https://8.8.8.8/"),
        ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
        ("https://1e100.test/", "https://1e100.test/"),
        ("https://10.test/", "https://10.test/"),
    ],
)
def test_an_honest_url_gets_one_spelling(text: str, requested: str) -> None:
    guard = Guard()
    assert str(guard.check_url(text)) == requested
    assert str(guard.check_url(requested)) == requested


@pytest.mark.parametrize(
    "text",
    [
        "",
        "peer.test",
        "//peer.test/",
        "https:peer.test",
        "https:/peer.test",
        "https:///peer.test",
        "http://peer.test/",
        "ftp://peer.test/",
        "file:///etc/passwd",
        "gopher://peer.test/",
        "javascript:alert(1)",
        "https://user@peer.test/",
        "https://user:pw@peer.test/",
        "https://peer.test@evil.test/",
        "https://@peer.test/",
        "https://peer.test\\@evil.test/",
        "https:\\\\peer.test/",
        "https://peer.test/a\\b",
        " https://peer.test/",
        "https://peer.test/a b",
        "https://peer.test/\r\nHost: x",
        "https://pe\ter.test/",
        "https://peer.test/\x00",
        "https://peer\u200b.test/",
        "https://peer.test/\u202e",
        "https://peer.test./",
        "https://peer..test/",
        "https://.peer.test/",
        "https://-peer.test/",
        "https://peer%2etest/",
        "https://peer.test%00/",
        "https://peer.test:/",
        "https://peer.test:0/",
        "https://peer.test:0443/",
        "https://peer.test:99999/",
        "https://peer.test:44a/",
        "https://peer.test:-1/",
        "https://peer.test:４４３/",
        "https://peer.test:8443/",
        "https://peer.test:22/",
        f"https://{'a' * 64}.test/",
        f"https://{'a.' * 127}test/",
        f"https://peer.test/{'a' * 5000}",
        "https://2130706433/",
        "https://134744072/",
        "https://0x08080808/",
        "https://0x8.0x8.0x8.0x8/",
        "https://010.010.010.010/",
        "https://8.8.8/",
        "https://8.8.2056/",
        "https://8.8.8.8./",
        "https://8.8.8.08/",
        "https://8.8.8.256/",
        "https://1.2.3.4.5/",
        "https://peer.0x7f/",
        "https://８.８.８.８/",
        "https://8。8。8。8/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/",
        "https://0/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:8.8.8.8]/",
        "https://[fe80::1%25eth0]/",
        "https://[2606:4700:4700:0:0:0:0:1111]/",
        "https://[2606:4700:4700::1111/",
        "https://2606:4700:4700::1111/",
        "https://[2606:4700:4700::1111].test/",
        "https://[8.8.8.8]/",
        "https://[v1.8]/",
        "https://[]/",
    ],
)
def test_a_doubtful_url_is_refused_for_good(text: str) -> None:
    with pytest.raises(HostRefused) as refused:
        Guard().check_url(text)
    assert refused.value.retry is False
    assert refused.value.url == text


@given(st.text(max_size=80) | st.from_regex(r"https?://[^/]{0,30}(/.{0,20})?", fullmatch=True))
def test_any_text_is_either_refused_or_read_in_one_way(text: str) -> None:
    guard = Guard(allow_http=True, private="loopback")
    try:
        url = guard.check_url(text)
    except HostRefused:
        return
    assert guard.check_url(str(url)) == url


def test_http_is_open_only_where_the_settings_say_so() -> None:
    with pytest.raises(HostRefused, match="only https"):
        Guard().check_url("http://peer.test/")
    assert str(Guard(allow_http=True).check_url("http://peer.test/")) == "http://peer.test/"


@pytest.mark.parametrize(
    ("entry", "url", "address"),
    [
        ("127.0.0.2:8541", "http://127.0.0.2:8541/", "127.0.0.2"),
        ("localhost:8101", "http://localhost:8101/", "127.0.0.1"),
        ("LocalHost:8101", "http://LOCALHOST:8101/", "127.0.0.1"),
        ("127.0.1.1:*", "http://127.0.1.1:9/", "127.0.1.1"),
        ("sales.corp:443", "https://sales.corp/", "10.1.2.3"),
        ("sales.corp:443", "https://sales.corp/", "fd00::1"),
        ("[::1]:8000", "http://[::1]:8000/", "::1"),
        ("bücher.corp:8443", "https://bücher.corp:8443/", "192.168.1.2"),
    ],
)
def test_a_listed_peer_is_reached_on_its_private_address(entry: str, url: str, address: str) -> None:
    listing, empty = Guard(allow_http=True, private=(entry,)), Guard(allow_http=True)
    target = listing.check_url(url)
    assert _permits(listing, target.raw_host or "", target.port or 0, address)
    assert not _permits(empty, target.raw_host or "", target.port or 0, address)


@pytest.mark.parametrize(
    ("host", "port", "address"),
    [
        ("127.0.0.2", 8542, "127.0.0.2"),
        ("127.0.0.3", 8541, "127.0.0.3"),
        ("localhost", 8541, "127.0.0.2"),
        ("evil.test", 8541, "127.0.0.2"),
        ("127.0.0.2.evil.test", 8541, "127.0.0.2"),
        ("127.0.0.2", 443, "127.0.0.2"),
    ],
)
def test_a_near_miss_of_a_listed_peer_stays_refused(host: str, port: int, address: str) -> None:
    guard = Guard(allow_http=True, private=("127.0.0.2:8541",))
    assert _permits(guard, "127.0.0.2", 8541, "127.0.0.2")
    assert not _permits(guard, host, port, address)


def test_a_port_that_is_open_for_one_peer_is_closed_for_others() -> None:
    guard = Guard(private=("sales.corp:8443",))
    guard.check_url("https://sales.corp:8443/")
    with pytest.raises(HostRefused, match="port 8443"):
        guard.check_url("https://hr.corp:8443/")


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1", "::ffff:169.254.169.254", "x"]
)
def test_even_a_listed_peer_does_not_live_where_no_peer_lives(address: str) -> None:
    guard = Guard(private=("sales.corp:443",))
    assert _permits(guard, "sales.corp", 443, "10.0.0.1")
    assert not _permits(guard, "sales.corp", 443, address)


def test_peers_that_become_known_later_are_asked_for_each_time() -> None:
    roster: set[tuple[str, int]] = set()
    guard = Guard(also=lambda host, port: (host, port) in roster)
    assert not _permits(guard, "hr.corp", 8443, "10.0.0.7")
    roster.add(("hr.corp", 8443))
    assert _permits(guard, "hr.corp", 8443, "10.0.0.7")
    assert str(guard.check_url("https://HR.corp:8443/")) == "https://hr.corp:8443/"
    assert not _permits(guard, "hr.corp", 443, "10.0.0.7")


@pytest.mark.parametrize("entry", ["", "localhost", "localhost:", "localhost:0", "a b:80", "127.1:80", "*:80", "::1:x"])
def test_an_entry_that_cannot_be_read_is_not_ignored(entry: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Guard(private=(entry,))


@pytest.mark.parametrize(
    ("answers", "accepted"),
    [
        (["8.8.8.8"], True),
        (["8.8.8.8", "2606:4700:4700::1111"], True),
        (["8.8.8.8", "127.0.0.1"], False),
        (["10.0.0.1"], False),
        (["2606:4700:4700::1111", "::ffff:10.0.0.1"], False),
        (["8.8.8.8", "not an address"], False),
    ],
)
def test_every_address_of_a_name_must_be_permitted(answers: Sequence[str], accepted: bool) -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return answers

    resolver = GuardedResolver(Guard(), lookup)
    if accepted:
        found = asyncio.run(resolver.resolve("peer.test", 443))
        assert [result["host"] for result in found] == answers
    else:
        with pytest.raises(HostRefused):
            asyncio.run(resolver.resolve("peer.test", 443))


def test_a_name_without_an_address_is_a_failed_lookup() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        return []

    with pytest.raises(OSError, match="no address"):
        asyncio.run(GuardedResolver(Guard(), lookup).resolve("peer.test", 443))


def _permits(guard: Guard, host: str, port: int, address: str) -> bool:
    try:
        guard.check_address(host, port, address)
    except HostRefused:
        return False
    return True
