"""Documents in the form in which other software sends them, and what we make of each.

All are made by hand to the shape of that software's documents, on example hosts; none is a capture.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activitypub import authority, parse
from activitypub.audience import Visibility, visibility
from activitypub.documents import Attachment, Field, Mention, Option, Poll
from activitypub.errors import Malformed, Refused
from activitypub.vocabulary import PUBLIC, RFC_9421, Iri

DOCUMENTS = Path(__file__).parent / "documents"
HALF_PAST_NINE = int(datetime(2026, 3, 1, 9, 30, tzinfo=UTC).timestamp()) * 1000
OWN = "https://node.example"


def document(name: str) -> dict[str, Any]:
    return parse.load((DOCUMENTS / f"{name}.json").read_bytes())


def test_a_mastodon_note_is_read_whole() -> None:
    post = parse.post(document("mastodon_note"))
    assert post.iri == "https://mastodon.example/users/alice/statuses/112233445566778899"
    assert post.author == "https://mastodon.example/users/alice"
    assert (post.type, post.summary, post.sensitive, post.language) == ("Note", "Kafka, long", True, "de")
    assert post.content.startswith("<p><span")
    assert post.published == HALF_PAST_NINE
    assert post.updated == HALF_PAST_NINE + 912_000
    assert post.in_reply_to == "https://other.example/users/bob/statuses/1"
    assert post.url == "https://mastodon.example/@alice/112233445566778899"
    assert post.mentions == (Mention(Iri("https://other.example/users/bob"), "@bob@other.example"),)
    assert post.hashtags == ("Kafka",)
    (emoji,) = post.emojis
    assert (emoji.shortcode, emoji.url) == ("party", "https://files.mastodon.example/emoji/party.png")
    assert (emoji.iri, emoji.updated) == ("https://mastodon.example/emojis/7", 1_735_689_600_000)
    assert post.attachments == (
        Attachment(
            url="https://files.mastodon.example/media_attachments/1/original.jpeg",
            media_type="image/jpeg",
            description="Ein Diagramm",
            blurhash="UBL_:rOpGG-oBUNG,qRj2so|=eE1w^n4S5NH",
            width=1200,
            height=800,
            focus=(-0.25, 0.5),
        ),
    )
    assert post.context == "https://mastodon.example/contexts/1-2"
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.UNLISTED
    assert post.raw["interactionPolicy"]["canQuote"]


def test_the_replies_of_a_mastodon_note_are_a_collection_with_an_anonymous_first_page() -> None:
    replies = parse.collection(document("mastodon_note")["replies"])
    assert isinstance(replies.first, dict)
    first = parse.collection(replies.first)
    assert first.iri is None
    assert first.part_of == replies.iri
    assert first.items == ("https://mastodon.example/users/alice/statuses/112233445566779000",)
    assert first.next is not None


def test_a_mastodon_question_is_a_post_with_a_poll() -> None:
    post = parse.post(document("mastodon_question"))
    day = 86_400_000
    assert post.poll == Poll(
        options=(Option("yes", 4), Option("no", 2)),
        multiple=True,
        ends_at=HALF_PAST_NINE + day,
        closed_at=HALF_PAST_NINE + day,
        voters=5,
    )


def test_a_mastodon_vote_is_a_vote_and_an_ordinary_note_is_not() -> None:
    activity = parse.activity(document("mastodon_vote"))
    authority.check(activity, signer=Iri("https://other.example/users/bob"), own_origin=OWN)
    vote = parse.post(activity.embedded)
    assert vote.is_vote
    assert (vote.name, vote.to) == ("yes", ("https://mastodon.example/users/alice",))
    assert not parse.post(document("mastodon_note")).is_vote


def test_a_mastodon_actor_is_read_whole() -> None:
    actor = parse.actor(document("mastodon_actor"))
    base = "https://mastodon.example/users/alice"
    assert (actor.iri, actor.type, actor.username, actor.name) == (base, "Person", "alice", "Alice :party:")
    assert (actor.inbox, actor.outbox) == (f"{base}/inbox", f"{base}/outbox")
    assert (actor.followers, actor.following) == (f"{base}/followers", f"{base}/following")
    assert actor.featured == f"{base}/collections/featured"
    assert actor.shared_inbox == "https://mastodon.example/inbox"
    assert actor.fields == (Field("Web", '<a href="https://alice.example" rel="me">alice.example</a>'),)
    assert (actor.locked, actor.discoverable, actor.indexable, actor.bot) == (True, True, False, False)
    assert actor.also_known_as == ("https://old.example/users/alice",)
    assert actor.implements == (RFC_9421,)
    assert actor.icon == "https://files.mastodon.example/avatars/1.png"
    key = actor.keys[0]
    assert key.pem is not None
    assert key.pem.startswith("-----BEGIN PUBLIC KEY-----")
    authority.key_belongs(actor.iri, key.id, actor)


def test_a_mastodon_report_names_an_account_and_its_posts() -> None:
    flag = parse.activity(document("mastodon_flag"))
    assert flag.content == "spam"
    assert flag.object == "https://other.example/users/bob"
    assert len(flag.objects) == 3


def test_a_mastodon_delete_is_of_the_tombstone_s_id() -> None:
    delete = parse.activity(document("mastodon_delete"))
    assert delete.object == "https://mastodon.example/users/alice/statuses/2"
    assert delete.object_type == "Tombstone"
    authority.check(delete, signer=Iri("https://mastodon.example/users/alice"), own_origin=OWN)


def test_gotosocial_writes_lists_of_one_as_the_one() -> None:
    post = parse.post(document("gotosocial_note"))
    assert post.to == (PUBLIC,)
    assert post.cc == ("https://gts.example/users/carol/followers",)
    assert post.hashtags == ("gts",)
    assert [one.media_type for one in post.attachments] == ["image/png"]
    assert post.summary is None
    assert post.published == HALF_PAST_NINE


def test_a_misskey_note_quotes_by_its_older_names() -> None:
    post = parse.post(document("misskey_note"))
    assert post.quote == "https://mastodon.example/users/alice/statuses/2"
    assert post.hashtags == ("図面",)
    assert post.emojis[0].shortcode == "blob_cat"
    assert post.published == HALF_PAST_NINE + 123
    assert post.attachments[0].description is None
    assert (post.url, post.language) == (None, None)


def test_a_misskey_actor_has_much_that_is_null() -> None:
    actor = parse.actor(document("misskey_actor"))
    assert (actor.name, actor.summary, actor.icon, actor.image) == (None, None, None, None)
    assert actor.shared_inbox == "https://misskey.example/inbox"
    assert actor.discoverable is True


def test_a_pleroma_create_carries_its_note() -> None:
    activity = parse.activity(document("pleroma_create"))
    authority.check(activity, signer=Iri("https://pleroma.example/users/erin"), own_origin=OWN)
    post = parse.post(authority.vouched(activity))
    assert post.language == "pl"
    assert post.attachments == (
        Attachment(url="https://media.pleroma.example/1.ogg", media_type="audio/ogg", description="song.ogg"),
    )
    assert post.sensitive is False
    assert post.context == "https://pleroma.example/contexts/1"
    assert visibility(post.to, post.cc, None) is Visibility.DIRECT


def test_a_pleroma_chat_message_is_a_direct_post_to_the_one_it_is_for() -> None:
    create = parse.activity(document("pleroma_chat_message"))
    authority.check(create, signer=create.actor, own_origin=OWN)
    post = parse.post(authority.vouched(create), actor=create.actor)
    assert (post.type, post.author) == ("ChatMessage", "https://pleroma.example/users/erin")
    assert (post.content, post.to, post.cc) == ("The pump leaks :blobcat:", ("https://node.example/users/alice",), ())
    assert [(one.url, one.media_type) for one in post.attachments] == [
        ("https://media.pleroma.example/leak.jpg", "image/jpeg")
    ]
    assert [one.shortcode for one in post.emojis] == ["blobcat"]
    assert visibility(post.to, post.cc, Iri(f"{post.author}/followers")) is Visibility.DIRECT


@pytest.mark.parametrize(
    "to", [[], ["as:Public"], [PUBLIC], ["https://a.example/1", "https://a.example/2"], ["https://a.example/1", PUBLIC]]
)
def test_a_chat_message_to_nobody_or_to_many_is_none(to: list[str]) -> None:
    message = document("pleroma_chat_message")["object"]
    with pytest.raises(Malformed):
        parse.post(message | {"to": to})
    with pytest.raises(Malformed):
        parse.post(message | {"cc": [PUBLIC]})


def test_an_akkoma_reaction_is_an_activity_with_content() -> None:
    reaction = parse.activity(document("akkoma_emoji_react"))
    assert (reaction.type, reaction.content) == ("EmojiReact", ":blobfox:")
    assert reaction.object == "https://mastodon.example/users/alice/statuses/2"


def test_a_lemmy_page_is_a_post_with_a_name_and_its_link_is_no_file() -> None:
    post = parse.post(document("lemmy_page"))
    assert (post.type, post.name, post.language) == ("Page", "Post title", "fr")
    assert post.attachments == (
        Attachment(url="https://lemmy.example/pictrs/image/1.png", media_type="image/*", description="alt"),
    )
    assert visibility(post.to, post.cc, None) is Visibility.PUBLIC


def test_what_a_lemmy_community_announces_is_only_pointed_at() -> None:
    announce = parse.activity(document("lemmy_announce"))
    authority.check(announce, signer=Iri("https://lemmy.example/c/queues"), own_origin=OWN)
    assert announce.object == "https://other.example/activities/create/1"
    assert announce.object_type == "Create"
    assert authority.vouched(announce) is None


def test_a_lock_that_a_lemmy_community_announces_is_known_to_be_no_post() -> None:
    announce = parse.activity(document("lemmy_lock"))
    authority.check(announce, signer=announce.actor, own_origin=OWN)
    assert (announce.object, announce.object_type) == ("https://lemmy.example/activities/lock/1", "Lock")
    with pytest.raises(Malformed):
        parse.post(announce.embedded)


def test_a_lemmy_community_is_a_group() -> None:
    actor = parse.actor(document("lemmy_group"))
    assert (actor.type, actor.username, actor.following) == ("Group", "queues", None)
    assert len(actor.keys) == 1


def test_a_peertube_video_is_by_its_person_and_shows_its_page() -> None:
    post = parse.post(document("peertube_video"))
    assert post.author == "https://tube.example/accounts/ida"
    assert post.url == "https://tube.example/w/0a1b"
    assert (post.type, post.name, post.hashtags, post.language) == ("Video", "How queues work", ("queues",), "en")
    channel = Iri("https://tube.example/video-channels/science")
    assert parse.post(document("peertube_video"), actor=channel).author == channel


def test_the_text_of_a_peertube_video_is_markdown_and_its_older_links_say_mime_type() -> None:
    assert parse.post(document("peertube_video")).content == "<p>About **queues**</p>"
    older = document("peertube_video_2018")
    post = parse.post(older)
    assert post.url == "https://tube.example/videos/watch/9c9d"
    assert post.content == '<p>About <a href="https://queues.example/">queues</a>:<br>if a &lt; b then wait</p>'
    assert parse.post(older | {"mediaType": "text/html"}).content == older["content"]


def test_the_page_of_a_threads_note_may_be_on_another_host_but_not_its_author() -> None:
    doc = document("threads_note")
    post = parse.post(doc)
    assert post.url == "https://www.threads-web.example/@jo/post/Cx"
    assert post.published == HALF_PAST_NINE
    assert post.sensitive is False
    assert post.attachments[0].media_type == "image/*"
    doc["attributedTo"] = "https://www.threads-web.example/ap/users/1784/"
    with pytest.raises(Refused):
        parse.post(doc)


def test_a_wordpress_article_may_be_older_than_the_fediverse() -> None:
    post = parse.post(document("wordpress_article"))
    assert (post.iri, post.author) == ("https://blog.example/?p=123", "https://blog.example/?author=1")
    assert (post.language, post.summary) == ("pt-BR", "<p>In short</p>")
    assert post.published == int(datetime(1998, 6, 1, 12, tzinfo=UTC).timestamp()) * 1000
    assert post.attachments[0].description is None


@pytest.mark.parametrize("ampersand", ["&", "&#038;", "&#38;", "&amp;", "&#x26;"])
def test_an_ampersand_that_wordpress_escapes_does_not_end_an_address(ampersand: str) -> None:
    doc = document("wordpress_article")
    doc["attachment"][0]["url"] = f"https://blog.example/resize/?file=1.jpg{ampersand}w=300"
    assert parse.post(doc).attachments[0].url == "https://blog.example/resize/?file=1.jpg&w=300"
    doc["attachment"][0]["url"] = "https://blog.example/?amp=1&amplify=2&#038"
    assert parse.post(doc).attachments[0].url == "https://blog.example/?amp=1&amplify=2&#038"


def test_a_mobilizon_event_is_a_post_of_its_group_or_of_whoever_is_attributed() -> None:
    post = parse.post(document("mobilizon_event"))
    assert (post.type, post.author) == ("Event", "https://events.example/@queue_friends")
    assert post.raw["startTime"] == "2026-05-01T18:00:00+02:00"


def test_the_language_of_a_mobilizon_event_is_read_but_und_and_an_object_in_its_place_are_none() -> None:
    doc = document("mobilizon_event")
    assert parse.post(doc).language == "en"
    assert parse.post(doc | {"inLanguage": "und"}).language is None
    assert parse.post(doc | {"inLanguage": {"identifier": "en"}}).language is None
    assert parse.post(doc | {"contentMap": {"fr": doc["content"]}}).language == "fr"


def test_a_pixelfed_note_has_pictures_with_and_without_words() -> None:
    post = parse.post(document("pixelfed_note"))
    assert [(one.media_type, one.description) for one in post.attachments] == [
        ("image/jpeg", None),
        ("image/jpeg", "A heron"),
    ]
    assert (post.hashtags, post.summary, post.published) == (("river",), None, HALF_PAST_NINE)
    assert visibility(post.to, post.cc, None) is Visibility.PUBLIC


def test_a_ghost_article_comes_with_a_preview_that_is_not_the_post() -> None:
    create = parse.activity(document("ghost_article"))
    authority.check(create, signer=create.actor, own_origin=OWN)
    post = parse.post(authority.vouched(create), actor=create.actor)
    assert (post.type, post.name, post.content) == ("Article", "Queues, explained", "<p>Long text</p>")
    assert post.url == "https://mag.example/queues/"
    assert post.to == (PUBLIC,)


def test_a_mastodon_quote_names_what_it_quotes_and_its_licence() -> None:
    doc = document("mastodon_quote")
    post = parse.post(doc)
    assert post.quote == "https://other.example/users/bob/statuses/1"
    assert post.raw["quoteAuthorization"] == "https://other.example/users/bob/quote_authorizations/9"
    assert (post.language, post.in_reply_to) == ("en", None)
    del doc["quote"], doc["quoteUri"]
    assert parse.post(doc).quote == post.quote  # as Misskey alone writes it


def test_a_mastodon_move_is_of_oneself_and_may_have_a_fragment_in_its_id() -> None:
    move = parse.activity(document("mastodon_move"))
    authority.check(move, signer=Iri("https://mastodon.example/users/alice"), own_origin=OWN)
    assert (move.object, move.target) == (move.actor, "https://new.example/users/alice")


def test_a_mastodon_boost_points_at_what_it_boosts() -> None:
    boost = parse.activity(document("mastodon_boost"))
    authority.check(boost, signer=boost.actor, own_origin=OWN)
    assert (boost.object, boost.embedded) == ("https://other.example/users/bob/statuses/1", None)
    followers = Iri("https://mastodon.example/users/alice/followers")
    assert visibility(boost.to, boost.cc, followers) is Visibility.PUBLIC


def test_a_misskey_reaction_is_a_like_with_content() -> None:
    like = parse.activity(document("misskey_reaction"))
    assert (like.type, like.content, like.object) == (
        "Like",
        ":blobcat:",
        "https://mastodon.example/users/alice/statuses/2",
    )


def test_a_lemmy_comment_answers_a_page_and_mentions() -> None:
    create = parse.activity(document("lemmy_comment"))
    authority.check(create, signer=create.actor, own_origin=OWN)
    post = parse.post(authority.vouched(create), actor=create.actor)
    assert (post.in_reply_to, post.author) == ("https://lemmy.example/post/1", "https://lemmy.example/u/jonas")
    assert post.mentions == (Mention(Iri("https://other.example/u/ida"), "@ida@other.example"),)
    assert post.published == HALF_PAST_NINE + 123


def test_a_threads_actor_has_an_id_with_a_slash_and_a_page_elsewhere() -> None:
    actor = parse.actor(document("threads_actor"))
    assert (actor.iri, actor.username) == ("https://threads.example/ap/users/1784/", "jo")
    assert actor.shared_inbox == "https://threads.example/ap/sharedinbox/"
    assert actor.url == "https://www.threads-web.example/@jo"
    assert [key.id for key in actor.keys] == ["https://threads.example/ap/users/1784/#main-key"]


def test_a_peertube_channel_is_a_group_with_several_pictures_and_one_page() -> None:
    actor = parse.actor(document("peertube_channel"))
    assert (actor.type, actor.username, actor.url) == ("Group", "science", "https://tube.example/c/science")
    assert actor.icon == "https://tube.example/lazy-static/avatars/1.jpg"
    assert actor.published == HALF_PAST_NINE


def test_a_gotosocial_actor_keeps_its_key_at_an_address_of_its_own() -> None:
    actor = parse.actor(document("gotosocial_actor"))
    assert [key.id for key in actor.keys] == ["https://gts.example/users/nia/main-key"]
    assert (actor.locked, actor.also_known_as) == (True, ("https://old.example/users/nia",))
    assert [(one.name, one.value) for one in actor.fields] == [("Site", "nia.example")]


def test_every_document_is_read_by_one_of_these_tests() -> None:
    tests = Path(__file__).read_text()
    assert [path.stem for path in sorted(DOCUMENTS.glob("*.json")) if f'document("{path.stem}")' not in tests] == []
