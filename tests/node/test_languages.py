import pytest

from node import languages
from node.errors import Invalid


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("de", "de"), ("DE", "de"), ("pt-br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("en_GB", "en-GB"), ("tok", "tok")],
)
def test_a_code_is_written_as_usual(sent: str, kept: str) -> None:
    assert languages.checked(sent) == kept


@pytest.mark.parametrize(
    "sent",
    ["xx", "xx-nonsense-language", "d", "deutsch", "de-", "-de", "de--AT", "d3", "de-" + "x" * 9, "de-a" * 20, "дe"],
)
def test_what_is_none_is_refused(sent: str) -> None:
    with pytest.raises(Invalid, match="no language"):
        languages.checked(sent)
