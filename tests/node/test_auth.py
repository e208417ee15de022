"""Apps, codes, tokens, scopes and sessions; each refusal beside the success that it nearly is."""

import base64
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Row, update
from sqlalchemy import event as sqlalchemy_event

from node import accounts, auth
from node.auth import OUT_OF_BAND, RegisteredApp
from node.errors import Forbidden, Invalid, NotFound, Unauthorized
from node.runtime import Node
from node.schema import event, oauth_app, oauth_code, oauth_token, web_session
from node.secrets import token_hash
from node.viewer import Kind, Viewer
from tests.support.actors import make_remote
from tests.support.clocks import Clock
from tests.support.people import make_person
from tests.support.rows import count_of, id_of, rows_of

REDIRECT = "https://client.example/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Client:
    """An app, its row, and what it does with a node."""

    node: Node
    app: RegisteredApp
    row: Row[Any]

    async def authorize(self, person: Viewer, scopes: str = "read write", **options: Any) -> str:
        rule = partial(auth.grant_code, **options)
        return await self.node.write_as(person, rule, self.row, REDIRECT, scopes)

    async def exchange(self, code: str, redirect: str = REDIRECT, verifier: str | None = None) -> str | None:
        found = await self.node.write(auth.exchange_code, self.row, code, redirect, verifier)
        return None if found is None else found[0]


async def make_client(node: Node, name: str = "Client", scopes: str = "read write follow push") -> Client:
    app = await node.write(auth.register_app, name, [REDIRECT, OUT_OF_BAND], scopes)
    return Client(node, app, await node.read(auth.app_by_client_id, app.client_id))


async def who(node: Node, token: str | None) -> Viewer:
    assert token is not None
    return await node.read(auth.authenticate, token_hash(token))


# --- Scopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("granted", "needed", "covered"),
    [
        ("read", "read:statuses", True),
        ("read:statuses", "read:statuses", True),
        ("read:statuses", "read:accounts", False),
        ("read:statuses", "read", False),
        ("write", "read:statuses", False),
        ("read", "write:statuses", False),
        ("write", "write:media", True),
        ("follow", "write:follows", True),
        ("follow", "read:mutes", True),
        ("follow", "write:statuses", False),
        ("read:collections", "write:collections", False),
        ("write:follows", "follow", False),
        ("read", "profile", True),
        ("read:accounts", "profile", True),
        ("profile", "profile", True),
        ("profile", "read:accounts", False),
        ("read:statuses", "profile", False),
        ("read write", "admin:read:accounts", False),
        ("read write", "admin:read", False),
        ("admin:read", "admin:read:accounts", True),
        ("admin:read", "admin:write:accounts", False),
        ("admin:read", "read:accounts", False),
        ("push", "read", False),
        ("read", "push", False),
    ],
)
def test_which_scope_covers_which(granted: str, needed: str, covered: bool) -> None:
    assert auth.covers(frozenset(granted.split()), needed) is covered


@pytest.mark.parametrize("text", ["read:everything", "READ", "read,write", "admin", "crypto", "read " * 1000 + "x"])
def test_an_unknown_scope_is_invalid(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        auth.parse(text)
    assert refused.value.field == "scope"


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        (None, {"read"}),
        ("", {"read"}),
        ("  ", {"read"}),
        ("read write\tread", {"read", "write"}),
        ("push", {"push"}),
        ("read:collections write:collections", {"read:collections", "write:collections"}),
    ],
)
def test_scopes_are_read_from_text(text: str | None, scopes: set[str]) -> None:
    assert auth.parse(text) == scopes


def test_a_token_asks_for_no_more_than_its_app_may() -> None:
    assert auth.within({"read:statuses"}, {"read"}) == {"read:statuses"}
    assert auth.within({"follow"}, {"read", "write"}) == {"follow"}
    for asked, allowed in [({"read"}, {"read:statuses"}), ({"write"}, {"read"}), ({"follow"}, {"read"})]:
        with pytest.raises(Invalid):
            auth.within(asked, allowed)


# --- Apps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    [
        OUT_OF_BAND,
        "https://client.example/cb?x=1&y",
        "http://localhost:4321/?code",
        "oauth2redirect://com.keylesspalace.tusky/",
        "org.joinmastodon.android-auth://callback",
        "icecubesapp://",
    ],
)
async def test_redirects_as_clients_register_them(node: Node, uri: str) -> None:
    app = await node.write(auth.register_app, "Client", [uri], None)
    row = await node.read(auth.app_by_client_id, app.client_id)
    assert (app.redirect_uris, row.redirect_uris, row.scopes) == ((uri,), [uri], "read")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/relative",
        "client.example/cb",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "https://client.example/#fragment",
        "https://client.example/#",
        "https://user@client.example/",
        "https:///nohost",
        "https://client.example/a b",
        "https://client.example\\@evil.example/",
        "https://client.example/\x00",
        "java\nscript:alert(1)",
        "https://[::1/",
        "https://client.example/" + "x" * 2000,
    ],
)
async def test_a_redirect_that_must_not_be_is_refused(node: Node, uri: str) -> None:
    with pytest.raises(Invalid) as refused:
        await node.write(auth.register_app, "Client", [REDIRECT, uri], None)
    assert refused.value.field == "redirect_uris"
    assert await count_of(node, oauth_app) == 0


@pytest.mark.parametrize(
    ("name", "uris", "scopes", "website", "field"),
    [
        (" ", [REDIRECT], "read", None, "client_name"),
        ("x" * 201, [REDIRECT], "read", None, "client_name"),
        ("a\x00", [REDIRECT], "read", None, "client_name"),
        ("Client", [], "read", None, "redirect_uris"),
        ("Client", [f"https://c.example/{n}" for n in range(21)], "read", None, "redirect_uris"),
        ("Client", [REDIRECT], "all", None, "scope"),
        ("Client", [REDIRECT], "read", "javascript:x", "website"),
    ],
)
async def test_an_app_out_of_bounds_is_refused(
    node: Node, name: str, uris: list[str], scopes: str, website: str | None, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await node.write(auth.register_app, name, uris, scopes, website)
    assert refused.value.field == field


async def test_an_app_shows_its_secret(node: Node) -> None:
    client, other = await make_client(node), await make_client(node, "Other")
    found = await node.read(auth.client, client.app.client_id, client.app.client_secret)
    assert found.id == client.app.id
    for client_id, secret in [
        (client.app.client_id, other.app.client_secret),
        (client.app.client_id, ""),
        ("unknown", client.app.client_secret),
        ("a\x00", ""),
        ("\ud800", "\ud800"),
    ]:
        with pytest.raises(Unauthorized):
            await node.read(auth.client, client_id, secret)
    assert client.app.client_secret not in str(await rows_of(node, oauth_app))


# --- Codes --------------------------------------------------------------------------------------------------------


async def test_a_code_becomes_a_token_of_that_person_and_those_scopes(node: Node) -> None:
    anna = await make_person(node, "anna", roles=("employee", "moderator"))
    client = await make_client(node)
    token = await client.exchange(await client.authorize(anna, "read write:statuses"))
    viewer = await who(node, token)
    assert (viewer.kind, viewer.account_id, viewer.app_id) == (Kind.PERSON, anna.account_id, client.app.id)
    assert viewer.scopes == {"read", "write:statuses"}
    assert viewer.roles == {"employee", "moderator"}
    (stored,) = await rows_of(node, oauth_token)
    assert stored.id == viewer.token_id
    assert str(token) not in str(stored)


async def test_a_code_used_again_takes_its_token_with_it(node: Node) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    code = await client.authorize(anna)
    token = await client.exchange(code)
    viewer = await who(node, token)
    assert await client.exchange(code) is None
    with pytest.raises(Unauthorized, match="revoked"):
        await who(node, token)
    assert await count_of(node, oauth_token) == 1
    kills = await rows_of(node, event, event.c.kind == "kill")
    assert [(row.account_id, row.data) for row in kills] == [(anna.account_id, {"token_id": viewer.token_id})]


async def test_a_code_is_for_its_app_its_redirect_and_its_time_alone(node: Node, clock: Clock) -> None:
    anna, client, other = await make_person(node, "anna"), await make_client(node), await make_client(node, "Other")
    code = await client.authorize(anna)
    with pytest.raises(Invalid):
        await other.exchange(code)
    with pytest.raises(Invalid):
        await client.exchange(code, REDIRECT + "/")
    with pytest.raises(Invalid):
        await client.exchange(code + "x")
    with pytest.raises(Invalid):
        await client.exchange("\ud800")
    clock.advance(599)
    late = await client.authorize(anna)
    assert await client.exchange(code) is not None
    clock.advance(600)
    with pytest.raises(Invalid):
        await client.exchange(late)
    assert await count_of(node, oauth_token) == 1


async def test_a_used_code_in_foreign_hands_revokes_nothing(node: Node) -> None:
    anna, client, other = await make_person(node, "anna"), await make_client(node), await make_client(node, "Other")
    code = await client.authorize(anna)
    token = await client.exchange(code)
    with pytest.raises(Invalid):
        await other.exchange(code)
    assert (await who(node, token)).account_id == anna.account_id


async def test_pkce_is_enforced_when_a_challenge_was_given(node: Node) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    code = await client.authorize(anna, challenge=CHALLENGE)
    for verifier in (None, "", "w" * 43, CHALLENGE, VERIFIER + "=", "v" * 42, "ä" * 43):
        with pytest.raises(Invalid):
            await client.exchange(code, verifier=verifier)
    assert await client.exchange(code, verifier=VERIFIER) is not None


async def test_a_verifier_without_a_challenge_is_refused(node: Node) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    code = await client.authorize(anna)
    with pytest.raises(Invalid):
        await client.exchange(code, verifier=VERIFIER)
    assert await client.exchange(code) is not None


@pytest.mark.parametrize(
    ("challenge", "method"),
    [(CHALLENGE, "plain"), (CHALLENGE, None), ("", "S256"), ("short", "S256"), ("ä" * 43, "S256")],
)
async def test_only_s256_is_taken(node: Node, challenge: str, method: str | None) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    with pytest.raises(Invalid) as refused:
        await client.authorize(anna, challenge=challenge, method=method)
    assert refused.value.field == "code_challenge_method"
    assert await count_of(node, oauth_code) == 0


async def test_a_grant_stays_within_what_the_app_registered(node: Node) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node, scopes="read:statuses follow")
    assert await client.authorize(anna, "read:statuses write:follows")
    for scopes in ("read", "write", "admin:read", "nonsense"):
        with pytest.raises(Invalid) as refused:
            await client.authorize(anna, scopes)
        assert refused.value.field == "scope"
    for redirect in (REDIRECT + "/", REDIRECT.upper(), "https://evil.example/", ""):
        with pytest.raises(Invalid) as refused:
            await node.write_as(anna, auth.grant_code, client.row, redirect, "follow")
        assert refused.value.field == "redirect_uri"


async def test_who_is_suspended_in_between_gets_no_token(node: Node) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    kept = await client.authorize(anna)
    await node.write(accounts.set_roles, id_of(anna), ["comms"])
    code = await client.authorize(anna)
    await node.write(accounts.suspend, id_of(anna))
    for one in (kept, code):
        with pytest.raises(Invalid):
            await client.exchange(one)
    assert await count_of(node, oauth_token) == 0


# --- Tokens -------------------------------------------------------------------------------------------------------


async def test_the_token_of_an_app_is_nobodys(node: Node) -> None:
    client = await make_client(node, scopes="read")
    token, row = await node.write(auth.client_credentials, client.row, "read")
    viewer = await who(node, token)
    assert (viewer.kind, viewer.account_id, viewer.app_id) == (Kind.NOBODY, None, client.app.id)
    assert (viewer.token_id, viewer.scopes, viewer.anonymous_read) == (row.id, frozenset({"read"}), False)
    with pytest.raises(Invalid):
        await node.write(auth.client_credentials, client.row, "write")


async def test_a_token_that_is_unknown_revoked_or_expired_is_refused(node: Node, clock: Clock) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    token, row = await node.write(auth.issue, client.app.id, id_of(anna), "read")
    with pytest.raises(Unauthorized):
        await who(node, token + "x")
    soon = node.now() + 1000
    await node.write(
        lambda tx: tx.execute(update(oauth_token).where(oauth_token.c.id == row.id).values(expires_at=soon)).rowcount
    )
    assert (await who(node, token)).account_id == anna.account_id
    clock.advance(1)
    with pytest.raises(Unauthorized, match="expired"):
        await who(node, token)


async def test_an_app_revokes_its_own_tokens_alone(node: Node) -> None:
    anna, client, other = await make_person(node, "anna"), await make_client(node), await make_client(node, "Other")
    token = await client.exchange(await client.authorize(anna))
    assert token is not None
    with pytest.raises(Forbidden):
        await node.write(auth.revoke, other.row, token)
    await node.write(auth.revoke, other.row, "unknown")
    assert (await who(node, token)).account_id == anna.account_id
    for _ in range(2):
        await node.write(auth.revoke, client.row, token)
    with pytest.raises(Unauthorized, match="revoked"):
        await who(node, token)
    assert await count_of(node, event, event.c.kind == "kill") == 1


async def test_tokens_made_by_command_are_listed_and_revoked_by_their_owner_alone(node: Node) -> None:
    anna, bea = await make_person(node, "anna"), await make_person(node, "bea")
    first = await node.write(auth.make_token, id_of(anna), "read")
    await node.write(auth.make_token, id_of(anna), "read write")
    await node.write(auth.make_token, id_of(bea))
    assert await count_of(node, oauth_app) == 1
    listed = await node.read(auth.tokens_of, id_of(anna))
    assert [(row.scopes, row.app_name) for row in listed] == [("read write", "Command line"), ("read", "Command line")]
    token_id = (await who(node, first)).token_id
    assert token_id is not None
    with pytest.raises(NotFound):
        await node.write_as(bea, auth.revoke_by_id, token_id)
    await node.write_as(anna, auth.revoke_by_id, token_id)
    with pytest.raises(Unauthorized):
        await who(node, first)
    assert len(await node.read(auth.tokens_of, id_of(anna))) == 1


async def test_only_those_who_can_sign_in_get_a_token_by_command(node: Node) -> None:
    anna, bert = await make_person(node, "anna"), await make_remote(node, "bert")
    await node.write(accounts.disable, id_of(anna))
    for account_id in (id_of(anna), id_of(bert), 12345):
        with pytest.raises(NotFound):
            await node.write(auth.make_token, account_id)
    await node.write(accounts.enable, id_of(anna))
    with pytest.raises(Invalid):
        await node.write(auth.make_token, id_of(anna), "everything")


async def test_a_token_is_checked_with_one_statement_that_writes_nothing(node: Node) -> None:
    anna = await make_person(node, "anna")
    token = await node.write(auth.make_token, id_of(anna))

    def counted(tx: Any) -> list[str]:
        statements: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            statements.append(statement)

        sqlalchemy_event.listen(tx.conn, "before_cursor_execute", note)
        auth.authenticate(tx, token_hash(token))
        sqlalchemy_event.remove(tx.conn, "before_cursor_execute", note)
        return statements

    statements = await node.read(counted)
    assert len(statements) == 1
    assert statements[0].startswith("SELECT")


# --- Sessions -----------------------------------------------------------------------------------------------------


async def test_a_session_stands_for_its_person_until_it_is_closed(node: Node) -> None:
    anna = await make_person(node, "anna", roles=("employee", "admin"))
    cookie, csrf = await node.write(auth.open_session, id_of(anna))
    found = await node.read(auth.session, token_hash(cookie))
    assert (found.viewer.account_id, found.viewer.roles, found.csrf) == (anna.account_id, anna.roles, csrf)
    assert auth.covers(found.viewer.scopes, "write:statuses")
    assert (await node.read(accounts.login_of, id_of(anna))).last_sign_in_at == node.now()
    assert cookie not in str(await rows_of(node, web_session))
    with pytest.raises(Unauthorized):
        await node.read(auth.session, token_hash(csrf))
    for _ in range(2):
        await node.write(auth.close_session, token_hash(cookie))
    with pytest.raises(Unauthorized):
        await node.read(auth.session, token_hash(cookie))


async def test_a_session_ends_after_thirty_days_and_is_swept_away(node: Node, clock: Clock) -> None:
    anna, client = await make_person(node, "anna"), await make_client(node)
    cookie, _ = await node.write(auth.open_session, id_of(anna))
    await client.authorize(anna)
    clock.advance(30 * 86_400 - 1)
    assert (await node.read(auth.session, token_hash(cookie))).viewer.account_id == anna.account_id
    await client.authorize(anna)
    clock.advance(1)
    with pytest.raises(Unauthorized):
        await node.read(auth.session, token_hash(cookie))
    assert await node.write(auth.purge, 1) == 1
    assert await node.write(auth.purge, 500) == 1
    assert await node.write(auth.purge, 500) == 0
    assert await count_of(node, web_session) == 0
    assert await count_of(node, oauth_code) == 1


async def test_one_signs_in_by_name_or_email_in_every_case(node: Node) -> None:
    anna, bert = await make_person(node, "anna", password_hash="stored"), await make_remote(node, "bert")
    assert bert.account_id
    for name in ("anna", "ANNA", " @anna ", "Anna@Example.org", "anna@eng.example"):
        found = await node.read(auth.sign_in_data, name)
        assert found is not None
        assert (found.account_id, found.password_hash) == (anna.account_id, "stored")
    bea = await make_person(node, "bea", email="anna@eng.example")
    found = await node.read(auth.sign_in_data, "anna@eng.example")
    assert found is not None
    assert found.account_id == bea.account_id
    for name in ("", "ann", "bert", "bert@field.example", "anna\x00", "\ud800", "eng.example"):
        assert await node.read(auth.sign_in_data, name) is None
