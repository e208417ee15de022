"""All tables, by subject. Plain SQLAlchemy Core: the rules in `node/` read and write rows, not objects.

Times are integers: milliseconds since 1970, UTC. Ids of accounts and posts come from `node.ids`.
"""

from node.schema.accounts import account, account_key, login
from node.schema.auth import oauth_app, oauth_code, oauth_token, web_session
from node.schema.company import peer_history, roster, tag_subscriber, tag_subscription
from node.schema.emoji import emoji
from node.schema.federation import activity, delivery, inbox_item, peer, retraction, thread_lookup, tombstone
from node.schema.gatherings import attendance, gathering
from node.schema.groups import group_ban, group_moderator, group_profile
from node.schema.media import media
from node.schema.meta import metadata
from node.schema.moderation import audit_entry, report, rule
from node.schema.posts import (
    idempotency,
    imported,
    mention,
    poll,
    poll_vote,
    post,
    post_edit,
    post_link,
    post_tag,
    tag,
    takeback,
)
from node.schema.reactions import bookmark, favourite, pin, quote, reaction
from node.schema.reading import (
    conversation_mute,
    direct_conversation,
    filter_keyword,
    filter_post,
    people_list,
    people_list_member,
    word_filter,
)
from node.schema.social import (
    account_note,
    block,
    featured_person,
    featured_tag,
    follow,
    mute,
    suggestion_dismissal,
    tag_follow,
)
from node.schema.telling import marker
from node.schema.work import event, job, meta, notification
from node.schema.writing import scheduled_post

__all__ = [
    "account",
    "account_key",
    "account_note",
    "activity",
    "attendance",
    "audit_entry",
    "block",
    "bookmark",
    "conversation_mute",
    "delivery",
    "direct_conversation",
    "emoji",
    "event",
    "favourite",
    "featured_person",
    "featured_tag",
    "filter_keyword",
    "filter_post",
    "follow",
    "gathering",
    "group_ban",
    "group_moderator",
    "group_profile",
    "idempotency",
    "imported",
    "inbox_item",
    "job",
    "login",
    "marker",
    "media",
    "mention",
    "meta",
    "metadata",
    "mute",
    "notification",
    "oauth_app",
    "oauth_code",
    "oauth_token",
    "peer",
    "peer_history",
    "people_list",
    "people_list_member",
    "pin",
    "poll",
    "poll_vote",
    "post",
    "post_edit",
    "post_link",
    "post_tag",
    "quote",
    "reaction",
    "report",
    "retraction",
    "roster",
    "rule",
    "scheduled_post",
    "suggestion_dismissal",
    "tag",
    "tag_follow",
    "tag_subscriber",
    "tag_subscription",
    "takeback",
    "thread_lookup",
    "tombstone",
    "web_session",
    "word_filter",
]
