"""A test alert on the way of real ones, from the associator's outbox on."""

import asyncio
import hashlib
from datetime import UTC, datetime

import asyncpg

from livetrap.operator.database import with_connection
from runtime.errors import TransientError
from runtime.settings import Settings
from runtime.sql import load_query
from schemas.codec import encode_source_event
from schemas.identity import TEST_STREAM, event_id, trig_id
from schemas.messages import SourceEvent, StageTimes
from schemas.topics import Topics

__all__ = ["make_test_event", "send_test_alert"]

_PACKAGE = "livetrap.operator"
_LOOK_EVERY_S = 0.1
_PATIENCE_S = 30.0


def make_test_event(ra: float, dec: float, now: datetime) -> SourceEvent:
    """Return a new source that nobody has seen, of the stream whose alerts are tests."""
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
        eta=0.0,
        v=0.0,
        n_datapoints=1,
        n_bands=1,
        telescope="TEST",
        times=StageTimes(time_associated=now),
        note="a test of the alerts, sent by an operator",
    )


def send_test_alert(settings: Settings, *, ra: float, dec: float) -> str:
    """Send one; return its ivorn when Kafka and the VTP server have it.

    Raises
    ------
    TransientError
        If the database is away, or nothing was sent within half a minute.
    FatalError
        If the database refuses us or has no such schema.
    """
    event = make_test_event(ra, dec, datetime.now(UTC))
    topic = Topics(settings.kafka.topic_prefix).transients

    async def work(connection: asyncpg.Connection) -> str | None:
        await connection.execute(
            load_query(_PACKAGE, "insert_outbox"), topic, TEST_STREAM, encode_source_event(event)
        )
        for _ in range(round(_PATIENCE_S / _LOOK_EVERY_S)):
            ivorn: str | None = await connection.fetchval(
                load_query(_PACKAGE, "find_sent"), event.event_id
            )
            if ivorn is not None:
                return ivorn
            await asyncio.sleep(_LOOK_EVERY_S)
        return None

    sent = with_connection(settings, work)
    if sent is None:
        raise TransientError(
            f"nothing was sent within {_PATIENCE_S:.0f} s: do the associator and the alert "
            "service run? (`livetrap status`); the test goes out when they do"
        )
    return sent
