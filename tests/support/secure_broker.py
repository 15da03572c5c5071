"""A real Kafka that lets nobody in without a password or a certificate."""

import datetime as dt
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from livetrap.stack.kafka_broker import KafkaBroker
from livetrap.stack.ports import choose_port
from runtime.settings import KafkaSettings
from tests.support.own_broker import OwnBroker
from tests.support.server_process import server_folder

__all__ = ["PASSWORD", "USER", "Authority", "SecureBroker", "secure_broker"]

USER = "livetrap"
PASSWORD = "correct horse"  # noqa: S105  (of a broker that lives as long as its tests)
KEY_PASSWORD = "battery staple"  # noqa: S105


# Who comes through the plain door may do everything, the broker itself too.
_AUTHORIZER = """\
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""


class Authority:
    """Certificates of one test run, in PEM."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests of LiveTrap")])
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False,
            data_encipherment=False, key_agreement=False, key_cert_sign=True, crl_sign=True,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = self._sign(
            self._name, self._key, x509.BasicConstraints(ca=True, path_length=0), usage
        )
        self.path = self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, password: str | None = None) -> tuple[Path, Path]:
        """Return the files of a certificate and its key; both serve client and server."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            key,
            x509.BasicConstraints(ca=False, path_length=None),
            x509.ExtendedKeyUsage(
                [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            ),
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        )
        lock = (
            serialization.BestAvailableEncryption(password.encode())
            if password
            else serialization.NoEncryption()
        )
        encoded = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock
        )
        return (
            self._write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM)),
            self._write(f"{name}.key", encoded),
        )

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )
        identities = (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        )
        for extension in (*extensions, *identities):
            critical = isinstance(extension, x509.BasicConstraints | x509.KeyUsage)
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(self._key, hashes.SHA256())

    def _write(self, name: str, data: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(data)
        return path


@dataclass(frozen=True, slots=True)
class _SecuredKafka(KafkaBroker):
    """The broker of `livetrap up` with two more doors; the plain one is its own and the test's."""

    sasl_port: int
    mtls_port: int
    key_store: Path
    trust_store: Path
    asks_for_rights: bool = False

    def properties_text(self) -> str:
        # Java's properties: the last of two lines with one name holds.
        doors = (
            f"PLAINTEXT://127.0.0.1:{self.port},SASL://127.0.0.1:{self.sasl_port},"
            f"MTLS://127.0.0.1:{self.mtls_port}"
        )
        jaas = "org.apache.kafka.common.security"
        return f"""\
{KafkaBroker.properties_text(self)}
listeners={doors},CONTROLLER://127.0.0.1:{self.controller_port}
advertised.listeners={doors}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_SSL,MTLS:SSL
ssl.keystore.type=PEM
ssl.keystore.location={self.key_store}
ssl.truststore.type=PEM
ssl.truststore.location={self.trust_store}
listener.name.mtls.ssl.client.auth=required
listener.name.sasl.ssl.client.auth=requested
listener.name.sasl.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config={jaas}.plain.PlainLoginModule required \
user_{USER}="{PASSWORD}";
listener.name.sasl.scram-sha-512.sasl.jaas.config={jaas}.scram.ScramLoginModule required;
{_AUTHORIZER if self.asks_for_rights else ""}"""


class SecureBroker(OwnBroker):
    """The running broker and its doors, as settings of a client."""

    def __init__(self, kafka: _SecuredKafka, folder: Path) -> None:
        (folder / "stranger").mkdir()
        self.authority = Authority(folder)
        self.stranger = Authority(folder / "stranger")
        certificate, key = self.authority.issue("broker")
        kafka.key_store.write_bytes(key.read_bytes() + certificate.read_bytes())
        kafka.trust_store.write_bytes(self.authority.path.read_bytes())
        self._client = self.authority.issue("client", password=KEY_PASSWORD)
        self._doors = kafka
        super().__init__(kafka, folder)

    def sasl(self, mechanism: str, **other: str) -> KafkaSettings:
        given = {
            "bootstrap_servers": f"127.0.0.1:{self._doors.sasl_port}",
            "security_protocol": "sasl_ssl",
            "sasl_mechanism": mechanism,
            "sasl_username": USER,
            "sasl_password": PASSWORD,
            "ssl_ca_location": str(self.authority.path),
        }
        return KafkaSettings.model_validate(given | other)

    def mtls(self, **other: str | None) -> KafkaSettings:
        certificate, key = self._client
        given = {
            "bootstrap_servers": f"127.0.0.1:{self._doors.mtls_port}",
            "security_protocol": "ssl",
            "ssl_ca_location": str(self.authority.path),
            "ssl_certificate_location": str(certificate),
            "ssl_key_location": str(key),
            "ssl_key_password": KEY_PASSWORD,
        }
        return KafkaSettings.model_validate(given | other)

    def set_scram_password(self, user: str, password: str) -> None:
        """Make a user, or give one another password."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        wanted = UserScramCredentialUpsertion(user, info, password.encode())
        for future in admin.alter_user_scram_credentials([wanted]).values():
            future.result(30)


@contextmanager
def secure_broker(*, asks_for_rights: bool = False) -> Iterator[SecureBroker]:
    """Start it on free loopback ports in a temporary folder; stop and delete after."""
    taken: set[int] = set()
    plain, controller, sasl, mtls = (choose_port(None, taken=taken) for _ in range(4))
    with server_folder() as folder:
        kafka = _SecuredKafka(
            folder / "kafka", plain, controller, sasl_port=sasl, mtls_port=mtls,
            key_store=folder / "key-store.pem", trust_store=folder / "trust-store.pem",
            asks_for_rights=asks_for_rights,
        )  # fmt: skip
        broker = SecureBroker(kafka, folder)
        try:
            broker.set_scram_password(USER, PASSWORD)
            yield broker
        finally:
            broker.kill()
