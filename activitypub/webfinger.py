"""WebFinger (RFC 7033) and host-meta (RFC 6415): from handles to actors and back.

A handle is valid only if both directions agree (R2): the answer for it names an actor, that actor's document gives the
same user name, and if the answer's subject is of another host, that host says the same. `Jrd` and its checks are the
pure part; asking is the caller's.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from activitypub import values
from activitypub.documents import Actor
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import AP_TYPE, Iri, is_as2, is_iri, normal_authority, same_origin

JRD_TYPE = "application/jrd+json"
XRD_TYPE = "application/xrd+xml"

_XRD = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
_PROFILE_PAGE = "http://webfinger.net/rel/profile-page"
_SUBSCRIBE = "http://ostatus.org/schema/1.0/subscribe"
_USERNAME = re.compile(r"[^\s@/\\<>\"'&?#\x00-\x1f\x7f-\x9f]{1,128}")
_HOST_META_SIZE = 65536
_TEMPLATE_SLOT = "{uri}"


@dataclass(frozen=True, slots=True)
class Handle:
    """`username@host`; the host is normalised, with its port unless that is the default."""

    username: str
    host: str

    def __str__(self) -> str:
        return f"{self.username}@{self.host}"

    @property
    def acct(self) -> str:
        """As a WebFinger resource."""
        return f"acct:{self}"

    def same_as(self, other: "Handle") -> bool:
        """True for the same host and the same name, whatever its case."""
        return self.host == other.host and self.username.casefold() == other.username.casefold()


@dataclass(frozen=True, slots=True)
class Jrd:
    """What an answer says: the canonical handle and the actor."""

    subject: Handle
    actor: Iri


# --- Handles and resources ----------------------------------------------------------------------------------------


def parse_handle(text: str) -> Handle:
    """`user@host` or `@user@host`, as people type it. Malformed for anything else."""
    username, at, authority = text.strip().removeprefix("@").partition("@")
    if not at or len(text) > 500 or not _USERNAME.fullmatch(username):
        raise Malformed("not a handle")
    return Handle(username, normal_authority(authority))


def parse_resource(resource: str) -> Handle | Iri:
    """What a WebFinger query asks for: an acct: URI (RFC 7565) or the URL of an actor, or of the server itself."""
    if is_iri(resource):
        return Iri(resource)
    scheme, colon, rest = resource.partition(":")
    if not colon or scheme.lower() != "acct":
        raise Malformed("a resource that is neither acct: nor a URL")
    username, at, authority = rest.rpartition("@")
    return parse_handle(f"{unquote(username)}{at}{authority}")


# --- Answers ------------------------------------------------------------------------------------------------------


def jrd(
    handle: Handle,
    actor: Iri,
    *,
    profile: str | None = None,
    aliases: Sequence[str] = (),
    subscribe: str | None = None,
) -> dict[str, Any]:
    """Our answer. `profile` is the page for browsers, `subscribe` a template with `{uri}` for remote follows."""
    links: list[dict[str, str]] = []
    if profile:
        links.append({"rel": _PROFILE_PAGE, "type": "text/html", "href": profile})
    links.append({"rel": "self", "type": AP_TYPE, "href": actor})
    if subscribe:
        links.append({"rel": _SUBSCRIBE, "template": subscribe})
    named = dict.fromkeys([*aliases, *([profile] if profile else []), actor])
    return {"subject": handle.acct, "aliases": list(named), "links": links}


def parse_jrd(doc: Any, handle: Handle) -> Jrd:
    """The answer to a query for `handle`: its subject, and the actor of its first `self` link of an AS2 type.

    A subject of another name on the same host is the host's to say (a renamed account); one of another host is only a
    claim: see `confirm`. Malformed if there is no subject or no actor.
    """
    if not isinstance(doc, dict):
        raise Malformed("not a JRD")
    named = doc.get("subject")
    subject = parse_resource(named) if isinstance(named, str) else None
    if not isinstance(subject, Handle):
        raise Malformed("a JRD without an acct: subject")
    for link in values.objects(doc.get("links"), 50):
        href = link.get("href")
        if link.get("rel") == "self" and is_as2(values.text(link.get("type"), 200)) and is_iri(href):
            return Jrd(handle if subject.same_as(handle) else subject, Iri(str(href)))
    raise Malformed("a JRD without an actor")


def needs_confirmation(answer: Jrd, asked: Handle) -> bool:
    """True if the answer's subject is of another host than was asked: that host has to be asked for it (R2)."""
    return answer.subject.host != asked.host


def confirm(answer: Jrd, reverse: Jrd) -> None:
    """Refused unless the subject's own host, asked for the subject, gives the same subject and actor."""
    if not reverse.subject.same_as(answer.subject) or reverse.actor != answer.actor:
        raise Refused("the handle's own host says otherwise")


def maps_back(answer: Jrd, actor: Actor) -> None:
    """Refused unless the actor's document is the one the answer names and gives the user name of the subject."""
    if actor.iri != answer.actor:
        raise Refused("the answer names another actor")
    if not actor.username or actor.username.casefold() != answer.subject.username.casefold():
        raise Refused("the actor goes by another name")


def query_url(host: str, resource: str, *, scheme: str = "https") -> str:
    """Where to ask `host` about a resource."""
    return f"{scheme}://{host}/.well-known/webfinger?resource={quote(resource, safe='')}"


# --- host-meta ----------------------------------------------------------------------------------------------------


def host_meta(origin: str) -> str:
    """The XRD document that sends WebFinger queries to `origin` ("https://host")."""
    template = quoteattr(f"{origin}/.well-known/webfinger?resource={_TEMPLATE_SLOT}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<XRD xmlns="{_XRD}">\n'
        f'  <Link rel="lrdd" type="{JRD_TYPE}" template={template}/>\n'
        "</XRD>\n"
    )


def parse_host_meta(body: bytes) -> str:
    """The lrdd template of a host-meta document; Malformed if there is none.

    A document type declaration is refused unread, since it is good for nothing here but entity bombs. The template is
    another server's word: fetch it through the guard only.
    """
    if len(body) > _HOST_META_SIZE:
        raise Malformed("a host-meta too large")
    try:
        text = body.decode("utf-8-sig")
        if "<!DOCTYPE" in text.upper():
            raise Malformed("a host-meta with a document type")
        root = ElementTree.fromstring(text)
    except (ValueError, ElementTree.ParseError) as error:
        raise Malformed("host-meta that is no XML") from error
    for link in root.iter(f"{{{_XRD}}}Link"):
        template = link.get("template", "")
        if link.get("rel") == "lrdd" and template.count(_TEMPLATE_SLOT) == 1 and _safe_template(template):
            return template
    raise Malformed("a host-meta without an lrdd template")


def from_template(template: str, resource: str) -> str:
    """Where an lrdd template says to ask about a resource."""
    return template.replace(_TEMPLATE_SLOT, quote(resource, safe=""))


def _safe_template(template: str) -> bool:
    """True if whoever is asked about decides nothing but the path and query: the host is the template's own."""
    return same_origin(from_template(template, "acct:a@a.example"), from_template(template, "https://b.example/"))
