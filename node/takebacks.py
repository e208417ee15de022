"""Boosts and favourites of imported posts that were taken back: the same file, imported again, must not bring them back.

Remembered among the tombstones, under a name that is no address, so that nobody outside can ask for it.
"""

from sqlalchemy import String, bindparam, insert, literal, select

from node.runtime import Tx
from node.schema import imported, tombstone
from node.schema.meta import Id, Millis

BOOST, FAVOURITE = "boost", "favourite"

_NAME = bindparam("named", type_=String)
_KNOWN = select(tombstone.c.iri).where(tombstone.c.iri == _NAME)
_REMEMBER = insert(tombstone).from_select(
    ["iri", "author_iri", "former_type", "deleted_at"],
    select(_NAME, literal(""), literal("Takeback"), bindparam("at", type_=Millis)).where(
        select(imported.c.post_id).where(imported.c.post_id == bindparam("of", type_=Id)).exists(),
        ~_KNOWN.exists(),
    ),
)


def remember(tx: Tx, kind: str, post_id: int, account_id: int) -> None:
    """Nothing for posts that were written here."""
    tx.execute(_REMEMBER, {"named": name(kind, post_id, account_id), "at": tx.now, "of": post_id})


def name(kind: str, post_id: int, account_id: int) -> str:
    return f"{kind}:{post_id}:{account_id}"
