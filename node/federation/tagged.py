"""What was written with a tag before this node followed it: the newest of it, read from each peer that said yes.

Runs as a job after the peer's Accept (`spread = "subscribed"`), so that who follows a tag does not begin with nothing. The
collection is the one that the Follow named. What it holds passes the rules of a delivery, for people of that peer alone;
nobody is told of it, and what those posts answer is not fetched.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import structlog

from activitypub import collections, parse
from activitypub.documents import Post
from activitypub.errors import ProtocolError
from activitypub.vocabulary import Iri, host
from node.errors import NodeError, Unknown
from node.federation import posts
from node.runtime import Node, Tx

if TYPE_CHECKING:
    from node.federation.network import Network

log = structlog.get_logger(__name__)

READ_JOB = "tag.read"
"""{"collection": IRI of a tag at a peer}"""

DAYS = 30
ITEMS = 200
"""Posts of one peer at the most."""
PAGES = 6
SECONDS = 60.0
DAY_MS = 86_400_000


def want(tx: Tx, collection: str) -> None:
    tx.enqueue(READ_JOB, {"collection": collection}, dedupe=f"{READ_JOB}:{collection}"[:255])


async def read(node: Node, network: "Network", payload: Mapping[str, Any]) -> None:
    """The job. Raises as a fetch does for the first page; what was read before the time is up stands."""
    start = Iri(str(payload["collection"]))
    since, taken = node.now() - DAYS * DAY_MS, 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            # One document more than pages: the collection itself.
            async for item in collections.read(start, network.document, origin_of=start, pages=PAGES + 1, items=ITEMS):
                said = _own(item, host(start))
                if said is None:
                    continue
                if said.published is not None and said.published < since:
                    break
                taken += await _take(node, network, said)
    log.info("what was written with a tag was read", collection=start, posts=taken)


def _own(item: Any, domain: str) -> Post | None:
    """A whole post by somebody of that very peer, who alone may vouch for it (protocol R40)."""
    if not isinstance(item, dict):
        return None
    try:
        said = parse.post(item)
        return said if host(said.author) == host(said.iri) == domain else None
    except ProtocolError:
        return None


async def _take(node: Node, network: "Network", said: Post) -> bool:
    """Kept if it is asked for here still; what cannot be kept is left out."""

    def store(tx: Tx) -> bool:
        return posts.take(tx, said, unsolicited=True, upwards=False, is_news=False) is not None

    try:
        try:
            return await node.write(store)
        except Unknown as unknown:
            if unknown.iri != said.author:
                return False
        await network.learn(said.author)
        return await node.write(store)
    except (NodeError, ProtocolError) as error:
        log.debug("not taken of a tag", post=said.iri, reason=str(error))
        return False
