"""A cast of viewers around one author, a post for every audience, and lookers that ask for pages like anybody else.

What must not be seen must not be told from what never was. So whether somebody sees a post by its id is not read off a
status code: the answer is compared, bytes and all, with the one for an id that no post has.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import insert

from activitypub import keys, parse, signatures
from activitypub.audience import Visibility
from activitypub.signatures import Flavour, SigningKey
from activitypub.vocabulary import AP_TYPE, Iri
from node import accounts, auth, reactions, social, viewer
from node.ids import PostId
from node.runtime import Node, Tx
from node.schema import bookmark, favourite, mention, notification
from node.viewer import Viewer
from tests.support.people import make_person
from tests.support.posting import following, say
from tests.support.rows import id_of
from web.sessions import cookie_name

BASE = "https://eng.example"
PEOPLE = ("author", "follower", "stranger", "mentioned", "blocked", "blocker", "muter", "moderator")
PINNED = ("public", "unlisted", "followers", "department-public", "department-followers")
KINDS = tuple(f"{where}{one.name.lower()}" for where in ("", "department-") for one in Visibility)
"""Of posts, by audience: a department's post never leaves the node."""

Paths = Mapping[str, Sequence[str]]
"""Surface, by a letter -> the addresses that show the same there. `{id}` is the post's, others are of `Stage.names`."""


@dataclass
class Stage:
    """Everybody, and every post. `author` wrote all posts, as answers to the first, `root`."""

    node: Node
    people: dict[str, Viewer]
    tokens: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    csrf: dict[str, str] = field(default_factory=dict)
    root: int = 0
    posts: dict[str, int] = field(default_factory=dict)

    @property
    def author(self) -> Viewer:
        return self.people["author"]

    @property
    def unknown(self) -> int:
        """An id as long as the others, and no post's: nothing was written before the root."""
        return self.root - 1

    @property
    def names(self) -> dict[str, Any]:
        ids = {name: id_of(one) for name, one in self.people.items()}
        return ids | {"root": self.root, "base": BASE}

    def bearer(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}

    def session(self, name: str) -> dict[str, str]:
        return {"Cookie": f"{cookie_name(self.node.settings)}={self.cookies[name]}", "Accept": "text/html"}


def word(kind: str) -> str:
    """Stands in the post of this kind and nowhere else, the address of the page included."""
    return "marrow" + kind.replace("-", "")


async def local_people(node: Node) -> Stage:
    """The people of this node, with tokens and sessions, and what is between them."""
    stage = Stage(node, {})
    for name in PEOPLE:
        await join(stage, name, "moderator" if name == "moderator" else "employee")
    people = stage.people
    for name in ("follower", "blocked", "blocker", "muter"):
        await following(node, people[name], stage.author)
    await node.write_as(stage.author, social.block, id_of(people["blocked"]))
    await node.write_as(people["blocker"], social.block, id_of(stage.author))
    await node.write_as(people["muter"], social.mute, id_of(stage.author))
    return stage


async def join(stage: Stage, name: str, role: str = "employee") -> Viewer:
    """One person more, with a token and a session."""
    stage.people[name] = one = await make_person(stage.node, name, roles=(role,))
    stage.tokens[name] = await stage.node.write(auth.make_token, id_of(one), "read write follow push")
    stage.cookies[name], stage.csrf[name] = await stage.node.write(auth.open_session, id_of(one))
    return one


async def write_all(stage: Stage, *, far: str = "", marked: bool = True) -> Stage:
    """A post of every kind, pinned where that can be; if `marked`, everybody has favourited and bookmarked all of them.

    `far` is somebody elsewhere, who is mentioned wherever a post can reach them.
    """
    node = stage.node
    stage.root = await say(node, stage.author, "Where it began")
    for kind in KINDS:
        where, _, name = kind.rpartition("-")
        stage.posts[kind] = await say(
            node,
            stage.author,
            f"{word(kind)} is a needle about #risk for @mentioned {'' if where else far}",
            visibility=Visibility[name.upper()],
            local_only=bool(where),
            in_reply_to_id=PostId(stage.root),
        )
        if kind in PINNED:
            await node.write_as(stage.author, reactions.pin, stage.posts[kind])
    if marked:
        await node.write(_mark, stage)
    return stage


def _mark(tx: Tx, stage: Stage) -> None:
    """Rows that point at the posts, as from a time when everybody could see them, and was told."""
    for post_id in stage.posts.values():
        for one in stage.people.values():
            about = {"account_id": one.account_id, "post_id": post_id}
            tx.execute(insert(bookmark), about | {"id": tx.new_id()})
            tx.execute(insert(favourite), about | {"id": tx.new_id(), "created_at": tx.now})
            if one.domain is None:
                told = {"kind": "poll", "from_id": id_of(stage.author), "dedupe": f"{post_id}", "created_at": tx.now}
                tx.execute(insert(notification), about | told | {"id": tx.new_id()})


async def call(stage: Stage, kind: str, name: str) -> None:
    """Mention somebody whom a post cannot call by its text: the row is there, so that the predicate is asked."""
    row = {"post_id": stage.posts[kind], "account_id": stage.people[name].account_id}
    await stage.node.write(lambda tx: tx.execute(insert(mention), row) and None)


# --- People of peers


@dataclass(frozen=True)
class Signer:
    """Somebody of a peer, or the peer itself, who signs requests."""

    key: SigningKey

    def headers(self, stage: Stage, path: str) -> dict[str, str]:
        now = stage.node.clock()
        return signatures.sign("GET", BASE + path, None, self.key, flavour=Flavour.CAVAGE, now=now)

    def forged(self) -> "Signer":
        """The same with a key that is not theirs."""
        return Signer(SigningKey(self.key.id, keys.generate_ed25519()))


async def signer(stage: Stage, name: str, domain: str, *, kind: str = "Person") -> Signer:
    """Somebody of a peer, stored here as after a fetch; joins the stage's people."""
    private = keys.generate_ed25519()
    iri = f"https://{domain}/users/{name}"
    actor = {
        "id": iri,
        "type": kind,
        "preferredUsername": domain if kind == "Application" else name,
        "inbox": f"{iri}/inbox",
        "followers": f"{iri}/followers",
        "publicKey": {"id": f"{iri}#key", "owner": iri, "publicKeyPem": keys.to_pem(private.public_key())},
    }
    account_id = await stage.node.write(accounts.store_remote, parse.actor(actor), domain=domain)
    if kind == "Person":
        stage.people[name] = viewer.remote(account_id, domain)
    return Signer(SigningKey(Iri(f"{iri}#key"), private))


# --- Looking


class Looker:
    """Somebody who looks at pages. Nothing changes meanwhile: each is asked for once."""

    def __init__(
        self, stage: Stage, http: httpx.AsyncClient, headers: dict[str, str] | None = None, by: Signer | None = None
    ) -> None:
        self._stage = stage
        self._http = http
        self._headers = {"Accept": AP_TYPE} if by is not None else headers or {}
        self._signer = by
        self._had: dict[str, httpx.Response] = {}

    @property
    def statuses(self) -> set[int]:
        """Of all answers so far."""
        return {answer.status_code for answer in self._had.values()}

    async def get(self, path: str) -> httpx.Response:
        if path not in self._had:
            signed = self._signer.headers(self._stage, path) if self._signer else {}
            self._had[path] = await self._http.get(path, headers=self._headers | signed)
        return self._had[path]

    async def sees(self, paths: Paths, post_id: int, mark: str) -> str:
        """The letters of the surfaces that show a post, all of whose addresses agree. `mark` is its sign in a list."""
        return "".join([letter for letter, some in paths.items() if await self._agreed(letter, some, post_id, mark)])

    async def _agreed(self, letter: str, paths: Sequence[str], post_id: int, mark: str) -> bool:
        told = {path: await self.shows(path, post_id, mark) for path in paths}
        assert len(set(told.values())) == 1, f"{letter} is not of one mind: {told}"
        return told[paths[0]]

    async def shows(self, path: str, post_id: int, mark: str) -> bool:
        if "{id}" not in path:
            return mark in (await self.get(path.format(**self._stage.names))).text
        answer, nothing = await self.by_id(path, post_id), await self.by_id(path, self._stage.unknown)
        if said(answer, post_id) == said(nothing, self._stage.unknown):
            return False
        assert answer.status_code in (200, 303), f"{path}: {answer.status_code} tells it from what is not there"
        return True

    async def by_id(self, path: str, post_id: int) -> httpx.Response:
        return await self.get(path.format(id=post_id, **self._stage.names))


def said(answer: httpx.Response, post_id: int) -> tuple[int, str, str]:
    """All that an answer says about the post that was asked for."""
    headers = {name: answer.headers.get(name) for name in ("location", "cache-control", "content-type", "link", "vary")}
    return answer.status_code, json.dumps(headers).replace(str(post_id), "*"), answer.text.replace(str(post_id), "*")
