"""Posts: what their history, their deletion and their language are to clients."""

import pytest

from tests.support.pictures import png
from tests.web.mastodon.conftest import User


async def test_deleting_with_media_removes_the_files_and_otherwise_they_can_be_used_again(
    anna: User, bert: User
) -> None:
    folder = anna.node.settings.media_dir
    for sent, left in (("true", False), ("false", True)):
        picture = await anna.call("POST", "/api/v2/media", files={"file": ("a.png", png(), "image/png")})
        before = set(folder.rglob("*.png"))
        posted = await anna.status("look", media_ids=[picture["id"]])
        path = f"/api/v1/statuses/{posted['id']}?delete_media={sent}"
        assert (await bert.send("DELETE", path)).status_code == 404
        assert set(folder.rglob("*.png")) == before
        assert (await anna.call("DELETE", path))["media_attachments"][0]["id"] == picture["id"]
        assert bool(before & set(folder.rglob("*.png"))) == left
        answer = await anna.send("POST", "/api/v1/statuses", json={"status": "again", "media_ids": [picture["id"]]})
        assert answer.status_code == (200 if left else 422)
    assert (await anna.send("DELETE", "/api/v1/statuses/1?delete_media=perhaps")).status_code == 422


async def test_the_history_names_what_is_quoted(anna: User, bert: User) -> None:
    quoted = await bert.status("quote me", quote_approval_policy="public")
    posted = await anna.status("indeed", quoted_status_id=quoted["id"])
    await anna.call("PUT", f"/api/v1/statuses/{posted['id']}", json={"status": "indeed!"})
    states = await anna.get(f"/api/v1/statuses/{posted['id']}/history")
    assert [one["quote"]["quoted_status"]["id"] for one in states] == [quoted["id"]] * 2
    assert "quote" not in (await anna.get(f"/api/v1/statuses/{quoted['id']}/history"))[0]


async def test_nothing_is_translated(anna: User, bert: User) -> None:
    posted = await anna.status("Guten Tag", language="de")
    answer = await bert.send("POST", f"/api/v1/statuses/{posted['id']}/translate", json={"lang": "en"})
    assert (answer.status_code, answer.json()) == (403, {"error": "This action is not allowed"})
    hidden = await anna.status("for followers", visibility="private")
    assert (await bert.send("POST", f"/api/v1/statuses/{hidden['id']}/translate")).status_code == 404


@pytest.mark.parametrize(("sent", "status"), [("pt-br", 200), ("xx-nonsense-language", 422), ("", 200)])
async def test_a_language_is_a_code(anna: User, sent: str, status: int) -> None:
    answer = await anna.send("POST", "/api/v1/statuses", json={"status": "hello", "language": sent})
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["language"] == ((sent and "pt-BR") or None)
    default = await anna.send("PATCH", "/api/v1/accounts/update_credentials", json={"source": {"language": sent}})
    assert default.status_code == status
