"""Rows of a small catalogue, written by SQL, for the tests of the API."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import orjson

from runtime.sql import load_statement
from sky.geometry import zone_of

__all__ = ["START", "Rows", "rows_of"]

SYSTEMATIC_ERROR_DEG = 10 / 3600
START = datetime(2026, 11, 23, 20, tzinfo=UTC)


@dataclass
class Rows:
    """Writes the rows of one stream."""

    connection: asyncpg.Connection
    stream: str
    stream_id: int
    bands: dict[float, int] = field(default_factory=dict)
    n_images: int = 0
    n_points: int = 0

    async def one(self, table: str, **values: Any) -> int:
        """Insert a row and return its key."""
        key = "image_key" if table == "image" else "id"
        places = ", ".join(f"${number + 1}" for number in range(len(values)))
        return int(
            await self.connection.fetchval(
                f"insert into {table} ({', '.join(values)}) values ({places}) returning {key}",  # noqa: S608
                *values.values(),
            )
        )

    async def band(self, freq_eff_hz: float) -> int:
        if freq_eff_hz not in self.bands:
            self.bands[freq_eff_hz] = await self.one(
                "band", stream_id=self.stream_id, freq_eff_hz=freq_eff_hz, freq_bw_hz=2e6
            )
        return self.bands[freq_eff_hz]

    async def image(self, step: float, freq_eff_hz: float = 150e6, **values: Any) -> int:
        """Insert the image of a step of 10 s."""
        self.n_images += 1
        start = START + timedelta(seconds=10 * step)
        sent = datetime.now(UTC) - timedelta(seconds=1)
        row = {
            "image_id": uuid.uuid4().hex * 2, "stream_id": self.stream_id,
            "band_id": await self.band(freq_eff_hz), "verdict": "accepted", "reasons": [],
            "time_start": start, "exposure_s": 10.0, "freq_eff_hz": freq_eff_hz,
            "freq_bw_hz": 2e6, "stokes": "I", "rms_jy_beam": float("nan"), "n_sources": 1,
            "kafka_cluster_id": self.stream, "kafka_topic": "images-v1", "kafka_partition": 0,
            "kafka_offset": self.n_images, "time_sent": sent,
            "time_appended": sent + timedelta(seconds=0.1),
            "time_extracted": sent + timedelta(seconds=0.3),
            "time_associated": sent + timedelta(seconds=0.4),
        }  # fmt: skip
        await self.connection.execute(
            "select ensure_detection_partition($1, $2)", self.stream_id, start
        )
        return await self.one("image", **(row | values))

    async def source(self, ra: float, dec: float, *, image: int, **values: Any) -> int:
        row = {
            "stream_id": self.stream_id, "zone": int(zone_of(dec)), "search_ra": ra,
            "search_dec": dec, "ra": ra, "dec": dec, "weight_ra": 3600.0**2,
            "weight_dec": 3600.0**2, "n_datapoints": 1, "eta": 0.5, "v": 0.05,
            "first_image_key": image, "first_source_number": 0,
            "first_time_start": START, "last_time_start": START,
        }  # fmt: skip
        return await self.one("source", **(row | values))

    async def point(self, source: int, image: int, flux_jy: float = 0.02, **values: Any) -> int:
        """Insert a measurement and return its number in its image."""
        self.n_points += 1
        exposure = await self.connection.fetchrow(
            "select * from image where image_key = $1", image
        )
        row = {
            "stream_id": self.stream_id, "image_key": image, "source_number": self.n_points,
            "time_start": exposure["time_start"], "band_id": exposure["band_id"],
            "source_id": source, "stokes": "I",
            "extraction_type": "blind", "ra": 10.0, "dec": 10.0, "ra_err_deg": 1e-3,
            "dec_err_deg": 1e-3, "flux_peak_jy_beam": flux_jy, "flux_peak_err_jy_beam": 1e-3,
            "flux_int_jy": flux_jy, "flux_int_err_jy": 1e-3, "snr": flux_jy / 1e-3,
            "rms_local_jy_beam": 1e-3, "major_arcsec": 200.0, "minor_arcsec": 180.0,
            "pa_deg": 0.0, "quality_flags": 0,
        } | values  # fmt: skip
        places = ", ".join(f"${number + 1}" for number in range(len(row)))
        await self.connection.execute(
            f"insert into detection ({', '.join(row)}) values ({places})",  # noqa: S608
            *row.values(),
        )
        return self.n_points

    async def many_points(self, source: int, image: int, n_points: int) -> None:
        """Insert measurements a second apart, from the start of the night on."""
        end = START + timedelta(seconds=n_points)
        await self.connection.execute(
            "select ensure_detection_partition($1, $2)", self.stream_id, end
        )
        await self.connection.execute(
            """
            insert into detection (
                stream_id, image_key, source_number, time_start, source_id, band_id, stokes,
                extraction_type, ra, dec, ra_err_deg, dec_err_deg, flux_peak_jy_beam,
                flux_peak_err_jy_beam, flux_int_jy, flux_int_err_jy, snr, rms_local_jy_beam,
                major_arcsec, minor_arcsec, pa_deg, quality_flags
            )
            select
                $1, $2, n, $3::timestamptz + n * interval '1 second', $4, $5, 'I', 'blind', 10, 10,
                1e-3, 1e-3, n / 7.0, 1e-3, n / 3.0, 1e-3, n / 11.0, 1e-3, 200, 180, 0, 0
            from generate_series(1, $6::int) as n
            """,
            self.stream_id, image, START, source, await self.band(150e6), n_points,
        )  # fmt: skip

    async def copy_statistics(self) -> None:
        """Copy what changed into source_statistics, as the API does every 10 s."""
        for query, values in (("refresh_source_statistics", [10**6]),
                              ("upsert_statistics_refresh", [])):  # fmt: skip
            await self.connection.fetch(load_statement("api", query).text, *values)

    async def transient(self, source: int, *, image: int, ra: float = 10.0, **values: Any) -> int:
        name = uuid.uuid4().hex
        row = {
            "event_id": name, "trig_id": name[:16], "source_id": source,
            "stream_id": self.stream_id, "kind": "new_source", "certainty": "certain",
            "state": "active", "image_key": image, "source_number": 0, "time_start": START,
            "time_detected": datetime.now(UTC), "ra": ra, "dec": 10.0, "ra_err_deg": 1e-3,
            "dec_err_deg": 1e-3, "flux_peak_jy_beam": 0.02, "snr": 20.0, "eta": 1.0, "v": 0.1,
        }  # fmt: skip
        return await self.one("transient", **(row | values))

    async def stamp(self, transient: int, role: str, data: bytes | None, **values: Any) -> None:
        """Insert a stamp of a transient; without bytes it is missing."""
        of = await self.connection.fetchrow("select * from transient where id = $1", transient)
        stamp_id, now = f"{of['trig_id']}-{role}", datetime.now(UTC)
        row = {
            "stamp_id": stamp_id, "trig_id": of["trig_id"], "role": role,
            "transient_id": transient, "source_id": of["source_id"],
            "stream_id": of["stream_id"], "ra": of["ra"], "dec": of["dec"],
            "image_key": of["image_key"], "time_start": of["time_start"],
            "state": "missing" if data is None else "stored", "time_requested": now,
            "time_answered": now,
        } | values  # fmt: skip
        places = ", ".join(f"${number + 1}" for number in range(len(row)))
        await self.connection.execute(
            f"insert into stamp ({', '.join(row)}) values ({places})",  # noqa: S608
            *row.values(),
        )
        if data is not None:
            await self.connection.execute(
                "insert into stamp_file (stamp_id, data) values ($1, $2)", stamp_id, data
            )

    async def alert(self, **values: Any) -> int:
        """Insert an alert as the alert service does: under its lock, with a notification."""
        name = uuid.uuid4().hex[:16]
        now = datetime.now(UTC)
        row = {
            # Published: a delivery channel would otherwise wait for it.
            "time_published": now,
            "ivorn": f"ivo://org.livetrap.test/{self.stream}#{name}.0", "trig_id": name,
            "revision": 0, "event_id": name, "alert_type": "initial", "role": "test",
            "stream": self.stream, "kind": "new_source", "ra": 10.0, "dec": 10.0, "snr": 20.0,
            "flux_peak_jy_beam": 0.02, "time_start": START, "time_alert": now,
            "voevent": b"<voe:VOEvent/>", "notice": orjson.dumps({"id": [name]}).decode(),
            "latency_s": 0.4,
        }  # fmt: skip
        async with self.connection.transaction():
            await self.connection.execute(
                "select pg_advisory_xact_lock(hashtext('livetrap.alert'))"
            )
            number = await self.one("alert", **(row | values))
            await self.connection.execute("select pg_notify('livetrap_alert', $1)", str(number))
        return number


@asynccontextmanager
async def rows_of(postgres_url: str) -> AsyncIterator[Rows]:
    """Create a stream and give a writer of its rows."""
    connection = await asyncpg.connect(postgres_url)
    name = f"api-{uuid.uuid4().hex[:8]}"
    number = await connection.fetchval(
        "insert into stream (name, systematic_position_error_deg) values ($1, $2) returning id",
        name, SYSTEMATIC_ERROR_DEG,
    )  # fmt: skip
    try:
        yield Rows(connection, name, number)
    finally:
        await connection.close()
