"""`corridor import`: whose posts become ours, what is kept of them, what is left out and said."""

import asyncio
import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy import event as event_of

from node import accounts, importing, passwords, posts, search, timelines
from node.errors import Unauthorized
from node.ids import millis_of
from node.importing import BATCH
from node.importing.posts import stable_id
from node.paging import Page
from node.runtime import Tx
from node.schema import account, delivery, event, favourite, mention, notification, post, post_link
from node.viewer import person
from tests.cli.conftest import Corridor, opened
from tests.support.companies import Company, Line, company, write

HOSTS = {"pumps": "pumps.example", "seals": "seals.example", "sales": "sales.example"}


def line(ref: str = "p1", author: str = "anna", **more: Any) -> Line:
    return {"id": ref, "author": author, "created_at": "2020-05-01T12:00:00Z", "text": "The pump leaks", **more}


@pytest.fixture
def take(corridor: Corridor, tmp_path: Path) -> Callable[..., Any]:
    """`take(lines, "--node", "pumps")` imports into the node of CORRIDOR_CONFIG; what it says as JSON."""

    def run(lines: list[Line | str], *words: str) -> Any:
        return corridor("import", write(tmp_path / "in.jsonl", lines), *words, "--json").json

    return run


# --- what is kept


def test_a_company_comes_over_whole(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    made = company(posts=600)
    said = corridor("import", made.write(tmp_path / "in.jsonl.gz"), "--json").json
    assert said["stored"]["posts"] == 600
    assert said["bad"] == 0
    rows = {row.text: row for row in look(eng, select(post, account.c.username).join(account).where(post.c.text != ""))}
    assert {(row.username, text) for text, row in rows.items()} == {(one["author"], one["text"]) for one in made.lines}
    for one in made.lines:
        row = rows[one["text"]]
        at = datetime.datetime.fromisoformat(one["created_at"])
        assert row.created_at == int(at.timestamp() * 1000)
        assert row.created_at <= millis_of(row.id) < row.created_at + 1000
        assert row.boosts_count == len(one.get("boosts", ()))
        assert row.favourites_count == len(one.get("favourites", ()))
        assert row.iri == f"https://eng.example/users/{one['author']}/statuses/{row.id}"
        assert "&lt;b&gt;" in row.content
    assert said["stored"]["boosts"] == sum(len(one.get("boosts", ())) for one in made.lines)
    assert said["stored"]["favourites"] == sum(len(one.get("favourites", ())) for one in made.lines)


def test_counts_of_people_are_those_of_their_posts(eng: Path, take: Callable[..., Any]) -> None:
    take([line("p1"), line("p2", boosts=["tom"]), line("p3", "tom", visibility="direct")])
    people = {row.username: row for row in look(eng, select(account))}
    assert [people["anna"].posts_count, people["tom"].posts_count] == [2, 1]  # a direct post is not counted
    assert people["anna"].last_post_at == int(datetime.datetime(2020, 5, 1, 12, tzinfo=datetime.UTC).timestamp() * 1000)


def test_tags_links_mentions_and_search_work_as_if_written_here(eng: Path, take: Callable[..., Any]) -> None:
    text = "@Tom the seal of #Pump leaks, see https://docs.example/1"
    take([line(text=text, tags=["Gear_Box", "pump"], links=["https://docs.example/2"]), line("p2", "tom")])
    node = opened(eng)
    try:
        row = run(node, lambda tx: posts.by_iri(tx, _iris(tx)[0]))
        assert 'href="https://eng.example/@tom"' in row.content
        assert 'href="https://eng.example/tags/pump"' in row.content
        for q in ("seal", "#pump", "#gear_box", "from:anna"):
            assert row.id in asyncio.run(node.read(search.posts, q))
        viewer = run(node, lambda tx: person(accounts.by_handle(tx, "tom").id))
        for name in ("pump", "gear_box"):
            found = asyncio.run(node.read_as(viewer, timelines.tag, name, Page(limit=5)))
            assert list(found) == [row.id]
        links = run(node, lambda tx: tx.scalars(select(post_link.c.url).order_by(post_link.c.position)))
        assert links == ["https://docs.example/1", "https://docs.example/2"]
        assert run(node, lambda tx: tx.scalars(select(mention.c.account_id))) == [viewer.account_id]
    finally:
        node.close()


def test_endorsements_keep_their_time_or_get_one(eng: Path, take: Callable[..., Any]) -> None:
    said = [{"by": "tom", "at": "2021-01-01T00:00:00Z"}, "eva"]
    take([line(boosts=said, favourites=said)], "--endorsement-lag", "2.5")
    lag = datetime.datetime(2020, 5, 4, tzinfo=datetime.UTC)
    expected = {"tom": datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC), "eva": lag}
    boosts = select(account.c.username, post.c.created_at).join(account).where(post.c.boost_of_id.is_not(None))
    likes = select(account.c.username, favourite.c.created_at).join(account)
    for statement in (boosts, likes):
        found = {row.username: row.created_at for row in look(eng, statement)}
        assert found == {name: int(at.timestamp() * 1000) for name, at in expected.items()}


def test_nobody_endorses_twice_and_the_future_is_now(eng: Path, take: Callable[..., Any]) -> None:
    late = {"by": "tom", "at": "2999-01-01T00:00:00Z"}
    said = take([line(boosts=[late, "tom", "tom"], favourites=["tom", late])])
    assert (said["stored"]["boosts"], said["stored"]["favourites"]) == (1, 1)
    boost = look(eng, select(post).where(post.c.boost_of_id.is_not(None)))[0]
    assert boost.created_at < datetime.datetime.now(datetime.UTC).timestamp() * 1000 + 1


def test_a_post_that_very_many_endorsed_comes_over_whole_in_several_transactions(
    eng: Path, take: Callable[..., Any]
) -> None:
    people = [f"p{number}" for number in range(BATCH)]
    lines = [line("p0", "tom"), line(boosts=people[:-10], favourites=[*people, "tom"]), line("p2", in_reply_to="p1")]
    said = take(lines)["stored"]
    expected = {"posts": 3, "remote_posts": 0, "boosts": BATCH - 10, "favourites": BATCH + 1, "there_already": 0}
    assert said == expected
    row = look(eng, select(post).where(post.c.boosts_count > 0))[0]
    assert (row.boosts_count, row.favourites_count, row.replies_count) == (BATCH - 10, BATCH + 1, 1)
    again = take(lines)["stored"]
    assert again == {"posts": 0, "remote_posts": 0, "boosts": 0, "favourites": 0, "there_already": 3}


def test_no_transaction_holds_the_writer_for_long(eng: Path, tmp_path: Path) -> None:
    """As told by the rows that each inserts at once, since clocks say little on a busy machine."""
    seen: list[int] = []

    def note(_conn: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        if statement.startswith("INSERT INTO post ("):
            seen.append(len(values) if many else 1)

    people = [f"p{number}" for number in range(BATCH * 2)]
    lines = [line(f"p{number}", text="x" * 2_000) for number in range(100)] + [line("loved", boosts=people)]
    node = opened(eng)
    event_of.listen(Engine, "before_cursor_execute", note)
    try:
        asyncio.run(importing.run(node, write(tmp_path / "in.jsonl", lines), importing.Selection()))
    finally:
        event_of.remove(Engine, "before_cursor_execute", note)
        node.close()
    assert sum(seen) == 101 + len(people)
    assert max(seen) <= BATCH
    assert seen[0] <= BATCH // 5  # long texts weigh more


def test_a_thread_stays_a_thread(eng: Path, take: Callable[..., Any]) -> None:
    take([line("p1"), line("p2", "tom", in_reply_to="p1"), line("p3", in_reply_to="p2"), line("p4", in_reply_to="?")])
    rows = look(eng, select(post).order_by(post.c.in_reply_to_id.is_not(None), post.c.replies_count, post.c.id))
    by_id = {row.id: row for row in rows}
    third = next(row for row in rows if row.in_reply_to_id and by_id[row.in_reply_to_id].in_reply_to_id)
    second = by_id[third.in_reply_to_id]
    first = by_id[second.in_reply_to_id]
    assert {first.id} == {first.conversation_id, second.conversation_id, third.conversation_id}
    assert [first.replies_count, second.replies_count, third.replies_count] == [1, 1, 0]
    assert second.in_reply_to_account_id == first.author_id


def test_what_is_imported_is_no_news(eng: Path, take: Callable[..., Any]) -> None:
    take([line(text="@tom hello", boosts=["tom"], favourites=["tom"]), line("p2", "tom")])
    for table in (notification, event, delivery):
        assert look(eng, select(table)) == []


# --- who


def test_people_who_came_with_a_file_can_sign_in_once_they_have_a_password(
    corridor: Corridor, eng: Path, take: Callable[..., Any]
) -> None:
    take([line(favourites=["tom"])])
    assert [one["name"] for one in corridor("account", "list", "--json").json] == ["anna", "tom"]
    node = opened(eng)
    try:
        with pytest.raises(Unauthorized):
            asyncio.run(passwords.sign_in(node, "anna", "!"))
        corridor("account", "password", "anna", "--password", "correct horse battery")
        assert asyncio.run(passwords.sign_in(node, "anna", "correct horse battery"))
    finally:
        node.close()


def test_an_account_that_is_there_gets_the_posts_and_keeps_what_it_is(
    corridor: Corridor, eng: Path, take: Callable[..., Any]
) -> None:
    corridor(
        "account", "create", "anna", "--email", "a@b.example", "--password", "long enough by far", "--title", "CEO"
    )
    said = take([line(author="Anna")])
    assert (said["accounts"], said["stored"]["posts"]) == (0, 1)
    anna = corridor("account", "show", "anna", "--json").json
    assert (anna["title"], anna["email"], anna["posts"]) == ("CEO", "a@b.example", 1)


def test_with_node_only_those_departments_become_ours(eng: Path, take: Callable[..., Any]) -> None:
    made = company()
    said = take(list(made.lines), "--node", "pumps", "--node", "seals")
    names = {row.username for row in look(eng, select(account).where(account.c.actor_type == "Person"))}
    authors = {one["author"] for one in made.lines}
    assert names == {p for name in ("pumps", "seals") for p in made.departments[name]} & authors
    assert said["stored"]["posts"] + said["elsewhere"] == len(made.lines)
    assert said["unplaced_endorsements"] > 0


def test_three_nodes_make_one_company(
    corridor: Corridor, make_node: Callable[..., Path], tmp_path: Path, engine_name: str
) -> None:
    """A post has the same address everywhere, and so have boosts; the numbers agree where all endorsers are known."""
    made = company(posts=400)
    file = made.write(tmp_path / "in.jsonl")
    nodes = {name: make_node(host, engine=engine_name) for name, host in HOSTS.items()}
    for name, path in nodes.items():
        peers = [word for other, host in HOSTS.items() if other != name for word in ("--peer", f"{other}={host}")]
        corridor("import", file, "--config", path, "--node", name, *peers)
    of = {one["text"]: made.department_of(one["author"]) for one in made.lines}
    homes = {name: {row.iri: row for row in look(path, select(post))} for name, path in nodes.items()}
    original = {iri: row for name in HOSTS for iri, row in homes[name].items() if row.local}
    copies = [(name, iri, row) for name in HOSTS for iri, row in homes[name].items() if not row.local]
    assert len({row.text for row in original.values() if row.boost_of_id is None}) == 400
    assert copies
    for name, iri, copy in copies:
        assert iri in original, "a copy of something that nobody published"
        assert copy.created_at == original[iri].created_at
        assert copy.id == original[iri].id
        if copy.boost_of_id is None:
            assert copy.content == original[iri].content
            assert of[original[iri].text] != name
    for one in made.lines:
        home = made.department_of(one["author"])
        row = next(row for row in original.values() if row.text == one["text"])
        assert row.iri.startswith(f"https://{HOSTS[home]}/users/{one['author']}/")
        known = {p for p in one.get("boosts", ()) if p in {line["author"] for line in made.lines}}
        assert row.boosts_count == len(known)
        for name in HOSTS:
            ours = set(made.departments[name]) & {*one.get("boosts", ()), *one.get("favourites", ())} & _authors(made)
            assert (row.iri in homes[name]) == (name == home or bool(ours))


def test_favourites_of_peers_people_have_the_id_of_the_like_there(
    corridor: Corridor, make_node: Callable[..., Path], tmp_path: Path
) -> None:
    """An Undo that comes later will be understood."""
    lines = [line(node="pumps", favourites=["tom"]), line("p2", "tom", node="sales")]
    file = write(tmp_path / "in.jsonl", lines)
    pumps, sales = make_node("pumps.example"), make_node("sales.example")
    corridor("import", file, "--config", pumps, "--node", "pumps", "--peer", "sales=sales.example")
    corridor("import", file, "--config", sales, "--node", "sales", "--peer", "pumps=pumps.example")
    there = look(sales, select(favourite))[0]
    here = look(pumps, select(favourite))[0]
    assert here.iri == f"https://sales.example/users/tom/activities/like/{there.id}"
    assert there.iri is None


def test_a_department_post_stays_in_the_department(
    corridor: Corridor, make_node: Callable[..., Path], tmp_path: Path
) -> None:
    lines = [line(node="pumps", local_only=True, favourites=["tom", "eva"]), line("p2", "tom", node="sales")]
    file = write(tmp_path / "in.jsonl", [*lines, line("p3", "eva", node="pumps")])
    pumps = make_node("pumps.example")
    corridor("import", file, "--config", pumps, "--node", "pumps", "--peer", "sales=sales.example")
    liked = look(pumps, select(account.c.username).join(favourite))
    assert [row.username for row in liked] == ["eva"]


def test_a_peer_that_is_this_node_or_no_domain_is_refused(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "in.jsonl", [line()])
    assert "is this node" in corridor("import", file, "--peer", "sales=eng.example", status=1).err
    assert "is not NAME=DOMAIN" in corridor("import", file, "--peer", "sales", status=1).err
    assert "is not NAME=DOMAIN" in corridor("import", file, "--peer", "sales=a b", status=1).err


# --- again


def test_importing_again_changes_nothing(corridor: Corridor, eng: Path, tmp_path: Path) -> None:
    file = company().write(tmp_path / "in.jsonl")
    corridor("import", file)
    before = _state(eng)
    said = corridor("import", file, "--json").json
    assert said["stored"] == {"posts": 0, "remote_posts": 0, "boosts": 0, "favourites": 0, "there_already": 200}
    assert said["accounts"] == 0
    assert _state(eng) == before


def test_what_is_new_in_a_longer_file_is_added(eng: Path, take: Callable[..., Any]) -> None:
    take([line(boosts=["tom"])])
    said = take([line(boosts=["tom", "eva"], favourites=["eva"]), line("p2")])
    assert said["stored"] == {"posts": 1, "remote_posts": 0, "boosts": 1, "favourites": 1, "there_already": 1}
    row = look(eng, select(post).where(post.c.boosts_count > 0))[0]
    assert (row.boosts_count, row.favourites_count) == (2, 1)


def test_what_was_deleted_here_stays_deleted(eng: Path, take: Callable[..., Any]) -> None:
    take([line(favourites=["tom"])])
    node = opened(eng)
    run(node, lambda tx: posts.delete(tx, tx.scalar(select(post.c.id))), write=True)
    node.close()
    said = take([line(favourites=["tom"])])
    assert said["stored"]["posts"] == 0
    assert look(eng, select(post)) == []


# --- bad lines


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("not json", "JSON is malformed"),
        ("[1, 2]", "Expected `object`"),
        ('{"id": "x"}', "missing required field `author`"),
        ('{"extra": ' + "[" * 100_000, "recursion"),
        (json.dumps(line("x", "anna b")), "'anna b' cannot be a user name"),
        (json.dumps(line("x", "everyone")), "cannot be a user name"),
        (json.dumps(line("x", created_at="yesterday")), "created_at"),
        (json.dumps(line("x", created_at="2999-01-01T00:00:00Z")), "not between 1970 and now"),
        (json.dumps(line("x", created_at="1969-01-01T00:00:00Z")), "not between 1970 and now"),
        (json.dumps(line("x", text=" ")), "has no text"),
        (json.dumps(line("x", text="a\x00b")), "cannot be stored"),
        (json.dumps(line("x", text="a" * 5001)), "has 5001 characters"),
        (json.dumps(line("x", tags=["two words"])), "tags must be"),
        (json.dumps(line("x", links=["javascript:alert(1)"])), "links must be"),
        (json.dumps(line("x", visibility="secret")), "visibility 'secret'"),
        (json.dumps(line("x" * 256)), "id must have"),
        (json.dumps(line("p1")), "was used by a line just before"),
        ('{"id": "x", "text": "' + "a" * 1_100_000 + '"}', "longer than"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_taken(
    corridor: Corridor, small: Path, tmp_path: Path, bad: str, reason: str
) -> None:
    file = write(tmp_path / "in.jsonl", [line("p1"), "", bad, line("p2", "tom")])
    said = corridor("import", file)
    assert "2 posts" in said.out
    assert "1 bad lines were left out" in said.out
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("corridor: line 3: ")
    assert reason in said.err


def test_a_file_that_was_cut_off_is_refused_before_anything_is_stored(
    corridor: Corridor, small: Path, tmp_path: Path
) -> None:
    whole = gzip.compress("".join(json.dumps(one) + "\n" for one in company().lines).encode())
    (tmp_path / "in.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    assert "is damaged after line" in corridor("import", tmp_path / "in.jsonl.gz", status=1).err
    assert look(small, select(post)) == []
    assert "No such file" in corridor("import", tmp_path / "none.jsonl", status=1).err


def test_a_full_table_of_ids_is_no_obstacle(corridor: Corridor, small: Path, tmp_path: Path) -> None:
    """Two posts that would like to have the same id: the later one gets another, and both are there."""
    at = int(datetime.datetime(2020, 5, 1, 12, tzinfo=datetime.UTC).timestamp() * 1000)
    wanted = stable_id(at, "post", "p2")
    corridor("import", write(tmp_path / "a.jsonl", [line("p1")]))
    node = opened(small)
    run(node, lambda tx: tx.execute(post.update().values(id=wanted, conversation_id=wanted)), write=True)
    node.close()
    said = corridor("import", write(tmp_path / "b.jsonl", [line("p2", "tom")]), "--json").json
    assert said["stored"]["posts"] == 1
    assert len(look(small, select(post))) == 2


# --- shared


def look(path: Path, statement: Any) -> list[Any]:
    node = opened(path)
    try:
        return run(node, lambda tx: list(tx.rows(statement)))  # type: ignore[no-any-return]
    finally:
        node.close()


def run(node: Any, rule: Callable[[Tx], Any], *, write: bool = False) -> Any:
    return asyncio.run(node.write(rule) if write else node.read(rule))


def _iris(tx: Tx) -> list[str]:
    return tx.scalars(select(post.c.iri).where(post.c.text.like("@Tom%")))


def _authors(made: Company) -> set[str]:
    return {one["author"] for one in made.lines}


def _state(path: Path) -> list[Any]:
    tables = (post, account, favourite, mention, post_link)
    return [look(path, select(table).order_by(*table.primary_key)) for table in tables]
