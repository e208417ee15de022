"""What a peer's actors may say about keys, in a company with a roster (docs/adr/0013).

The roster pins each node's identity key. That key certifies the keys of the node's own actor; those vouch for the documents
of the node's people by an integrity proof. So whoever gets hold of a department's name or its TLS certificate can neither
speak for the node nor invent or take over people: no document of theirs is believed. Without a pinned identity (any other
mode than "roster") documents are believed for where they came from, as everywhere.
"""

import json
from dataclasses import replace

from sqlalchemy import bindparam, delete, select, update

from activitypub import certificates, keys, proofs
from activitypub.certificates import Certificate
from activitypub.documents import Actor
from activitypub.errors import Malformed, ProtocolError, Refused
from activitypub.vocabulary import Iri, host
from node import db
from node.config import Settings
from node.errors import Unknown
from node.runtime import Tx
from node.schema import account, account_key, peer

_CERTIFICATE = select(peer.c.certificate).where(peer.c.domain == bindparam("domain"))
_STORE = update(peer).where(peer.c.domain == bindparam("of")).values(certificate=bindparam("text"))
_FORGET_KEYS = delete(account_key).where(
    account_key.c.account_id.in_(
        select(account.c.id).where(account.c.domain == bindparam("of"), account.c.iri != bindparam("node_actor"))
    )
)


def node_actor(settings: Settings, domain: str) -> Iri:
    """The own actor of the node at `domain`; every Corridor node has it at the same path."""
    return Iri(f"{settings.node.scheme}://{domain}/actor")


def believed(tx: Tx, actor: Actor) -> Actor:
    """The actor, with those of its keys that may be believed. Call before an actor's document is stored.

    Raises Refused; Unknown(the node's actor) for somebody whose node's keys have to be read first, or read anew.
    """
    domain = host(actor.iri)
    identity = tx.node.company.identity_of(domain)
    if identity is None:
        return actor
    if actor.iri == node_actor(tx.settings, domain):
        return _node(tx, actor, domain, identity)
    return _person(tx, actor, domain, identity)


def is_by(certificate: str | None, identity: str) -> bool:
    """Whether a stored certificate, which was verified then, is one by this identity."""
    if certificate is None:
        return False
    try:
        claim = proofs.presented(json.loads(certificate))
        return claim is not None and claim.method == proofs.did_key(keys.from_multibase(identity))
    except (ValueError, ProtocolError):
        return False


def _node(tx: Tx, actor: Actor, domain: str, identity: str) -> Actor:
    try:
        certificate = certificates.read(
            actor.raw.get(certificates.PROPERTY), identity=identity, domain=domain, now=tx.now
        )
    except ProtocolError as error:
        raise Refused(f"{domain} is not who the roster says: {error}") from error
    _take(tx, certificate, identity)
    listed = certificates.certified(actor, certificate)
    if not listed:
        raise Refused(f"{domain} uses keys that its identity has not certified")
    return replace(actor, keys=listed)


def _take(tx: Tx, certificate: Certificate, identity: str) -> None:
    """Keep the newest. An older one was true once; who shows it now has a copy of what was replaced."""
    tx.execute(db.insert_or_ignore(tx.dialect, peer, ["domain"]), {"domain": certificate.domain, "created_at": tx.now})
    stored = tx.scalar(_CERTIFICATE, {"domain": certificate.domain})
    if is_by(stored, identity):
        known = json.loads(stored)
        if known == certificate.doc:
            return
        if certificate.serial <= known["serial"]:
            raise Refused(f"{certificate.domain} shows older keys than it had: `corridor keys rotate --node` there")
    else:
        # The first one under this identity: what was believed of the node's people until now had no better ground than
        # their address. Their keys are read again when they are needed.
        own = node_actor(tx.settings, certificate.domain)
        tx.execute(_FORGET_KEYS, {"of": certificate.domain, "node_actor": own})
    tx.execute(_STORE, {"of": certificate.domain, "text": json.dumps(certificate.doc)})


def _person(tx: Tx, actor: Actor, domain: str, identity: str) -> Actor:
    stored = tx.scalar(_CERTIFICATE, {"domain": domain})
    if not is_by(stored, identity):
        raise Unknown(node_actor(tx.settings, domain))
    try:
        certificate = certificates.read(json.loads(stored), identity=identity, domain=domain, now=tx.now)
        claim = proofs.presented(actor.raw)
        if claim is None:
            raise Refused(f"{actor.iri} is not vouched for by its node")
        multibase = certificate.multibase(claim.method)
        if multibase is None:
            raise Unknown(node_actor(tx.settings, domain))
        proofs.verify(actor.raw, keys.from_multibase(multibase), method=claim.method, now=tx.now)
    except Malformed as error:
        raise Refused(f"{domain}: {error}") from error
    return actor
