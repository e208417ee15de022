"""Signs in on the OAuth pages as a browser would: fills in the first form, submits the second, takes the code."""

from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx


class Forms(HTMLParser):
    """The forms of a page: action, method and fields with their values."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.actions: list[str] = []
        self.code = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form":
            self.forms.append({})
            self.actions.append(values.get("action") or "")
        elif tag in ("input", "button", "select") and self.forms and values.get("name"):
            self.forms[-1].setdefault(values["name"] or "", values.get("value") or "")
        elif tag == "input" and values.get("id") == "code":
            self.code = values.get("value") or ""


def authorize(url: str, login: str, password: str) -> str:
    """The authorization code, from the redirect or from the out-of-band page."""
    with httpx.Client(timeout=30) as client:
        answer = client.get(url, headers={"Accept": "text/html"})
        for _ in range(8):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                code = parse_qs(urlsplit(target).query).get("code")
                if code:
                    return code[0]
                answer = client.get(target, headers={"Accept": "text/html"})
                continue
            page = Forms()
            page.feed(answer.text)
            if page.code:
                return page.code
            assert answer.status_code == 200, answer.text
            number = next((n for n, form in enumerate(page.forms) if "password" in form), len(page.forms) - 1)
            fields = page.forms[number]
            if "password" in fields:
                name = next(key for key in fields if key in ("username", "email", "login"))
                fields.update({name: login, "password": password})
            answer = client.post(urljoin(str(answer.url), page.actions[number]), data=fields)
    raise AssertionError("the sign-in pages do not end")
