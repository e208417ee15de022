"""Actors of peers, as their documents say they are, and their accounts here."""

from typing import Any

from activitypub import parse
from activitypub.documents import Actor
from node import accounts, viewer
from node.runtime import Node
from node.viewer import Viewer

DOMAIN = "field.example"


def actor_document(username: str = "bert", *, domain: str = DOMAIN, **changes: Any) -> dict[str, Any]:
    iri = f"https://{domain}/users/{username}"
    document: dict[str, Any] = {
        "id": iri,
        "type": "Person",
        "preferredUsername": username,
        "name": username.title(),
        "summary": "<p>Out in the field</p>",
        "url": f"https://{domain}/@{username}",
        "inbox": f"{iri}/inbox",
        "outbox": f"{iri}/outbox",
        "followers": f"{iri}/followers",
        "following": f"{iri}/following",
        "endpoints": {"sharedInbox": f"https://{domain}/inbox"},
        "publicKey": {"id": f"{iri}#main-key", "owner": iri, "publicKeyPem": "-----BEGIN PUBLIC KEY-----\nMIIB"},
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def make_actor(username: str = "bert", *, domain: str = DOMAIN, **changes: Any) -> Actor:
    return parse.actor(actor_document(username, domain=domain, **changes))


async def make_remote(node: Node, username: str = "bert", *, domain: str = DOMAIN, **changes: Any) -> Viewer:
    """The account of a peer's person, as a viewer that signed its request."""
    actor = make_actor(username, domain=domain, **changes)
    account_id = await node.write(lambda tx: accounts.store_remote(tx, actor, domain=domain))
    return viewer.remote(account_id, domain)
