"""Which addresses are public, and what a link names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediasense.errors import MediasenseError, UnsafeEndpoint, UsageError
from mediasense.media.fetch.addresses import display_url, is_loopback, is_public, parse_link

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "93.184.215.14",
    "100.63.255.255",
    "100.128.0.1",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.254",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "2a00:1450:4001:830::200e",
    "2620:0:2d0:200::7",
    "64:ff9b::808:808",  # a public IPv4 address, seen from a network without IPv4
]

NOT_PUBLIC = {
    "this network": ["0.0.0.0", "0.1.2.3"],
    "private": ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fdff::1"],
    "shared": ["100.64.0.1", "100.127.255.255", "100.100.100.200"],
    "loopback": ["127.0.0.1", "127.255.255.254", "::1"],
    "link-local": ["169.254.0.1", "fe80::1", "febf::1"],
    "metadata": ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "192.0.0.192"],
    "protocols": ["192.0.0.1", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.88.99.1"],
    "documentation": ["192.0.2.1", "198.51.100.7", "203.0.113.9", "2001:db8::1", "3fff::1"],
    "benchmarking": ["198.18.0.1", "198.19.255.255", "2001:2::1"],
    "multicast": ["224.0.0.1", "239.255.255.250", "ff02::1", "ff0e::1"],
    "reserved": ["240.0.0.1", "255.255.255.255", "::2", "4000::1", "e000::1", "100::1", "5f00::1"],
    "unspecified": ["::"],
    "site-local": ["fec0::1"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:7f00:1"],
    "compatible": ["::127.0.0.1", "::8.8.8.8", "::a00:1"],
    "translated": ["::ffff:0:127.0.0.1"],
    "6to4": ["2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::1", "2002:808:808::1"],
    "NAT64": ["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a00:1", "64:ff9b:1::808:808"],
    "Teredo": ["2001::1", "2001:0:808:808::f5ff:fffe", "2001:0:4136:e378:8000:63bf:80ff:fffe"],
    "ORCHID": ["2001:10::1", "2001:20::1"],
    "zones": ["fe80::1%eth0", "2606:4700::1%eth0", "::1%lo"],
    "no literals": ["", "localhost", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "1.1.1.1 "],
    "other spellings": [
        "8.8.8",
        "8.8.8.8/32",
        "[2606:4700::1]",
        "８.8.8.8",
        "1.1.1.1\n",
        "08.8.8.8",
    ],
}
CASES = [pytest.param(a, id=f"{kind}-{a}") for kind, listed in NOT_PUBLIC.items() for a in listed]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_plain_address_of_the_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", CASES)
def test_nothing_else_is_public(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "network",
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",
        "2001:db8::/32",
        "2002::/16",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    ],
)
@given(data=st.data())
def test_no_address_of_a_special_network_is_public(network, data):
    network = ip_network(network)
    offset = data.draw(st.integers(0, network.num_addresses - 1))
    assert not is_public(str(network[offset]))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_hidden_in_ipv6_is_never_public(address):
    number = int(address)
    assert not is_public(str(IPv6Address((0xFFFF << 32) | number)))
    assert not is_public(str(IPv6Address((0x2002 << 112) | number << 80)))
    assert not is_public(str(IPv6Address(number)))


@given(st.ip_addresses(v=4))
def test_nat64_is_as_public_as_what_it_leads_to(address):
    nat64 = IPv6Address(int(IPv6Address("64:ff9b::")) | int(address))
    assert is_public(str(nat64)) == is_public(str(address))


@given(st.ip_addresses(v=6))
def test_a_public_ipv6_address_is_global_unicast(address):
    plain = IPv6Network("2000::/3"), IPv6Network("64:ff9b::/96")
    assert not is_public(str(address)) or any(address in network for network in plain)


@given(st.ip_addresses(v=4))
def test_what_python_calls_special_is_not_public(address):
    special = (
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_multicast,
        address.is_reserved,
        address.is_unspecified,
    )
    assert not (is_public(str(address)) and any(special))


@given(st.text())
def test_any_text_is_public_or_not(text):
    assert is_public(text) in (True, False)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_is_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["localhost.a.org", "127.0.0.1.a.org", "10.0.0.1", "::2", "::7f00:1", "0x7f.1", ""]
)
def test_another_machine_is_not_loopback(host):
    assert not is_loopback(host)


# --- links ---------------------------------------------------------------------------------------


def test_a_link_is_taken_apart():
    link = parse_link("https://Example.ORG:8443/a/b.mp4?sig=1#part")
    assert (link.scheme, link.host, link.port) == ("https", "example.org", 8443)
    assert link.target == "/a/b.mp4?sig=1"
    assert link.authority == "example.org:8443"


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://a.org", "a.org"),
        ("http://a.org:80/", "a.org"),
        ("https://a.org:80/", "a.org:80"),
        ("https://[2606:4700:0::1]/x", "[2606:4700::1]"),
        ("https://[::1]:8443/x", "[::1]:8443"),
        ("HTTPS://a.org./x", "a.org."),
    ],
)
def test_the_host_header_names_the_port_when_it_is_not_the_usual_one(url, authority):
    assert parse_link(url).authority == authority


def test_a_link_without_a_path_asks_for_the_root():
    assert parse_link("https://a.org?x=1").target == "/?x=1"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://日本語.example/", "xn--wgv71a119e.example"),
        ("https://127。0。0。1/", "127.0.0.1"),
        ("https://ⓔxample.org/", "example.org"),
    ],
)
def test_a_host_outside_ascii_is_written_in_ascii(url, host):
    assert parse_link(url).host == host


def test_a_path_outside_ascii_is_quoted_once():
    assert parse_link("https://a.org/é%C3%A9?ü").target == "/%C3%A9%C3%A9?%C3%BC"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.mp4",
        "//a.org/x",
        "ftp://a.org/x",
        "file:///etc/passwd",
        "gopher://a.org/",
        "data:,x",
        "https://",
        "https:///x",
        "https:a.org",
        "https://a b.org/",
        "https://a.org/x y",
        "https://a.org/\n",
        "https://a.org/\tx",
        "https://a.org/\x00",
        "https://a.org/\u2028",
        "https://a.org\\@b.org/",
        "https://a.org:port/",
        "https://a.org:99999/",
        "https://a.org:0/",
        "https://a..org/",
        "https://.a.org/",
        "https://" + "a" * 64 + ".org/",
        "https://" + "a." * 200 + "org/",
        "https://a%2Eorg/",
        "https://a.org,b.org/",
        "https://[::1/",
        "https://[::g]/",
        "https://[fe80::1%25eth0]/",
        "https://[v1.x]/",
        "https://stra\u00dfe.example/",
        "https://a\u2100b.org/",
        "https://\ud800.org/",
        "https://a.org/" + "x" * 20_000,
    ],
)
def test_what_is_no_link_is_refused(url):
    with pytest.raises(UsageError):
        parse_link(url)


@pytest.mark.parametrize("url", ["https://a.org:secret/", "https://a.org/ secret", "secret:x"])
def test_a_refusal_does_not_show_the_link(url):
    with pytest.raises(UsageError) as caught:
        parse_link(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://me:secret@a.org/", "https://me@a.org/", "https://@a.org/"]
)
def test_a_link_with_a_password_is_refused_and_not_shown(url):
    with pytest.raises(UnsafeEndpoint, match="user name or password") as caught:
        parse_link(url)
    assert "secret" not in str(caught.value)


@given(st.text() | st.text().map("https://{}".format) | st.from_regex(r"\Ahttps?://\S*\Z"))
def test_any_text_is_a_link_or_an_error_of_ours(url):
    try:
        link = parse_link(url)
    except MediasenseError:
        return
    assert link.url.isascii()
    assert parse_link(link.url) == link
    again = urlsplit(link.url)
    assert (again.scheme, again.hostname) == (link.scheme, link.host)
    assert f"{link.host}{link.target}".isprintable()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.org/b.mp4?X-Signature=secret#t", "https://a.org/b.mp4"),
        ("https://me:secret@a.org:8443/b", "https://a.org:8443/b"),
        ("gs://bucket/b.mp4", "gs://bucket/b.mp4"),
        ("http://[::1]:80/b", "http://[::1]:80/b"),
        ("data:text/plain,secret", "data:…"),
        ("https:me:secret@a.org", "https:…"),
        ("https://me:sec/ret@a.org/", "a link that cannot be read"),
        ("secret", "a link that cannot be read"),
        ("https://a.org/\x1b[31mred", "https://a.org/ [31mred"),
    ],
)
def test_a_link_is_shown_without_what_it_should_not_tell(url, shown):
    assert display_url(url) == shown


@given(st.text() | st.text().map("https://a.org/{}".format))
def test_any_text_can_be_shown_in_one_short_line(url):
    shown = display_url(url)
    assert shown.isprintable()
    assert len(shown) <= 200


@given(st.text(alphabet="abc/?#@:;&=%", max_size=20), st.sampled_from(["?", "#"]))
def test_nothing_after_a_question_mark_or_a_hash_is_shown(path, mark):
    assert "SECRET" not in display_url(f"https://a.org/{path}{mark}SECRET")


def test_no_ipv4_address_is_both_special_and_public_at_the_edges_of_networks():
    for edge in ("9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0", "191.255.255.255"):
        assert is_public(str(IPv4Address(edge)))
