"""Codes of the languages that posts are written in (BCP 47): `de`, `pt-BR`, `tok`."""

import re

from node.errors import Invalid

MAX_LANGUAGE = 35

_TWO_LETTERS = frozenset(  # ISO 639-1
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo
    es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg
    ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn
    no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv sw
    ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
    """.split()  # noqa: SIM905
)
_SHAPE = re.compile(r"(?P<language>[a-z]{2,3})(?P<rest>([-_][a-z0-9]{1,8})*)", re.IGNORECASE)
_SCRIPT, _REGION = 4, 2
"""How long these parts are, which are not written in small letters."""


def checked(code: str, field: str = "language") -> str:
    """The code as it is usually written. Raises Invalid for what is none; three letters are believed (ISO 639-3)."""
    found = _SHAPE.fullmatch(code) if len(code) <= MAX_LANGUAGE else None
    if found is None or (len(found["language"]) == 2 and found["language"].lower() not in _TWO_LETTERS):
        raise Invalid("That is no language.", field)
    parts = (part.lower() for part in found["rest"].replace("_", "-").split("-") if part)
    return "-".join([found["language"].lower(), *map(_written, parts)])


def _written(part: str) -> str:
    if len(part) == _SCRIPT and part.isalpha():
        return part.title()
    return part.upper() if len(part) == _REGION else part
