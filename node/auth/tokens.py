"""Codes and tokens: OAuth 2 with the authorization code flow, PKCE (S256) and client credentials.

A code works once, for its app, its redirect URI and its verifier, within ten minutes; used again, it takes the token
with it (RFC 6749 §4.1.2, RFC 9700). Password and implicit grants do not exist. Whatever ends a token emits "kill" with
`{"token_id": int}`, on which its live streams close.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, or_, select, update

from node import db
from node.accounts.lookup import me
from node.auth import scopes as scope_algebra
from node.auth.apps import OUT_OF_BAND
from node.errors import Forbidden, Invalid, NotFound, Unauthorized
from node.ids import AccountId
from node.runtime import Tx
from node.schema import account, login, oauth_app, oauth_code, oauth_token, web_session
from node.secrets import new_token, token_hash
from node.viewer import Kind, Viewer

CODE_MILLIS = 10 * 60_000
USED_CODES_MILLIS = 24 * 3_600_000
COMMAND_LINE_APP = "corridor-command-line"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")

_AUTHENTICATE = (
    select(
        oauth_token.c.id,
        oauth_token.c.app_id,
        oauth_token.c.account_id,
        oauth_token.c.scopes,
        oauth_token.c.expires_at,
        oauth_token.c.revoked_at,
        account.c.suspended_at,
        account.c.gone_at,
        login.c.roles,
        login.c.disabled_at,
        login.c.filters_rev,
    )
    .outerjoin(account, account.c.id == oauth_token.c.account_id)
    .outerjoin(login, login.c.account_id == oauth_token.c.account_id)
    .where(oauth_token.c.hash == bindparam("hash"))
)
_BY_HASH = select(oauth_token).where(oauth_token.c.hash == bindparam("hash"))
_CODE = select(oauth_code).where(oauth_code.c.hash == bindparam("hash"))
_STANDING = (
    select(login.c.account_id)
    .join(account, account.c.id == login.c.account_id)
    .where(
        login.c.account_id == bindparam("of"),
        login.c.disabled_at.is_(None),
        account.c.suspended_at.is_(None),
        account.c.gone_at.is_(None),
    )
)
_REVOKE = (
    update(oauth_token)
    .where(oauth_token.c.id == bindparam("of"), oauth_token.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)


def authenticate(tx: Tx, hash_: str) -> Viewer:
    """Who the token with this hash (`secrets.token_hash`) stands for. One statement, nothing written.

    The token of an app alone gives a viewer of kind NOBODY with its `app_id` and `token_id`. Raises Unauthorized for a
    token that is unknown, revoked or expired, and for one whose person is disabled, suspended or gone.
    """
    row = tx.first(_AUTHENTICATE, {"hash": hash_})
    if row is None:
        raise Unauthorized
    if row.revoked_at is not None:
        raise Unauthorized("The access token was revoked")
    if row.expires_at is not None and row.expires_at <= tx.now:
        raise Unauthorized("The access token expired")
    scopes = frozenset(row.scopes.split())
    if row.account_id is None:
        open_to_all = tx.settings.access.anonymous == "read"
        return Viewer(Kind.NOBODY, scopes=scopes, token_id=row.id, app_id=row.app_id, anonymous_read=open_to_all)
    if row.roles is None or row.disabled_at is not None or row.suspended_at is not None or row.gone_at is not None:
        raise Unauthorized("Your login is currently disabled")
    return Viewer(
        Kind.PERSON,
        AccountId(row.account_id),
        roles=frozenset(row.roles),
        scopes=scopes,
        token_id=row.id,
        app_id=row.app_id,
        filters_rev=row.filters_rev,
    )


def grant_code(
    tx: Tx,
    app: Row[Any],
    redirect_uri: str,
    scopes: str | Collection[str] | None,
    challenge: str | None = None,
    method: str | None = "S256",
) -> str:
    """The viewer lets an app in. Raises Invalid for a redirect URI or scope beyond what the app registered.

    `challenge` is PKCE's, `method` what the client sent with it: only S256 is taken, and a missing one means "plain".
    """
    asked = allowed(app, redirect_uri, scopes)
    if challenge is not None and (method != "S256" or not _CHALLENGE.fullmatch(challenge)):
        raise Invalid("The code_challenge_method must be S256.", "code_challenge_method")
    code = new_token()
    row = {
        "hash": token_hash(code),
        "app_id": app.id,
        "account_id": me(tx),
        "redirect_uri": redirect_uri,
        "scopes": scope_algebra.text(asked),
        "challenge": challenge,
        "expires_at": tx.now + CODE_MILLIS,
    }
    tx.execute(insert(oauth_code), row)
    return code


def allowed(app: Row[Any], redirect_uri: str, scopes: str | Collection[str] | None) -> frozenset[str]:
    """The scopes an authorization request comes to, or Invalid. A wrong `redirect_uri` must never be redirected to."""
    if redirect_uri not in app.redirect_uris:
        raise Invalid("The requested redirect uri is malformed or doesn't match client redirect URI.", "redirect_uri")
    words = scopes if scopes is None or isinstance(scopes, str) else " ".join(scopes)
    return scope_algebra.within(scope_algebra.parse(words), app.scopes.split())


def exchange_code(
    tx: Tx, app: Row[Any], code: str, redirect_uri: str, verifier: str | None = None
) -> tuple[str, Row[Any]] | None:
    """The token for a code, with its row; `app` has shown its secret already.

    None when the code was used before: the token it gave is revoked now. That must be committed, hence no exception;
    the caller answers `invalid_grant`, as it does for Invalid, which is raised for everything else that is wrong.
    """
    row = tx.first(_CODE, {"hash": token_hash(code)})
    if row is None or row.app_id != app.id or row.redirect_uri != redirect_uri:
        raise _bad_grant()
    if row.used_at is not None:
        _revoke(tx, row.token_id, row.account_id)
        return None
    if row.expires_at <= tx.now or not _proves(row.challenge, verifier):
        raise _bad_grant()
    if tx.first(_STANDING, {"of": row.account_id}) is None:
        raise _bad_grant()
    token, issued = issue(tx, app.id, row.account_id, row.scopes)
    used = update(oauth_code).where(oauth_code.c.hash == row.hash)
    tx.execute(used.values(used_at=tx.now, token_id=issued.id))
    return token, issued


def client_credentials(tx: Tx, app: Row[Any], scopes: str | None = None) -> tuple[str, Row[Any]]:
    """A token for the app itself, of nobody's account. Raises Invalid for scopes beyond the app's."""
    return issue(tx, app.id, None, scope_algebra.within(scope_algebra.parse(scopes), app.scopes.split()))


def issue(
    tx: Tx, app_id: int, account_id: int | None, scopes: str | Collection[str], *, expires_at: int | None = None
) -> tuple[str, Row[Any]]:
    """A new token and its row. Checks nothing: the caller did."""
    token = new_token()
    row = {
        "hash": token_hash(token),
        "app_id": app_id,
        "account_id": account_id,
        "scopes": scopes if isinstance(scopes, str) else scope_algebra.text(scopes),
        "created_at": tx.now,
        "expires_at": expires_at,
    }
    tx.execute(insert(oauth_token), row)
    stored = tx.first(_BY_HASH, {"hash": row["hash"]})
    if stored is None:
        raise NotFound
    return token, stored


def make_token(tx: Tx, account_id: int, scopes: str = "read write follow push") -> str:
    """A token for the command line and for scripts. NotFound unless the person can sign in; Invalid for bad scopes."""
    asked = scope_algebra.parse(scopes)
    if tx.first(_STANDING, {"of": account_id}) is None:
        raise NotFound("no such person of this node can sign in")
    token, row = issue(tx, _command_line_app(tx), account_id, asked)
    tx.audit("token.create", f"account:{account_id}", {"token": row.id, "scopes": row.scopes})
    return token


def revoke(tx: Tx, app: Row[Any], token: str) -> None:
    """RFC 7009: an unknown token is no error, another app's is Forbidden."""
    row = tx.first(_BY_HASH, {"hash": token_hash(token)})
    if row is None:
        return
    if row.app_id != app.id:
        raise Forbidden("You are not authorized to revoke this token")
    _revoke(tx, row.id, row.account_id)


def revoke_by_id(tx: Tx, token_id: int) -> None:
    """By its owner or the node itself; NotFound for everybody else."""
    row = tx.first(select(oauth_token).where(oauth_token.c.id == token_id))
    if row is None or (tx.viewer.kind is not Kind.SYSTEM and row.account_id != me(tx)):
        raise NotFound
    _revoke(tx, row.id, row.account_id)
    tx.audit("token.revoke", f"account:{row.account_id}", {"token": token_id})


def tokens_of(tx: Tx, account_id: int) -> Sequence[Row[Any]]:
    """Tokens of a person that work, the last made first, with `app_name`."""
    statement = (
        select(oauth_token, oauth_app.c.name.label("app_name"))
        .join(oauth_app, oauth_app.c.id == oauth_token.c.app_id)
        .where(
            oauth_token.c.account_id == account_id,
            oauth_token.c.revoked_at.is_(None),
            or_(oauth_token.c.expires_at.is_(None), oauth_token.c.expires_at > tx.now),
        )
        .order_by(oauth_token.c.id.desc())
    )
    return tx.rows(statement)


def purge(tx: Tx, limit: int = 500) -> int:
    """Housekeeping: sessions that ended, codes that nobody can misuse any more; how many of both, `limit` at the most."""
    ended = select(web_session.c.hash).where(web_session.c.expires_at <= tx.now).limit(limit)
    number: int = tx.execute(delete(web_session).where(web_session.c.hash.in_(ended))).rowcount
    spent = select(oauth_code.c.hash).where(oauth_code.c.expires_at <= tx.now - USED_CODES_MILLIS).limit(limit - number)
    number += tx.execute(delete(oauth_code).where(oauth_code.c.hash.in_(spent))).rowcount
    return number


def _revoke(tx: Tx, token_id: int | None, account_id: int | None) -> None:
    if token_id is not None and tx.execute(_REVOKE, {"of": token_id, "at": tx.now}).rowcount:
        tx.emit("kill", account_id=account_id, data={"token_id": token_id})


def _proves(challenge: str | None, verifier: str | None) -> bool:
    """PKCE (RFC 7636). A verifier without a challenge is refused too: somebody took the challenge away."""
    if challenge is None:
        return not verifier
    if verifier is None or not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return hmac.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), challenge)


def _bad_grant() -> Invalid:
    return Invalid(
        "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
        "authorization request, or was issued to another client.",
        "code",
    )


def _command_line_app(tx: Tx) -> int:
    row = {
        "client_id": COMMAND_LINE_APP,
        "secret_hash": token_hash(new_token()),  # nobody knows it: the app can do nothing by itself
        "name": "Command line",
        "redirect_uris": [OUT_OF_BAND],
        "scopes": scope_algebra.text(scope_algebra.SCOPES),
        "created_at": tx.now,
    }
    tx.execute(db.insert_or_ignore(tx.dialect, oauth_app, ["client_id"]), row)
    return int(tx.scalar(select(oauth_app.c.id).where(oauth_app.c.client_id == COMMAND_LINE_APP)))
