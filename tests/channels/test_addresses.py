"""Addresses: what is accepted, and that none is ever repeated."""

from __future__ import annotations

import pytest

from marginbot.channels import parse_address
from marginbot.channels.addresses import BadAddress
from tests.servers.pushover import ADDRESS, TOKEN, USER


@pytest.mark.parametrize(
    ("url", "title"),
    [
        ("ntfys://canary-topic", "ntfy (ntfys://…)"),
        ("json://127.0.0.1:8080/canary", "JSON (json://…)"),
        (ADDRESS, "Pushover (pover://…)"),
        (f"pushover://{USER}@{TOKEN}/phone", "Pushover (pushover://…)"),
        ("mailtos://canary:secret@example.com", "E-Mail (mailtos://…)"),
    ],
)
def test_what_is_shown_names_only_the_service(url: str, title: str) -> None:
    address = parse_address(url)
    assert address.title == title
    assert "anary" not in repr(address)


def test_pushover_is_rung_natively() -> None:
    found = parse_address(f"pushover://{USER}@{TOKEN}/phone/tablet?sound=siren").pushover
    assert found is not None
    assert (found.user, found.token, found.devices) == (USER, TOKEN, ("phone", "tablet"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        pytest.param("canary", "not a channel's address", id="no scheme"),
        pytest.param("canary secret://x", "not a channel's address", id="two words"),
        pytest.param("nowhere://canary-token", "does not accept this nowhere://", id="no such service"),
        pytest.param("pover://canary@canary", "Apprise|30 characters each", id="malformed Pushover"),
        pytest.param("discord://canary", "does not accept this discord://", id="a part is missing"),
        pytest.param("dbus://canary", "my server's own screen", id="local"),
        pytest.param("tgram://123456789:canaryABCDEFGHIJKLMNOPQRSTUV/1", "must not depend on Telegram", id="Telegram"),
        pytest.param(
            "jsons://canary.example/?verify=no", "without that check", id="failure_39: certificates unchecked"
        ),
        pytest.param("json://" + "canary" * 400, "not a channel's address", id="endless"),
    ],
)
def test_what_is_refused_is_explained_and_not_repeated(url: str, told: str) -> None:
    with pytest.raises(BadAddress) as caught:
        parse_address(url)
    assert any(part in caught.value.advice for part in told.split("|"))
    assert caught.value.advice.endswith("Nothing was stored.")
    assert "canary" not in caught.value.advice + str(caught.value)
