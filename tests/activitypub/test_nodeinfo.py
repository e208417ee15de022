from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import nodeinfo
from activitypub.errors import Malformed, ProtocolError, Refused

INFO = nodeinfo.NodeInfo(
    software="corridor",
    version="1.2.3",
    repository="https://code.example/corridor",
    open_registrations=True,
    users=10,
    active_month=5,
    posts=1000,
    node_name="Sales",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["software", "name", "links", "usage"]), inner),
)


def test_what_we_say_is_read_back_from_2_1() -> None:
    assert nodeinfo.parse(nodeinfo.document(INFO, version="2.1")) == INFO


def test_2_0_leaves_out_what_its_schema_forbids() -> None:
    doc = nodeinfo.document(INFO, version="2.0", metadata={"faspBaseUrl": "https://fasp.example"})
    assert doc["software"] == {"name": "corridor", "version": "1.2.3"}
    assert doc["version"] == "2.0"
    assert doc["metadata"] == {"nodeName": "Sales", "faspBaseUrl": "https://fasp.example"}


def test_counts_that_are_not_told_are_absent() -> None:
    doc = nodeinfo.document(nodeinfo.NodeInfo(software="corridor", version="1"), version="2.1")
    assert doc["usage"] == {"users": {}}


def test_the_best_version_of_the_asked_server_is_found() -> None:
    ours = nodeinfo.discovery("https://a.example")
    assert nodeinfo.parse_discovery(ours, "https://a.example") == "https://a.example/nodeinfo/2.1"
    ours["links"].reverse()
    assert nodeinfo.parse_discovery(ours, "https://a.example") == "https://a.example/nodeinfo/2.1"
    del ours["links"][1]
    assert nodeinfo.parse_discovery(ours, "https://a.example") == "https://a.example/nodeinfo/2.0"


@pytest.mark.parametrize("other", ["https://b.example", "http://a.example", "https://a.example:8443"])
def test_a_link_to_another_origin_is_refused(other: str) -> None:
    with pytest.raises(Refused):
        nodeinfo.parse_discovery(nodeinfo.discovery(other), "https://a.example")


@pytest.mark.parametrize("doc", [None, [], {}, {"links": {}}, {"links": [{"rel": [], "href": 1}]}])
def test_a_discovery_without_links_is_malformed(doc: Any) -> None:
    with pytest.raises(Malformed):
        nodeinfo.parse_discovery(doc, "https://a.example")


@given(JSON)
def test_nothing_but_our_errors_comes_of_any_json(doc: Any) -> None:
    for read in (nodeinfo.parse, lambda doc: nodeinfo.parse_discovery(doc, "https://a.example")):
        try:
            read(doc)
        except ProtocolError:
            continue


def test_a_document_of_another_server_is_read() -> None:
    doc = {
        "version": "2.0",
        "software": {"name": "Mastodon", "version": "4.5.0"},
        "protocols": ["activitypub"],
        "services": {"outbound": [], "inbound": []},
        "usage": {"users": {"total": 7, "activeMonth": "x", "activeHalfyear": -1}, "localPosts": 12},
        "openRegistrations": False,
        "metadata": [],
    }
    read = nodeinfo.parse(doc)
    assert (read.software, read.version, read.users, read.posts) == ("mastodon", "4.5.0", 7, 12)
    assert (read.active_month, read.active_halfyear, read.node_name) == (None, None, None)
