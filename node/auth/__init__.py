"""Who is calling: apps, codes, tokens and sessions.

    scopes     what a token may be used for
    apps       clients that people let in
    tokens     codes and tokens (RFC 6749, 7636, 7009)
    sessions   signing in to the pages

Tokens, codes and session ids are 256 random bits each and stored as SHA-256 only (`secrets.token_hash`).
"""

from node.auth.apps import OUT_OF_BAND, RegisteredApp, app_by_client_id, client, register_app
from node.auth.scopes import SCOPES, covers, parse, within
from node.auth.sessions import Session, close_session, open_session, session, sign_in_data
from node.auth.tokens import (
    authenticate,
    client_credentials,
    exchange_code,
    grant_code,
    issue,
    make_token,
    purge,
    revoke,
    revoke_by_id,
    tokens_of,
)

__all__ = [
    "OUT_OF_BAND",
    "SCOPES",
    "RegisteredApp",
    "Session",
    "app_by_client_id",
    "authenticate",
    "client",
    "client_credentials",
    "close_session",
    "covers",
    "exchange_code",
    "grant_code",
    "issue",
    "make_token",
    "open_session",
    "parse",
    "purge",
    "register_app",
    "revoke",
    "revoke_by_id",
    "session",
    "sign_in_data",
    "tokens_of",
    "within",
]
