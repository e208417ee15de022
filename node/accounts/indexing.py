"""The index that people are found by: who is written down in it, and under which words (tokens.py).

Every word carries a mark that says where it stands, so that one can ask for it there alone, and that the beginning of a
name is not looked for among all the words of all profiles:

    n:    the user name, and the whole handle as one word
    d:    the display name
    w:    title and department
    a:    what they say about themselves: text and fields

A peer's people who do not want to be discovered are not in it: they are found by their exact handle alone. Of those
who do not want to be indexed only the names are. Colleagues of this node are all in it, with everything.

A table of its own beside `post_search`: people are ranked by which of their words was asked for, posts by their time,
and neither search should walk through the other's words.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Executable, Row, bindparam, select, text

from node import db
from node.errors import Invalid
from node.html import to_text
from node.runtime import Tx
from node.schema import account
from node.schema.meta import Id
from node.tokens import GAP, MAX_TOKEN, index_tokens, tsvector_literal

INDEX_JOB = "account.index"
"""Payload: {}. Writes down everybody who is missing in the index."""
NAME, DISPLAY, WORK, ABOUT = "n:", "d:", "w:", "a:"
CHUNK = 200
MAX_ABOUT = 10_000

_COLUMNS = (
    account.c.id,
    account.c.username,
    account.c.domain,
    account.c.handle,
    account.c.actor_type,
    account.c.display_name,
    account.c.title,
    account.c.department,
    account.c.note,
    account.c.note_source,
    account.c.fields,
    account.c.discoverable,
    account.c.indexable,
    account.c.gone_at,
)
_SHOWN = frozenset(column.name for column in _COLUMNS) - {"id"}
_ROWS = select(*_COLUMNS).where(db.among(account.c.id, "ids"))
_AFTER = select(account.c.id).where(account.c.id > bindparam("after", type_=Id)).order_by(account.c.id).limit(CHUNK)
_OF = bindparam("of", type_=Id)
_REMOVE: dict[str, Executable] = {
    "sqlite": text("DELETE FROM account_search WHERE rowid = :of").bindparams(_OF),
    "postgresql": text("DELETE FROM account_search WHERE account_id = :of").bindparams(_OF),
}
_INSERT: dict[str, Executable] = {
    "sqlite": text("INSERT INTO account_search (rowid, tokens) VALUES (:of, :tokens)"),
    "postgresql": text("INSERT INTO account_search (account_id, tsv) VALUES (:of, CAST(:tokens AS tsvector))"),
}


def index(tx: Tx, account_ids: Sequence[int], changed: Collection[str] | None = None) -> None:
    """Write down anew what these people are found by, or forget those who are gone.

    To be called after whatever changes an account; with the names of the columns that `changed`, it does nothing
    unless the index has to do with them.
    """
    if changed is not None and _SHOWN.isdisjoint(changed):
        return
    rows = tx.rows(_ROWS, {"ids": list(account_ids)})
    tx.execute(_REMOVE[tx.dialect], [{"of": id_} for id_ in account_ids])
    join = " ".join if tx.dialect == "sqlite" else tsvector_literal
    found = [{"of": row.id, "tokens": join(_words(tx, row))} for row in rows if _is_listed(row)]
    if found:
        tx.execute(_INSERT[tx.dialect], found)


def index_next(tx: Tx, after: int) -> int | None:
    """Index some accounts whose ids come after this one; the last of them, None when there were none."""
    ids = tx.scalars(_AFTER, {"after": after})
    if not ids:
        return None
    index(tx, ids)
    return int(ids[-1])


def marked(mark: str, tokens: Iterable[str]) -> list[str]:
    return [token if token == GAP else mark + token for token in tokens]


def handle_token(handle: str) -> str:
    """A handle, whole or its beginning, as the index has it: one word."""
    return NAME + handle.casefold()[:MAX_TOKEN]


def _is_listed(row: Row[Any]) -> bool:
    return row.gone_at is None and row.actor_type != "Application" and (row.domain is None or row.discoverable)


def _words(tx: Tx, row: Row[Any]) -> list[str]:
    handle = row.handle if row.domain is not None else f"{row.handle}@{tx.urls.domain}"
    names = _read(NAME, row.username)
    if "#" not in handle:  # else it is another's now, see `store_remote`
        names.append(handle_token(handle))
    names += _read(DISPLAY, row.display_name)
    if row.domain is not None and not row.indexable:
        return names
    pairs = [f"{one.get('name', '')} {one.get('source') or _plain(one.get('value', ''))}" for one in row.fields]
    about = "\n".join((row.note_source or _plain(row.note), *pairs))
    return names + _read(WORK, f"{row.title or ''}\n{row.department or ''}") + _read(ABOUT, about[:MAX_ABOUT])


def _read(mark: str, plain: str) -> list[str]:
    return marked(mark, index_tokens(plain))


def _plain(markup: str) -> str:
    try:
        return to_text(markup)
    except Invalid:  # too much markup for a profile: the person is kept, and found by name
        return ""
