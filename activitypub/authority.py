"""Who may say what about whose object: the origin rules (protocol R17, R27, R40-R47), in one place and without I/O.

`check` judges an activity by itself, before anything is looked up and before any handler. The `may_*` functions are for
handlers that have found the stored object. All raise Refused with the reason; none answers False.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from activitypub import values
from activitypub.audience import Visibility
from activitypub.documents import Activity, Actor, QuoteAuthorization
from activitypub.errors import ProtocolError, Refused
from activitypub.parse import author as author_of
from activitypub.vocabulary import ACTOR_TYPES, Iri, origin, same_origin, split


def check(activity: Activity, *, signer: Iri, own_origin: str) -> None:
    """Judge an activity that `signer` has signed. What passes may still be wrong about what is stored: see `may_*`.

    `own_origin` is this server's; nothing of that origin ever arrives from outside (R45).
    """
    if activity.actor != signer:
        raise Refused("signed by somebody else than its actor")
    if "#" in activity.actor:
        raise Refused("an actor's id with a fragment")
    if origin(activity.actor) == origin(own_origin):
        raise Refused("an activity from outside in the name of an actor of ours")
    if activity.iri is not None and not same_origin(activity.iri, activity.actor):
        raise Refused("the activity's id is of another origin than its actor")
    rule = _RULES.get(activity.type)
    if rule is not None:
        rule(activity, own_origin)


def vouched(activity: Activity) -> dict[str, Any] | None:
    """The embedded object if its own author sent it along, None if it is a pointer that has to be fetched (R40).

    For an activity that passed `check`.
    """
    if activity.embedded is None or activity.object is None:
        return None
    if activity.object_type in ACTOR_TYPES:
        return activity.embedded if activity.object == activity.actor else None
    try:
        by = author_of(activity.embedded, actor=activity.actor)
    except ProtocolError:
        return None
    return activity.embedded if by == activity.actor else None


# --- Rules for one type of activity -------------------------------------------------------------------------------


def _create(activity: Activity, _own_origin: str) -> None:
    _object_of_own_origin(activity)
    if activity.embedded is not None:
        _written_by_actor(activity, activity.embedded)


def _update(activity: Activity, _own_origin: str) -> None:
    _object_of_own_origin(activity)
    if activity.object_type in ACTOR_TYPES:
        if activity.object != activity.actor:
            raise Refused("an update of another actor")
    elif activity.embedded is not None:
        _written_by_actor(activity, activity.embedded)


def _written_by_actor(activity: Activity, embedded: dict[str, Any]) -> None:
    if author_of(embedded, actor=activity.actor) != activity.actor:
        raise Refused("the object is by somebody else")


def _delete(activity: Activity, _own_origin: str) -> None:
    _object_of_own_origin(activity)


def _undo(activity: Activity, _own_origin: str) -> None:
    """The embedded original must be the actor's own; one without id must say so, since nothing else tells."""
    if activity.object is not None:
        _object_of_own_origin(activity)
    original = _something(activity)
    if original is not None and not _says(original, "actor", activity.actor):
        raise Refused("an undo of what somebody else did")


def _answer(activity: Activity, own_origin: str) -> None:
    """Accept and Reject: of a Follow by one of ours, of this very actor, or of a tag at its server; or of a QuoteRequest."""
    follow = _something(activity)
    if activity.object_type == "QuoteRequest":
        _answer_to_quote(activity, own_origin)
    if activity.object_type == "Join":
        _answer_to_join(activity, own_origin)
    if follow is None or activity.object_type != "Follow":
        return
    if not _says(follow, "object", activity.actor) and not _is_of_tag(follow, activity.actor):
        raise Refused("an answer to a follow of somebody else")
    followers = map(values.iri_of, values.many(follow.get("actor"), 10))
    if not all(follower is not None and same_origin(follower, own_origin) for follower in followers):
        raise Refused("an answer to a follow that is not ours")


def _answer_to_quote(activity: Activity, own_origin: str) -> None:
    """Of a QuoteRequest by one of ours, about a post and with a stamp of the actor's own origin (R57)."""
    asked = activity.embedded or {}
    if any(found is None or not same_origin(found, own_origin) for found in _said(asked, "actor")):
        raise Refused("an answer to a quote that is not ours")
    about = [*_said(asked, "object"), *_said(activity.raw, "result")]
    if any(found is None or not same_origin(found, activity.actor) for found in about):
        raise Refused("consent to a quote of somebody else's post")


def _request(activity: Activity, own_origin: str) -> None:
    """QuoteRequest: the post that quotes is the actor's, what is quoted is ours: nobody else is asked here (R57)."""
    if activity.object is None or not same_origin(activity.object, own_origin):
        raise Refused("a request about a post that is not ours")
    if activity.instrument is None or not same_origin(activity.instrument, activity.actor):
        raise Refused("a request for somebody else's post")
    inlined = activity.inlined or {}
    if inlined.get("attributedTo") is not None and author_of(inlined, actor=activity.actor) != activity.actor:
        raise Refused("a request for a post by somebody else")


def _answer_to_join(activity: Activity, own_origin: str) -> None:
    """Of a Join by one of ours, to an event of the actor's own origin."""
    asked = activity.embedded or {}
    if any(found is None or not same_origin(found, own_origin) for found in _said(asked, "actor")):
        raise Refused("an answer to a join that is not ours")
    if any(found is None or not same_origin(found, activity.actor) for found in _said(asked, "object")):
        raise Refused("an answer to a join of somebody else's event")


def _said(doc: Mapping[str, Any], name: str) -> list[Iri | None]:
    return [values.iri_of(one) for one in values.many(doc.get(name), 10)]


def _collect(activity: Activity, _own_origin: str) -> None:
    if activity.target is None or not same_origin(activity.target, activity.actor):
        raise Refused("the collection is of another origin than the actor")
    _something(activity)


def _move(activity: Activity, _own_origin: str) -> None:
    if activity.object != activity.actor:
        raise Refused("a move of somebody else")
    if activity.target is None or activity.target == activity.actor:
        raise Refused("a move to nowhere")


def _point(activity: Activity, _own_origin: str) -> None:
    """Follow, Announce, Like, Block, Flag: one may point at anything, but must point at something."""
    if activity.object is None:
        raise Refused(f"{activity.type} of nothing")


def _object_of_own_origin(activity: Activity) -> None:
    if activity.object is None or not same_origin(activity.object, activity.actor):
        raise Refused("the object is of another origin than the actor")


def _something(activity: Activity) -> dict[str, Any] | None:
    """The embedded object, None if the object is only named."""
    if activity.object is None and not activity.embedded:
        raise Refused(f"{activity.type} of nothing")
    return activity.embedded


def _is_of_tag(follow: dict[str, Any], actor: Iri) -> bool:
    """A Follow of a tag at the actor's server; whether the actor is the server's own is for the handler to say."""
    said = values.many(follow.get("object"), 2)
    followed = values.iri_of(said[0]) if len(said) == 1 else None
    return followed is not None and same_origin(followed, actor) and split(followed).path.startswith("/tags/")


def _says(doc: dict[str, Any], name: str, expected: Iri) -> bool:
    """True if the property holds `expected` and nothing else, or is absent from a mere pointer, which has an id."""
    said = values.many(doc.get(name), 2)
    if not said:
        return values.iri_of(doc) is not None
    return len(said) == 1 and values.iri_of(said[0]) == expected


_RULES: Final[Mapping[str, Callable[[Activity, str], None]]] = {
    "Create": _create,
    "Update": _update,
    "Delete": _delete,
    "Undo": _undo,
    "Accept": _answer,
    "Reject": _answer,
    "TentativeAccept": _answer,
    "TentativeReject": _answer,
    "QuoteRequest": _request,
    "Add": _collect,
    "Remove": _collect,
    "Move": _move,
    "Follow": _point,
    "Announce": _point,
    "Like": _point,
    "Dislike": _point,
    "EmojiReact": _point,
    "Join": _point,
    "Leave": _point,
    "Block": _point,
    "Flag": _point,
}


# --- Rules against what is stored or fetched ----------------------------------------------------------------------


def may_update(author: Iri, actor: Iri, *, moderator: bool = False) -> None:
    """By the author; or by `actor` if it is known to moderate (`moderator`) the very server of the author (R43)."""
    if author == actor or (moderator and same_origin(author, actor)):
        return
    raise Refused("an update by somebody else than the author")


def may_delete(author: Iri, actor: Iri, *, moderator: bool = False) -> None:
    """As `may_update`."""
    if author == actor or (moderator and same_origin(author, actor)):
        return
    raise Refused("a delete by somebody else than the author")


def may_undo(doer: Iri, actor: Iri) -> None:
    """`doer` did what is stored; an id alone proves nothing."""
    if doer != actor:
        raise Refused("an undo of what somebody else did")


def may_answer(followed: Iri, actor: Iri) -> None:
    """The stored Follow of ours is answered by the one it follows."""
    if followed != actor:
        raise Refused("an answer to a follow of somebody else")


def may_collect(owner: Iri, actor: Iri) -> None:
    """Add and Remove are the collection's owner's."""
    if owner != actor:
        raise Refused("a change of somebody else's collection")


def may_carry(carried: Activity, *, group: Iri, own_origin: str) -> None:
    """A group passes an activity on (FEP-1b12). It is a hint of what to look up, by its id at the origin of its actor.

    `group` has signed for having passed it on, and for nothing else: a group speaks for no other actor's server.
    """
    if carried.iri is None or not same_origin(carried.iri, carried.actor):
        raise Refused("passed on: an activity whose id is of another origin than its actor")
    if carried.actor == group:
        raise Refused("passed on: an activity of the group itself")
    if carried.object is None:
        raise Refused(f"passed on: {carried.type[:50]} of nothing")
    if carried.type in ("Create", "Update") and not same_origin(carried.object, carried.actor):
        raise Refused("passed on: a post of another origin than its author")
    if carried.type == "Undo" and not same_origin(carried.object, carried.actor):
        raise Refused("passed on: an undo of what somebody else did")
    if same_origin(carried.actor, own_origin) and carried.type != "Create" and same_origin(carried.object, own_origin):
        raise Refused("passed on: what ours did to what is ours")


def may_feature(author: Iri, actor: Iri) -> None:
    """On one's profile one shows what one wrote oneself."""
    if author != actor:
        raise Refused("somebody else's post on a profile")


def may_move(actor: Iri, target: Actor) -> None:
    """The new account, fetched just now, must name the old one (R55), or anybody could send followers to anybody."""
    if actor == target.iri or actor not in target.also_known_as:
        raise Refused("the new account does not know the old one")


def may_announce(author: Iri, actor: Iri, visibility: Visibility) -> None:
    """What is not public may be boosted or quoted by its author only, and what is direct by nobody (R46)."""
    if visibility <= Visibility.UNLISTED or (visibility == Visibility.FOLLOWERS and author == actor):
        return
    raise Refused("a boost of a post that is not public")


def may_stamp(stamp: QuoteAuthorization, *, quoting: Iri, quoted: Iri, author: Iri) -> None:
    """A stamp counts for the two posts that it names, by the author of the quoted one (R57).

    `stamp` was fetched from its own id, `author` is whose the quoted post is by the stored copy.
    """
    if stamp.author != author or not same_origin(stamp.iri, author):
        raise Refused("consent by somebody else than the quoted author")
    if stamp.quoting != quoting or stamp.quoted != quoted:
        raise Refused("consent to another quote")


def widened(old: Visibility, new: Visibility) -> bool:
    """True if `new` reaches people whom `old` did not (R47)."""
    return new < old


def may_readdress(old: Visibility, new: Visibility, *, author: Iri, actor: Iri) -> None:
    """An audience may be narrowed, and be widened by the author only (R47)."""
    if widened(old, new) and author != actor:
        raise Refused("somebody else than the author widens the audience")


def key_belongs(key_owner: Iri, key_id: Iri, actor: Actor) -> None:
    """The two-way check (R27): the key's document names `key_owner`; the owner's own document, `actor`, lists the key."""
    if key_owner != actor.iri:
        raise Refused("the key names another owner")
    if not same_origin(key_id, actor.iri):
        raise Refused("the key is of another origin than its owner")
    if not any(key.id == key_id and key.owner == actor.iri for key in actor.keys):
        raise Refused("the owner does not list the key")


def believed(document_id: Iri, final_url: str) -> None:
    """A fetched document may speak for `document_id` only if that is the URL it came from, redirects included (R40, R42).

    A fragment of the URL is not sent and does not count; an id with a fragment is no document's. Never compare `url`.
    """
    if "#" in document_id:
        raise Refused("a document whose id has a fragment")
    if _address(document_id) != _address(final_url):
        raise Refused("the document came from another address than its id")


def _address(url: str) -> str:
    """As HTTP clients write it: the host in IDNA form, an empty path as `/`, other than ASCII percent-encoded."""
    parts = split(url)
    path = quote(parts.path or "/", safe=_ASCII) + (f"?{quote(parts.query, safe=_ASCII)}" if parts.query else "")
    return origin(url) + path


_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
