"""Send a test alert through all services, from the associator's outbox on."""

import asyncio
import hashlib
from datetime import UTC, datetime

import asyncpg

from livetrap.database.connection import with_connection
from runtime.errors import TransientError
from runtime.settings import Settings
from runtime.sql import Queries
from schemas.codec import encode_source_event
from schemas.identity import TEST_STREAM, event_id, trig_id
from schemas.messages import SourceEvent, StageTimes
from schemas.topics import Topics

__all__ = ["make_test_event", "send_test_alert"]

_QUERIES = Queries("livetrap.operator")
_POLL_INTERVAL_S = 0.1
_TIMEOUT_S = 30.0


def make_test_event(ra: float, dec: float, now: datetime) -> SourceEvent:
    """Return the event of an invented new source, of the stream whose alerts are tests."""
    image = hashlib.sha256(f"{TEST_STREAM}|{now.isoformat()}".encode()).hexdigest()
    family = trig_id(TEST_STREAM, image, 0)
    return SourceEvent(
        event_id=event_id(family, "new_source", image),
        trig_id=family,
        kind="new_source",
        certainty="possible",
        stream=TEST_STREAM,
        transient_id=0,
        source_id=0,
        image_id=image,
        source_number=0,
        time_start=now,
        exposure_s=1.0,
        freq_eff_hz=150e6,
        freq_bw_hz=1e6,
        stokes="I",
        beam_major_deg=0.01,
        beam_minor_deg=0.01,
        beam_pa_deg=0.0,
        ra=ra % 360.0,
        dec=dec,
        ra_err_deg=0.001,
        dec_err_deg=0.001,
        flux_peak_jy_beam=1.0,
        flux_peak_err_jy_beam=0.1,
        flux_int_jy=1.0,
        flux_int_err_jy=0.1,
        snr=10.0,
        rms_local_jy_beam=0.1,
        quality_flags=0,
        extraction_type="blind",
        eta=None,
        v=None,
        n_datapoints=1,
        n_bands=1,
        telescope="TEST",
        times=StageTimes(time_associated=now),
        note="a test of the alerts, sent by an operator",
    )


def send_test_alert(settings: Settings, *, ra: float, dec: float) -> str:
    """Send a test alert; return its ivorn when it is on Kafka and with the VTP subscribers.

    Raises
    ------
    TransientError
        If nothing was sent within half a minute; others as of
        `livetrap.database.connection.connect`.
    """
    event = make_test_event(ra, dec, datetime.now(UTC))
    topic = Topics(settings.kafka.topic_prefix).transients

    async def send_and_wait(connection: asyncpg.Connection) -> str | None:
        await _QUERIES.execute(
            connection, "insert_outbox",
            topic=topic, key=TEST_STREAM, value=encode_source_event(event),
        )  # fmt: skip
        for _ in range(round(_TIMEOUT_S / _POLL_INTERVAL_S)):
            ivorn: str | None = await _QUERIES.fetchval(
                connection, "find_sent_alert", event_id=event.event_id
            )
            if ivorn is not None:
                return ivorn
            await asyncio.sleep(_POLL_INTERVAL_S)
        return None

    sent = with_connection(settings.postgres, send_and_wait)
    if sent is None:
        raise TransientError(
            f"nothing was sent within {_TIMEOUT_S:.0f} s; check with `livetrap status` that the "
            "associator and the alert service run: the test alert is sent when they do"
        )
    return sent
