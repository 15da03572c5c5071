"""The transports of webhooks share the certificates of authorities, which are read once."""

import ssl

import pytest

from services.distribute.handlers.bounded_answers import BoundedTransport, _tls_context


async def test_all_transports_read_the_authorities_once(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def note(**options: str) -> ssl.SSLContext:
        contexts.append(create(**options))
        return contexts[-1]

    monkeypatch.setattr(ssl, "create_default_context", note)
    _tls_context.cache_clear()
    transports = [BoundedTransport() for _ in range(3)]
    (context,) = contexts
    for transport in transports:
        await transport.aclose()
        assert transport._pool._ssl_context is context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
