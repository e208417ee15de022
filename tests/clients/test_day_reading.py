"""Mastodon.py, unmodified, on two departments: lists, muted threads, direct conversations and filters."""

import asyncio

import pytest
from mastodon import MastodonAPIError, MastodonNotFoundError

from tests.support.clients import eventually, log_in
from tests.support.running import RunningNode

pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


async def test_what_one_reads_by_with_mastodon_py(two_nodes: tuple[RunningNode, RunningNode]) -> None:
    engineering, field = two_nodes
    engineering.person("anna")
    field.person("tom")
    await asyncio.to_thread(_day, engineering, field)


def _day(engineering: RunningNode, field: RunningNode) -> None:
    anna, tom = log_in(engineering, "anna@example.org"), log_in(field, "tom@example.org")
    found = anna.account_search(f"tom@{field.domain}", resolve=True)[0]

    pumps = anna.list_create("Pumps", replies_policy="followed", exclusive=True)
    with pytest.raises(MastodonNotFoundError):
        anna.list_accounts_add(pumps, [found])
    anna.account_follow(found)
    eventually(lambda: anna.account_relationships(found)[0].following, "the follow is accepted")
    anna.list_accounts_add(pumps, [found])
    with pytest.raises(MastodonAPIError, match="Account has already been taken"):
        anna.list_accounts_add(pumps, [found])
    assert [one.title for one in anna.account_lists(found)] == ["Pumps"]
    assert [one.acct for one in anna.list_accounts(pumps)] == [f"tom@{field.domain}"]
    first = tom.status_post("The seal of the pump leaks")
    copy = eventually(lambda: anna.timeline_list(pumps), "the post is in the list")[0]
    assert (copy.uri, anna.timeline_home()) == (first.uri, [])
    assert anna.list_update(pumps, title="Pumps and seals").title == "Pumps and seals"

    words = [{"keyword": "seal", "whole_word": True}]
    noise = anna.create_filter_v2("Noise", ["home", "public"], "warn", keywords_attributes=words)
    (result,) = anna.status(copy).filtered
    assert (result.filter.id, result.keyword_matches) == (noise.id, ["seal"])
    assert [one.phrase for one in anna.filters()] == ["seal"]
    kept = anna.add_filter_status_v2(noise, copy)
    assert anna.filter_status_v2(kept).status_id == copy.id
    assert anna.status(copy).filtered[0].status_matches == [copy.id]
    anna.delete_filter_v2(noise)
    assert anna.status(copy).filtered == []

    assert anna.status_mute(copy).muted
    assert not anna.status_unmute(copy).muted

    whisper = anna.status_post(f"@tom@{field.domain} between us", visibility="direct")
    talk = eventually(tom.conversations, "the conversation is there")[0]
    assert (talk.unread, talk.last_status.uri) == (True, whisper.uri)
    assert [one.acct for one in talk.accounts] == [f"anna@{engineering.domain}"]
    tom.conversations_read(talk)
    assert not tom.conversations()[0].unread
    answer = tom.status_reply(talk.last_status, "understood", visibility="direct")
    ours = eventually(lambda: [one for one in anna.conversations() if one.unread], "the answer is in it")[0]
    assert ours.last_status.uri == answer.uri
    tom.status_delete(answer)
    eventually(lambda: anna.conversations()[0].last_status.uri == whisper.uri, "it ends with the one before")
    anna.list_delete(pumps)
    assert anna.lists() == []
