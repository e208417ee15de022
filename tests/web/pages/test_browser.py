"""A real browser with JavaScript switched off: sign in, post, answer, search; and no page wider than a phone."""

import shutil
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.conftest import missing
from tests.web.conftest import PASSWORD, Served


@pytest.fixture(params=["sqlite"])
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing("no chromium here (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        await browser.close()


@pytest.fixture
async def phone(chromium: Browser, served: Served) -> AsyncIterator[Page]:
    size = {"width": 360, "height": 740}
    context = await chromium.new_context(java_script_enabled=False, base_url=served.base, viewport=size)  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(20_000)
    yield page
    await context.close()


async def test_a_day_without_script(served: Served, phone: Page) -> None:
    await served.person("anna", display_name="Anna Berger")
    await phone.goto("/")
    await phone.get_by_label("User name or e-mail address").fill("anna")
    await phone.get_by_label("Password").fill(PASSWORD)
    await phone.get_by_role("button", name="Sign in").click()

    await phone.get_by_label("Your post").fill("The pump hums at 1,180 rpm #vibration")
    await phone.get_by_label("Who can see it").select_option("unlisted")
    await phone.get_by_role("button", name="Post", exact=True).click()
    post = phone.get_by_role("article")
    assert "1,180 rpm" in await post.inner_text()
    assert "#post-" in phone.url

    await post.get_by_role("link", name="Answer Anna Berger").click()
    await phone.get_by_label("Your answer").fill("It was the firmware")
    await phone.get_by_role("button", name="Answer", exact=True).click()
    assert "It was the firmware" in await phone.get_by_role("article").last.inner_text()

    await phone.get_by_role("article").first.get_by_role("button", name="Favourite").click()
    pressed = phone.get_by_role("article").first.get_by_role("button", name="Favourite")
    assert await pressed.get_attribute("aria-pressed") == "true"

    await phone.get_by_role("link", name="Search").click()
    await phone.get_by_role("main").get_by_role("searchbox").fill("hums")
    await phone.get_by_role("main").get_by_role("button", name="Search").click()
    assert "1,180 rpm" in await phone.get_by_role("article").inner_text()

    for path in (
        "/",
        "/local",
        "/search?q=hums",
        "/notifications",
        "/settings",
        "/@anna",
        f"/tags/{quote('vibration')}",
    ):
        await phone.goto(path)
        width = await phone.locator("html").bounding_box()
        assert width is not None
        assert width["width"] <= 360
        assert await phone.get_by_role("main").count() == 1
        assert await phone.get_by_role("heading", level=1).count() == 1

    await phone.get_by_role("button", name="Sign out").click()
    await phone.goto("/")
    assert phone.url.endswith("/sign-in")
