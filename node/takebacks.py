"""Boosts and favourites of imported posts that were taken back: the same file, imported again, must not bring them back."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import BindParameter, String, bindparam, insert, select

from node.runtime import Tx
from node.schema import imported, takeback
from node.schema.meta import Id

BOOST, FAVOURITE = "boost", "favourite"

_T = takeback.c
_KIND = bindparam("kind", type_=String)
_OF, _WHO = bindparam("of", type_=Id), bindparam("who", type_=Id)
_KNOWN = select(_T.post_id).where(_T.post_id == _OF, _T.account_id == _WHO, _T.kind == _KIND)
_IMPORTED = select(imported.c.post_id).where(imported.c.post_id == _OF)
_REMEMBER = insert(takeback).from_select(
    ["post_id", "account_id", "kind"], select(_OF, _WHO, _KIND).where(_IMPORTED.exists(), ~_KNOWN.exists())
)
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_OF_POSTS = select(_T.kind, _T.post_id, _T.account_id).where(_T.post_id.in_(_IDS))


def remember(tx: Tx, kind: str, post_id: int, account_id: int) -> None:
    """Nothing for posts that were written here."""
    tx.execute(_REMEMBER, {"kind": kind, "of": post_id, "who": account_id})


def of_posts(tx: Tx, ids: Collection[int]) -> set[tuple[str, int, int]]:
    """(kind, post id, account id) of all that was taken back from these posts."""
    return {tuple(row) for row in tx.rows(_OF_POSTS, {"ids": list(ids)})} if ids else set()
