"""The Kafka and the PostgreSQL that the modules of a test run share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from livetrap.database.migrations import migrate
from livetrap.stack.kafka_broker import KafkaBroker
from tests.support.databases import freeze_template, renew_password
from tests.support.own_broker import own_broker
from tests.support.own_postgres import own_postgres

__all__ = ["kafka_server", "postgres_server"]

# Several stacks use it at the same time. Each of some thousand connections of a run computes what
# its password asks for: 4096 rounds take 2 ms of CPU time.
_FOR_ALL = ("max_connections=300", "scram_iterations=1")


@dataclass(frozen=True, slots=True)
class _SharedKafka(KafkaBroker):
    """The broker of `livetrap up`, with Kafka's own heartbeats: nobody kills and starts it."""

    def properties_text(self) -> str:
        return f"""\
{KafkaBroker.properties_text(self)}
broker.session.timeout.ms=9000
broker.heartbeat.interval.ms=2000
"""


@contextmanager
def kafka_server() -> Iterator[str]:
    """Start Kafka; give its ``HOST:PORT``, stop it and delete its data after."""
    with own_broker(kind=_SharedKafka) as broker:
        yield broker.bootstrap


@contextmanager
def postgres_server() -> Iterator[str]:
    """Start PostgreSQL; give the address of its migrated database.

    Others are cloned from that one, which takes no connections. No session asks whether the server
    has TLS, which it has not: that is a third of what a session costs its client.
    """
    with own_postgres(options=_FOR_ALL) as server:
        migrate(server.url)
        renew_password(server.url)
        freeze_template(server.url)
        yield f"{server.url}?sslmode=disable"
