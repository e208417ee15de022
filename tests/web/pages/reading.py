"""Pages as a browser without script sees them: text, links, forms with their fields."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

INLINE = frozenset({"a", "b", "i", "em", "strong", "span", "code", "svg", "path"})


@dataclass
class Form:
    action: str
    method: str
    is_multipart: bool
    fields: dict[str, str] = field(default_factory=dict)
    """What would be sent as it stands: ticked boxes, chosen options, texts. Files are left out."""
    options: dict[str, list[str]] = field(default_factory=dict)


class Page(HTMLParser):
    """`text` is what is read, `tags` every element with its attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.markup = markup
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._area = ""
        self._select = ""
        self._in_form = False
        self.feed(markup)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if tag not in INLINE:
            self.text += " "
        if tag == "form":
            method = values.get("method", "get").lower()
            self.forms.append(Form(values.get("action", ""), method, values.get("enctype", "").startswith("multipart")))
            self._in_form = True
        elif self._in_form:
            self._control(tag, values)

    def _control(self, tag: str, values: dict[str, str]) -> None:
        form, name = self.forms[-1], values.get("name", "")
        if tag == "textarea":
            self._area = name
            form.fields[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option":
            form.options.setdefault(self._select, []).append(values["value"])
            if "selected" in values:
                form.fields[self._select] = values["value"]
        elif tag == "input" and name and "disabled" not in values:
            ticked = values.get("type") != "checkbox" or "checked" in values
            if ticked and values.get("type") != "file":
                form.fields[name] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag not in INLINE:
            self.text += " "
        if tag == "form":
            self._in_form = False
        elif tag == "textarea":
            form = self.forms[-1]
            form.fields[self._area] = form.fields[self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data
        self.text += data

    def form(self, action: str) -> Form:
        """The first form with this action."""
        found = [form for form in self.forms if form.action == action]
        assert found, f"no form to {action} among {[form.action for form in self.forms]}"
        return found[0]

    def has_form(self, action: str) -> bool:
        return any(form.action == action for form in self.forms)

    def links(self) -> list[str]:
        return [values["href"] for tag, values in self.tags if tag == "a" and "href" in values]

    def images(self) -> list[dict[str, str]]:
        return [values for tag, values in self.tags if tag == "img"]

    @property
    def alert(self) -> str:
        """What is wrong, as the page says it."""
        _, found, rest = self.markup.partition('role="alert"')
        return rest.partition(">")[2].partition("<")[0] if found else ""
