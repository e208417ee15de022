"""Custom emoji over the wire (R59, FEP-9098): what documents bring along, what we send, and the pictures of peers."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog

from activitypub import build, reactions
from activitypub.documents import Emoji
from activitypub.errors import ProtocolError, Refused
from activitypub.vocabulary import Iri, host
from node import emoji
from node.errors import NodeError, NotFound
from node.imaging import Image, process_image
from node.runtime import Node, Tx
from node.viewer import Kind

if TYPE_CHECKING:
    from node.federation.network import Network

log = structlog.get_logger(__name__)

ACCEPT = "image/webp, image/png, image/gif, image/avif, image/jpeg"


class Slots:
    """One picture is decoded at a time: readers' own uploads come first."""

    def __init__(self) -> None:
        self.free = asyncio.Semaphore(1)


async def fetch(node: Node, network: "Network", payload: Any) -> None:
    """Fetch the pictures that are wanted of one peer, one after the other; what fails is left until it is used again."""
    while rows := await node.read(emoji.wanted, payload["domain"]):
        for row in rows:
            await _fetch_one(node, network, row.id, row.image_url)


async def _fetch_one(node: Node, network: "Network", emoji_id: int, url: str) -> None:
    try:
        image = await _picture(node, network, url)
    except (NodeError, ProtocolError) as error:
        log.info("no picture of an emoji", url=url, error=str(error))
        await node.write(emoji.failed, emoji_id, url)
        return
    is_used = False
    try:
        is_used = await node.write(emoji.fetched, emoji_id, url, image)
    finally:
        unused = [] if is_used and image.animated else [image.preview] if is_used else [image.file, image.preview]
        await asyncio.to_thread(_unlink, node, unused)


async def _picture(node: Node, network: "Network", url: str) -> Image:
    if host(url) in await network.blocked():
        raise Refused("the peer is blocked")
    answer = await network.client.fetch(url, accept=ACCEPT, max_bytes=emoji.MAX_BYTES)
    slots = node.part(Slots).free
    return await process_image(answer.body, node.settings.media_dir, slots=slots, limits=emoji.IMAGES)


def _unlink(node: Node, names: Sequence[str]) -> None:
    for name in names:
        (node.settings.media_dir / name).unlink(missing_ok=True)


# --- What we send -------------------------------------------------------------------------------------------------


def tags(tx: Tx, *texts: str) -> tuple[Emoji, ...]:
    """Emoji of this node that texts name. No statement where nothing looks like one."""
    found = emoji.named(tx, [(None, emoji.codes(*texts))])
    return tuple(tag(tx, found[key]) for key in sorted(found))


def tag(tx: Tx, row: Any) -> Emoji:
    """For a row of `emoji`. Of a peer's the id is its own, so that everybody knows whose it is."""
    if row.domain:
        iri = None if row.iri is None else Iri(row.iri)
        return Emoji(row.shortcode, row.image_url or "", iri, row.updated_at or None)
    return Emoji(row.shortcode, tx.urls.emoji_image(row.id), Iri(tx.urls.emoji(row.id)), row.updated_at)


def document(tx: Tx, emoji_id: int) -> dict[str, Any]:
    """The Emoji object of one of ours. NotFound; also for whoever has not signed."""
    if tx.viewer.kind not in (Kind.REMOTE, Kind.PEER, Kind.SYSTEM):
        raise NotFound
    return build.emoji_object(tag(tx, emoji.own_one(tx, emoji_id)))


# --- What documents bring along -----------------------------------------------------------------------------------


def learn(tx: Tx, domain: str | None, sender: str, said: Sequence[Emoji]) -> None:
    """Of a post or an actor by `sender`, whose handle is of `domain`: what is of their own server."""
    own = [one for one in said if reactions.is_own(one, sender)]
    if own and domain is not None:
        emoji.learn(tx, domain, own)
