"""replay/credentials.py: what is sent in the place of redacted secrets, from where, and where it never goes."""

import pytest

from replay.credentials import Credentials, Filled, fill
from replay.replay_error import ReplayError
from traffic.capture.vault import VaultError

OPENAI = "https://api.openai.com"
LOCAL = "http://127.0.0.1:1234"
ONE, TWO = "[secret:0123abcd]", "[secret:89abcdef]"
ENVIRON = {
    "OPENAI_API_KEY": " sk-openai\n",
    "ANTHROPIC_API_KEY": "sk-anthropic",
    "OPENROUTER_API_KEY": "sk-openrouter",
    "GEMINI_API_KEY": "sk-gemini",
}
DESTINATIONS = {"openai": f"{OPENAI}/v1/", "mine": "http://10.0.0.5:8000/v1", "lmstudio": f"{LOCAL}/"}


def head(*lines: str, target: str = "/v1/x") -> bytes:
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def vault(placeholder: str, origin: str) -> bytes | None:
    return {(ONE, OPENAI): b"sk-kept", (TWO, OPENAI): b"a=b; c/d"}.get((placeholder, origin))


def filled(line: str, reaches: str, credentials: Credentials) -> tuple[str, list[str]]:
    found = fill(head(line), reaches, credentials)
    return found.head.decode().split("\r\n")[2], found.notes


@pytest.mark.parametrize(
    ("reaches", "name"),
    [
        (OPENAI, "OPENAI_API_KEY"),
        ("https://eu.api.openai.com", "OPENAI_API_KEY"),
        ("https://api.anthropic.com", "ANTHROPIC_API_KEY"),
        ("https://openrouter.ai", "OPENROUTER_API_KEY"),
        ("https://generativelanguage.googleapis.com", "GEMINI_API_KEY"),
    ],
)
@pytest.mark.parametrize(
    "field", ["Authorization: Bearer ", "authorization: ", "x-api-key: ", "API-Key:", "x-goog-api-key:  "]
)
def test_a_variable_is_sent_to_its_own_providers_hosts(reaches: str, name: str, field: str) -> None:
    line, notes = filled(f"{field}{ONE}", reaches, Credentials(ENVIRON))
    assert line == field + ENVIRON[name].strip()
    assert notes == [f"{field.partition(':')[0]} is {name}"]


@pytest.mark.parametrize(
    "reaches",
    ["https://api.openai.com.evil.test", "http://api.openai.com", "https://evil.test", "http://10.0.0.5:8000"],
)
def test_a_variable_goes_to_no_other_host_and_not_unencrypted(reaches: str) -> None:
    with pytest.raises(ReplayError, match="is redacted in the recording"):
        fill(head(f"Authorization: Bearer {ONE}"), reaches, Credentials(ENVIRON, DESTINATIONS))


def test_the_routes_key_goes_before_the_variable_which_goes_before_the_vault() -> None:
    line = f"Authorization: Bearer {ONE}"
    by_route = Credentials(ENVIRON, DESTINATIONS, {"openai": "sk-route"}, vault)
    assert filled(line, OPENAI, by_route) == (
        "Authorization: Bearer sk-route",
        ["Authorization is routes.openai.key"],
    )
    by_variable = Credentials(ENVIRON, DESTINATIONS, {}, vault)
    assert filled(line, OPENAI, by_variable) == ("Authorization: Bearer sk-openai", ["Authorization is OPENAI_API_KEY"])
    by_vault = Credentials({"OPENAI_API_KEY": " "}, DESTINATIONS, {}, vault)
    assert filled(line, OPENAI, by_vault) == ("Authorization: Bearer sk-kept", ["Authorization is from the vault"])


def test_a_routes_key_goes_to_its_destinations_origin_alone() -> None:
    credentials = Credentials({}, DESTINATIONS, {"mine": "sk-mine"})
    assert filled(f"x-api-key: {ONE}", "http://10.0.0.5:8000", credentials)[0] == "x-api-key: sk-mine"
    for reaches in ("http://10.0.0.5", "https://10.0.0.5:8000", OPENAI):
        with pytest.raises(ReplayError, match="x-api-key is redacted"):
            fill(head(f"x-api-key: {ONE}"), reaches, credentials)


def test_of_several_routes_to_one_origin_the_one_by_which_it_goes_gives_its_key_first() -> None:
    routes = {"work": f"{OPENAI}/v1/", "home": f"{OPENAI}/v1/", "bare": OPENAI}
    credentials = Credentials({}, {**routes, "mine": LOCAL}, {"work": "sk-work", "home": "sk-home", "mine": "sk-mine"})
    for route, key in (("home", "sk-home"), ("work", "sk-work"), ("bare", "sk-work"), ("mine", "sk-work")):
        found = fill(head(f"x-api-key: {ONE}"), OPENAI, credentials, route)
        assert found.head == head(f"x-api-key: {key}")


def test_a_key_takes_the_place_of_keys_alone_and_the_vault_that_of_any_secret() -> None:
    credentials = Credentials(ENVIRON, DESTINATIONS, {"openai": "sk-route"}, vault)
    assert filled(f"Cookie: {TWO}", OPENAI, credentials)[0] == "Cookie: a=b; c/d"
    basic = f"Authorization: Basic {ONE}"
    assert filled(basic, OPENAI, credentials)[0] == "Authorization: Basic sk-kept"
    with pytest.raises(ReplayError):
        fill(head(basic), OPENAI, Credentials(ENVIRON, DESTINATIONS, {"openai": "sk-route"}))


def test_a_cookie_that_nobody_kept_is_left_out_where_keys_tell_who_asks_and_missing_elsewhere() -> None:
    raw = head(f"cookie: {TWO}", f"Authorization: Bearer {ONE}")
    found = fill(raw, OPENAI, Credentials(ENVIRON))
    assert found.head == head("Authorization: Bearer sk-openai")
    assert found.notes == [
        f"Cookie is left out: it is redacted, and {OPENAI} knows its callers by keys",
        "Authorization is OPENAI_API_KEY",
    ]
    with pytest.raises(
        ReplayError, match=r"^Cookie is redacted in the recording, and https://mine.test wants it: give"
    ):
        fill(head(f"Cookie: {TWO}"), "https://mine.test", Credentials(ENVIRON))


def test_a_parameter_of_the_url_is_filled_percent_encoded() -> None:
    found = fill(head(target=f"/x?key={ONE}&a=1&token={TWO}"), OPENAI, Credentials(ENVIRON, DESTINATIONS, {}, vault))
    assert found.head.startswith(b"POST /x?key=sk-openai&a=1&token=a%3Db%3B%20c%2Fd HTTP/1.1\r\n")
    assert found.notes == ["key is OPENAI_API_KEY", "token is from the vault"]


def test_a_key_within_the_url_of_a_header_is_that_headers() -> None:
    line = f"Referer: https://a/?key={ONE}"
    assert filled(line, OPENAI, Credentials({}, {}, {}, vault))[0] == "Referer: https://a/?key=sk-kept"
    with pytest.raises(ReplayError, match=r"^Referer is redacted"):
        fill(head(line), OPENAI, Credentials(ENVIRON))


def test_what_is_missing_is_told_with_what_gives_it_all_at_once() -> None:
    raw = head(f"Authorization: Bearer {ONE}", f"X-Auth-Token: {TWO}", target=f"/x?key={ONE}")
    with pytest.raises(ReplayError) as raised:
        fill(raw, OPENAI, Credentials({}, DESTINATIONS))
    wants = "is redacted in the recording, and https://api.openai.com wants it:"
    assert str(raised.value) == (
        f"key {wants} set OPENAI_API_KEY or routes.openai.key, or give --param 'key=...'\n"
        f"Authorization {wants} set OPENAI_API_KEY or routes.openai.key, or give --header 'Authorization: Bearer ...' "
        "(--drop-header Authorization sends none)\n"
        f"X-Auth-Token {wants} give --header 'X-Auth-Token: ...' (--drop-header X-Auth-Token sends none)"
    )
    with pytest.raises(ReplayError) as raised:
        fill(head(f"x-api-key: {ONE}"), "https://evil.test", Credentials(ENVIRON, DESTINATIONS))
    assert str(raised.value) == (
        "x-api-key is redacted in the recording, and https://evil.test wants it: give --header 'x-api-key: ...' "
        "(--drop-header x-api-key sends none)"
    )


@pytest.mark.parametrize("reaches", [LOCAL, "http://localhost:1", "https://[::1]", "http://llm.localhost:1234"])
def test_this_machine_gets_the_placeholder_where_there_is_nothing_else(reaches: str) -> None:
    raw = head(f"Authorization: Bearer {ONE}")
    note = f"Authorization goes as it was recorded, {ONE}: {reaches} is this machine"
    assert fill(raw, reaches, Credentials(ENVIRON, DESTINATIONS)) == Filled(raw, [note])


def test_this_machine_gets_its_routes_key() -> None:
    credentials = Credentials({}, DESTINATIONS, {"lmstudio": "sk-local"})
    assert filled(f"Authorization: Bearer {ONE}", LOCAL, credentials)[0] == "Authorization: Bearer sk-local"


def test_without_redacted_secrets_nothing_is_looked_for() -> None:
    def refuse(_placeholder: str, _origin: str) -> bytes | None:
        raise AssertionError

    raw = head("Authorization: Bearer sk-given")
    assert fill(raw, OPENAI, Credentials(ENVIRON, DESTINATIONS, {"openai": "k"}, refuse)) == Filled(raw, [])


def test_a_value_that_would_break_the_head_is_refused_and_not_shown() -> None:
    with pytest.raises(ReplayError) as raised:
        fill(head(f"x-api-key: {ONE}"), OPENAI, Credentials({"OPENAI_API_KEY": "a\r\nb: c"}))
    assert str(raised.value) == "the value of OPENAI_API_KEY holds a line break or another control character"


def test_a_value_is_sent_to_the_byte_as_the_environment_has_it() -> None:
    found = fill(head(f"x-api-key: {ONE}"), OPENAI, Credentials({"OPENAI_API_KEY": "sk-\udcff"}))
    assert b"x-api-key: sk-\xff\r\n" in found.head


def test_a_vault_that_cannot_be_opened_says_why() -> None:
    def locked(_placeholder: str, _origin: str) -> bytes | None:
        raise VaultError("no")

    with pytest.raises(ReplayError, match=r"^no$"):
        fill(head(f"x-api-key: {ONE}"), OPENAI, Credentials(vault=locked))


def test_no_credential_is_in_a_printed_object() -> None:
    shown = repr(Credentials(ENVIRON, DESTINATIONS, {"openai": "sk-route"}, vault))
    assert "sk-" not in shown
