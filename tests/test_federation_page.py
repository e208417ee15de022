"""FEDERATION.md lists exactly the activities that are handled."""

import re
from pathlib import Path

from node.federation.inbox import HANDLERS

PAGE = Path(__file__).parent.parent / "FEDERATION.md"


def test_the_page_lists_exactly_the_handled_activities() -> None:
    table = PAGE.read_text().split("## Activities", 1)[1].split("## Objects", 1)[0]
    rows = re.findall(r"^\| (\w+) \| ([\w, ]+) \|", table, re.MULTILINE)
    listed = {
        (activity, kind.strip()) for activity, kinds in rows for kind in kinds.split(",") if activity != "activity"
    }
    assert listed == set(HANDLERS)
