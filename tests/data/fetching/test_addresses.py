"""What may be asked: every spelling of an address, and what each IP address is."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlsu.data.fetching.addresses import parse_address, refusal
from vlsu.data.fetching.faults import FetchFaultError, Reason
from vlsu.data.fetching.resolver import Resolver

#: Addresses that must not be asked, each by another trick.
PRIVATE = [
    *("http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://127.255.255.254/"),
    *("http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/", "http://0x7F.1/"),
    *("http://017700000001/", "http://0177.0.0.1/", "http://0177.0.0.0x1/", "http://127.0.0.1./"),
    *("http://00000177.0.0.1/", "http://%31%32%37.0.0.1/", "http://127%2e0.0.1/"),
    *("http://１２７.0.0.1/", "http://127。0。0。1/", "http://①②⑦.0.0.1/", "http://127．0．0．1/"),
    *("http://0/", "http://0.0.0.0/", "http://0x0/", "http://[::]/", "http://[::1]/"),
    *("http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.1.1/"),
    *("http://100.64.0.1/", "http://169.254.1.1/", "http://192.0.0.8/", "http://198.18.0.1/"),
    *("http://192.0.2.1/", "http://198.51.100.7/", "http://203.0.113.9/", "http://240.0.0.1/"),
    *("http://224.0.0.1/", "http://239.255.255.250/", "http://255.255.255.255/"),
    *("http://169.254.169.254/latest/meta-data/", "http://2852039166/", "http://0xa9fea9fe/"),
    *("http://0251.0376.0251.0376/", "http://169.16689662/", "http://100.100.100.200/"),
    *("http://168.63.129.16/", "http://192.0.0.192/", "http://169.254.170.2/"),
    *("http://[fd00:ec2::254]/", "http://[fd20:ce::254]/"),
    *("http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:169.254.169.254]/"),
    *("http://[0:0:0:0:0:ffff:10.0.0.1]/", "http://[::127.0.0.1]/", "http://[::7f00:1]/"),
    *("http://[64:ff9b::127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[64:ff9b:1::1]/"),
    *("http://[2002:7f00:1::]/", "http://[2002:a00:1::1]/", "http://[2002:5db8:d822::1]/"),
    *("http://[2001:0:1:2:3:4:80ff:fffe]/", "http://[2001:db8::1]/", "http://[3fff::1]/"),
    *("http://[fe80::1]/", "http://[fc00::1]/", "http://[fd12:3456::1]/", "http://[fec0::1]/"),
    *("http://[ff02::1]/", "http://[100::1]/", "http://[2001:10::1]/", "http://[5f00::1]/"),
    *("http://example.org@127.0.0.1/", "http://example.org:80@127.0.0.1:80/"),
    *("http://127.0.0.1:80@127.0.0.1/", "http://a@b@10.0.0.1/", "HTTP://127.0.0.1/"),
    *("http://127.0.0.1#@example.org/", "http://127.0.0.1?@example.org/", " http://127.0.0.1/ "),
    *("http://192.168.0.1:8080/", "https://10.255.255.255/", "http://127.0.0.1:/"),
]
#: Addresses that parsers disagree about, or that are none.
UNUSABLE = [
    *("", "   ", "a.jpg", "images/a.jpg", "//example.org/a.jpg", "http:", "http://", "http:///a"),
    *("http:example.org", "http://:80/", "http://@/", "http://example.org:0/"),
    *("http://example.org:65536/", "http://example.org:8a/", "http://exa mple.org/"),
    *("http://example.org\\@127.0.0.1/", "http://exam\nple.org/", "http://exam\tple.org/"),
    *("http://example.org/\r\nHost: x", "http://example.org\x00/", "http://[::1/", "http://::1/"),
    *("http://[fe80::1%25eth0]/", "http://[::1]evil.example/", "http://[v1.a]/", "http://[::g]/"),
    *("http://1.2.3.4.5/", "http://256.1.1.1/", "http://1.2.3.256/", "http://0x100000000/"),
    *("http://09.1.1.1/", "http://4294967296/", "http://1..2/", "http://a..example/"),
    *("http://.example/", "http://example../", f"http://{'a' * 300}.example/"),
    *("http://exa%00mple.org/", "http://exa%2fmple.org/", "http://exa<mple.org/", "http://a%25b/"),
    *("http://xn--\ud800.example/", "http://example.org/\ud800", "http://1.2.3.0xfffffffff/"),
    "http://example.org/" + "a" * 9000,
]
OTHER_SCHEMES = [
    *("file:///etc/passwd", "FILE:///etc/passwd", "ftp://example.org/a.jpg", "gopher://x/"),
    *("data:image/png;base64,AAAA", "javascript:alert(1)", "dict://127.0.0.1:11211/", "ws://x/"),
    *("unix:/run/docker.sock", "http+unix://x/", "C:\\images\\a.png", "about:blank"),
]


def judged(url: str, *answers: str, allow_private: bool = False) -> str:
    """A reason, or the IP addresses to connect to; those of a name are given."""

    async def lookup(name: str) -> list[str]:
        return list(answers)

    async def resolve() -> tuple[str, ...]:
        resolver = Resolver(lookup, allow_private=allow_private)
        return await resolver.addresses(parse_address(url))

    try:
        return ",".join(asyncio.run(resolve()))
    except FetchFaultError as fault:
        return fault.reason


@pytest.mark.parametrize("url", PRIVATE)
def test_what_only_this_machine_can_reach_is_refused_in_every_spelling(url):
    assert judged(url) == Reason.PRIVATE


@pytest.mark.parametrize("url", UNUSABLE)
def test_what_parsers_could_disagree_about_is_no_address(url):
    assert judged(url, "93.184.216.34") == Reason.BAD_ADDRESS


@pytest.mark.parametrize("url", OTHER_SCHEMES)
def test_other_schemes_are_refused(url):
    assert judged(url, "93.184.216.34") == Reason.SCHEME


@pytest.mark.parametrize(
    "answers",
    [
        *(["127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["169.254.169.254"], ["fe80::1%eth0"]),
        # One private address among public ones is how a name is made to lead inside.
        *(["93.184.216.34", "10.0.0.1"], ["2606:2800:220:1::1", "fd00::1"], ["0.0.0.0"]),
        *(["no address"], ["64:ff9b::10.0.0.1"], ["2002:a00:1::"]),
    ],
)
def test_a_name_that_leads_inside_is_refused(answers):
    assert judged("http://images.example/a.jpg", *answers) == Reason.PRIVATE


@pytest.mark.parametrize(
    ("url", "dialled"),
    [
        ("http://93.184.216.34/a", "93.184.216.34"),
        ("http://1572395042/a", "93.184.216.34"),  # the same as one number
        ("http://[2606:2800:220:1:248:1893:25c8:1946]/", "2606:2800:220:1:248:1893:25c8:1946"),
        ("http://[::ffff:93.184.216.34]/", "::ffff:5db8:d822"),
        ("http://[64:ff9b::5db8:d822]/", "64:ff9b::5db8:d822"),  # a network with NAT64
        ("https://images.example/a.jpg", "1.1.1.1,2606:4700::1111"),
        ("http://bücher.example/ü?q=ä", "1.1.1.1,2606:4700::1111"),
        ("http://images.example./a.jpg", "1.1.1.1,2606:4700::1111"),
        ("http://a_b.example:8080/a.jpg", "1.1.1.1,2606:4700::1111"),
        ("http://10.example/", "1.1.1.1,2606:4700::1111"),
    ],
)
def test_the_public_internet_is_asked(url, dialled):
    assert judged(url, "1.1.1.1", "2606:4700::1111") == dialled


def test_private_addresses_are_asked_where_that_is_allowed():
    assert judged("http://127.0.0.1:8000/", allow_private=True) == "127.0.0.1"
    assert judged("http://nas.lan/", "192.168.0.7", allow_private=True) == "192.168.0.7"
    assert judged("http://[::1]/", allow_private=True) == "::1"


@pytest.mark.parametrize(
    "ip",
    [
        *("169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"),
        *("fd00:ec2::254", "100.100.100.200", "224.0.0.251", "ff02::1", "255.255.255.255"),
    ],
)
def test_metadata_and_multicast_never_are(ip):
    assert refusal(ip, allow_private=True) is not None


@given(st.integers(0, 2**32 - 1))
def test_every_ipv4_address_that_is_not_global_is_refused(number):
    ip = ip_address(number)
    # Python's own table, as a second witness. Some anycast blocks are global in neither sense.
    if not ip.is_global or ip.is_multicast:
        assert refusal(ip) is not None


@given(st.one_of(st.integers(0, 2**128 - 1), st.integers(0x2000 << 112, (0x4000 << 112) - 1)))
def test_every_ipv6_address_that_is_not_global_is_refused(number):
    ip = IPv6Address(number)
    if not ip.is_global or ip.is_multicast or ip.is_site_local:
        mapped = getattr(ip, "ipv4_mapped", None)
        assert refusal(ip) is not None or (mapped is not None and mapped.is_global)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_one_number_is_the_address_that_the_system_takes_it_for(number, spelling):
    text = spelling.format(number)
    assert parse_address(f"http://{text}/").host == socket.inet_ntoa(socket.inet_aton(text))


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://a.example/", "http://[::1]"]))
def test_no_text_makes_the_parser_fail_otherwise(text, before):
    try:
        address = parse_address(before + text)
    except FetchFaultError:
        return
    assert address.host.isascii()
    assert address.target.isascii()
    assert not set(address.target + address.host) & set(" \r\n\t\x00")


def test_the_host_is_named_as_servers_know_it():
    address = parse_address("http://user:p%40ss@BÜCHER.example:8080/a b/ü.jpg?x=1 2#part")
    assert address.host_header == "xn--bcher-kva.example:8080"
    assert address.target == "/a%20b/%C3%BC.jpg?x=1%202"
    assert address.authorization == "Basic dXNlcjpwQHNz"  # of user:p@ss
    assert "p@ss" not in repr(address)
    assert "dXNlc" not in repr(address)
    assert address.url == "http://xn--bcher-kva.example:8080/a%20b/%C3%BC.jpg?x=1%202"


def test_a_redirect_keeps_the_password_at_its_own_server_only():
    address = parse_address("http://user:secret@a.example/one")
    assert address.redirected("/two").authorization == address.authorization
    assert address.redirected("http://b.example/two").authorization is None
    assert address.redirected("https://a.example/two").authorization is None
    assert address.redirected("//b.example/two").host == "b.example"


def test_look_ups_are_shared_kept_and_judged_each_time():
    asked: list[str] = []
    answers = [["93.184.216.34"], ["10.0.0.1"]]

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        await asyncio.sleep(0)
        return answers[len(asked) - 1]

    async def resolve() -> None:
        resolver = Resolver(lookup)
        address = parse_address("http://a.example/")
        found = await asyncio.gather(*(resolver.addresses(address) for _ in range(20)))
        assert {*found} == {("93.184.216.34",)}
        assert await resolver.addresses(address) == ("93.184.216.34",)
        assert asked == ["a.example"]
        resolver._kept.clear()  # as after the time that answers are kept
        with pytest.raises(FetchFaultError, match="private-address"):
            await resolver.addresses(address)

    asyncio.run(resolve())


def test_names_that_are_remembered_are_bounded():
    async def lookup(name: str) -> list[str]:
        return ["93.184.216.34"]

    async def resolve() -> int:
        resolver = Resolver(lookup)
        for number in range(5000):
            await resolver.addresses(parse_address(f"http://h{number}.example/"))
        return len(resolver._kept)

    assert asyncio.run(resolve()) == 4096


@pytest.mark.parametrize(
    ("error", "soon"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), False),
        (socket.gaierror(socket.EAI_AGAIN, "no name server"), True),
    ],
)
def test_a_name_that_is_not_there_is_not_asked_for_again_at_once(error, soon):
    async def lookup(name: str) -> list[str]:
        raise error

    async def resolve() -> FetchFaultError:
        with pytest.raises(FetchFaultError) as raised:
            await Resolver(lookup).addresses(parse_address("http://a.example/"))
        return raised.value

    fault = asyncio.run(resolve())
    assert (fault.reason, fault.transient, fault.soon) == (Reason.DNS, True, soon)
