"""Who asks through the API: the bearer token becomes `tx.viewer` inside the transaction that does the work.

    posts = await api.read(request, "read:statuses", timelines.home, page)       # (from web import identity as api)
    post_id = await api.write(request, "write:statuses", posts.publish, draft)
    about = await api.read(request, OPEN, instance.describe)

One hop to a database thread does all three: authenticate, check the scope, run the rule. What a call demands:

    "read:statuses"                           a person whose token has that scope (or its whole family, "read")
    Access("read:statuses", anonymous=True)   also nobody, where `access.anonymous` is "read"
    Access(None, open_to_all=True) = OPEN     anybody at all; a token that is sent must still be valid
    Access(("profile", "read:accounts"))      a person whose token has one of these
    Access("read", app=True)                  also an app's own token
    Access("admin:read", role="admin")        also a role

401 without a valid token, 403 outside its scopes or roles, 422 for an app's token where a person is needed, 429 above the
rate limit.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from starlette.requests import HTTPConnection, Request

from node import auth
from node.errors import Forbidden, Invalid, Unauthorized
from node.runtime import Node, Tx
from node.secrets import token_hash
from node.viewer import NOBODY, Kind, Viewer
from web.errors import TooMany
from web.parts import Parts, parts_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """What a call demands of whoever makes it. See the module."""

    scope: str | tuple[str, ...] | None
    anonymous: bool = False
    open_to_all: bool = False
    app: bool = False
    role: str | None = None


OPEN = Access(None, open_to_all=True)


class Call(Protocol):
    """Runs a rule as whoever the request's token stands for. Access None is OPEN."""

    async def __call__(
        self,
        request: HTTPConnection,
        access: Access | str | None,
        rule: Callable[Concatenate[Tx, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T: ...


def _through(run: Callable[..., Awaitable[Any]]) -> Call:
    """`run`: one of the ways in which a node runs a rule for a viewer."""

    async def call(
        request: HTTPConnection,
        access: Access | str | None,
        rule: Callable[Concatenate[Tx, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        seen = Seen(request, _access(access))
        try:
            result: T = await run(seen.parts.node, NOBODY, _as_viewer, seen, lambda tx: rule(tx, *args, **kwargs))
            return result
        finally:
            if seen.token_id is not None:
                seen.parts.token_uses.note(seen.token_id)

    return call


read = _through(Node.read_as)
"""For a rule that only reads."""
glance = _through(Node.glance_as)
"""`read` for a rule that takes well under a few milliseconds (see `Node.glance`)."""
write = _through(Node.write_as)
"""The same in a transaction that writes."""


async def viewer(request: HTTPConnection, access: Access | str | None) -> Viewer:
    """The viewer alone, for handlers that do their work elsewhere (uploads, streams). The same errors."""

    def itself(tx: Tx) -> Viewer:
        return tx.viewer

    return await read(request, access, itself)


def token_of(connection: HTTPConnection) -> str | None:
    """The bearer token of the Authorization header, else `?access_token=`."""
    header = connection.headers.get("authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() == "bearer":
            return token.strip() or None
    if b"access_token" in connection.scope["query_string"]:
        return connection.query_params.get("access_token") or None
    return None


class Seen:
    """One request's credentials, and what has been counted for them."""

    __slots__ = ("access", "counted", "hash", "parts", "scope", "token_id")

    def __init__(self, request: HTTPConnection, access: Access) -> None:
        token = token_of(request)
        self.access = access
        self.parts: Parts = parts_of(request)
        self.scope = request.scope
        self.hash = token_hash(token) if token else None
        self.counted = False
        self.token_id: int | None = None
        """Of the token, once it was found good."""

    def count(self, account_id: int, limit: int) -> None:
        """Once a request, although a transaction may run twice. Raises TooMany."""
        if self.counted:
            return
        self.counted = True
        budget = self.parts.limiter.take("account", account_id, limit)
        if budget is not None:
            self.scope["corridor.budget"] = budget  # for the headers of the answer
            if budget.exceeded:
                raise TooMany(self.parts.limiter.seconds_left(budget))


def _access(access: Access | str | None) -> Access:
    if access is None:
        return OPEN
    return Access(access) if isinstance(access, str) else access


def _as_viewer(tx: Tx, seen: Seen, rule: Callable[[Tx], T]) -> T:
    tx.viewer = _viewer(tx, seen)
    return rule(tx)


def _viewer(tx: Tx, seen: Seen) -> Viewer:
    if seen.hash is None:
        return _nobody(tx, seen.access)
    found = auth.authenticate(tx, seen.hash)
    seen.token_id = found.token_id
    if found.account_id is not None:
        seen.count(found.account_id, tx.settings.limits.per_account)
    check(found, seen.access)
    return found


def _nobody(tx: Tx, access: Access) -> Viewer:
    may_read = tx.settings.access.anonymous == "read"
    if access.open_to_all or (access.anonymous and may_read):
        return replace(NOBODY, anonymous_read=may_read)
    raise Unauthorized()


def check(found: Viewer, access: Access) -> None:
    """Raise unless `found` may do what asks for `access`."""
    wanted = (access.scope,) if isinstance(access.scope, str) else access.scope or ()
    if wanted and not any(auth.covers(found.scopes, scope) for scope in wanted):
        raise Forbidden("This action is outside the authorized scopes")
    is_person = found.kind is Kind.PERSON and found.account_id is not None
    nobody_may = access.app or access.open_to_all or (access.anonymous and found.anonymous_read)
    if not is_person and not nobody_may:
        raise Invalid("This method requires an authenticated user")
    if access.role is not None and access.role not in found.roles:
        raise Forbidden()


def spend(request: Request, kind: str, key: str | int, limit: int) -> None:
    """Count one use of something that has a limit of its own (posts, uploads, sign-ins). Raises TooMany."""
    limiter = parts_of(request).limiter
    budget = limiter.take(kind, key, limit)
    if budget is not None and budget.exceeded:
        raise TooMany(limiter.seconds_left(budget))
