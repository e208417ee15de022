import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import Malformed
from activitypub.structured_fields import InnerList, Item, Token, byte_sequence, dictionary, string


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=-999999999999999", -999999999999999),
        ("a=1.5", 1.5),
        ('a="x \\"y\\" \\\\"', 'x "y" \\'),
        ('a=""', ""),
        ("a=*tok/en:1", "*tok/en:1"),
        ("a=:AAEC:", b"\0\1\2"),
        ("a=::", b""),
        ("a=?0", False),
        ("a", True),
    ],
)
def test_a_bare_item_is_read(text: str, value: object) -> None:
    item = dictionary(text)["a"]
    assert isinstance(item, Item)
    assert item.value == value
    assert type(item.value) in (type(value), Token)
    assert isinstance(item.value, Token) == text.startswith("a=*")


def test_members_keep_their_parameters_order_and_raw_text() -> None:
    members = dictionary('one=( "a";x  tok;y=1 );p="q", two;n=2\t,\tthree=:AAAA:')
    assert list(members) == ["one", "two", "three"]
    one, two, three = members.values()
    assert isinstance(one, InnerList)
    assert [(item.value, dict(item.params), item.raw) for item in one.items] == [
        ("a", {"x": True}, '"a";x'),
        ("tok", {"y": 1}, "tok;y=1"),
    ]
    assert (dict(one.params), one.raw) == ({"p": "q"}, '( "a";x  tok;y=1 );p="q"')
    assert (two.raw, dict(two.params), three.raw) == (";n=2", {"n": 2}, ":AAAA:")


@pytest.mark.parametrize(
    "text",
    [
        "A=1",
        "a=",
        "a=1,",
        "a=1 b=2",
        "a=1,,b=2",
        "a=1, a=1",
        "a;b;b",
        "a=1000000000000000",
        "a=1000000000000.5",
        "a=1.",
        "a=1.2345",
        "a=--1",
        'a="é"',
        'a="\\x"',
        'a="open',
        "a=:AAEC",
        "a=:A:",
        "a=:A=AA:",
        "a=?2",
        "a=(1",
        "a=(1,2)",
        'a=("x""y")',
        "a=((1))",
        "a=@1763900000",
        'a=%"x"',
        "a=²",
        "a\t=1",
        "\ta=1",
    ],
)
def test_what_is_no_dictionary_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        dictionary(text)


PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


@given(text=PRINTABLE, data=st.binary())
def test_what_is_serialised_is_read_back_by_us_and_by_http_sf(text: str, data: bytes) -> None:
    field = f"t={string(text)}, d={byte_sequence(data)}"
    members = dictionary(field)
    assert [m.value for m in members.values() if isinstance(m, Item)] == [text, data]
    assert http_sf.parse(field.encode(), tltype="dictionary") == {"t": (text, {}), "d": (data, {})}


@pytest.mark.parametrize("text", ["é", "a\nb", "\0", "\x7f"])
def test_a_string_that_cannot_be_serialised_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match="ASCII"):
        string(text)
