"""LiveTrap on a secured Kafka: passwords over TLS, and client certificates."""

import json
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from runtime.errors import SettingsError, TransientError
from runtime.kafka import (
    OutMessage,
    consume_batch,
    create_consumer,
    create_producer,
    ensure_topics,
    fetch_cluster_id,
    produce_and_wait,
)
from runtime.settings import KafkaSettings
from schemas.topics import Topics
from services.alert.steps.validation import assert_valid
from tests.integration.alert.test_service import assert_each_once, assert_stops, events, ivorns
from tests.support.secure_broker import KEY_PASSWORD, PASSWORD, SecureBroker, secure_broker
from tests.support.vtp_service import AlertSite, ServiceProcess, alert_site, wait_until

GCN = """
import sys
from gcn_kafka import Consumer
bootstrap, topic, n, user, password, ca = sys.argv[1:]
consumer = Consumer(
    config={"bootstrap.servers": bootstrap, "auto.offset.reset": "earliest",
            "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user, "sasl.password": password, "ssl.ca.location": ca}
)
consumer.subscribe([topic])
n = int(n)
while n:
    for message in consumer.consume(n, timeout=1):
        assert message.error() is None, message.error()
        print(dict(message.headers())["ivorn"].decode(), flush=True)
        n -= 1
consumer.close()
"""

HOP = """
import sys
from hop.auth import Auth
from hop.io import StartPosition, Stream
bootstrap, topic, n, user, password, ca = sys.argv[1:]
auth = Auth(user, password, host=bootstrap, ssl_ca_location=ca)
stream = Stream(auth=auth, start_at=StartPosition.EARLIEST)
n = int(n)
with stream.open(f"kafka://{bootstrap}/{topic}", "r") as source:
    for message in source:
        print(message.ivorn if hasattr(message, "ivorn") else message.content["ivorn"], flush=True)
        n -= 1
        if not n:
            break
"""


WRONG = "wrong-one"


@pytest.fixture(scope="module")
def broker() -> Iterator[SecureBroker]:
    with secure_broker() as started:
        yield started


@pytest.fixture(params=["SCRAM-SHA-512", "certificate"])
def kafka(request: pytest.FixtureRequest, broker: SecureBroker) -> KafkaSettings:
    """Return the way in of each kind."""
    return broker.mtls() if request.param == "certificate" else broker.sasl(request.param)


def assert_no_secret(service: ServiceProcess) -> None:
    log = service.log.read_text()
    assert PASSWORD not in log
    assert KEY_PASSWORD not in log


def test_an_event_becomes_an_alert(
    kafka: KafkaSettings, postgres_url: str, tmp_path: Path
) -> None:
    with alert_site(kafka, postgres_url, tmp_path) as site:
        service = site.start_and_wait(LIVETRAP_LOGGING__LEVEL="DEBUG")
        site.publish(events(0, 5))
        assert_each_once(site, ivorns(events(0, 5)))
        for _, packet, _ in site.read(site.topics.alerts_voevent):
            assert_valid(packet)
        for _, notice, headers in site.read(site.topics.alerts_gcn):
            assert json.loads(notice)["ivorn"].encode() == headers["ivorn"]
        wait_until(lambda: len(site.read(site.topics.heartbeat)) >= 2, what="heartbeats")
        assert_stops(service)
        assert_no_secret(service)


def test_gcn_kafka_and_hop_receive_alerts_with_a_password(
    broker: SecureBroker, postgres_url: str, tmp_path: Path
) -> None:
    with alert_site(broker.sasl("SCRAM-SHA-512"), postgres_url, tmp_path) as site:
        site.start_and_wait()
        site.publish(events(0, 5))
        assert_each_once(site, ivorns(events(0, 5)))
        for program in (GCN, HOP):
            for topic in (site.topics.alerts_voevent, site.topics.alerts_gcn):
                assert listen(program, site, topic) == ivorns(events(0, 5))


def listen(program: str, site: AlertSite, topic: str) -> Counter[str]:
    """Run a client as its users do, in a process of its own; return the alerts it prints."""
    ca = str(site.kafka.ssl_ca_location)
    done = subprocess.run(
        [sys.executable, "-c", program, site.bootstrap, topic, "5",
         str(site.kafka.sasl_username), PASSWORD, ca],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Counter(done.stdout.splitlines())


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-512", "certificate"])
def test_images_are_published_and_read(broker: SecureBroker, way: str) -> None:
    kafka = broker.mtls() if way == "certificate" else broker.sasl(way)
    kafka = kafka.model_copy(update={"topic_prefix": f"{uuid.uuid4().hex}."})
    ensure_topics(kafka)
    ensure_topics(kafka)
    topic = Topics(kafka.topic_prefix).images
    consumer = create_consumer(kafka, group="test")
    consumer.subscribe([topic])
    produce_and_wait(create_producer(kafka), [OutMessage(topic, b"key", b"x" * (4 << 20))])
    received = wait_until(lambda: consume_batch(consumer, limit=1, timeout_s=1), what="image")
    consumer.close()
    assert (received[0].key, len(received[0].value)) == (b"key", 4 << 20)


def test_certificate_and_key_may_share_a_file_and_go_with_a_password(
    broker: SecureBroker, tmp_path: Path
) -> None:
    certificate, key = broker.authority.issue("both")
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    files = {"ssl_certificate_location": str(both), "ssl_key_location": str(both)}
    assert fetch_cluster_id(broker.mtls(**files, ssl_key_password=None))
    assert fetch_cluster_id(broker.sasl("SCRAM-SHA-512", **files))
    strange, strange_key = map(str, broker.stranger.issue("client"))
    files = {"ssl_certificate_location": strange, "ssl_key_location": strange_key}
    with pytest.raises(TransientError, match="check LIVETRAP_KAFKA__SSL_CERTIFICATE_LOCATION"):
        fetch_cluster_id(broker.sasl("SCRAM-SHA-512", **files), timeout_s=2)


def test_a_refusal_names_the_setting(broker: SecureBroker) -> None:
    login = "LIVETRAP_KAFKA__SASL_USERNAME and LIVETRAP_KAFKA__SASL_PASSWORD"
    certificate, key = map(str, broker.stranger.issue("client"))
    strange = {
        "ssl_certificate_location": certificate, "ssl_key_location": key, "ssl_key_password": None,
    }  # fmt: skip
    no_certificate = dict.fromkeys(strange)

    def assert_refused(case: tuple[KafkaSettings, str]) -> None:
        refused, named = case
        with pytest.raises(
            TransientError, match=f"Kafka at .* refuses the login; check {named}: "
        ) as caught:
            fetch_cluster_id(refused, timeout_s=4)
        assert WRONG not in str(caught.value)

    cases = (
        (broker.sasl("SCRAM-SHA-512", sasl_password=WRONG), login),
        (broker.sasl("SCRAM-SHA-512", sasl_username="stranger"), login),
        (broker.sasl("PLAIN", sasl_password=WRONG), login),
        (broker.sasl("SCRAM-SHA-256"), "LIVETRAP_KAFKA__SASL_MECHANISM"),
        (
            broker.sasl("PLAIN", ssl_ca_location=str(broker.stranger.path)),
            "LIVETRAP_KAFKA__SSL_CA_LOCATION",
        ),
        (broker.mtls(**no_certificate), "LIVETRAP_KAFKA__SSL_CERTIFICATE_LOCATION"),
        (broker.mtls(**strange), "LIVETRAP_KAFKA__SSL_CERTIFICATE_LOCATION"),
        (broker.mtls(bootstrap_servers=broker.bootstrap), "LIVETRAP_KAFKA__SECURITY_PROTOCOL"),
        (
            broker.sasl("PLAIN", bootstrap_servers=broker.bootstrap).model_copy(
                update={"security_protocol": "sasl_plaintext"}
            ),
            "LIVETRAP_KAFKA__SECURITY_PROTOCOL",
        ),
    )
    with ThreadPoolExecutor(len(cases)) as together:  # each waits until its time is over
        list(together.map(assert_refused, cases))


def test_a_broker_that_closes_the_connection_may_expect_another_protocol(
    broker: SecureBroker,
) -> None:
    question = "does not answer; check that it expects LIVETRAP_KAFKA__SECURITY_PROTOCOL="
    plain = KafkaSettings(bootstrap_servers=broker.sasl("PLAIN").bootstrap_servers)
    for wrong in (plain, plain.model_copy(update={"security_protocol": "ssl"})):
        trusting = wrong.model_copy(update={"ssl_ca_location": str(broker.authority.path)})
        with pytest.raises(TransientError, match=question):
            fetch_cluster_id(trusting, timeout_s=2)
    nowhere = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(TransientError, match=r"is unavailable: .*Connection refused$"):
        fetch_cluster_id(nowhere, timeout_s=2)


def test_each_client_logs_a_refused_login_once(broker: SecureBroker) -> None:
    refused = broker.sasl("PLAIN", sasl_password=WRONG)
    with capture_logs() as lines:
        consumer = create_consumer(refused, group="test")
        consumer.subscribe(["nothing"])
        with pytest.raises(TransientError, match="Kafka did not take"):
            produce_and_wait(create_producer(refused), [OutMessage("t", b"", b"")], timeout_s=2)
        consume_batch(consumer, limit=1, timeout_s=1)
        consumer.close()
    logged = [line for line in lines if line["event"] == "kafka_auth_failed"]
    assert len(logged) == 2  # each client once
    assert all("LIVETRAP_KAFKA__SASL_PASSWORD" in line["reason"] for line in logged)


def test_an_unusable_file_is_a_wrong_setting(broker: SecureBroker, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    _, other_key = broker.authority.issue("other")
    nowhere = "/nowhere/x.pem"
    for wrong, named in (
        ({"ssl_ca_location": nowhere}, f"SSL_CA_LOCATION: cannot read {nowhere}: No such file"),
        ({"ssl_certificate_location": nowhere}, "SSL_CERTIFICATE_LOCATION: cannot read"),
        ({"ssl_key_location": nowhere}, "SSL_KEY_LOCATION: cannot read"),
        ({"ssl_ca_location": str(tmp_path)}, "SSL_CA_LOCATION: cannot read"),
        ({"ssl_ca_location": str(garbage)}, "SSL_CA_LOCATION: .* holds no certificate"),
        ({"ssl_certificate_location": str(garbage)}, "SSL_CERTIFICATE_LOCATION=.*not a cert"),
        ({"ssl_key_location": str(other_key)}, "SSL_KEY_LOCATION="),
        ({"ssl_key_password": "guess"}, "SSL_KEY_PASSWORD is wrong"),
        ({"ssl_key_password": None}, "SSL_KEY_PASSWORD is wrong"),
    ):
        with pytest.raises(SettingsError, match=f"LIVETRAP_KAFKA__.*{named}") as refused:
            create_producer(broker.mtls(**wrong))
        assert KEY_PASSWORD not in str(refused.value)
        assert "guess" not in str(refused.value)


def test_a_service_ends_at_a_missing_file_with_one_line(
    broker: SecureBroker, postgres_url: str, tmp_path: Path
) -> None:
    with alert_site(broker.mtls(), postgres_url, tmp_path) as site:
        service = site.start(LIVETRAP_KAFKA__SSL_KEY_LOCATION="/nowhere/client.key")
        assert service.process.wait(60) == 2
        (line,) = (each for each in service.lines() if each["level"] == "error")
        assert "LIVETRAP_KAFKA__SSL_KEY_LOCATION" in line["error"]


def test_a_service_waits_for_its_user_and_survives_a_wrong_password(
    broker: SecureBroker, postgres_url: str, tmp_path: Path
) -> None:
    own = {"LIVETRAP_KAFKA__SASL_USERNAME": "night", "LIVETRAP_KAFKA__SASL_PASSWORD": "first-one"}
    with alert_site(broker.sasl("SCRAM-SHA-512"), postgres_url, tmp_path) as site:
        service = site.start(**own)
        wait_until(lambda: service.has_logged("dependency_unavailable"), what="complaint")
        (line,) = (each for each in service.lines() if each["event"] == "dependency_unavailable")
        assert "LIVETRAP_KAFKA__SASL_PASSWORD" in line["reason"]
        broker.set_scram_password("night", "first-one")
        site.publish(events(0, 5))
        assert_each_once(site, ivorns(events(0, 5)))

        broker.set_scram_password("night", "another")
        broker.kill()  # who is in, stays in: the password counts when a connection is made
        broker.start()
        site.publish(events(5, 10))
        wait_until(lambda: service.has_logged("kafka_auth_failed"), what="complaint")
        broker.set_scram_password("night", "first-one")
        assert_each_once(site, ivorns(events(0, 10)))
        assert_stops(service)
        assert_no_secret(service)
        assert "first-one" not in service.log.read_text()
