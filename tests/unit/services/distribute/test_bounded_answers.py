"""The transport of webhooks reads the certificates of authorities once."""

import ssl

import pytest

from services.distribute.handlers.bounded_answers import BoundedTransport


async def test_a_transport_reads_the_authorities_once(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts: list[ssl.SSLContext] = []
    create = ssl.create_default_context

    def note(**options: str) -> ssl.SSLContext:
        contexts.append(create(**options))
        return contexts[-1]

    monkeypatch.setattr(ssl, "create_default_context", note)
    transport = BoundedTransport()
    await transport.aclose()
    (context,) = contexts
    assert transport._pool._ssl_context is context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
