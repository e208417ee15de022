"""RFC 9421, as far as we accept it.

An honest request passes, its near miss is refused, and for that reason.
"""

import pytest

from tests.activitypub.signed_requests import (
    COVERED,
    CREATED,
    ED25519,
    HOST,
    KEY_ID,
    accepted,
    cavage,
    refused,
    rfc9421,
    with_header,
)


def test_signature_input_decides_alone_and_cavage_beside_it_is_refused() -> None:
    old, new = cavage(), rfc9421()
    both = with_header(old, "signature-input", dict(new.headers)["signature-input"])
    accepted(old)
    accepted(new)
    refused(both, "Signature-Input and Signature cannot be read")
    appended = f"{dict(new.headers)['signature']}, {dict(old.headers)['signature']}"
    refused(with_header(new, "signature", appended), "cannot be read")


@pytest.mark.parametrize("missing", ["@method", "@target-uri", "content-digest"])
def test_rfc9421_a_body_needs_method_target_and_digest(missing: str) -> None:
    accepted(rfc9421())
    refused(rfc9421(COVERED.replace(f'"{missing}"', "")), f"not signed: {missing}")


def test_rfc9421_without_a_body_no_digest_is_needed() -> None:
    short = '"@method" "@target-uri"'
    accepted(rfc9421(short, method="GET", body=b""))
    accepted(rfc9421(short, body=b""))
    refused(rfc9421(short, method="GET"), "not signed: content-digest")


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (f';created={CREATED};keyid="{KEY_ID}"', None),
        (f';keyid="{KEY_ID}";created={CREATED}', None),
        (f'; created={CREATED}; keyid="{KEY_ID}"', None),
        (f';created={CREATED};keyid="{KEY_ID}";alg="rsa-v1_5-sha256"', None),
        (f';created={CREATED};keyid="{KEY_ID}";tag="fediverse";x=?0;y=tok;z=1.5;b=:AAAA:', None),
        (f';created={CREATED};keyid="{KEY_ID}";alg="ed25519"', "another type"),
        (f';created={CREATED};keyid="{KEY_ID}";alg="rsa-pss-sha512"', "algorithm"),
        (f';created={CREATED};keyid="{KEY_ID}";alg="hs2019"', "algorithm"),
        (f';created={CREATED};keyid="{KEY_ID}";alg=ed25519', "`alg` is no string"),
        (f';keyid="{KEY_ID}"', "no `created`"),
        (f';created={CREATED}.0;keyid="{KEY_ID}"', "`created` is no integer"),
        (f';created="{CREATED}";keyid="{KEY_ID}"', "`created` is no integer"),
        (f';created;keyid="{KEY_ID}"', "`created` is no integer"),
        (f';created={CREATED};expires="{CREATED}";keyid="{KEY_ID}"', "`expires` is no integer"),
        (f";created={CREATED}", "no `keyid`"),
        (f';created={CREATED};keyid=""', "`keyid` is empty"),
        (f";created={CREATED};keyid=tok", "`keyid` is no string"),
        (f';created={CREATED};keyid="{KEY_ID}";keyid="{KEY_ID}"', "repeated parameter"),
        (f';created={CREATED};created={CREATED};keyid="{KEY_ID}"', "repeated parameter"),
        (f';created=1234567890123456;keyid="{KEY_ID}"', "too long"),
    ],
)
def test_rfc9421_parameters(params: str, reason: str | None) -> None:
    if reason is None:
        accepted(rfc9421(params=params))
    else:
        refused(rfc9421(params=params), reason)


def test_rfc9421_alg_ed25519_fits_an_ed25519_key() -> None:
    params = f';created={CREATED};keyid="{KEY_ID}";alg='
    accepted(rfc9421(params=f'{params}"ed25519"', private=ED25519), ED25519)
    refused(rfc9421(params=f'{params}"rsa-v1_5-sha256"', private=ED25519), "another type", ED25519)


def test_rfc9421_the_nonce_is_handed_on() -> None:
    found = accepted(rfc9421(params=f';created={CREATED};keyid="{KEY_ID}";nonce="a\\"b\\\\c"'))
    assert found.nonce == 'a"b\\c'


def test_rfc9421_more_than_one_signature_is_refused_even_if_both_are_good() -> None:
    one, two = dict(rfc9421().headers), dict(rfc9421(label="sig2").headers)
    request = rfc9421()
    for name in ("signature-input", "signature"):
        request = with_header(request, name, f"{one[name]}, {two[name]}")
    refused(request, "exactly one")


@pytest.mark.parametrize("label", ["sig2", "*", "a.b-c_d"])
def test_rfc9421_label_of_input_and_signature_must_agree(label: str) -> None:
    request = rfc9421(label=label)
    accepted(request)
    refused(with_header(request, "signature", dict(rfc9421().headers)["signature"]), "exactly one")


@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_rfc9421_a_repeated_label_is_refused(name: str) -> None:
    request = rfc9421()
    text = dict(request.headers)[name]
    refused(with_header(request, name, f"{text}, {text}"), "repeated key")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("signature", 'sig1="AAAA"'),
        ("signature", "sig1=(:AAAA:)"),
        ("signature", "sig1"),
        ("signature-input", f'sig1="@method";created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", "sig1"),
        ("signature-input", f'sig1=(@method);created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", f'sig1=(method);created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", f'sig1=("Date");created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", f'sig1=("@method""@path");created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", f'sig1=("@method"\t"@path");created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", f'sig1=("@method");created={CREATED};keyid="{KEY_ID}",'),
        ("signature-input", f'Sig1=("@method");created={CREATED};keyid="{KEY_ID}"'),
        ("signature-input", "sig1=(" + '"@method" ' * 65 + f');created={CREATED};keyid="{KEY_ID}"'),
    ],
)
def test_rfc9421_wrong_types_and_spellings_are_refused(name: str, value: str) -> None:
    reason = "cannot be read|wrong types|byte sequence|lower case|covers too much|repeated component"
    refused(with_header(rfc9421(), name, value), reason)


def test_rfc9421_the_parameters_count_as_they_were_spelled() -> None:
    accepted(rfc9421(inner="(  {}  )".format))
    respelled = dict(rfc9421().headers)["signature-input"].replace('" "', '"  "')
    refused(with_header(rfc9421(), "signature-input", respelled), "does not match")


ALL_DERIVED = {
    '"@authority"': HOST,
    '"@scheme"': "https",
    '"@path"': "/inbox",
    '"@query"': "?a=1&b=x%20y%7E&c+d=%C3%A9&e",
    '"@request-target"': "/inbox?a=1&b=x%20y%7E&c+d=%C3%A9&e",
    '"@query-param";name="a"': "1",
    '"@query-param";name="b"': "x%20y%7E",
    '"@query-param";name="c%20d"': "%C3%A9",
    '"@query-param";name="e"': "",
}


@pytest.mark.parametrize("component", ALL_DERIVED)
def test_rfc9421_derived_components(component: str) -> None:
    target = ALL_DERIVED['"@request-target"']
    accepted(rfc9421(f"{COVERED} {component}", target=target, lines={component: ALL_DERIVED[component]}))
    wrong = rfc9421(f"{COVERED} {component}", target=target, lines={component: ALL_DERIVED[component] + "x"})
    refused(wrong, "does not match")


def test_rfc9421_query_of_a_target_without_one_is_a_question_mark() -> None:
    accepted(rfc9421(f'{COVERED} "@query"', lines={'"@query"': "?"}))
    refused(rfc9421(f'{COVERED} "@query"', lines={'"@query"': ""}), "does not match")


@pytest.mark.parametrize(
    ("target", "component", "reason"),
    [
        ("/inbox?a=1&a=1", '"@query-param";name="a"', "absent or repeated"),
        ("/inbox?b=1", '"@query-param";name="a"', "absent or repeated"),
        ("/inbox?" + "a=1&" * 65, '"@query-param";name="a"', "too many"),
        ("/inbox?a=1", '"@query-param"', "takes one name"),
        ("/inbox?a=1", '"@query-param";name=a', "takes one name"),
        ("/inbox?a=1", '"@query-param";name="a";req', "takes one name"),
        ("/inbox", '"@status"', "derived component"),
        ("/inbox", '"@signature-params"', "derived component"),
        ("/inbox", '"x-absent"', "'x-absent'"),
        ("/inbox", '"content-digest"', "repeated component"),
        ("/inbox", '"host";sf', "component parameter"),
        ("/inbox", '"host";bs', "component parameter"),
        ("/inbox", '"host";tr', "component parameter"),
        ("/inbox", '"host";key="a"', "component parameter"),
        ("/inbox", '"@authority";req', "component parameter"),
        ("/inbox", '"@authority";new=1', "component parameter"),
    ],
)
def test_rfc9421_components_that_we_do_not_read_are_refused(target: str, component: str, reason: str) -> None:
    lines = {component: HOST} if "host" in component or "@authority" in component else {component: "1"}
    if component == '"content-digest"':
        lines = {}
    refused(rfc9421(f"{COVERED} {component}", target=target, lines=lines), reason)


def test_rfc9421_a_component_counts_as_repeated_by_name_and_parameter() -> None:
    lines = {'"@query-param";name="a"': "1", '"@query-param";name="b"': "2"}
    a, b = lines
    accepted(rfc9421(f"{COVERED} {a} {b}", target="/inbox?a=1&b=2", lines=lines))
    refused(rfc9421(f"{COVERED} {a} {a}", target="/inbox?a=1&b=2", lines=lines), "repeated component")
