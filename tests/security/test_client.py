import io
import ipaddress
import json
import time
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory, override_settings
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from security import client
from security.client import USER_AGENT_LENGTH, Client


def request(forwarded: str | None = None, peer: str = "192.0.2.1", agent: str = "") -> HttpRequest:
    headers = {"User-Agent": agent} | ({} if forwarded is None else {"X-Forwarded-For": forwarded})
    return RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "192.0.2.1"),
        (0, "198.51.100.7", "192.0.2.1"),
        (0, "198.51.100.7, 198.51.100.8", "192.0.2.1"),
        (1, None, ""),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "6.6.6.6, 198.51.100.7", "198.51.100.7"),
        (1, "6.6.6.6, 7.7.7.7, 198.51.100.7", "198.51.100.7"),
        (1, "6.6.6.6,, ,198.51.100.7", "198.51.100.7"),
        (1, "garbage, 198.51.100.7", "198.51.100.7"),
        (1, "6.6.6.6, garbage", ""),
        (1, "6.6.6.6, ", ""),
        (1, " , ", ""),
        (1, "", ""),
        (2, "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        (2, "6.6.6.6, 198.51.100.7, 10.0.0.2", "198.51.100.7"),
        (2, "198.51.100.7", ""),
        (2, "6.6.6.6, unknown, 10.0.0.2", ""),
    ],
)
def test_of_what_a_client_says_about_its_address_nothing_is_believed(
    settings: Settings, proxies: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert Client.of(request(forwarded)).address == address


# Addresses as nginx, HAProxy, IIS, Azure's gateways and RFC 7239 write them.
WRITTEN = [
    ("203.0.113.9", "203.0.113.9"),
    ("203.0.113.9:51234", "203.0.113.9"),
    ('"203.0.113.9:51234"', "203.0.113.9"),
    (" 203.0.113.9\t", "203.0.113.9"),
    ("2001:db8::1", "2001:db8::1"),
    ("[2001:DB8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ('"[2001:db8::1]:443"', "2001:db8::1"),
    ("::ffff:203.0.113.9", "203.0.113.9"),
    ("[::ffff:203.0.113.9]:80", "203.0.113.9"),
    ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%25eth0]:443", "fe80::1"),
    ("unknown", ""),
    ("_hidden", ""),
    ("_hidden:443", ""),
    ("unix:", ""),
    ("[]:443", ""),
    ("[2001:db8::1", ""),
    ("[2001:db8::1]x", ""),
    ("203.0.113.9:443:443", ""),
    ("203.0.113.9:port", ""),
    ("203.0.113.999:443", ""),
    ("\u00b2.0.0.1", ""),
]


@pytest.mark.parametrize(("entry", "address"), WRITTEN)
@pytest.mark.parametrize("proxies", [1, 2])
def test_what_proxies_write_is_read(settings: Settings, proxies: int, entry: str, address: str) -> None:
    settings.TRUSTED_PROXIES = proxies
    forwarded = ",".join(["6.6.6.6", entry, "10.0.0.2"][: proxies + 1])
    assert Client.of(request(forwarded)).address == address


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=80))
def test_whatever_an_entry_is_it_is_one_address_or_none(entry: str) -> None:
    with override_settings(TRUSTED_PROXIES=1):
        address = Client.of(request(entry)).address
    assert address == "" or str(ipaddress.ip_address(address)) == address


def test_an_entry_that_cannot_be_read_is_told_once_a_minute_and_in_short(
    settings: Settings, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client._Warned, "at", None)
    settings.TRUSTED_PROXIES = 1
    Client.of(request("203.0.113.9:51234"))
    assert log.getvalue() == ""
    for _ in range(3):
        Client.of(request("6.6.6.6, " + "unknown\x1b" * 900))
    [line] = [json.loads(line) for line in log.getvalue().splitlines()]
    assert line["level"] == "WARNING"
    assert "X-Forwarded-For" in line["message"]
    assert "TRUSTED_PROXIES" in line["message"]
    assert len(line["entry"]) == client.LOGGED_LENGTH
    monkeypatch.setattr(client._Warned, "at", time.monotonic() - client.WARN_EVERY)
    Client.of(request("unknown"))
    assert len(log.getvalue().splitlines()) == 2


@given(st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=80))
def test_no_prefix_changes_the_address_our_proxy_saw(prefix: str) -> None:
    with override_settings(TRUSTED_PROXIES=1):
        assert Client.of(request(f"{prefix}, 198.51.100.7")).address == "198.51.100.7"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("2001:DB8::0:1", "2001:db8::1"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%", "fe80::1"),
        ("", ""),
        ("unix:", ""),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("192.0.2.01", ""),
        ("x" * 100_000, ""),
    ],
)
def test_an_address_has_one_form_or_none(peer: str, address: str) -> None:
    assert Client.of(request(peer=peer)).address == address


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_an_ipv6_customer_counts_once(one: str, other: str, same: bool) -> None:
    networks = {Client.of(request(peer=peer)).network for peer in (one, other)}
    assert (len(networks) == 1) is same


@pytest.mark.parametrize("client", [Client(), Client.of(None)])
def test_no_request_is_an_empty_client(client: Client) -> None:
    assert (client.address, client.user_agent, client.network) == ("", "", "")


@given(st.text(max_size=1000))
@example("x" * 1000)
def test_a_user_agent_is_printable_and_short(agent: str) -> None:
    kept = Client.of(request(agent=agent)).user_agent
    assert kept.isprintable()
    assert len(kept) <= USER_AGENT_LENGTH


@pytest.mark.parametrize("control", ["\r", "\n", "\0", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e"])
def test_control_characters_in_a_user_agent_are_dropped(control: str) -> None:
    assert Client.of(request(agent=f"a{control}[31mb")).user_agent == "a[31mb"


@pytest.mark.parametrize(("fields", "same"), [({"address": "192.0.2.2"}, True), ({"user_agent": "another"}, False)])
def test_the_digest_is_of_the_browser_and_not_of_the_place(fields: dict[str, Any], same: bool) -> None:
    known = {"address": "192.0.2.1", "user_agent": "browser"}
    one, other = Client(**known).user_agent_hash, Client(**known | fields).user_agent_hash
    assert (one == other) is same
    assert len(one) == 64
