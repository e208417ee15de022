"""A small world with one of everything, and a picture of all that a node has stored about it."""

from dataclasses import dataclass
from typing import Any

from activitypub.errors import ProtocolError
from activitypub.vocabulary import PUBLIC
from node import accounts, posts, social
from node.federation.network import Network
from node.posts import Draft
from node.runtime import Node
from node.schema import metadata
from node.viewer import Viewer
from tests.node.federation.conftest import Post, run_jobs
from tests.support.remote_peer import Doc, RemotePeer
from tests.support.rows import id_of

Picture = dict[str, list[str]]
TRAFFIC = {"inbox_item", "peer", "activity", "delivery", "job", "event", "meta"}
"""Tables of what passes through; all others are what somebody believes."""


@dataclass
class World:
    """Alice is here; bert, carl and eve are of `peer`, mallory is of `stranger`; the node knows them all.

    Alice and bert follow each other; alice has asked carl. Bert has written `note`, boosted and liked `ours`, alice's
    post, and blocked nobody.
    """

    node: Node
    network: Network
    post: Post
    peer: RemotePeer
    stranger: RemotePeer
    alice: Viewer
    bert: str
    carl: str
    eve: str
    mallory: str
    ours: str
    note: Doc
    asked: str

    @property
    def alice_iri(self) -> str:
        return self.node.urls.actor("alice")

    def by(self, actor: str) -> RemotePeer:
        return self.stranger if actor == self.mallory else self.peer

    def say(self, kind: str, actor: str, about: Any, number: int, **more: Any) -> Doc:
        return self.by(actor).activity(kind, actor, about, number=number, **more)

    async def arrives(self, activity: Doc, *, by: str) -> str:
        """What became of it: the outcome that the inbox recorded, or that it was refused at the door."""
        sender = self.by(by)
        request = sender.signed(activity, self.node.urls.shared_inbox, by=by)
        try:
            await self.network.receive(request)
        except ProtocolError as error:
            return f"refused at the door: {error}"
        await self.post.work()
        await run_jobs(self.node, self.network)
        return await self.post.outcome(activity["id"])

    async def picture(self) -> Picture:
        """Every row of every table that holds what people have said and done."""
        tables = [table for table in metadata.sorted_tables if table.name not in TRAFFIC]
        return await self.node.read(
            lambda tx: {table.name: sorted(repr(tuple(row)) for row in tx.rows(table.select())) for table in tables}
        )


def change(before: Picture, after: Picture) -> dict[str, tuple[list[str], list[str]]]:
    """Rows that went and that came, by table: empty if nothing happened."""
    return {
        name: (sorted(set(before[name]) - set(rows)), sorted(set(rows) - set(before[name])))
        for name, rows in after.items()
        if rows != before[name]
    }


async def make_world(
    node: Node, network: Network, post: Post, peer: RemotePeer, stranger: RemotePeer, alice: Viewer
) -> World:
    bert, carl, eve = (peer.person(name) for name in ("bert", "carl", "eve"))
    mallory = stranger.person("mallory")
    for actor in (bert, carl, eve, mallory):
        await network.actor(actor)

    async def known(iri: str) -> int:
        return int((await node.read(accounts.known, iri)).id)

    bert_id, carl_id, alice_id = await known(bert), await known(carl), id_of(alice)
    await node.write_as(alice, social.follow, bert_id)
    await node.write(lambda tx: social.record_accept(tx, alice_id, bert_id))
    await node.write(lambda tx: social.record_follow(tx, bert_id, alice_id, iri=f"{bert}/follows/1"))
    await node.write_as(alice, social.follow, carl_id)
    asked = await node.read(lambda tx: tx.scalar(metadata.tables["follow"].select().with_only_columns(
        metadata.tables["follow"].c.iri).where(metadata.tables["follow"].c.state == "pending")))  # fmt: skip
    ours = await node.read(posts.get, await node.write_as(alice, posts.publish, Draft("Hello")))
    note = peer.note(1, bert, "As bert wrote it")
    world = World(
        node, network, post, peer, stranger, alice, bert, carl, eve, mallory, ours.iri, note, asked
    )  # fmt: skip
    for number, (kind, about) in enumerate([("Create", note), ("Announce", ours.iri), ("Like", ours.iri)]):
        told = world.say(kind, bert, about, 100 + number, to=[PUBLIC], cc=[f"{bert}/followers"])
        assert await world.arrives(told, by=bert) == "done"
    return world
