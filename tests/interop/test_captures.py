"""What other software really sent, read by our parsers. Hosts named example.com were put in by those who captured it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from activitypub import authority, parse
from activitypub.audience import Visibility, visibility
from activitypub.documents import Activity, Actor, Attachment, Collection, Emoji, Field, Mention, Post, QuotePolicy
from activitypub.errors import ProtocolError
from activitypub.vocabulary import (
    ACTIVITY_TYPES,
    ACTOR_TYPES,
    COLLECTION_TYPES,
    PUBLIC,
    RFC_9421,
    RFC_9421_ED25519,
    Iri,
)
from node import html
from tests.interop.captures import Doc, documents

OWN = "https://node.example"


@pytest.fixture(scope="module")
def captures() -> dict[str, Doc]:
    return documents()


def read(doc: Doc) -> Activity | Actor | Collection | Post:
    """As whatever it is."""
    match parse.type_of(doc):
        case kind if kind in ACTIVITY_TYPES:
            return parse.activity(doc)
        case kind if kind in ACTOR_TYPES:
            return parse.actor(doc)
        case kind if kind in COLLECTION_TYPES:
            return parse.collection(doc)
        case _:
            return parse.post(doc)


def brought(doc: Doc) -> Post:
    """The post that an activity carries, as its sender vouches for it."""
    activity = parse.activity(doc)
    authority.check(activity, signer=activity.actor, own_origin=OWN)
    return parse.post(authority.vouched(activity), actor=activity.actor)


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1000  # type: ignore[arg-type, misc]


# What others made up for their tests, or took apart: not what some server sent.
UNREADABLE = {
    "apmodel/nodeinfo_sample_2.0": "no type",
    "apmodel/nodeinfo_sample_2.1": "no type",
    "cattle_grid/activity_stub": "no id",
    "cattle_grid/object_stub": "no id",
    "federation/ACTIVITYPUB_PROFILE_INVALID": "no id",
    "toolkit/standard.activity.create": "the author is of another origin",
}


def test_every_document_is_read_or_refused_with_an_error_of_ours(captures: dict[str, Doc]) -> None:
    refused: dict[str, str] = {}
    for name, doc in captures.items():
        try:
            found = read(doc)
            if isinstance(found, Post):
                assert html.sanitise(found.content) or found.name
            if isinstance(found, Activity):
                authority.check(found, signer=found.actor, own_origin=OWN)
        except ProtocolError as error:
            refused[name] = str(error)
    assert len(captures) >= 45
    assert {name: why[: len(UNREADABLE.get(name, why))] for name, why in refused.items()} == UNREADABLE


# --- Mastodon -----------------------------------------------------------------------------------------------------


def test_a_note_of_mastodon_4_5(captures: dict[str, Doc]) -> None:
    post = parse.post(captures["apmodel/mastodon_note"])
    assert post.iri == "https://mastodon.example.com/users/user/statuses/2002577998669970637"
    assert post.author == "https://mastodon.example.com/users/user"
    assert (post.content, post.language, post.summary, post.sensitive) == ("<p>Hello!</p>", "en", None, False)
    assert post.published == ms(2024, 8, 11, 2, 48, 26)
    assert post.can_quote == QuotePolicy(automatic=(post.author,))
    assert (post.mentions, post.hashtags, post.attachments, post.poll, post.context) == ((), (), (), None, None)
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.PUBLIC


def test_a_changed_profile_from_mastodon_social(captures: dict[str, Doc]) -> None:
    update = parse.activity(captures["muck_out/mastodon_actor_update"])
    authority.check(update, signer=update.actor, own_origin=OWN)
    assert (update.type, update.object, update.to) == ("Update", update.actor, (PUBLIC,))
    actor = parse.actor(authority.vouched(update))
    assert (actor.iri, actor.username, actor.name) == (update.actor, "the_milkman", "milkman")
    assert [one.name for one in actor.fields] == ["Source", "moooo", "mooo"]
    assert actor.fields[1] == Field("moooo", "YES!!!!")
    assert (actor.locked, actor.discoverable, actor.indexable) == (False, False, False)
    assert actor.shared_inbox == "https://mastodon.social/inbox"
    assert actor.featured_tags == f"{actor.iri}/collections/tags"
    assert actor.published == ms(2023, 4, 28)
    authority.key_belongs(actor.iri, actor.keys[0].id, actor)


def test_notes_of_mastodon_2_9(captures: dict[str, Doc]) -> None:
    answer = brought(captures["federation/ACTIVITYPUB_COMMENT"])
    assert answer.in_reply_to == "https://dev.jasonrobinson.me/content/653bad70-41b3-42c9-89cb-c4ee587e68e4/"
    assert answer.mentions == (
        Mention(Iri("https://dev.jasonrobinson.me/u/jaywink/"), "@jaywink@dev.jasonrobinson.me"),
    )
    assert (answer.language, answer.context) == ("en", None)  # its conversation is a tag: URI
    tagged = brought(captures["federation/ACTIVITYPUB_POST_WITH_TAGS"])
    assert (tagged.hashtags, tagged.to, tagged.published) == (("test",), (PUBLIC,), ms(2019, 6, 29, 21, 8, 45))
    pictures = brought(captures["federation/ACTIVITYPUB_POST_IMAGES"])
    files = "https://files.mastodon.social/media_attachments/files/017/642"
    assert pictures.attachments == (
        Attachment(
            url=f"{files}/079/original/f51b0aee0ee1f2e1.jpg",
            media_type="image/jpeg",
            blurhash="UaH1x+IpD*RktToft6s:0f%2tQj@xsWWRkNG",
        ),
        Attachment(
            url=f"{files}/084/original/e18dda257e5e7078.mp4",
            media_type="video/mp4",
            blurhash="UH9jv0ay00Rj%MM{IU%M%MWBRjofxuayM{t7",
        ),
    )
    assert visibility(pictures.to, pictures.cc, Iri(f"{pictures.author}/followers")) is Visibility.PUBLIC


def test_a_boost_and_its_end_of_mastodon_2_9(captures: dict[str, Doc]) -> None:
    boost = parse.activity(captures["federation/ACTIVITYPUB_SHARE"])
    assert (boost.type, boost.embedded, boost.published) == ("Announce", None, ms(2019, 8, 4, 20, 55, 9))
    assert boost.object == "https://mastodon.social/users/Gargron/statuses/102559779793316012"
    assert visibility(boost.to, boost.cc, Iri(f"{boost.actor}/followers")) is Visibility.PUBLIC
    undo = parse.activity(captures["federation/ACTIVITYPUB_RETRACTION_SHARE"])
    authority.check(undo, signer=undo.actor, own_origin=OWN)
    assert (undo.type, undo.object_type) == ("Undo", "Announce")
    assert undo.object == "https://mastodon.social/users/jaywink/statuses/102571932479036987/activity"


# --- Misskey, Akkoma, GoToSocial, Mitra ---------------------------------------------------------------------------


def test_a_note_and_an_actor_of_misskey_2025(captures: dict[str, Doc]) -> None:
    post = brought(captures["apmodel/misskey_activity"])
    assert (post.content, post.url, post.language, post.in_reply_to) == ("This is a main content", None, None, None)
    assert post.published == ms(2025, 12, 13, 22, 40, 41) + 482
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.PUBLIC
    actor = parse.actor(captures["apmodel/misskey_actor"])
    assert (actor.iri, actor.username, actor.name) == (post.author, "user", "User")
    assert (actor.summary, actor.icon) == ("<p>Hello</p>", "https://example.com/avatar.webp")
    assert actor.fields == (Field("property1", "this is property 1"),)
    authority.key_belongs(actor.iri, actor.keys[0].id, actor)


def test_a_note_and_an_actor_of_akkoma(captures: dict[str, Doc]) -> None:
    post = parse.post(captures["apmodel/akkoma_note"])
    assert (post.content, post.summary, post.sensitive) == ("<p>:blobthumbsup: 👀</p>", "test", True)
    assert (post.language, post.hashtags, post.url) == ("ja", ("test",), None)
    assert post.emojis == (Emoji("blobthumbsup", "https://akkoma.example.com/emoji/blob/blobthumbsup.png", None, 0),)
    assert [(one.media_type, one.description) for one in post.attachments] == [("image/png", None)]
    assert post.context == "https://akkoma.example.com/contexts/471d29ed-ce9a-4b3e-9c1d-f09cd9ff06c8"
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.PUBLIC
    actor = parse.actor(captures["apmodel/akkoma_actor"])
    assert (actor.iri, actor.featured_tags) == (post.author, None)
    assert actor.also_known_as == ("https://misskey.example.com/users/afm74io04yxx0000",)
    replies = parse.collection(captures["apmodel/akkoma_replies"])
    assert isinstance(replies.first, dict)
    assert parse.collection(replies.first).items == (
        "https://akkoma.example.com/objects/94d4a2d9-ddee-4260-9b7a-6e08b8b677fd",
    )


def test_an_actor_of_gotosocial(captures: dict[str, Doc]) -> None:
    actor = parse.actor(captures["cattle_grid/remote_actor_profile"])
    assert (actor.username, actor.name, actor.url) == ("cookie", "cookie", "http://gotosocial/@cookie")
    assert (actor.locked, actor.discoverable, actor.shared_inbox, actor.icon) == (True, False, None, None)
    assert [key.id for key in actor.keys] == ["http://gotosocial/users/cookie/main-key"]
    authority.key_belongs(actor.iri, actor.keys[0].id, actor)


def test_an_actor_of_mitra(captures: dict[str, Doc]) -> None:
    actor = parse.actor(captures["muck_out.examples/mitra_actor"])
    assert [(key.id.partition("#")[2], key.pem is not None) for key in actor.keys] == [
        ("main-key", True),
        ("main-key", False),
        ("ed25519-key", False),
    ]
    assert actor.implements == (RFC_9421, RFC_9421_ED25519)
    assert (actor.username, actor.name, actor.published) == ("admin", None, ms(2025, 9, 11, 13, 34, 15) + 718)


# --- PeerTube -----------------------------------------------------------------------------------------------------


def test_a_video_of_peertube_is_by_its_person_and_its_text_is_no_html(captures: dict[str, Doc]) -> None:
    post = parse.post(captures["muck_out/peertube_video"])
    assert (post.type, post.name) == ("Video", "We Have An Algorithm Problem")
    assert post.author == "https://video.fedihost.co/accounts/fedihost"
    assert post.url == "https://video.fedihost.co/w/kVoS82WGtnVMzDDDPGGa8p"
    assert post.hashtags == ("Algorithm", "FediHost", "Fedicon", "Programming", "mastodon")
    assert (post.language, post.sensitive, post.attachments) == ("en", False, ())
    assert post.published == ms(2025, 10, 25, 0, 42, 15) + 494
    assert post.updated == ms(2025, 10, 25, 5, 20, 51) + 238
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.PUBLIC
    first, second = html.to_text(post.content).split("\n\n")
    assert first == "The Fediverse has a different problem with algorithms: They're not very good."
    assert second.splitlines()[:2] == ["Interviews:", "Dawn Walker: @dawn@cosocial.ca"]
    assert '<a href="https://cosocial.ca/@dawn"' in html.sanitise(post.content)


def test_an_account_of_peertube_shows_the_first_of_its_pictures(captures: dict[str, Doc]) -> None:
    actor = parse.actor(captures["muck_out/peertube_account"])
    assert (actor.type, actor.username, actor.url) == ("Person", "dragfyre", "https://makertube.net/accounts/dragfyre")
    assert actor.icon == "https://makertube.net/lazy-static/avatars/1551d485-93e6-4036-8452-0f0782965490.jpg"
    assert actor.published == ms(2024, 5, 27, 8, 58, 41) + 143


# --- Friendica, Hubzilla, NodeBB, Emissary ------------------------------------------------------------------------


def test_an_organisation_and_a_deletion_of_friendica(captures: dict[str, Doc]) -> None:
    actor = parse.actor(captures["federation/ACTIVITYPUB_PROFILE_WITH_DIASPORA_GUID"])
    assert (actor.type, actor.username, actor.name) == ("Organization", "feneas", "Federated Networks Association")
    assert actor.shared_inbox == "https://friendica.feneas.org/inbox"
    delete = parse.activity(captures["federation/ACTIVITYPUB_RETRACTION"])
    authority.check(delete, signer=delete.actor, own_origin=OWN)
    assert (delete.object_type, delete.instrument) == ("Tombstone", None)
    assert delete.object == "https://friendica.feneas.org/objects/76158462-165d-3386-aa23-ba2090614385"


def test_what_hubzilla_adds_to_a_conversation_is_of_another_and_not_vouched_for(captures: dict[str, Doc]) -> None:
    add = parse.activity(captures["muck_out/hubzilla_add"])
    assert (add.type, add.object_type, add.to) == ("Add", "Like", ())
    assert add.object == "https://macaw.social/users/andypiper#likes/464620"
    assert add.target == "https://zotum.net/conversation/0c47b0fa-4495-4c22-8a1b-508e32300ee9"
    assert authority.vouched(add) is None


def test_an_article_and_an_actor_of_nodebb(captures: dict[str, Doc]) -> None:
    post = parse.post(captures["muck_out.examples/sample_object"])
    assert (post.type, post.name) == ("Article", "Topic removal from a category/community")
    assert post.author == "https://activitypub.space/uid/1"
    assert post.audience == ("https://activitypub.space/category/5",)
    assert post.mentions == (Mention(Iri("https://piefed.social/u/rimu"), "@rimu@piefed.social"),)
    assert (post.hashtags, post.context) == (("piefed",), "https://activitypub.space/topic/18")
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.PUBLIC
    actor = parse.actor(captures["toolkit/nodebb.actor"])
    assert (actor.iri, actor.username) == ("https://community.nodebb.org/uid/2", "julian")
    assert actor.fields[1:] == (Field("Location", "Toronto, Ontario"), Field("Preferred Editor", "Visual Studio Code"))


def test_a_note_of_emissary_has_its_type_in_a_list_and_tags_without_a_mark(captures: dict[str, Doc]) -> None:
    post = parse.post(captures["muck_out/atlas_note"])
    assert (post.type, post.author) == ("Note", "https://atlasdemo.emissary.social/@66785fa9e0d4dfec8cd27697")
    assert post.hashtags == ("boulder", "buffalo", "football", "university")
    assert [(one.media_type, one.description) for one in post.attachments] == [("image/webp", "image")]
    assert (post.published, post.cc) == (ms(2025, 10, 31, 4, 7, 21), ())


def test_the_damage_done_to_a_real_document_is_told_from_the_document(captures: dict[str, Doc]) -> None:
    """The checks above can fail: a real document, changed."""
    doc: dict[str, Any] = captures["apmodel/misskey_activity"]
    with pytest.raises(ProtocolError):
        brought(doc | {"actor": "https://misskey.example.com/users/another"})
