"""What is read from what a person wrote, and what is stored for it."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import html
from node.errors import Invalid
from node.text import (
    MAX_TAG,
    MAX_URL,
    LinkRef,
    Written,
    analyse,
    marker_local_only,
    normalise_tag,
    render,
)

HERE = "eng.example"
PEOPLE = {
    ("ann", None): ("https://eng.example/@ann", "ann"),
    ("bob", "sales.example"): ("https://sales.example/@bob", "bob@sales.example"),
    ("ann", "sales.example"): ("https://sales.example/@ann", "ann@sales.example"),
}


def read(text: str) -> Written:
    return analyse(text, local_domain=HERE)


def mentioned(text: str) -> list[tuple[str, str | None]]:
    return [(ref.username, ref.domain) for ref in read(text).mentions]


def tagged(text: str) -> list[str]:
    return [tag.display for tag in read(text).tags]


def rendered(text: str) -> str:
    return render(text, read(text), PEOPLE, lambda name: f"https://eng.example/tags/{name}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@ann hello", [("ann", None)]),
        ("(@ann), and @bob@sales.example.", [("ann", None), ("bob", "sales.example")]),
        ("@ann@eng.example @ann@ENG.example", [("ann", None), ("ann", None)]),
        ("@Bob@Sales.Example", [("Bob", "sales.example")]),
        ("@bob.b-c_d@sales.example", [("bob.b-c_d", "sales.example")]),
        ("@bob@127.0.0.2:8541: hello", [("bob", "127.0.0.2:8541")]),
        ("@bob@sales.example:15 minutes", [("bob", "sales.example")]),
        ("@bob@bücher.example", [("bob", "xn--bcher-kva.example")]),
        ("こんにちは @ann さん", [("ann", None)]),
        ("ann@eng.example", []),
        ("/@ann =@ann a@ann", []),
        ("https://social.example/@ann", []),
        ("@ @@ @. @-", []),
        ("@@ann", [("ann", None)]),
    ],
)
def test_mentions_are_read_as_mastodon_reads_them(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert mentioned(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#kafka, #Kafka and #KAFKA", ["kafka"]),
        ("#größe #日本語 #한국어 #हिन्दी #می\u200cخواهم", ["größe", "日本語", "한국어", "हिन्दी", "می\u200cخواهم"]),
        ("＃全角", ["全角"]),
        ("#cafe\u0301", ["cafe\u0301"]),
        ("#2024plan #l·l #foo_bar", ["2024plan", "l·l", "foo_bar"]),
        ("#c· end", ["c"]),
        ("(#a)#b", ["a"]),
        ("#a#b", ["a"]),
        ("#2024 #_ #· # ## &#39;", []),
        ("x#y /#z =#w", []),
        ("https://eng.example/#intro https://eng.example/a?b=#c", []),
        ("#" + "a" * (MAX_TAG + 1), []),
        ("#" + "a" * MAX_TAG, ["a" * MAX_TAG]),
    ],
)
def test_tags_are_read_as_mastodon_reads_them(text: str, expected: list[str]) -> None:
    assert tagged(text) == expected


def test_a_tag_keeps_its_first_spelling_and_one_name() -> None:
    assert [(tag.name, tag.display) for tag in read("#Größe #GRÖSSE").tags] == [("grösse", "Größe")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://a.example/x.", ["https://a.example/x"]),
        ("(https://a.example/x_(y))", ["https://a.example/x_(y)"]),
        ("見てhttps://a.example/x、次", ["https://a.example/x"]),
        ("https://例え.jp/パス", ["https://例え.jp/パス"]),
        ("http://localhost:8101/a HTTPS://A.example", ["http://localhost:8101/a", "HTTPS://A.example"]),
        ("https://a.example https://a.example", ["https://a.example"]),
        ("a.example www.a.example ftp://a.example mailto:a@b.example //a.example", []),
        ("https://bank.example@evil.example/", []),
        ("https://user:secret@a.example", []),
        ("https:// https://- javascript:alert(1)", []),
        ('https://a.example/"onclick="x', ["https://a.example/"]),
        ("https://a.example/" + "x" * MAX_URL, []),
    ],
)
def test_only_http_links_with_a_plain_host_are_links(text: str, expected: list[str]) -> None:
    assert list(read(text).links) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("abc", 3),
        ("日本語", 3),
        ("e\u0301", 1),
        ("👩🏽‍💻", 1),
        ("👨‍👩‍👧‍👦", 1),
        ("🇩🇪🇫🇷", 2),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 1),
        ("\u1112\u1161\u11ab", 1),
        ("a\r\nb", 3),
        ("https://a.example/" + "x" * 500, 23),
        ("@bob@sales.example hi", 7),
        ("@ann hi", 7),
        ("#kafka", 6),
    ],
)
def test_length_counts_what_clients_count(text: str, expected: int) -> None:
    assert read(text).length == expected


def test_a_heap_of_marks_does_not_pass_for_one_character() -> None:
    assert read("a" + "\u0301" * 15).length == 1
    assert read("a" + "\u0301" * 1600).length > 99


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_what_no_database_stores_is_invalid(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.field == "status"


def test_html_of_a_post_is_that_of_mastodon() -> None:
    assert rendered("Hi @ann & @bob@sales.example!\r\n#Kafka\n\n\n\nbye @nobody") == (
        '<p>Hi <span class="h-card"><a href="https://eng.example/@ann" class="u-url mention">@<span>ann</span></a></span>'
        ' &amp; <span class="h-card"><a href="https://sales.example/@bob" class="u-url mention">@<span>bob</span></a>'
        '</span>!<br><a href="https://eng.example/tags/kafka" class="mention hashtag" rel="tag">#<span>Kafka</span></a>'
        "</p><p>bye @nobody</p>"
    )


def test_two_people_of_one_name_are_told_apart() -> None:
    assert "@<span>ann@sales.example</span>" in rendered("@ann @ann@sales.example")
    assert "@<span>ann</span>" in rendered("@ann@sales.example")


def test_long_links_are_shortened_for_the_eye_and_whole_for_the_rest() -> None:
    url = "https://www.a.example/" + "x" * 40
    assert rendered(url) == (
        f'<p><a href="{url}" target="_blank" rel="nofollow noopener noreferrer" translate="no">'
        f'<span class="invisible">https://www.</span><span class="ellipsis">a.example/{"x" * 20}</span>'
        f'<span class="invisible">{"x" * 20}</span></a></p>'
    )
    assert '<span class="">a.example/y</span>' in rendered("https://a.example/y")


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\"'><img src=x>", "https://a.example/?a='&b=<b>", "#a<b> @ann<i>"]
)
def test_nothing_that_was_written_becomes_markup(text: str) -> None:
    made = rendered(text)
    for tag in ("<script", "<img", "<b>", "<i>"):
        assert tag not in made
    assert html.to_text(made) == text


def test_a_mention_whose_address_is_no_web_address_stays_text() -> None:
    made = render("@ann", read("@ann"), {("ann", None): ("javascript:alert(1)", "ann")}, str)
    assert made == "<p>@ann</p>"


@pytest.mark.parametrize("name", ["Kafka", "#Kafka", "＃ＫＡＦＫＡ", " #kafka ", "##kafka"])
def test_all_spellings_of_a_tag_have_one_name(name: str) -> None:
    assert normalise_tag(name) == "kafka"


@given(st.text(max_size=30))
def test_the_name_of_a_tag_is_its_own_name(name: str) -> None:
    assert normalise_tag(normalise_tag(name)) == normalise_tag(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for us 👁", ("for us", True)),
        ("for us👁\ufe0f \n", ("for us", True)),
        ("👁", ("", True)),
        ("👁 for us", ("👁 for us", False)),
        ("👁\u200d🗨", ("👁\u200d🗨", False)),
        ("for all ", ("for all ", False)),
    ],
)
def test_an_eye_at_the_end_keeps_a_post_in_the_department(text: str, expected: tuple[str, bool]) -> None:
    assert marker_local_only(text) == expected


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "@ann",
                "@bob@sales.example",
                "#tag",
                "https://a.example/x",
                " ",
                "\n",
                "\r\n",
                "\n\n",
                "<",
                "&",
                "#",
                "@",
                ":",
            ]
        ),
        st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=8),
    ),
    max_size=12,
).map("".join)


@given(PIECES)
def test_any_text_is_read_in_order_and_its_words_survive_the_html(text: str) -> None:
    written = read(text)
    ends = [0]
    for span in written.spans:
        assert ends[-1] <= span.start < span.end <= len(text)
        ends.append(span.end)
        assert not isinstance(span, LinkRef) or span.url == text[span.start : span.end]
    assert written.length <= len(text) + 23 * len(written.links) * 5
    shown = html.to_text(render(text, written, {}, lambda name: f"https://eng.example/tags/{name}"))

    def words(value: str) -> str:
        return "".join(value.replace("＃", "#").split())

    assert words(shown) == words(text)


@given(PIECES)
def test_what_is_rendered_is_what_peers_let_through(text: str) -> None:
    made = rendered(text)
    assert html.to_text(html.sanitise(made)) == html.to_text(made)
    assert html.sanitise(made).count("<a ") == made.count("<a ")


@pytest.mark.parametrize(
    "unit",
    [
        "#",
        "@",
        ".",
        "#a",
        "@a",
        "@a.",
        "@a@b.c ",
        "http://",
        "http://a.b/(",
        "http://[",
        "#1",
        " #a",
        "·",
        "#·",
        "👁",
        "\n",
    ],
)
def test_reading_takes_linear_time(unit: str) -> None:
    text = unit * (100_000 // len(unit))
    started = time.process_time()
    analyse(text, local_domain=HERE)
    assert time.process_time() - started < 2.0  # 0.01 to 0.2 when measured; a quadratic pattern takes minutes


def test_python_still_leaves_marks_out_of_words() -> None:
    """If this fails, `_tag_end` can become one pattern."""
    assert unicodedata.category("\u093f") == "Mc"
    assert not "\u093f".isalnum()
