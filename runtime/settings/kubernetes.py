"""Recognize the variables that Kubernetes makes for services: they are no misspelt settings.

A pod gets variables for every service of its namespace, and a service called ``livetrap-api``
makes names that begin as settings do: ``LIVETRAP_API_SERVICE_HOST``, ``LIVETRAP_API_PORT=tcp://..``
(Kubernetes documentation, "Discovering services").
"""

import re
from ipaddress import ip_address

__all__ = ["is_service_variable"]

_LINK = re.compile(r"(tcp|udp|sctp)://\S+:[0-9]+")
_NUMBER = re.compile(r"[0-9]+")
_PROTOCOL = re.compile(r"tcp|udp|sctp")
_PORT_OF_A_PROTOCOL = r"PORT_[0-9]+_(TCP|UDP|SCTP)"
# Form of the name, and form of the value; None: an IP address.
_FORMS: tuple[tuple[re.Pattern[str], re.Pattern[str] | None], ...] = (
    (re.compile(r"(.+_)?SERVICE_HOST"), None),
    (re.compile(r"(.+_)?SERVICE_PORT(_[A-Z0-9_]+)?"), _NUMBER),
    (re.compile(rf"(.+_)?{_PORT_OF_A_PROTOCOL}_PROTO"), _PROTOCOL),
    (re.compile(rf"(.+_)?{_PORT_OF_A_PROTOCOL}_PORT"), _NUMBER),
    (re.compile(rf"(.+_)?{_PORT_OF_A_PROTOCOL}_ADDR"), None),
    (re.compile(rf"(.+_)?{_PORT_OF_A_PROTOCOL}"), _LINK),
    (re.compile(r"(.+_)?PORT"), _LINK),
)


def is_service_variable(name: str, value: str) -> bool:
    """Return whether Kubernetes would make this variable for a service.

    Parameters
    ----------
    name : str
        Name of the variable, without the prefix ``LIVETRAP_``.
    value : str
        Its value; ``LIVETRAP_API_PORT=8080`` is a misspelt setting, with ``tcp://`` it is none.
    """
    if "__" in name:
        return False
    for form, shape in _FORMS:
        if form.fullmatch(name):
            return _is_address(value) if shape is None else bool(shape.fullmatch(value))
    return False


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True
