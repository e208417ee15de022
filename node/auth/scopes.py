"""What a token may be used for: Mastodon's scopes and which of them contain others.

read  write  admin:read  admin:write    contain all that begin with their name and ':'
follow                                  contains reading and writing of follows, blocks and mutes
read, read:accounts                     contain profile (who am I, and nothing else)
"""

from collections.abc import Collection, Iterable

from node.errors import Invalid

_READ = "accounts blocks bookmarks collections favourites filters follows lists mutes notifications search statuses"
_WRITE = _READ.replace("search ", "") + " conversations media reports"
_ADMIN = "accounts reports domain_allows domain_blocks ip_blocks email_domain_blocks canonical_email_blocks"
_FOLLOW = frozenset(f"{verb}:{what}" for verb in ("read", "write") for what in ("follows", "blocks", "mutes"))

SCOPES = frozenset(
    [
        *("read", "write", "follow", "push", "profile", "admin:read", "admin:write"),
        *(f"read:{what}" for what in _READ.split()),
        *(f"write:{what}" for what in _WRITE.split()),
        *(f"admin:{verb}:{what}" for verb in ("read", "write") for what in _ADMIN.split()),
    ]
)
DEFAULT = "read"
_MAX_LENGTH = 2000


def parse(text: str | None) -> frozenset[str]:
    """Scopes as clients send them, separated by spaces; "read" if there are none. Invalid for an unknown one."""
    words = frozenset((text or "")[: _MAX_LENGTH + 1].split()) or frozenset({DEFAULT})
    if not words <= SCOPES or len(text or "") > _MAX_LENGTH:
        raise Invalid("The requested scope is invalid, unknown, or malformed.", "scope")
    return words


def covers(granted: Collection[str], needed: str) -> bool:
    """True if a token with the scopes `granted` may be used for what needs `needed`, such as "read:statuses"."""
    if needed in granted:
        return True
    if needed == "profile":
        return "read" in granted or "read:accounts" in granted
    if needed in _FOLLOW and "follow" in granted:
        return True
    wider = needed.rpartition(":")[0]
    return wider in SCOPES and wider in granted


def within(asked: Iterable[str], allowed: Collection[str]) -> frozenset[str]:
    """`asked`, if all of it lies within `allowed` (what the app registered), else Invalid."""
    wanted = frozenset(asked)
    if not all(_inside(scope, allowed) for scope in wanted):
        raise Invalid("The requested scope is invalid, unknown, or malformed.", "scope")
    return wanted


def text(scopes: Collection[str]) -> str:
    """As they are stored and sent: separated by spaces, wide ones first."""
    return " ".join(sorted(scopes, key=lambda scope: (scope.count(":"), scope)))


def _inside(scope: str, allowed: Collection[str]) -> bool:
    return covers(allowed, scope) or (scope == "follow" and all(covers(allowed, part) for part in _FOLLOW))
