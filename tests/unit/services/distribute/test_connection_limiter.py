"""Who may connect: nobody fills the port for the others."""

from ipaddress import ip_network

import pytest

from runtime.settings import VtpSettings
from services.distribute.steps.connection_limiter import ConnectionLimiter

EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def limiter(**settings: int) -> ConnectionLimiter:
    made = VtpSettings(**settings)  # type: ignore[arg-type]
    return ConnectionLimiter(made, allow=EVERYBODY, per_minute=1_000_000)


def connect_all_that_fit(made: ConnectionLimiter, host: str) -> int:
    n_connected = 0
    while made.admit(host, 0.0) is None:
        n_connected += 1
    return n_connected


def test_one_address_may_have_its_limit_while_there_is_room() -> None:
    assert connect_all_that_fit(limiter(), "192.0.2.1") == 64


@pytest.mark.parametrize("n_greedy", [8, 16, 24])
def test_a_few_addresses_do_not_fill_the_port(n_greedy: int) -> None:
    made = limiter()
    for number in range(n_greedy):
        connect_all_that_fit(made, f"192.0.2.{number}")
    assert made.admit("198.51.100.7", 0.0) is None


def test_a_network_of_ipv6_is_one_address() -> None:
    made = limiter()
    n_connected = sum(made.admit(f"2001:db8::{number:x}", 0.0) is None for number in range(500))
    assert n_connected == 64


def test_the_prefixes_of_one_customer_do_not_fill_the_port() -> None:
    made = limiter()
    prefixes = [f"2001:db8:7:{number:x}::1" for number in range(2000)]
    connected = [each for each in prefixes if made.admit(each, 0.0) is None]
    assert len(connected) == 128
    assert made.admit("2001:db8:8::1", 0.0) is None
    assert made.admit("192.0.2.1", 0.0) is None
    for each in connected:
        made.release(each)
    assert sum(made.admit(each, 1.0) is None for each in prefixes) == 128


def test_a_place_that_is_free_again_is_given_again() -> None:
    made = limiter(max_subscribers=20, max_per_host=10)
    n_connected = connect_all_that_fit(made, "192.0.2.1")
    for _ in range(n_connected):
        made.release("192.0.2.1")
    assert connect_all_that_fit(made, "192.0.2.1") == n_connected


def test_an_operator_may_give_one_address_all_places() -> None:
    made = limiter(max_subscribers=20, max_per_host=20)
    assert connect_all_that_fit(made, "192.0.2.1") == 20
