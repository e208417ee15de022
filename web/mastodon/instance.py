"""What this node is, for clients that have no account yet. Open to everybody; says nothing of posts or people.

GET /api/v1/instance · /api/v2/instance
GET /api/v1/instance/rules · /extended_description · /activity · /peers · /domain_blocks · /translation_languages
"""

from importlib.metadata import version as package_version
from typing import Any

import msgspec
from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from node import accounts, polls, processing, reacting, reactions, recording, rules
from node.accounts.creation import MAX_DISPLAY_NAME
from node.accounts.profile import MAX_FIELD, MAX_FIELDS, MAX_NOTE
from node.config import Settings
from node.errors import NotFound
from node.featured import MOST as MAX_FEATURED_TAGS
from node.media import MAX_DESCRIPTION
from node.runtime import Tx
from node.schema import account
from node.text import URL_LENGTH
from node.urls import Urls
from web import identity as api
from web.identity import OPEN, Access
from web.mastodon import shapes
from web.mastodon.entities import Renderer
from web.mastodon.state import state_of
from web.parts import parts_of
from web.responses import json

COMPATIBLE = "4.5.0"
"""The version of Mastodon whose calls these are: clients parse the beginning of `version` and switch features on by it."""
VERSION = f"{COMPATIBLE} (compatible; Corridor {package_version('corridor')})"
API_VERSIONS = {"mastodon": 2}
"""A promise that clients act on: 2 is grouped notifications. 4 would be Web Push as in RFC 8291, which is not here yet."""
PEOPLE = Access(None, anonymous=True, app=True)
IMAGE_TYPES = ["image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"]
MONTH_MILLIS = 30 * 86_400_000

_HERE = (account.c.domain.is_(None), account.c.gone_at.is_(None), account.c.actor_type.not_in(("Application", "Group")))
_DOMAINS = select(account.c.domain).where(account.c.domain.is_not(None), account.c.gone_at.is_(None)).distinct()


def routes() -> list[BaseRoute]:
    return [
        Route("/api/v1/instance", first_version),
        Route("/api/v2/instance", second_version),
        Route("/api/v1/instance/rules", own_rules),
        Route("/api/v1/instance/activity", nothing),
        Route("/api/v1/instance/domain_blocks", nothing),
        Route("/api/v1/instance/translation_languages", no_languages),
        Route("/api/v1/instance/extended_description", extended_description),
        Route("/api/v1/instance/peers", peers),
    ]


async def second_version(request: Request) -> Response:
    settings, urls = parts_of(request).settings, parts_of(request).urls
    counted = await api.read(request, OPEN, _counted, state_of(request).renderer)
    picture, icon = urls.static(shapes.NO_HEADER), urls.static(shapes.NO_AVATAR)
    return json(
        {
            "domain": settings.node.domain,
            "title": settings.title,
            "version": VERSION,
            "source_url": "",
            "wrapstodon": None,
            "description": settings.node.description,
            "usage": {"users": {"active_month": counted["active"]}},
            "thumbnail": {
                "url": picture,
                "description": "",
                "blurhash": None,
                "versions": {"@1x": picture, "@2x": picture},
            },
            "icon": [{"src": icon, "size": "400x400"}],
            "languages": list(settings.node.languages),
            "configuration": _configuration(settings) | _newer_configuration(urls),
            "registrations": {
                "enabled": settings.accounts.registration == "open",
                "approval_required": False,
                "reason_required": False,
                "message": None,
                "min_age": None,
                "url": None,
            },
            "api_versions": API_VERSIONS,
            "contact": {"email": settings.node.contact_email, "account": counted["contact"]},
            "rules": counted["rules"],
            "corridor": {"department": settings.node.department},
        }
    )


async def first_version(request: Request) -> Response:
    settings, urls = parts_of(request).settings, parts_of(request).urls
    counted = await api.read(request, OPEN, _counted, state_of(request).renderer)
    return json(
        {
            "uri": settings.node.domain,
            "title": settings.title,
            "short_description": settings.node.description,
            "description": settings.node.description,
            "email": settings.node.contact_email,
            "version": VERSION,
            "urls": {"streaming_api": urls.streaming},
            "stats": {
                "user_count": counted["people"],
                "status_count": counted["posts"],
                "domain_count": counted["domains"],
            },
            "thumbnail": urls.static(shapes.NO_HEADER),
            "languages": list(settings.node.languages),
            "registrations": settings.accounts.registration == "open",
            "approval_required": False,
            "invites_enabled": settings.accounts.registration == "invite",
            "configuration": _configuration(settings),
            "contact_account": counted["contact"],
            "rules": counted["rules"],
        }
    )


def _counted(tx: Tx, renderer: Renderer) -> dict[str, Any]:
    active = func.count().filter(account.c.last_post_at > tx.now - MONTH_MILLIS)
    posts = func.coalesce(func.sum(account.c.posts_count), 0)
    row = tx.first(select(func.count().label("people"), posts.label("posts"), active.label("active")).where(*_HERE))
    domains = tx.scalar(select(func.count()).select_from(_DOMAINS.subquery()))
    people, written, lively = (0, 0, 0) if row is None else (row.people, row.posts, row.active)
    return {
        "people": people,
        "posts": int(written),
        "active": lively,
        "domains": domains,
        "rules": _rules(tx),
        "contact": _contact(tx, renderer),
    }


def _contact(tx: Tx, renderer: Renderer) -> msgspec.Raw | None:
    """Account of whom the settings name, as long as there is such a person."""
    name = tx.settings.node.contact_account
    try:
        return msgspec.Raw(renderer.account(tx, accounts.by_handle(tx, name).id)) if name else None
    except NotFound:
        return None


def _configuration(settings: Settings) -> dict[str, Any]:
    """What both versions say."""
    return {
        "accounts": {
            "max_display_name_length": MAX_DISPLAY_NAME,
            "max_note_length": MAX_NOTE,
            "max_avatar_description_length": 0,
            "max_header_description_length": 0,
            "max_featured_tags": MAX_FEATURED_TAGS,
            "max_pinned_statuses": reactions.MAX_PINS,
            "max_profile_fields": MAX_FIELDS,
            "profile_field_name_limit": MAX_FIELD,
            "profile_field_value_limit": MAX_FIELD,
        },
        "statuses": {
            "max_characters": settings.posts.max_characters,
            "max_media_attachments": settings.posts.max_media,
            "characters_reserved_per_url": URL_LENGTH,
            "supported_mime_types": ["text/plain"],
        },
        "reactions": {"max_reactions": reacting.MOST},
        "media_attachments": {
            "supported_mime_types": [*IMAGE_TYPES, *(recording.MIME_TYPES if _records(settings) else ())],
            "description_limit": MAX_DESCRIPTION,
            "image_size_limit": settings.media.max_bytes,
            "image_matrix_limit": settings.media.max_pixels,
            **_recordings(settings),
        },
        "polls": {
            "max_options": polls.MAX_OPTIONS,
            "max_characters_per_option": polls.MAX_OPTION_LENGTH,
            "min_expiration": polls.MIN_SECONDS,
            "max_expiration": polls.MAX_SECONDS,
        },
    }


def _newer_configuration(urls: Urls) -> dict[str, Any]:
    """What version 2 adds. Without a key no client asks to push."""
    return {
        "urls": {
            "streaming": urls.streaming,
            "status": None,
            "about": f"{urls.base}/about",
            "privacy_policy": f"{urls.base}/about#privacy",
            "terms_of_service": None,
        },
        "vapid": {"public_key": ""},
        "translation": {"enabled": False},
        "timelines_access": {
            "live_feeds": {"local": "authenticated", "remote": "authenticated"},
            "hashtag_feeds": {"local": "authenticated", "remote": "authenticated"},
            "trending_link_feeds": {"local": "authenticated", "remote": "authenticated"},
        },
        "limited_federation": True,
    }


def _rules(tx: Tx) -> list[dict[str, Any]]:
    """Rules; the node has no translations of them."""
    return [{"id": str(row.id), "text": row.text, "hint": row.hint, "translations": {}} for row in rules.shown(tx)]


async def own_rules(request: Request) -> Response:
    return json(await api.read(request, OPEN, _rules))


async def extended_description(request: Request) -> Response:
    parts = parts_of(request)
    made = await api.read(request, OPEN, lambda tx: accounts.node_actor(tx).created_at)
    return json({"updated_at": shapes.moment(made), "content": parts.settings.node.description})


async def peers(request: Request) -> Response:
    """Which nodes this one knows: for those who may read here."""
    return json(await api.read(request, PEOPLE, lambda tx: sorted(tx.scalars(_DOMAINS))))


async def nothing(request: Request) -> Response:
    await api.read(request, OPEN, lambda _tx: None)
    return json([])


async def no_languages(_request: Request) -> Response:
    return json({})


def _records(settings: Settings) -> bool:
    return recording.programs(settings.media.ffmpeg) is not None


def _recordings(settings: Settings) -> dict[str, int]:
    """Zeros where no film is taken."""
    there, bounds = _records(settings), processing.limits(settings)
    return {
        "video_size_limit": settings.media.video_max_bytes if there else 0,
        "video_frame_rate_limit": bounds.max_frame_rate if there else 0,
        "video_matrix_limit": bounds.max_pixels if there else 0,
    }
