"""Who finds a post where, through every door of a served node (the rules' own table is tests/node/test_visibility.py).

The tables are written by hand, not derived. A letter stands for a surface, which may have several addresses:

    g by its id       c in a thread       a the author's posts    k pinned there
    s search          o search "from:"    u search by address
    h home            p public timelines  t tag
    f favourites      b bookmarks         n notifications

Where a letter is missing, all answers that name the post equal, to the byte, those for an id that no post ever had.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from activitypub.audience import Visibility
from activitypub.vocabulary import AP_TYPE
from node import accounts, auth, config, posts, reactions, social
from node.config import Settings
from node.federation import peers
from node.ids import PostId
from node.schema import activity, bookmark, favourite
from node.schema import post as post_table
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.posting import following, say
from tests.support.rows import count_of, id_of, rows_of
from tests.support.visibility_ears import Frames, by_events, by_socket, until
from tests.support.visibility_stage import (
    BASE,
    KINDS,
    PEOPLE,
    Looker,
    Paths,
    Signer,
    Stage,
    call,
    join,
    local_people,
    said,
    signer,
    word,
    write_all,
)
from tests.web.conftest import Served
from tests.web.mastodon.test_people import picture

Table = dict[str, dict[str, str]]
"""Post -> viewer -> surfaces; who is not named sees it nowhere."""

EXPECTED: Table = {
    "public": {
        "author": "gcaksouhptfbn",
        "follower": "gcaksouhptfbn",
        "stranger": "gcaksouptfbn",
        "mentioned": "gcaksouptfbn",
        "blocker": "gakoufbn",
        "muter": "gakoufbn",
        "moderator": "gcaksouptfbn",
    },
    "unlisted": {
        "author": "gcaksouhfbn",
        "follower": "gcaksouhfbn",
        "stranger": "gcaksoufbn",
        "mentioned": "gcaksoufbn",
        "blocker": "gakoufbn",
        "muter": "gakoufbn",
        "moderator": "gcaksoufbn",
    },
    "followers": {
        "author": "gcaksouhfbn",
        "follower": "gcaksouhfbn",
        "mentioned": "gcaksoufbn",
        "muter": "gakoufbn",
    },
    "direct": {
        "author": "gcasouhfbn",
        "mentioned": "gcasoufbn",
    },
    "department-public": {
        "author": "gcaksouhptfbn",
        "follower": "gcaksouhptfbn",
        "stranger": "gcaksouptfbn",
        "mentioned": "gcaksouptfbn",
        "blocker": "gakoufbn",
        "muter": "gakoufbn",
        "moderator": "gcaksouptfbn",
    },
    "department-unlisted": {
        "author": "gcasouhfbn",
        "follower": "gcasouhfbn",
        "stranger": "gcasoufbn",
        "mentioned": "gcasoufbn",
        "blocker": "gaoufbn",
        "muter": "gaoufbn",
        "moderator": "gcasoufbn",
    },
    "department-followers": {
        "author": "gcaksouhfbn",
        "follower": "gcaksouhfbn",
        "mentioned": "gcaksoufbn",
        "muter": "gakoufbn",
    },
    "department-direct": {
        "author": "gcasouhfbn",
        "mentioned": "gcasoufbn",
    },
}

API: Paths = {
    "g": [
        "/api/v1/statuses/{id}",
        "/api/v1/statuses/{id}/context",
        "/api/v1/statuses/{id}/history",
        "/api/v1/statuses/{id}/card",
        "/api/v1/statuses/{id}/favourited_by",
        "/api/v1/statuses/{id}/reblogged_by",
        "/api/v1/statuses?id[]={id}",
    ],
    "c": ["/api/v1/statuses/{root}/context"],
    "a": ["/api/v1/accounts/{author}/statuses", "/api/v1/accounts/{author}/statuses?tagged=risk"],
    "k": ["/api/v1/accounts/{author}/statuses?pinned=true"],
    "s": ["/api/v2/search?q=needle", "/api/v2/search?q=needle&type=statuses&resolve=true"],
    "o": ["/api/v2/search?q=needle+from:author", "/api/v2/search?q=from:author"],
    "u": [
        "/api/v2/search?q={base}/users/author/statuses/{id}",
        "/api/v2/search?q={base}/@author/{id}&resolve=true",
    ],
    "h": ["/api/v1/timelines/home"],
    "p": ["/api/v1/timelines/public", "/api/v1/timelines/public?local=true"],
    "t": ["/api/v1/timelines/tag/risk", "/api/v1/timelines/tag/other?any[]=risk"],
    "f": ["/api/v1/favourites"],
    "b": ["/api/v1/bookmarks"],
    "n": ["/api/v1/notifications?types[]=poll"],
}
PAGES: Paths = {
    "g": ["/@author/{id}", "/@stranger/{id}"],
    "c": ["/@author/{root}"],
    "a": ["/@author", "/@author?tab=replies"],
    "s": ["/search?q=needle"],
    "o": ["/search?q=needle+from:author"],
    "u": ["/search?q={base}/@author/{id}", "/search?q={base}/users/author/statuses/{id}"],
    "h": ["/"],
    "p": ["/company", "/local"],
    "t": ["/tags/risk"],
    "f": ["/favourites"],
    "b": ["/bookmarks"],
    "n": ["/notifications"],
}
DOORS = {"api": API, "pages": PAGES}


@pytest.fixture
async def stage(served: Served, request: pytest.FixtureRequest) -> Stage:
    """With everybody's marks on all posts; parametrised with False, without."""
    return await write_all(await local_people(served.node), marked=getattr(request, "param", True))


def looker(served: Served, stage: Stage, door: str, name: str) -> Looker:
    headers = stage.bearer(name) if door == "api" else stage.session(name)
    return Looker(stage, served.http, headers)


async def table(stage: Stage, lookers: dict[str, Looker], paths: Paths, kinds: Sequence[str] = KINDS) -> Table:
    """What they see of each post; as in the tables, who sees nothing is left out."""
    seen = {
        kind: {name: await one.sees(paths, stage.posts[kind], word(kind)) for name, one in lookers.items()}
        for kind in kinds
    }
    return {kind: {name: letters for name, letters in row.items() if letters} for kind, row in seen.items()}


def only(letters: object, expected: Table) -> Table:
    """A table without the surfaces that a door has not."""
    kept = set(letters)  # type: ignore[call-overload]
    return {
        kind: {name: "".join(one for one in shown if one in kept) for name, shown in row.items()}
        for kind, row in expected.items()
    }


@pytest.mark.parametrize("door", DOORS)
async def test_everybody_finds_a_post_exactly_where_they_may(served: Served, stage: Stage, door: str) -> None:
    lookers = {name: looker(served, stage, door, name) for name in PEOPLE}
    assert await table(stage, lookers, DOORS[door]) == only(DOORS[door], EXPECTED)


@pytest.mark.parametrize("end", ["deleted", "suspended"])
async def test_nobody_finds_what_is_gone(served: Served, stage: Stage, end: str) -> None:
    """Posts that their author deleted, and posts of an author who is suspended, are as if they had never been."""
    if end == "suspended":
        await served.node.write(accounts.suspend, id_of(stage.author))
    else:
        for post_id in stage.posts.values():
            answer = await served.http.delete(f"/api/v1/statuses/{post_id}", headers=stage.bearer("author"))
            assert answer.status_code == 200
    for door, paths in DOORS.items():
        lookers = {name: looker(served, stage, door, name) for name in ("follower", "mentioned", "blocked")}
        lists = {letter: some for letter, some in paths.items() if letter != "g"}
        assert await table(stage, lookers, lists) == {kind: {} for kind in KINDS}
        for kind in ("public", "followers", "direct", "department-public"):
            for name, one in lookers.items():
                for path in paths["g"]:
                    answer = await one.by_id(path, stage.posts[kind])
                    if answer.status_code == 410:  # a page may say so to who could see it, where everybody could
                        assert (end, kind) == ("deleted", "public")
                        assert name in EXPECTED[kind]
                    else:
                        assert not await one.shows(path, stage.posts[kind], word(kind))


# --- Boosts -------------------------------------------------------------------------------------------------------

# Everybody but the moderator follows the booster. "own" is the author's boost of a post for followers.
BOOSTS: Table = {
    "wide": {
        "author": "gah",
        "follower": "gah",
        "stranger": "gah",
        "mentioned": "gah",
        "blocker": "ga",
        "muter": "ga",
        "moderator": "ga",
        "booster": "gah",
    },
    "narrow": {
        "author": "gah",
        "follower": "gah",
        "stranger": "gah",
        "mentioned": "gah",
        "blocker": "ga",
        "muter": "ga",
        "booster": "gah",
    },
    "inside": {
        "author": "gah",
        "follower": "gah",
        "stranger": "gah",
        "mentioned": "gah",
        "blocker": "ga",
        "muter": "ga",
        "moderator": "ga",
        "booster": "gah",
    },
    "own": {
        "author": "gwh",
        "follower": "gwh",
        "muter": "gw",
        "booster": "gwh",
    },
}
BOOSTS_BY_API: Paths = {
    "g": ["/api/v1/statuses/{id}", "/api/v1/statuses/{id}/context", "/api/v1/statuses?id[]={id}"],
    "a": ["/api/v1/accounts/{booster}/statuses"],
    "w": ["/api/v1/accounts/{author}/statuses"],
    "h": ["/api/v1/timelines/home"],
}
BOOSTS_ON_PAGES: Paths = {"g": ["/@booster/{id}", "/@author/{id}"], "a": ["/@booster"], "w": ["/@author"], "h": ["/"]}


async def boost_all(stage: Stage) -> dict[str, int]:
    """A boost for everybody, one for followers only, one of a department's post; and the author's own."""
    booster = await join(stage, "booster")
    for name, one in stage.people.items():
        if name not in ("moderator", "booster") and one.domain is None:
            await following(stage.node, one, booster)
    await following(stage.node, booster, stage.author)
    asked = {
        "wide": (booster, "public", Visibility.PUBLIC),
        "narrow": (booster, "unlisted", Visibility.FOLLOWERS),
        "inside": (booster, "department-public", Visibility.PUBLIC),
        "own": (stage.author, "followers", None),
    }
    return {
        kind: await stage.node.write_as(who, reactions.boost, stage.posts[of], reach)
        for kind, (who, of, reach) in asked.items()
    }


async def test_a_boost_shows_nobody_more_than_they_may_see(served: Served, stage: Stage) -> None:
    boosts = await boost_all(stage)
    for door, paths, mark in (("api", BOOSTS_BY_API, '"id":"{}"'), ("pages", BOOSTS_ON_PAGES, 'id="post-{}"')):
        seen: Table = {kind: {} for kind in boosts}
        for name in (*PEOPLE, "booster"):
            one = looker(served, stage, door, name)
            for kind, post_id in boosts.items():
                letters = await one.sees(paths, post_id, mark.format(post_id))
                seen[kind] |= {name: letters} if letters else {}
        assert seen == BOOSTS, door


# --- Without a person, or without the right -----------------------------------------------------------------------

NOT_FOR = {"anonymous": 401, "app": 422, "writer": 403}
"""Who may not ask at all, whatever there is -> the answer."""


async def app_token(served: Served) -> str:
    """The token of an app to which nobody signed in."""
    asked = {"client_name": "Dashboard", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": "read"}
    app = (await served.http.post("/api/v1/apps", json=asked)).json()
    client = {name: app[name] for name in ("client_id", "client_secret")}
    sent = client | {"grant_type": "client_credentials", "scope": "read"}
    return str((await served.http.post("/oauth/token", json=sent)).json()["access_token"])


async def strangers(served: Served, stage: Stage) -> dict[str, Looker]:
    """Nobody, an app by itself, and somebody whose token is only good for writing."""
    writer = await served.node.write(auth.make_token, id_of(stage.people["follower"]), "write")
    tokens = {"app": await app_token(served), "writer": writer}
    headers = {name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()}
    return {name: Looker(stage, served.http, headers.get(name)) for name in NOT_FOR}


async def test_who_may_not_ask_is_told_nothing(served: Served, stage: Stage) -> None:
    lookers = await strangers(served, stage)
    kinds = ("public", "direct")
    assert await table(stage, lookers, API, kinds) == {kind: {} for kind in kinds}
    assert {name: one.statuses for name, one in lookers.items()} == {name: {status} for name, status in NOT_FOR.items()}
    for name, one in lookers.items():
        for stream in ("user", "public", "public/local", "hashtag?tag=risk"):
            refused = await one.get(f"/api/v1/streaming/{stream}")
            assert refused.status_code == {"writer": 403}.get(name, 401), stream
    browser = Looker(stage, served.http, {"Accept": "text/html"})
    assert await table(stage, {"anonymous": browser}, PAGES, kinds) == {kind: {} for kind in kinds}
    assert browser.statuses == {303}


class TestWhereVisitorsMayRead:
    """access.anonymous = "read": what the company may see, of the people of this node."""

    VISITED: Table = {kind: {} for kind in KINDS} | {"public": {"visitor": "gcakpt"}, "unlisted": {"visitor": "gcak"}}

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return msgspec.structs.replace(settings, access=config.AccessSection(anonymous="read"))

    async def test_they_find_what_is_for_everybody_and_nothing_else(self, served: Served, stage: Stage) -> None:
        by_api = Looker(stage, served.http)
        assert await table(stage, {"visitor": by_api}, API) == self.VISITED
        assert by_api.statuses == {200, 401, 404}
        by_pages = Looker(stage, served.http, {"Accept": "text/html"})
        open_pages = {letter: PAGES[letter] for letter in "gca"} | {"p": ["/local"], "t": PAGES["t"]}
        assert await table(stage, {"visitor": by_pages}, open_pages) == only(open_pages, self.VISITED)
        closed = Looker(stage, served.http, {"Accept": "text/html"})
        closed_pages = {letter: PAGES[letter] for letter in "souhfbn"}
        assert await table(stage, {"visitor": closed}, closed_pages, ["public"]) == {"public": {}}
        assert closed.statuses == {303}


# --- Acting -------------------------------------------------------------------------------------------------------

UNSEEN = (
    ("stranger", "followers"),
    ("stranger", "department-direct"),
    ("blocked", "public"),
    ("blocked", "department-public"),
    ("moderator", "direct"),
)
ACTS = ("favourite", "unfavourite", "reblog", "unreblog", "bookmark", "unbookmark", "pin", "unpin")
FORMS = ("favourite", "unfavourite", "boost", "unboost", "bookmark", "unbookmark", "pin", "unpin", "delete", "edit")


@pytest.mark.parametrize("stage", [False], indirect=True, ids=["unmarked"])
async def test_nobody_acts_on_what_they_may_not_see(served: Served, stage: Stage) -> None:
    async def tried(name: str, post_id: int) -> list[tuple[int, str, str]]:
        path, headers = f"/api/v1/statuses/{post_id}", stage.bearer(name)
        asked: list[tuple[str, str, dict[str, object]]] = [("POST", f"{path}/{act}", {}) for act in ACTS]
        asked += [("PUT", path, {"status": "mine now"}), ("DELETE", path, {}), ("GET", f"{path}/source", {})]
        asked += [("POST", "/api/v1/statuses", {"status": "so?", "in_reply_to_id": str(post_id)})]
        reported: dict[str, object] = {"account_id": str(id_of(stage.author)), "status_ids": [str(post_id)]}
        asked += [("POST", "/api/v1/reports", reported)]
        answers = [await served.http.request(how, at, json=body, headers=headers) for how, at, body in asked]
        form = {"csrf": stage.csrf[name], "text": "so?", "in_reply_to": str(post_id), "back": "/"}
        pages = [(f"/posts/{post_id}/{act}", form) for act in FORMS] + [("/posts", form)]
        answers += [await served.http.post(at, data=sent, headers=stage.session(name)) for at, sent in pages]
        assert {answer.status_code for answer in answers} == {404}
        return [said(answer, post_id) for answer in answers]

    nothing = {name: await tried(name, stage.unknown) for name in {name for name, _ in UNSEEN}}
    for name, kind in UNSEEN:
        assert await tried(name, stage.posts[kind]) == nothing[name], (name, kind)
    assert await count_of(served.node, favourite) == await count_of(served.node, bookmark) == 0
    assert await count_of(served.node, post_table, post_table.c.author_id != id_of(stage.author)) == 0


# --- Streams ------------------------------------------------------------------------------------------------------

# U user, P public, L public:local, T hashtag; N is a notification on the first. Last rings the bell, which everybody hears
# on each of them: what was not heard before it will not come any more, posts and notifications each in their own order.
HEARD: Table = {
    "public": {"author": "UPLT", "follower": "UPLT", "stranger": "PLT", "mentioned": "NPLT", "moderator": "PLT"},
    "unlisted": {"author": "U", "follower": "U", "mentioned": "N"},
    "followers": {"author": "U", "follower": "U", "mentioned": "N"},
    "direct": {"author": "U", "mentioned": "N"},
    "department-public": {
        "author": "UPLT",
        "follower": "UPLT",
        "stranger": "PLT",
        "mentioned": "NPLT",
        "moderator": "PLT",
    },
    "department-unlisted": {"author": "U", "follower": "U", "mentioned": "N"},
    "department-followers": {"author": "U", "follower": "U", "mentioned": "N"},
    "department-direct": {"author": "U", "mentioned": "N"},
}
WITHOUT_NOTICES: Table = {
    kind: {name: heard for name, letters in row.items() if (heard := letters.replace("N", ""))}
    for kind, row in HEARD.items()
}
# Who may have a post by whatever way is told of its end, so that clients can take it away.
ENDED: Table = {
    "public": {
        "author": "UPLT",
        "follower": "UPLT",
        "stranger": "PLT",
        "mentioned": "UPLT",
        "blocker": "PLT",
        "muter": "UPLT",
        "moderator": "PLT",
    },
    "unlisted": {"author": "U", "follower": "U", "mentioned": "U", "muter": "U"},
    "followers": {"author": "U", "follower": "U", "mentioned": "U", "muter": "U"},
    "direct": {"author": "U", "mentioned": "U"},
    "department-public": {
        "author": "UPLT",
        "follower": "UPLT",
        "stranger": "PLT",
        "mentioned": "UPLT",
        "blocker": "PLT",
        "muter": "UPLT",
        "moderator": "PLT",
    },
    "department-unlisted": {"author": "U", "follower": "U", "mentioned": "U", "muter": "U"},
    "department-followers": {"author": "U", "follower": "U", "mentioned": "U", "muter": "U"},
    "department-direct": {"author": "U", "mentioned": "U"},
}


@dataclass
class Audience:
    """Everybody at their streams, and the author at the desk."""

    served: Served
    stage: Stage
    bell: Viewer
    ears: dict[str, dict[str, Frames]]

    async def ask(self, how: str, path: str = "", **sent: object) -> int:
        """A request of the author's; the id of the post that is answered."""
        headers = self.stage.bearer("author")
        answer = await self.served.http.request(how, f"/api/v1/statuses{path}", json=sent or None, headers=headers)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    async def publish_all(self) -> None:
        for kind in KINDS:
            where, _, name = kind.rpartition("-")
            reach: dict[str, Any] = {"visibility": name.replace("followers", "private"), "local_only": bool(where)}
            self.stage.posts[kind] = await self.ask("POST", status=f"{word(kind)} #risk for @mentioned", **reach)

    async def heard(self, event: str) -> Table:
        """Who heard of this kind of event, and where, since the bell rang last; notifications count as well."""
        everybody = " ".join(f"@{name}" for name in PEOPLE)
        last = await say(self.served.node, self.bell, f"Time is up #risk {everybody}")
        found: Table = {kind: {} for kind in KINDS}
        for name, some in self.ears.items():
            told: set[tuple[str, str, int]] = set()
            for letters, frames in some.items():
                told |= await until(frames, last, letters)
            assert {about for _, _, about in told} <= set(self.stage.posts.values())
            assert {what for _, what, _ in told} <= {event, "notification"}
            for kind, post_id in self.stage.posts.items():
                where = {one for one, _, about in told if about == post_id}
                found[kind] |= {name: "".join(one for one in "UNPLT" if one in where)} if where else {}
        return found


@pytest.fixture(params=[by_socket, by_events])
async def audience(served: Served, request: pytest.FixtureRequest) -> AsyncIterator[Audience]:
    way: Callable[[str, Stage, str, AsyncExitStack], Awaitable[dict[str, Frames]]] = request.param
    stage = await local_people(served.node)
    bell = await make_person(served.node, "bell")
    for one in stage.people.values():
        await following(served.node, one, bell)
    async with AsyncExitStack() as stack:
        yield Audience(served, stage, bell, {name: await way(served.base, stage, name, stack) for name in PEOPLE})


async def test_streams_bring_everybody_what_they_may_see_and_nothing_else(audience: Audience) -> None:
    await audience.publish_all()
    assert await audience.heard("update") == HEARD
    for kind, post_id in audience.stage.posts.items():
        await audience.ask("PUT", f"/{post_id}", status=f"{word(kind)} #risk for @mentioned, and more")
    assert await audience.heard("status.update") == WITHOUT_NOTICES


@pytest.mark.parametrize("audience", [by_socket], indirect=True)
async def test_the_end_of_a_post_is_told_to_nobody_who_could_not_see_it(audience: Audience) -> None:
    await audience.publish_all()
    await audience.heard("update")
    for post_id in audience.stage.posts.values():
        await audience.ask("DELETE", f"/{post_id}")
    assert await audience.heard("delete") == ENDED


# --- ActivityPub --------------------------------------------------------------------------------------------------

# o the post, its activity, its answers; r among the answers to another; b outbox; f featured; t tag.
# Of field.example somebody follows (fan) and somebody is mentioned (far); of other.example nobody (odd), and one is blocked
# by the author (foe). The peers' own actors stand for their people.
ABROAD: Table = {kind: {} for kind in KINDS} | {
    "public": {"fan": "orbft", "far": "orbft", "odd": "orbft", "field": "orbft", "other": "orbft"},
    "unlisted": {"fan": "orbf", "far": "orbf", "odd": "orbf", "field": "orbf", "other": "orbf"},
    "followers": {"fan": "orbf", "far": "orbf", "field": "orbf"},
    "direct": {"far": "orb", "field": "orb"},
}
BOOSTS_ABROAD: Table = {
    "wide": {"fan": "v", "far": "v", "odd": "v", "field": "v", "other": "v"},
    "narrow": {},
    "inside": {},
    "own": {"fan": "v", "field": "v"},
}
ACTIVITYPUB: Paths = {
    "o": [
        "/users/author/statuses/{id}",
        "/users/author/statuses/{id}/activity",
        "/users/author/statuses/{id}/replies",
        "/@author/{id}",
    ],
    "r": ["/users/author/statuses/{root}/replies"],
    "b": ["/users/author/outbox?page=true"],
    "f": ["/users/author/collections/featured"],
    "t": ["/tags/risk?page=true"],
}
REFUSED = {"unsigned": 401, "forged": 401, "shut": 403}
"""Who gets nothing at all -> the answer, whatever there is."""


@dataclass(frozen=True)
class Abroad:
    stage: Stage
    signers: dict[str, Signer]
    http: httpx.AsyncClient

    def looker(self, name: str) -> Looker:
        """One of `signers`; "unsigned" signs nothing, "forged" as fan, but with another key."""
        if name == "unsigned":
            return Looker(self.stage, self.http, {"Accept": AP_TYPE})
        by = self.signers["fan"].forged() if name == "forged" else self.signers[name]
        return Looker(self.stage, self.http, by=by)

    def lookers(self, *names: str) -> dict[str, Looker]:
        return {name: self.looker(name) for name in names or (*self.signers, "unsigned", "forged")}

    async def seen(self, lookers: dict[str, Looker], kinds: Sequence[str] = KINDS) -> Table:
        """As `table`, but by ids: answers are listed by their addresses alone."""
        found: Table = {kind: {} for kind in kinds}
        for name, one in lookers.items():
            for kind in kinds:
                post_id = self.stage.posts[kind]
                letters = await one.sees(ACTIVITYPUB, post_id, f"/statuses/{post_id}")
                found[kind] |= {name: letters} if letters else {}
        return found


@pytest.fixture
async def abroad(served: Served) -> Abroad:
    stage = await local_people(served.node)
    signers = {name: await signer(stage, name, "field.example") for name in ("fan", "far")}
    signers |= {name: await signer(stage, name, "other.example") for name in ("odd", "foe")}
    for name in ("field", "other"):
        signers[name] = await signer(stage, name, f"{name}.example", kind="Application")
    signers["shut"] = await signer(stage, "shut", "shut.example")
    await served.node.write(peers.block, "shut.example")
    for name in ("fan", "foe", "shut"):
        await following(served.node, stage.people[name], stage.author)
    await served.node.write_as(stage.author, social.block, id_of(stage.people["foe"]))
    await write_all(stage, far="@far@field.example", marked=False)
    for kind in KINDS:
        if kind.startswith("department"):  # such a post mentions nobody elsewhere: as if it did, to ask the rule itself
            await call(stage, kind, "far")
    found = Abroad(stage, signers, served.http)
    await found.looker("forged").get("/users/author")  # fan's key is fetched anew for the first forgery alone
    return found


async def test_peers_find_a_post_exactly_where_their_people_may(abroad: Abroad) -> None:
    assert await abroad.seen(abroad.lookers("fan", "far", "odd", "foe", "field", "other")) == ABROAD
    refused = abroad.lookers(*REFUSED)
    assert await abroad.seen(refused, ["public", "direct"]) == {"public": {}, "direct": {}}
    assert {name: one.statuses for name, one in refused.items()} == {name: {it} for name, it in REFUSED.items()}
    counted = [await abroad.looker(name).get("/users/author/outbox") for name in ("fan", "odd", "foe")]
    assert [answer.json()["totalItems"] for answer in counted] == [3, 3, 3]  # what is for everybody, and no more


async def test_peers_find_a_boost_only_with_what_it_boosts(abroad: Abroad) -> None:
    boosts = await boost_all(abroad.stage)
    lookers = abroad.lookers()
    found: Table = {kind: {} for kind in boosts}
    for name, one in lookers.items():
        for kind, post_id in boosts.items():
            who = "author" if kind == "own" else "booster"
            paths = {"v": [f"/users/{who}/statuses/{{id}}/activity", f"/users/{who}/outbox?page=true"]}
            letters = await one.sees(paths, post_id, f"/statuses/{post_id}/activity")
            found[kind] |= {name: letters} if letters else {}
    assert found == BOOSTS_ABROAD


async def test_peers_find_nothing_of_an_author_who_is_suspended(served: Served, abroad: Abroad) -> None:
    await served.node.write(accounts.suspend, id_of(abroad.stage.author))
    kinds = ("public", "direct")
    assert await abroad.seen(abroad.lookers("fan", "far", "field"), kinds) == {kind: {} for kind in kinds}


async def test_what_was_deleted_is_gone_for_peers_only_if_all_of_them_knew_it(served: Served, abroad: Abroad) -> None:
    """A tombstone says that something was there."""
    for post_id in abroad.stage.posts.values():
        await served.node.write_as(abroad.stage.author, posts.delete, PostId(post_id))
    for name in ("fan", "far", "odd", "field"):
        one = abroad.looker(name)
        told = {kind: await one.by_id("/users/author/statuses/{id}", id_) for kind, id_ in abroad.stage.posts.items()}
        gone = {kind for kind, answer in told.items() if answer.status_code == 410}
        assert gone == {"public", "unlisted"}
        for kind in set(KINDS) - gone:
            assert not await one.shows("/users/author/statuses/{id}", abroad.stage.posts[kind], word(kind))


async def test_an_edit_by_its_own_id_is_for_those_who_may_see_the_post(served: Served, abroad: Abroad) -> None:
    """An Update carries all of the post, and is stored for a while, whatever became of the post since."""
    stage, node = abroad.stage, served.node
    edits: dict[str, str] = {}
    for kind in ("public", "followers", "direct"):
        words = posts.Changes(text=f"{word(kind)}, once more, for @mentioned @far@field.example")
        await node.write_as(stage.author, posts.edit, PostId(stage.posts[kind]), words)
        newest = (await rows_of(node, activity, activity.c.kind == "Update"))[-1]
        assert word(kind).encode() in newest.body
        edits[kind] = newest.iri.removeprefix(BASE)

    async def readers() -> dict[str, set[str]]:
        found = {
            name: {kind for kind, path in edits.items() if (await one.get(path)).status_code == 200}
            for name, one in abroad.lookers().items()
        }
        return {name: kinds for name, kinds in found.items() if kinds}

    everything = set(edits)
    everybody = {"fan": {"public"}, "far": everything, "odd": {"public"}, "field": everything, "other": {"public"}}
    assert await readers() == everybody
    await node.write(accounts.suspend, id_of(stage.author))
    assert await readers() == {}
    await node.write(accounts.unsuspend, id_of(stage.author))
    assert await readers() == everybody
    for kind in edits:
        await node.write_as(stage.author, posts.delete, PostId(stage.posts[kind]))
    assert await readers() == {}


class TestWithoutAuthorizedFetch:
    """federation.authorized_fetch = false: what is for everybody needs no signature; whatever is signed must be so well."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        federation = msgspec.structs.replace(settings.federation, authorized_fetch=False)
        return msgspec.structs.replace(settings, federation=federation)

    async def test_who_does_not_sign_reads_what_is_for_everybody(self, abroad: Abroad) -> None:
        seen: Table = {kind: {} for kind in KINDS} | {"public": {"unsigned": "orbft"}, "unlisted": {"unsigned": "orbf"}}
        assert await abroad.seen(abroad.lookers("unsigned")) == seen
        refused = abroad.lookers("forged", "shut", "foe")
        assert await abroad.seen(refused, ["public"]) == {"public": {}}
        assert (refused["forged"].statuses, refused["shut"].statuses) == ({401}, {403})


# --- Pictures -----------------------------------------------------------------------------------------------------


async def test_a_picture_is_named_only_to_those_who_may_see_its_post(served: Served) -> None:
    """Its file needs no token, since clients send none: the name, which nobody guesses, is what is kept."""
    stage = await local_people(served.node)
    sent = {"file": ("pump.png", picture(), "image/png")}
    made = (await served.http.post("/api/v2/media", files=sent, headers=stage.bearer("author"))).json()
    post = {"status": "a needle in a picture #risk", "visibility": "private", "media_ids": [made["id"]]}
    stage.root = stage.posts["followers"] = int(
        (await served.http.post("/api/v1/statuses", json=post, headers=stage.bearer("author"))).json()["id"]
    )
    name = made["url"].rpartition("/")[2]
    api = {
        "g": ["/api/v1/statuses/{id}", "/api/v1/statuses/{id}/history"],
        "a": ["/api/v1/accounts/{author}/statuses?only_media=true"],
        "s": ["/api/v2/search?q=picture"],
    }
    pages = {"g": ["/@author/{id}"], "a": ["/@author", "/@author?tab=media"], "s": ["/search?q=picture"]}
    for door, paths in (("api", api), ("pages", pages)):
        lookers = {one: looker(served, stage, door, one) for one in PEOPLE}
        seen = {one: await looks.sees(paths, stage.root, name) for one, looks in lookers.items()}
        nobody = dict.fromkeys(PEOPLE, "")
        assert seen == nobody | {"author": "gas", "follower": "gas", "muter": "ga"}
    for one in ("follower", "stranger", "blocked"):
        for how in ("GET", "PUT"):
            path, headers = "/api/v1/media/{}", stage.bearer(one)
            answer = await served.http.request(how, path.format(made["id"]), headers=headers)
            nothing = await served.http.request(how, path.format(stage.unknown), headers=headers)
            assert said(answer, int(made["id"])) == said(nothing, stage.unknown)
            assert answer.status_code == 404
    assert (await served.http.get(f"/media/{name}")).status_code == 200
    assert len(name) > 20


# --- Tags ---------------------------------------------------------------------------------------------------------


async def test_a_tag_is_not_known_to_whom_no_post_shows_it(served: Served, abroad: Abroad) -> None:
    """What a hidden post is about is hidden as well: the tag is as one that nobody ever wrote."""
    stage = abroad.stage
    await say(served.node, stage.author, "#Merger for @mentioned", visibility=Visibility.DIRECT)
    await say(served.node, stage.author, "#Layoff", visibility=Visibility.PUBLIC, local_only=True)
    api = ["/api/v1/tags/{}", "/api/v2/search?q={}&type=hashtags", "/api/v1/timelines/tag/{}"]
    pages = ["/tags/{}", "/search?q={}"]

    async def is_told(one: Looker, paths: Sequence[str], name: str) -> set[bool]:
        """Whether it can be told from a name as long, which nobody ever wrote. Forms with a key of their own aside."""
        told = set()
        for path in paths:
            answers = [(await one.get(path.format(tag)), tag) for tag in (name, "nothin")]
            texts = [re.sub(r'name="key" value="[^"]*"', "", answer.text).replace(tag, "*") for answer, tag in answers]
            told.add((answers[0][0].status_code, texts[0]) != (answers[1][0].status_code, texts[1]))
        return told

    for name in ("author", "mentioned", "stranger", "moderator"):
        for door, paths in (("api", api), ("pages", pages)):
            one = looker(served, stage, door, name)
            assert await is_told(one, paths, "layoff") == {True}
            knows = name in ("author", "mentioned")
            assert await is_told(one, paths[:2], "merger") == {knows}, (name, door)
    for name in ("fan", "far", "field", "odd"):
        one = abroad.looker(name)
        assert await is_told(one, ["/tags/{}", "/tags/{}?page=true"], "risk") == {True}
        for hidden in ("merger", "layoff"):
            assert await is_told(one, ["/tags/{}", "/tags/{}?page=true"], hidden) == {False}, (name, hidden)
