"""NodeInfo 2.0 and 2.1 (FEP-0151): what a server says of itself, ours and others'."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activitypub import values
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import Iri, same_origin

VERSIONS = ("2.1", "2.0")  # best first

_SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/"
_WORD_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInfo:
    """Counts are None where a server does not tell. `protocols` of others are cut off at 20."""

    software: str
    version: str
    repository: str | None = None
    homepage: str | None = None
    protocols: tuple[str, ...] = ("activitypub",)
    open_registrations: bool = False
    users: int | None = None
    active_month: int | None = None
    active_halfyear: int | None = None
    posts: int | None = None
    node_name: str | None = None


def content_type(version: str) -> str:
    """The media type to answer with."""
    return f'application/json; profile="{_SCHEMA}{version}#"'


def discovery(origin: str) -> dict[str, Any]:
    """The document at /.well-known/nodeinfo, for documents at /nodeinfo/{version}."""
    return {"links": [{"rel": _SCHEMA + version, "href": f"{origin}/nodeinfo/{version}"} for version in VERSIONS]}


def document(info: NodeInfo, *, version: str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Our NodeInfo in one of VERSIONS. 2.0 knows no repository and homepage, and its schema forbids them."""
    software = {"name": info.software, "version": info.version}
    if version == "2.1":
        software |= {"repository": info.repository} if info.repository else {}
        software |= {"homepage": info.homepage} if info.homepage else {}
    users = {"total": info.users, "activeMonth": info.active_month, "activeHalfyear": info.active_halfyear}
    usage: dict[str, Any] = {"users": {name: count for name, count in users.items() if count is not None}}
    if info.posts is not None:
        usage["localPosts"] = info.posts
    named = {"nodeName": info.node_name} if info.node_name else {}
    return {
        "version": version,
        "software": software,
        "protocols": list(info.protocols),
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": info.open_registrations,
        "usage": usage,
        "metadata": {**named, **(metadata or {})},
    }


def parse_discovery(doc: Any, origin: str) -> Iri:
    """The address of the best version we read.

    Links are hostile (CVE-2026-62857): one that leads to another origin than the asked one is Refused, not followed.
    """
    if not isinstance(doc, dict):
        raise Malformed("not a NodeInfo discovery document")
    links = {link.get("rel"): values.iri(link.get("href")) for link in _links(doc)}
    found = next((href for version in VERSIONS if (href := links.get(_SCHEMA + version))), None)
    if found is None:
        raise Malformed("no link to a NodeInfo we read")
    if not same_origin(found, origin):
        raise Refused("NodeInfo of another origin")
    return found


def parse(doc: Any) -> NodeInfo:
    """What a NodeInfo document says; Malformed if it does not even name the software."""
    if not isinstance(doc, dict):
        raise Malformed("not a NodeInfo document")
    software, usage, metadata = (_mapping(doc.get(name)) for name in ("software", "usage", "metadata"))
    name = values.text(software.get("name"), _WORD_LENGTH)
    if name is None:
        raise Malformed("a NodeInfo without software")
    users = _mapping(usage.get("users"))
    protocols = (values.text(one, _WORD_LENGTH) for one in values.many(doc.get("protocols"), 20))
    return NodeInfo(
        software=name.lower(),
        version=values.text(software.get("version"), _WORD_LENGTH) or "",
        repository=values.link(software.get("repository")),
        homepage=values.link(software.get("homepage")),
        protocols=tuple(one for one in protocols if one),
        open_registrations=values.flag(doc.get("openRegistrations")) or False,
        users=values.count(users.get("total")),
        active_month=values.count(users.get("activeMonth")),
        active_halfyear=values.count(users.get("activeHalfyear")),
        posts=values.count(usage.get("localPosts")),
        node_name=values.text(metadata.get("nodeName"), _WORD_LENGTH),
    )


def _links(doc: dict[str, Any]) -> list[dict[str, Any]]:
    return [link for link in values.objects(doc.get("links"), 20) if isinstance(link.get("rel"), str)]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
