"""Threads that peers' people began, made whole: what answers of theirs never came here is looked up (FEP-7888, FEP-f228).

Asked of the collection that the root's own server keeps of the conversation, if it names one, else of the replies
collections, one after the other. Runs as a job when a thread is opened here, or an answer comes whose thread is not known;
once in ten minutes for each thread. Whatever a collection claims, each post is fetched from its own origin, and only what
hangs on the thread is kept.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Executable, Row, bindparam, delete, select, update

from activitypub import collections, parse, values
from activitypub.documents import Post
from activitypub.errors import ProtocolError
from activitypub.vocabulary import Iri, same_origin
from node import db
from node.errors import NodeError, NotFound, Unavailable
from node.runtime import Node, Tx
from node.schema import post, thread_lookup
from node.schema.meta import Id
from node.threads import Context

if TYPE_CHECKING:
    from node.federation.network import Network

FETCH_JOB = "thread.fetch"
"""{"conversation": id}"""

DEBOUNCE_SECONDS = 600.0
REMEMBERED = 10_000
SECONDS = 60.0
ITEMS = 1000
"""Posts that are fetched for one thread at the most; each collection is read for ten pages."""
DEPTH = 20

_ROOT = select(post.c.iri, post.c.local).where(post.c.id == bindparam("id", type_=Id))
_THREAD_OF = select(post.c.conversation_id).where(post.c.iri == bindparam("iri"))
_MEMBERS = (
    select(post.c.iri, post.c.local)
    .where(post.c.conversation_id == bindparam("id", type_=Id), post.c.boost_of_id.is_(None))
    .order_by(post.c.id)
    .limit(ITEMS)
)

_LOOKED = thread_lookup.c
_LOOK_AGAIN = (
    update(thread_lookup)
    .where(_LOOKED.conversation_id == bindparam("of", type_=Id), _LOOKED.at <= bindparam("before", type_=Id))
    .values(at=bindparam("at", type_=Id))
)
_OLD = select(_LOOKED.conversation_id).where(_LOOKED.at < bindparam("before", type_=Id)).limit(bindparam("limit"))
_FORGET = delete(thread_lookup).where(_LOOKED.conversation_id.in_(_OLD))


class Recent:
    """What was asked for within the last ten minutes: spares each process the question. One per node (`Node.part`)."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, int], float] = OrderedDict()

    def holds(self, deed: str, conversation: int) -> bool:
        return self._until.get((deed, conversation), 0.0) > time.monotonic()

    def add(self, deed: str, conversation: int) -> None:
        self._until[deed, conversation] = time.monotonic() + DEBOUNCE_SECONDS
        self._until.move_to_end((deed, conversation))
        while len(self._until) > REMEMBERED:
            self._until.popitem(last=False)


async def opened(node: Node, thread: Context) -> None:
    """Somebody looks at a thread: have it made whole in the background, if anything of it came from elsewhere.

    Whoever reads is not told that nothing can be stored just now.
    """
    recent, conversation = node.part(Recent), thread.conversation_id
    if thread.is_local or recent.holds("asked", conversation):
        return
    with contextlib.suppress(Unavailable):
        await node.write(want, conversation)
        recent.add("asked", conversation)


def want(tx: Tx, conversation: int) -> None:
    """Have a thread looked up, unless some process of this node did so within ten minutes."""
    late = {"of": conversation, "at": tx.now, "before": tx.now - int(DEBOUNCE_SECONDS * 1000)}
    new = {"conversation_id": conversation, "at": tx.now}
    if tx.execute(_LOOK_AGAIN, late).rowcount or tx.execute(_look(tx.dialect), new).rowcount:
        tx.enqueue(FETCH_JOB, {"conversation": conversation}, dedupe=f"{FETCH_JOB}:{conversation}")


def prune(tx: Tx, *, before: int, limit: int) -> int:
    """Forget look-ups before `before` (ms); answers how many."""
    return tx.execute(_FORGET, {"before": before, "limit": limit}).rowcount


@cache
def _look(dialect: str) -> Executable:
    return db.insert_or_ignore(dialect, thread_lookup, ["conversation_id"])


def want_around(tx: Tx, iri: str) -> None:
    """The same of the thread that a post is in; nothing if it is not here."""
    conversation = tx.scalar(_THREAD_OF, {"iri": iri})
    if conversation is not None:
        want(tx, conversation)


async def fetch(node: Node, network: "Network", payload: Mapping[str, Any]) -> None:
    """The job. Raises FetchFailed, Malformed, Refused if the post that began the thread cannot be had."""
    conversation = int(payload["conversation"])
    root = await node.read(_root, conversation)
    if root is None:
        return
    crawl = _Crawl(node, network, conversation)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await (crawl.around_ours() if root.local else crawl.from_root(Iri(root.iri)))
    await crawl.keep()


def _root(tx: Tx, conversation: int) -> Row[Any] | None:
    return tx.first(_ROOT, {"id": conversation})


def _members(tx: Tx, conversation: int) -> dict[str, bool]:
    """IRI of each post of the thread that is here, and whether it is ours."""
    return {row.iri: row.local for row in tx.rows(_MEMBERS, {"id": conversation})}


class _Crawl:
    """What was fetched for one thread."""

    def __init__(self, node: Node, network: "Network", conversation: int) -> None:
        self._node = node
        self._network = network
        self._conversation = conversation
        self._found: dict[Iri, Post] = {}
        self._asked: set[str] = set()

    async def from_root(self, iri: Iri) -> None:
        doc = await self._network.document(iri)
        root = parse.post(doc)
        self._found[root.iri] = root
        self._asked.add(root.iri)
        if root.context is None or not same_origin(root.context, root.iri) or not await self._listed(root.context):
            await self._below([root])

    async def around_ours(self) -> None:
        """Answers to ours come here; answers to answers of theirs may not have."""
        here = await self._node.read(_members, self._conversation)
        theirs = [found for iri, ours in here.items() if not ours and (found := await self._get(Iri(iri))) is not None]
        await self._below(theirs)

    async def keep(self) -> None:
        """Store what hangs on the thread, from the top down."""
        here = set(await self._node.read(_members, self._conversation))
        waiting = {iri: said for iri, said in self._found.items() if iri not in here}
        while ready := [said for said in waiting.values() if said.in_reply_to in here]:
            for said in ready:
                del waiting[said.iri]
                with contextlib.suppress(ProtocolError, NodeError):
                    await self._network.take(said.raw)
                    here.add(said.iri)

    async def _listed(self, context: Iri) -> bool:
        """Fetch what the collection of the conversation lists. False if it lists nothing, or cannot be had."""
        number = 0
        try:
            async for item in collections.read(context, self._network.document, origin_of=context):
                number += 1
                iri = values.iri_of(item)
                if iri is not None and not await self._is_here(iri):
                    await self._get(iri)
        except ProtocolError:
            return number > 0
        return number > 0

    async def _below(self, posts: list[Post]) -> None:
        waiting = deque((one, 0) for one in posts)
        while waiting and len(self._asked) < ITEMS:
            above, depth = waiting.popleft()
            for said in await self._answers(above):
                if depth + 1 < DEPTH:
                    waiting.append((said, depth + 1))

    async def _answers(self, above: Post) -> list[Post]:
        named = above.raw.get("replies")
        start = named if isinstance(named, dict) else values.iri_of(named)
        if start is None:
            return []
        found = []
        with contextlib.suppress(ProtocolError):
            async for item in collections.read(start, self._network.document, origin_of=above.iri):
                iri = values.iri_of(item)
                said = await self._get(iri) if iri is not None else None
                if said is not None and said.in_reply_to == above.iri:
                    found.append(said)
        return found

    async def _get(self, iri: Iri) -> Post | None:
        """A post from its own origin, once; None if it is ours, cannot be had, or too many were fetched."""
        if iri in self._asked or len(self._asked) >= ITEMS or self._node.urls.is_ours(iri):
            return None
        self._asked.add(iri)
        try:
            said = parse.post(await self._network.document(iri))
        except (ProtocolError, NotFound):
            return None
        self._found[said.iri] = said
        return said

    async def _is_here(self, iri: str) -> bool:
        return await self._node.glance(lambda tx: tx.scalar(_THREAD_OF, {"iri": iri})) is not None
