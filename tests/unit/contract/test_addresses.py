from __future__ import annotations

import pytest
from underpaint.contract.addresses import Address, parse_address, proxies
from underpaint.contract.errors import InvalidRequest

VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy", "all_proxy", "no_grpc_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:50061", "127.0.0.1", 50061),
        ("localhost:1", "localhost", 1),
        ("edge-1.house_a.example:65535", "edge-1.house_a.example", 65535),
        ("[::1]:50061", "::1", 50061),
        ("[2001:db8::7]:443", "2001:db8::7", 443),
    ],
)
def test_an_address_is_read_and_written(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert address == Address(host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no address is given; write HOST:PORT"),
        ("127.0.0.1", "has no port; write HOST:PORT"),  # gRPC would call port 443
        ("edge", "has no port"),
        ("::1", "in brackets"),
        ("::1:50061", "in brackets"),
        ("[::1]", "write [IPV6]:PORT"),
        ("[::1]50061", "write [IPV6]:PORT"),
        ("[edge]:50061", "is not an IPv6 address"),
        ("[127.0.0.1]:50061", "is not an IPv6 address"),
        ("http://127.0.0.1:50051", "is a URL; write 127.0.0.1:50051"),
        ("https://edge.example/", "is a URL; write HOST:PORT"),
        ("dns:///edge:50051", "is a URL"),
        ("unix:/run/edge.sock", "unix sockets"),
        ("/run/edge.sock", "unix sockets"),
        ("127.0.0.1:", "no port from 1 to 65535"),
        ("127.0.0.1:http", "no port from 1 to 65535"),
        ("127.0.0.1:65536", "no port from 1 to 65535"),
        ("127.0.0.1:-1", "no port from 1 to 65535"),
        ("127.0.0.1:١٢", "no port from 1 to 65535"),
        ("127.0.0.1:0", "port 0"),
        (":50061", "has no host"),
        ("127.0.1:50061", "neither a name nor an IP address"),
        ("256.0.0.1:50061", "neither a name nor an IP address"),
        ("a b:50061", "neither a name nor an IP address"),
        ("user@host:50061", "neither a name nor an IP address"),
        ("edge,evil:50061", "neither a name nor an IP address"),
        ("edge..example:50061", "neither a name nor an IP address"),
        ("edge:50061\n", "no port from 1 to 65535"),
    ],
)
def test_what_is_no_address_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_address(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_only_a_listener_may_leave_the_port_open() -> None:
    assert parse_address("127.0.0.1:0", listening=True).port == 0
    with pytest.raises(InvalidRequest, match=r"0\.0\.0\.0:50061 listens on every interface"):
        parse_address(":50061", listening=True)


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("edge.localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("notlocalhost", False),
    ],
)
def test_loopback_is_told_from_the_rest(host: str, is_loopback: bool) -> None:
    assert Address(host, 1).is_loopback is is_loopback


def test_a_proxy_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://ana:secret@proxy.example:3128")
    proxy = Address("cloud.example", 50071).proxy
    assert proxy is not None
    assert (proxy.variable, proxy.url) == ("http_proxy", "http://proxy.example:3128")
    assert [each.variable for each in proxies()] == ["http_proxy"]
    monkeypatch.setenv("ALL_PROXY", "ana:secret@other.example:1080")
    assert [each.url for each in proxies()] == ["http://proxy.example:3128", "other.example:1080"]


def test_grpcs_own_order_of_proxies_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    address = Address("cloud.example", 50071)
    monkeypatch.setenv("all_proxy", "http://d")
    assert address.proxy is None  # gRPC does not look there
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://p")
        proxy = address.proxy
        assert proxy is not None
        assert proxy.variable == name


@pytest.mark.parametrize(
    ("host", "excepted", "proxied"),
    [
        ("cloud.example", "", True),
        ("cloud.example", "other, .example", False),
        ("CLOUD.example", "cloud.EXAMPLE", False),
        ("cloud.example", "cloud", True),
        ("10.1.2.3", "10.0.0.0/8", False),
        ("11.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "nonsense/8", True),
        ("127.0.0.1", "", False),
        ("localhost", "", False),
    ],
)
def test_what_needs_no_proxy(
    host: str, excepted: str, proxied: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", excepted)
    assert (Address(host, 1).proxy is not None) is proxied
