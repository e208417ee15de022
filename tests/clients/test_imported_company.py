"""A company's posts, imported into three nodes, in daily use with Mastodon.py and `toot` on each of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mastodon import Mastodon, MastodonNotFoundError

from node.text import normalise_tag
from tests.support.clients import PAGE, Client, Toot, WithMastodonPy, WithToot, eventually, log_in
from tests.support.companies import TOPICS, Line
from tests.support.imported import FOLDED, ImportedCompany, Status, entry, plain, written
from tests.support.running import PASSWORD

POSTS = 600
"""Enough for each of the six people to find posts to react to."""
Take = Callable[[int], ImportedCompany]
pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


# --- people at their clients


@dataclass(frozen=True)
class Seat:
    """An imported person at the client they logged in with."""

    name: str
    at: str
    client: Client


@dataclass
class Office:
    """On each node those who wrote most: the first with Mastodon.py, the second, if there is one, with toot."""

    company: ImportedCompany
    writers: dict[str, Seat] = field(default_factory=dict)
    tooters: dict[str, Seat] = field(default_factory=dict)
    answered: set[str] = field(default_factory=set)

    @property
    def seats(self) -> list[Seat]:
        return [seats[at] for seats in (self.writers, self.tooters) for at in FOLDED if at in seats]

    def api(self, at: str) -> Mastodon:
        client = self.writers[at].client
        assert isinstance(client, WithMastodonPy)
        return client.api

    def untouched(self, seat: Seat, author: str | None = None) -> Line:
        """The newest post, of a peer's if `author` is one, that nobody here has answered yet, nor the seat endorsed."""
        for line in self.company.lines_at(seat.at):
            is_asked = line["author"] == author if author else self.company.home(line["author"]) == seat.at
            mine = seat.name in {line["author"], *line.get("boosts", ()), *line.get("favourites", ())}
            if is_asked and not mine and line["id"] not in self.answered:
                self.answered.add(line["id"])
                return line
        raise AssertionError(f"{seat.name} has no such post: take a larger company")


def log_in_all(company: ImportedCompany, folder: Path, *, toot: bool = True) -> Office:
    """People who came with a file are given a password on the command line, then sign in on the pages of their node."""
    office = Office(company)

    def seat(at: str) -> None:
        node, (first, second, *_) = company.nodes[at], company.writers(at)
        node.command("account", "password", first, "--password", PASSWORD)
        office.writers[at] = Seat(first, at, WithMastodonPy(log_in(node, first)))
        if toot:
            node.command("account", "password", second, "--password", PASSWORD)
            office.tooters[at] = Seat(second, at, WithToot(Toot(node, second, folder / f"toot-{second}")))

    with ThreadPoolExecutor(len(FOLDED)) as pool:
        list(pool.map(seat, FOLDED))
    return office


# --- reading


@pytest.mark.parametrize("posts", [POSTS, pytest.param(10_000, marks=pytest.mark.long)])
def test_imported_people_read_everything_that_was_written(import_company: Take, tmp_path: Path, posts: int) -> None:
    office = log_in_all(import_company(posts), tmp_path)
    for at in FOLDED:
        _reads_the_whole_node(office.api(at), at, office.company)
    for number, seat in enumerate(office.seats):
        _reads_pages(seat, office.company, TOPICS[number])
        _searches(seat, office.company)
    for seat in office.seats:
        _follows_and_reads_home(seat, office)


def _reads_the_whole_node(api: Mastodon, at: str, company: ImportedCompany) -> None:
    """The public timeline to its end: each post once, newest first, with its text, time and numbers."""
    expected = {written(line): line for line in company.lines_at(at)}
    found = api.fetch_remaining(api.timeline_public(limit=PAGE))
    assert [entry(status) for status in found] == list(expected)
    for status in found:
        line = expected[entry(status)]
        assert plain(status) == line["text"]
        assert status.account.acct == company.acct(line["author"], at)
        assert status.reblogs_count == len(company.endorsers(line, "boosts", at))
        assert status.favourites_count == len(company.endorsers(line, "favourites", at))
    line, status = next(
        (line, status) for line, status in zip(expected.values(), found, strict=True) if status.reblogs_count
    )
    boosters = {company.acct(person, at) for person in company.endorsers(line, "boosts", at)}
    assert {account.acct for account in api.status_reblogged_by(status)} == boosters
    fans = {company.acct(person, at) for person in company.endorsers(line, "favourites", at)}
    assert {account.acct for account in api.status_favourited_by(status)} == fans


def _reads_pages(seat: Seat, company: ImportedCompany, topic: str) -> None:
    here = list(company.lines_at(seat.at))
    own = [line for line in here if company.home(line["author"]) == seat.at]
    tagged = [line for line in here if topic in line["tags"]]
    assert _written(seat.client.public(local=False)) == _expected(here)
    assert _written(seat.client.public(local=True)) == _expected(own)
    assert _written(seat.client.tag(topic)) == _expected(tagged)
    peer = company.writers(company.next_to(seat.at))[0]
    for person in (seat.name, peer):
        history = seat.client.history(company.acct(person, seat.at))
        _is_newest_first(history)
        assert {entry(status) for status in history} == company.entries(person, seat.at)
        assert len(history) == len(company.entries(person, seat.at))
        assert len(history) == history[0]["account"]["statuses_count"]


def _searches(seat: Seat, company: ImportedCompany) -> None:
    line = next(line for line in company.lines_at(seat.at) if "pompe_à_chaleur" not in line["tags"])
    number = line["text"].partition("<b>")[2].partition("<")[0]
    assert written(line) in _written(seat.client.search(number, "statuses"))
    assert _written(seat.client.search("nobody_wrote_this", "statuses")) == []
    topic = line["tags"][0]
    assert normalise_tag(topic) in {tag["name"] for tag in seat.client.search(topic, "hashtags")}
    for person in (company.writers(seat.at)[2], company.writers(company.next_to(seat.at))[0]):
        found = seat.client.search(person, "accounts")
        assert [account["acct"] for account in found] == [company.acct(person, seat.at)]


def _follows_and_reads_home(seat: Seat, office: Office) -> None:
    """A colleague and somebody of a peer, who were never fetched: the history of both is there at once."""
    company, next_door = office.company, office.company.next_to(seat.at)
    colleague = company.writers(seat.at)[2]
    peer = office.writers[next_door].name
    assert {status["account"]["username"] for status in seat.client.home()} == {seat.name}
    seat.client.follow(company.acct(colleague, seat.at))
    seat.client.follow(company.acct(peer, seat.at))
    theirs = office.api(next_door)
    eventually(
        lambda: company.acct(seat.name, next_door) in {one.acct for one in theirs.account_followers(theirs.me())},
        f"{peer} sees that {seat.name} follows",
    )
    people = {seat.name, colleague, peer}
    entries = set().union(*(company.entries(person, seat.at) for person in people))
    expected = _by_time([line for line in company.lines_at(seat.at) if line["author"] in people])

    def shown() -> bool:
        home = seat.client.home()
        posts = [one for one in map(entry, home) if not one[0]]
        _is_newest_first(home)
        return {entry(status) for status in home} <= entries and posts == expected[: len(posts)] and _has(home, peer)

    eventually(shown, f"{seat.name} has {peer} and {colleague} in the home timeline")


def _has(statuses: Sequence[Status], person: str) -> bool:
    return any(status["account"]["username"] == person for status in statuses)


def _written(statuses: Sequence[Status]) -> list[Any]:
    return [entry(status) for status in statuses]


def _by_time(lines: Sequence[Line]) -> list[Any]:
    return [written(line) for line in lines]


def _expected(lines: Sequence[Line]) -> list[Any]:
    return _by_time(lines)[:PAGE]


def _is_newest_first(statuses: Sequence[Status]) -> None:
    ids = [int(status["id"]) for status in statuses]
    assert ids == sorted(set(ids), reverse=True)


# --- writing


def test_imported_posts_are_answered_boosted_and_favourited_across_nodes(import_company: Take, tmp_path: Path) -> None:
    office = log_in_all(import_company(POSTS), tmp_path)
    for seat in office.seats:
        _follows_next_door(seat, office)
    for number, seat in enumerate(office.seats):
        _posts(seat, number)
        _reacts_at_home(seat, office, number)
        _reacts_next_door(seat, office, number)
    for at, writer in office.writers.items():
        _is_read_by_followers(writer, office, office.company.next_to(at, -1))


def _follows_next_door(seat: Seat, office: Office) -> None:
    next_door = office.company.next_to(seat.at)
    theirs = office.api(next_door)
    seat.client.follow(office.company.acct(office.writers[next_door].name, seat.at))
    name = office.company.acct(seat.name, next_door)
    eventually(lambda: name in {one.acct for one in theirs.account_followers(theirs.me())}, "the follow arrives")


def _posts(seat: Seat, number: int) -> None:
    posted = seat.client.post(f"Now we write novelty{number} ourselves #pump")
    for found in (seat.client.home()[0], seat.client.tag("pump")[0]):
        assert found["uri"] == posted["uri"]
    assert [one["uri"] for one in seat.client.search(f"novelty{number}", "statuses")] == [posted["uri"]]


def _reacts_at_home(seat: Seat, office: Office, number: int) -> None:
    line = office.untouched(seat)
    original = _find(seat.client, line)
    answer = _react(seat.client, original, f"remember this at home? {number}")
    _is_counted(seat.client.status(original["id"]), line, office.company, seat.at)
    assert [one["uri"] for one in seat.client.answers(original["id"])] == [answer["uri"]]


def _reacts_next_door(seat: Seat, office: Office, number: int) -> None:
    """To a copy that the import brought; the author, at the node next door, is told and sees it counted."""
    company, next_door = office.company, office.company.next_to(seat.at)
    author = office.writers[next_door]
    theirs, name = office.api(next_door), company.acct(seat.name, next_door)
    line = office.untouched(seat, author.name)
    copy = _find(seat.client, line)
    original = theirs.status(copy["id"])  # both nodes gave it the same id
    assert copy["uri"] == original.uri
    assert original.url.startswith(company.nodes[next_door].base)
    mention = f"@{company.acct(author.name, seat.at)}"
    answer = _react(seat.client, copy, f"{mention} what became of it? {number}")
    _is_counted(seat.client.status(copy["id"]), line, company, seat.at)

    def told() -> bool:
        about = [one for one in theirs.notifications(limit=PAGE) if one.account.acct == name]
        return sorted(one.type for one in about) == ["favourite", "follow", "mention", "reblog"]

    eventually(told, f"{author.name} is told of what {name} did")
    _is_counted(theirs.status(original), line, company, next_door)
    assert [one.uri for one in theirs.status_context(original).descendants] == [answer["uri"]]
    assert name in {one.acct for one in theirs.status_reblogged_by(original)}
    assert name in {one.acct for one in theirs.status_favourited_by(original)}


def _is_read_by_followers(writer: Seat, office: Office, at: str) -> None:
    posted = writer.client.post("New from somebody who came with a file")
    for reader in (office.writers[at], office.tooters[at]):
        eventually(
            lambda reader=reader: posted["uri"] in {one["uri"] for one in reader.client.home()},  # type: ignore[misc]
            f"{reader.name} reads what {writer.name} posts",
        )


def _find(client: Client, line: Line) -> Any:
    number = line["text"].partition("<b>")[2].partition("<")[0]
    return next(one for one in client.search(number, "statuses") if entry(one) == written(line))


def _react(client: Client, target: Status, text: str) -> Any:
    answer = client.post(text, target["id"])
    assert answer["in_reply_to_id"] == target["id"]
    client.boost(target["id"])
    client.favourite(target["id"])
    return answer


def _is_counted(status: Status, line: Line, company: ImportedCompany, at: str) -> None:
    """One of each on top of what the file says."""
    counts = [status["replies_count"], status["reblogs_count"], status["favourites_count"]]
    in_file = [len(company.endorsers(line, kind, at)) for kind in ("boosts", "favourites")]
    assert counts == [1, in_file[0] + 1, in_file[1] + 1]


# --- what changes later


def test_what_is_changed_or_taken_back_after_the_import_reaches_the_copies(
    import_company: Take, tmp_path: Path
) -> None:
    company = import_company(POSTS)
    office = log_in_all(company, tmp_path, toot=False)
    for at in FOLDED:
        _takes_back(office, at)
        _edits_and_deletes(office, at)
        _boosts_to_where_no_copy_is(office, at)


def _takes_back(office: Office, at: str) -> None:
    """What somebody favourited and boosted in the file, they can undo at their node: its author's node hears of it."""
    company, me = office.company, office.writers[at]
    for kind, undo, counter in (
        ("favourites", "status_unfavourite", "favourites_count"),
        ("boosts", "status_unreblog", "reblogs_count"),
    ):
        line = next(
            one for one in company.lines_at(at) if me.name in one.get(kind, ()) and company.home(one["author"]) != at
        )
        home = company.home(line["author"])
        original = _find(office.writers[home].client, line)
        getattr(office.api(at), undo)(_find(me.client, line))
        expected = original[counter] - 1
        eventually(
            lambda: office.api(home).status(original["id"])[counter] == expected,  # noqa: B023
            f"{kind} taken back at {at} are gone at {home}",
        )


def _edits_and_deletes(office: Office, at: str) -> None:
    """Peers that have a copy since the import are told, though nobody follows anybody."""
    company, me = office.company, office.writers[at]
    elsewhere = [company.next_to(at), company.next_to(at, 2)]
    line = next(
        one
        for one in company.lines_at(at)
        if one["author"] == me.name and all(company.is_at(one, other) for other in elsewhere)
    )
    original = _find(me.client, line)
    copies = {other: _find(office.writers[other].client, line) for other in elsewhere}
    office.api(at).status_update(original["id"], "Put right after the import")
    for other, copy in copies.items():
        eventually(
            lambda: "Put right" in office.api(other).status(copy["id"]).content,  # noqa: B023
            f"{other} has the edit of {at}",
        )
    office.api(at).status_delete(original["id"])
    for other, copy in copies.items():
        eventually(lambda: _is_gone(office.api(other), copy["id"]), f"{other} has deleted its copy")  # noqa: B023


def _boosts_to_where_no_copy_is(office: Office, at: str) -> None:
    """A follower at a third node gets the boosted post from its author's node, with the time it was written."""
    company, me = office.company, office.writers[at]
    home, third = company.next_to(at), company.next_to(at, 2)
    line = next(
        one
        for one in company.lines_at(at)
        if company.home(one["author"]) == home
        and not company.is_at(one, third)
        and me.name not in {*one.get("boosts", ()), *one.get("favourites", ())}
    )
    reader = office.api(third)
    reader.account_follow(reader.account_lookup(company.acct(me.name, third)))
    followers = office.api(at)
    name = company.acct(office.writers[third].name, at)
    eventually(lambda: name in {one.acct for one in followers.account_followers(followers.me())}, "the follow arrives")
    copy = _find(me.client, line)
    me.client.boost(copy["id"])
    seen = eventually(
        lambda: [one for one in reader.timeline_home() if one.reblog and one.reblog.uri == copy["uri"]],
        f"{third} fetches what {me.name} boosted",
    )[0]
    assert entry(seen) == (me.name, *written(line)[1:])
    assert plain(seen.reblog) == line["text"]
    assert seen.reblog.account.acct == company.acct(line["author"], third)


def _is_gone(api: Mastodon, status_id: str) -> bool:
    try:
        api.status(status_id)
    except MastodonNotFoundError:
        return True
    return False
