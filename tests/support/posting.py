"""Posts for tests: written here, or come from a peer."""

from typing import Any

from activitypub.audience import Visibility
from node import posts, social
from node.ids import PostId
from node.posts import Draft, RemotePost
from node.runtime import Node
from node.schema import follow as follow_table
from node.viewer import Viewer
from tests.support.rows import id_of


async def say(node: Node, who: Viewer, text: str, **fields: Any) -> PostId:
    """Publish a post; `fields` are those of `posts.Draft`."""
    return await node.write_as(who, posts.publish, Draft(text, **fields))


async def hear(node: Node, who: Viewer, content: str = "<p>hello</p>", **fields: Any) -> PostId | None:
    """Store a post of a peer's person; `fields` are those of `posts.RemotePost`."""
    new: dict[str, Any] = {"visibility": Visibility.PUBLIC, "created_at": node.now(), "content": content, **fields}
    name = new.pop("name", content)
    new.setdefault("iri", f"https://{who.domain}/posts/{abs(hash(name))}")
    return await node.write(posts.store_remote, RemotePost(author_id=id_of(who), **new))


async def heard(node: Node, who: Viewer, content: str = "<p>hello</p>", **fields: Any) -> PostId:
    """The same for a post that must be kept."""
    post_id = await hear(node, who, content, **fields)
    assert post_id is not None
    return post_id


async def following(node: Node, who: Viewer, target: Viewer, **options: Any) -> None:
    """`who` follows `target`, who agreed."""
    if who.domain is None and target.domain is None:
        await node.write_as(who, social.follow, id_of(target), **options)
        return
    row = {
        "follower_id": id_of(who),
        "target_id": id_of(target),
        "state": "accepted",
        "iri": f"https://x.example/follows/{id_of(who)}/{id_of(target)}",
        "created_at": node.now(),
    }
    await node.write(lambda tx: tx.execute(follow_table.insert(), row | {"id": tx.new_id()}))
