"""Keys are replaced while two departments talk: nothing is lost, and the old key opens no door any more."""

import asyncio
import time
from typing import Any

import httpx
import msgspec
import pytest

from activitypub import signatures
from activitypub.signatures import Flavour, SigningKey
from activitypub.vocabulary import AP_TYPE
from node import accounts, keyring
from node.runtime import Node
from tests.support.running import Person, RunningNode, aside, until

POSTS = 200
pytestmark = pytest.mark.timeout(240)


def _key(node: RunningNode, name: str, kind: str) -> SigningKey:
    async def read(opened: Node) -> SigningKey:
        account_id = (await opened.read(accounts.by_handle, name)).id
        return await opened.read(keyring.signing_key, account_id, kind)

    return aside(read, node.settings)


async def test_keys_rotated_in_the_middle_of_two_hundred_posts_lose_none(
    two_nodes: tuple[RunningNode, RunningNode],
) -> None:
    engineering, field = two_nodes
    anna, tom = engineering.person("anna"), field.person("tom")
    await tom.follow(anna)
    old = {kind: _key(engineering, "anna", kind) for kind in (keyring.RSA, keyring.ED25519)}
    uris: list[str] = []

    async def write(first: int, last: int) -> None:
        for number in range(first, last):
            uris.append((await anna.status(f"post {number}"))["uri"])

    await write(0, POSTS // 4)
    rotating = asyncio.create_task(asyncio.to_thread(engineering.command, "keys", "rotate", "anna"))
    await write(POSTS // 4, POSTS // 2)
    await rotating
    await asyncio.gather(asyncio.to_thread(engineering.command, "keys", "rotate", "--node"), write(POSTS // 2, POSTS))
    await tom.sees(uris[-1], seconds=60)
    await until(lambda: _all_there(tom, uris), "every post arrives", seconds=60, step=0.5)
    for kind, key in old.items():
        assert await _knocks(field, engineering, key) == 401, kind
    for kind in old:
        assert await _knocks(field, engineering, _key(engineering, "anna", kind)) == 202, kind


async def _all_there(tom: Person, uris: list[str]) -> bool:
    return set(uris) <= {status["uri"] for status in await tom.whole_home()}


async def _knocks(at: RunningNode, sender: RunningNode, key: SigningKey) -> int:
    """The answer to an activity signed with this key."""
    actor = f"{sender.base}/users/anna"
    doc: dict[str, Any] = {"id": f"{actor}/{time.time_ns()}", "type": "Listen", "actor": actor, "object": actor}
    body = msgspec.json.encode(doc)
    url = f"{at.base}/inbox"
    headers = signatures.sign("POST", url, body, key, flavour=Flavour.RFC9421, now=time.time())
    async with httpx.AsyncClient() as client:
        return (await client.post(url, content=body, headers={**headers, "Content-Type": AP_TYPE})).status_code
