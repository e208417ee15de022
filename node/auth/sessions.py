"""Signing in to the pages."""

from typing import Any, NamedTuple

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from node.accounts.lookup import normal_handle, storable
from node.errors import NotFound, Unauthorized
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account, login, web_session
from node.secrets import new_token, token_hash
from node.viewer import Kind, Viewer

SESSION_MILLIS = 30 * 86_400_000
SESSION_SCOPES = frozenset({"read", "write", "follow", "push", "profile", "admin:read", "admin:write"})
"""All of them: what a person may do in their own browser is bounded by their roles."""

_SESSION = (
    select(
        web_session.c.account_id,
        web_session.c.csrf,
        web_session.c.expires_at,
        account.c.suspended_at,
        account.c.gone_at,
        login.c.roles,
        login.c.disabled_at,
    )
    .join(account, account.c.id == web_session.c.account_id)
    .join(login, login.c.account_id == web_session.c.account_id)
    .where(web_session.c.hash == bindparam("hash"))
)
_SIGN_IN = (
    select(
        login.c.account_id,
        login.c.email,
        login.c.password_hash,
        login.c.disabled_at,
        account.c.suspended_at,
        account.c.gone_at,
    )
    .join(account, account.c.id == login.c.account_id)
    .where(or_(login.c.email == bindparam("email"), account.c.handle == bindparam("handle")))
)


class Session(NamedTuple):
    """`csrf` goes into every form of the session's pages."""

    viewer: Viewer
    csrf: str


def sign_in_data(tx: Tx, name: str) -> Row[Any] | None:
    """account_id and password_hash of the person with this e-mail address or username; None if nobody can sign in so."""
    word = name.strip().casefold()
    if not word or not storable(word):
        return None
    rows = tx.rows(_SIGN_IN, {"email": word, "handle": normal_handle(tx, word)})
    # One person's address may read like another's handle here: then it is the address that counts.
    row = next((one for one in rows if one.email == word), rows[0] if rows else None)
    if row is None or row.disabled_at is not None or row.suspended_at is not None or row.gone_at is not None:
        return None
    return row


def open_session(tx: Tx, account_id: int) -> tuple[str, str]:
    """(token for the cookie, token for forms) of a person whose password was right. 30 days.

    Raises Unauthorized if the person was disabled or suspended in between.
    """
    found = tx.first(
        select(login.c.disabled_at, account.c.suspended_at, account.c.gone_at)
        .join(account, account.c.id == login.c.account_id)
        .where(login.c.account_id == account_id)
    )
    if found is None:
        raise NotFound
    if any(found):
        raise Unauthorized("Your login is currently disabled")
    token, csrf = new_token(), new_token()
    row = {
        "hash": token_hash(token),
        "account_id": account_id,
        "csrf": csrf,
        "created_at": tx.now,
        "expires_at": tx.now + SESSION_MILLIS,
    }
    tx.execute(insert(web_session), row)
    tx.execute(update(login).where(login.c.account_id == account_id).values(last_sign_in_at=tx.now))
    return token, csrf


def session(tx: Tx, hash_: str) -> Session:
    """The person behind a session cookie, by the hash of its token. Raises Unauthorized; one statement."""
    row = tx.first(_SESSION, {"hash": hash_})
    if row is None or row.expires_at <= tx.now:
        raise Unauthorized("The session ended")
    if row.disabled_at is not None or row.suspended_at is not None or row.gone_at is not None:
        raise Unauthorized("Your login is currently disabled")
    viewer = Viewer(Kind.PERSON, AccountId(row.account_id), roles=frozenset(row.roles), scopes=SESSION_SCOPES)
    return Session(viewer, row.csrf)


def close_session(tx: Tx, hash_: str) -> None:
    """Sign out. Closing what is closed is no error."""
    tx.execute(delete(web_session).where(web_session.c.hash == hash_))
