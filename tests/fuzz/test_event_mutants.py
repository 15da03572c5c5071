"""Whatever comes on transients-v1: a valid alert, none that is due, or a reason."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import numpy as np
import pytest
from pydantic import SecretStr

from rules.rule_set import load_rules
from runtime.errors import RejectedMessageError
from runtime.postgres import create_pool
from runtime.settings import AlertSettings, PostgresSettings
from schemas.codec import CodecError, decode_source_event, encode_source_event
from schemas.reasons import MessageReason
from services.alert.handlers.transients import TransientHandler
from services.alert.models import LowWatermark, StoredAlert
from services.alert.steps.validation import assert_valid
from services.alert.storage import AlertStore
from tests.support.avro_mutants import avro_mutant
from tests.support.fuzzing import SEED, n_mutants
from tests.support.vtp_events import source_event

UNFIT = {"internal_error", "killed_the_process", "lost_by_retention"}
FITTING = {reason.value for reason in MessageReason} - UNFIT
_BATCH = 8


class Sender:
    """Kafka, as far as the handler knows it."""

    def __init__(self) -> None:
        self.sent: list[StoredAlert] = []

    async def check_cluster(self) -> None:
        """Know the cluster at once."""

    def known_ends(self) -> LowWatermark:
        return {}

    async def find_sent(self, alerts: Sequence[StoredAlert]) -> Mapping[str, Collection[str]]:
        return {alert.ivorn: () for alert in alerts}

    async def send(
        self, alerts: Sequence[StoredAlert], _already: Mapping[str, Collection[str]]
    ) -> None:
        self.sent += alerts


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[AlertStore]:
    pool = await create_pool(PostgresSettings(url=SecretStr(postgres_url)), service="test")
    yield AlertStore(pool)
    await pool.close()


def handler(store: AlertStore, sender: Sender) -> TransientHandler:
    settings = AlertSettings(authority="org.test", max_per_minute=100_000, max_per_image=100_000)
    rules = load_rules(None)
    return TransientHandler(settings, rules=lambda: rules, store=store, sender=sender)


def mutant(number: int) -> tuple[str, bytes]:
    rng = np.random.default_rng((SEED, number, 3))
    kind = str(rng.choice(("new_source", "new_source", "update", "retraction", "variable")))
    event = source_event(number, salt="mutant", kind=kind, note="n", edge_distance_deg=1.0)
    return avro_mutant(encode_source_event(event), SEED, number)


def fits(value: bytes, rejection: RejectedMessageError | None) -> bool:
    """Return whether a record has the end that it should: a reason if it cannot be read."""
    try:
        decode_source_event(value)
    except CodecError:
        return rejection is not None and rejection.reason_code == MessageReason.BAD_AVRO
    return rejection is None or rejection.reason_code in FITTING - {MessageReason.BAD_AVRO}


async def test_every_event_is_an_alert_or_has_a_reason(store: AlertStore) -> None:
    sender = Sender()
    made = handler(store, sender)
    failures: list[object] = []
    numbers = range(n_mutants("source_event"))
    for first in numbers[::_BATCH]:
        batch = [(number, *mutant(number)) for number in numbers[first : first + _BATCH]]
        rejections = await made.on_events([value for _, _, value in batch])
        assert len(rejections) == len(batch)
        failures += [
            (number, rule, repr(rejection))
            for (number, rule, value), rejection in zip(batch, rejections, strict=True)
            if not fits(value, rejection)
        ]
    assert not failures, failures[:20]
    for alert in sender.sent:
        assert_valid(alert.voevent)
    assert len({alert.ivorn for alert in sender.sent}) == len(sender.sent)
    good = encode_source_event(source_event(1, salt="afterwards"))
    assert await made.on_events([good]) == [None]
    assert sender.sent[-1].trig_id == source_event(1, salt="afterwards").trig_id
