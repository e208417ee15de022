"""Attachments: whose they are, where they are, and when their files may go."""

from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from activitypub.documents import Attachment
from node import media, posts
from node.errors import Conflict, Forbidden, Invalid, NotFound
from node.imaging import Image
from node.posts import Draft
from node.runtime import Node
from node.schema import media as media_table
from node.schema import post
from node.viewer import NOBODY, SYSTEM, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of


def image(name: str = "a") -> Image:
    return Image(
        file=f"{name}.jpg",
        content_type="image/jpeg",
        width=800,
        height=600,
        animated=False,
        preview=f"{name}-small.jpg",
        preview_content_type="image/jpeg",
        preview_width=400,
        preview_height=300,
        blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj",
    )


async def upload(node: Node, owner: Viewer, name: str = "a", **details: Any) -> int:
    return await node.write_as(owner, partial(media.create, **details), image(name))


async def publish(node: Node, author: Viewer, text: str = "look", media_ids: tuple[int, ...] = ()) -> int:
    return await node.write_as(author, posts.publish, Draft(text, media_ids=media_ids))


async def attached(node: Node, post_id: int) -> list[int]:
    found = await node.read(media.of_posts, [post_id])
    return [row.id for row in found.get(post_id, [])]


async def test_an_upload_is_its_owners(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    media_id = await upload(node, anna, description="  A pump  ", focus=(-2.0, 0.5))
    row = await node.read_as(anna, media.get, media_id)
    assert (row.file, row.preview, row.kind, row.post_id) == ("a.jpg", "a-small.jpg", "image", None)
    assert (row.width, row.preview_height, row.content_type) == (800, 300, "image/jpeg")
    assert (row.description, row.focus_x, row.focus_y) == ("A pump", -1.0, 0.5)
    for rule in (media.get, media.remove, media.update_details):
        with pytest.raises(NotFound):
            await node.write_as(bea, rule, media_id)
    for viewer in (NOBODY, SYSTEM):
        with pytest.raises(Forbidden):
            await node.write_as(viewer, media.create, image())


async def test_details_out_of_bounds_are_refused(node: Node) -> None:
    anna = await make_person(node, "anna")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"description": "x" * 1501}, "description"),
        ({"description": "a\x00"}, "description"),
        ({"description": "\ud800"}, "description"),
        ({"focus": (float("nan"), 0.0)}, "focus"),
    ]
    for details, field in cases:
        with pytest.raises(Invalid) as refused:
            await upload(node, anna, **details)
        assert refused.value.field == field
    assert await count_of(node, media_table) == 0


async def test_attachments_keep_the_order_they_were_given_in(node: Node) -> None:
    anna = await make_person(node, "anna")
    a, b, c = [await upload(node, anna, name) for name in "abc"]
    post_id = await publish(node, anna, media_ids=(c, a, c, b))
    assert await attached(node, post_id) == [c, a, b]
    other = await publish(node, anna, "no image")
    assert await node.read(media.of_posts, [other]) == {}
    assert await node.read(media.of_posts, []) == {}


async def test_only_ones_own_free_images_can_be_attached(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    own, foreign, used = await upload(node, anna), await upload(node, bea, "b"), await upload(node, anna, "c")
    first = await publish(node, anna, media_ids=(used,))
    for ids in ((foreign,), (used,), (12345,), (own, foreign)):
        with pytest.raises(Invalid) as refused:
            await publish(node, anna, media_ids=ids)
        assert refused.value.field == "media_ids"
    limit = node.settings.posts.max_media
    many = [await upload(node, anna, f"m{n}") for n in range(limit + 1)]
    with pytest.raises(Invalid):
        await publish(node, anna, media_ids=tuple(many))
    assert await attached(node, first) == [used]
    assert len(await attached(node, await publish(node, anna, media_ids=tuple(many[:limit])))) == limit


async def test_an_edit_can_reorder_add_and_take_away(node: Node) -> None:
    anna = await make_person(node, "anna")
    a, b, c = [await upload(node, anna, name) for name in "abc"]
    post_id = await publish(node, anna, media_ids=(a, b))
    await node.write_as(anna, media.attach, post_id, [c, a])
    assert await attached(node, post_id) == [c, a]
    assert (await node.read_as(anna, media.get, b)).post_id is None


async def test_a_changed_description_renders_the_post_anew(node: Node) -> None:
    anna = await make_person(node, "anna")
    media_id = await upload(node, anna)
    post_id = await publish(node, anna, media_ids=(media_id,))

    async def rev() -> int:
        return int(await node.read(lambda tx: tx.scalar(select(post.c.rev).where(post.c.id == post_id))))

    before = await rev()
    await node.write_as(anna, partial(media.update_details, description="A pump", focus=(0.1, 0.2)), media_id)
    row = await node.read_as(anna, media.get, media_id)
    assert (row.description, row.focus_x, await rev()) == ("A pump", 0.1, before + 1)
    await node.write_as(anna, media.update_details, media_id)
    assert await rev() == before + 1


async def test_an_image_in_use_is_not_removed_a_free_one_names_its_files(node: Node) -> None:
    anna = await make_person(node, "anna")
    free, used = await upload(node, anna, "free"), await upload(node, anna, "used")
    await publish(node, anna, media_ids=(used,))
    with pytest.raises(Conflict):
        await node.write_as(anna, media.remove, used)
    assert await node.write_as(anna, media.remove, free) == ["free.jpg", "free-small.jpg"]
    assert [row.id for row in await rows_of(node, media_table)] == [used]


async def test_housekeeping_takes_what_no_post_needs_after_a_while(node: Node, clock: Clock) -> None:
    anna = await make_person(node, "anna")
    await upload(node, anna, "old")
    kept = await upload(node, anna, "kept")
    post_id = await publish(node, anna, media_ids=(kept,))
    clock.advance(3600)
    fresh = await upload(node, anna, "fresh")
    assert await node.write(media.purge_unattached, node.now()) == ["old.jpg", "old-small.jpg"]
    assert {row.id for row in await rows_of(node, media_table)} == {kept, fresh}
    await node.write_as(anna, posts.delete, post_id)
    assert await node.write(media.purge_unattached, node.now()) == []
    clock.advance(1)
    first = await node.write(media.purge_unattached, node.now(), 1)
    rest = await node.write(media.purge_unattached, node.now())
    assert (len(first), len(rest)) == (2, 2)
    assert {*first, *rest} == {"fresh.jpg", "fresh-small.jpg", "kept.jpg", "kept-small.jpg"}
    assert await count_of(node, media_table) == 0


async def test_files_in_use_are_told_from_others(node: Node) -> None:
    anna = await make_person(node, "anna")
    await upload(node, anna)
    names = ["a.jpg", "a-small.jpg", "b.jpg"]
    assert await node.read(media.files_in_use, names) == {"a.jpg", "a-small.jpg"}
    assert await node.read(media.files_in_use, []) == set()


async def test_attachments_of_a_peers_post_follow_its_updates_and_keep_their_ids(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    post_id = await publish(node, anna)

    def at(name: str, **details: Any) -> Attachment:
        return Attachment(url=f"https://field.example/{name}", **details)

    async def stored(*attachments: Attachment) -> list[Any]:
        await node.write(media.store_remote, post_id, id_of(bert), attachments)
        return (await node.read(media.of_posts, [post_id])).get(post_id, [])

    photo, film = await stored(
        at("1.png", media_type="image/png", description="One\x00", width=10, height=20, focus=(0.5, -0.5)),
        at("2.mp4", media_type="video/mp4"),
    )
    assert (photo.kind, photo.remote_url, photo.description) == ("image", "https://field.example/1.png", "One")
    assert (photo.width, photo.focus_y, photo.file) == (10, -0.5, None)
    assert (film.kind, film.account_id) == ("video", bert.account_id)
    again = await stored(at("3"), at("1.png", media_type="image/*", description="x" * 9000), at("3"))
    assert [(row.remote_url, row.kind) for row in again] == [
        ("https://field.example/3", "unknown"),
        ("https://field.example/1.png", "image"),
    ]
    assert again[1].id == photo.id
    assert len(again[1].description) == media.MAX_DESCRIPTION
    assert await stored() == []


async def test_what_a_peer_attached_is_nobodys_to_attach_here(node: Node) -> None:
    anna = await make_person(node, "anna")
    post_id = await publish(node, anna)
    await node.write(media.store_remote, post_id, id_of(anna), [Attachment(url="https://field.example/1.png")])
    (row,) = await rows_of(node, media_table)
    with pytest.raises(Invalid):
        await publish(node, anna, media_ids=(row.id,))
