"""Images of a timestep to rows and books: which are fresh, which were here before."""

from dataclasses import dataclass
from datetime import datetime

from schemas.messages import ImageDetections
from services.associate.models import Band, KnownImage, LedgerEntry, StoredImage, Timestep
from services.associate.steps.bands import find_band, to_band
from services.associate.storage import Catalogue

__all__ = ["RegisteredImages", "register_images"]


@dataclass(frozen=True, slots=True)
class RegisteredImages:
    """The images that are new to the catalogue, the stream's bands, and all that was booked."""

    images: tuple[StoredImage, ...]
    bands: dict[Band, int]
    entries: tuple[LedgerEntry, ...]


async def register_images(
    catalogue: Catalogue, timestep: Timestep, *, stream_id: int, now: datetime
) -> RegisteredImages:
    """Store and book a timestep's images.

    An image that the catalogue has from the same place on Kafka is a replay and changes
    nothing; from another place it is a duplicate and is only booked. One that was rejected
    and is accepted now (its dead letter was redriven) counts as new.
    """
    entries = await _judge(catalogue, timestep, stream_id)
    if entries:
        await catalogue.book(timestep.stream, entries)
    fresh = [entry.record for entry in entries if entry.outcome != "duplicate"]
    bands = await catalogue.list_bands(stream_id)
    timestep_id = None
    if fresh and timestep.time_start is not None:
        timestep_id = await catalogue.insert_timestep(
            stream_id,
            timestep.time_start,
            is_late=timestep.is_late,
            n_images=len(fresh),
            now=now,
        )
    images = []
    for record in fresh:
        band_id = await _band_id(catalogue, bands, stream_id, record)
        number = await catalogue.insert_image(
            record,
            stream_id=stream_id,
            timestep_id=timestep_id,
            band_id=band_id,
            is_late=timestep.is_late,
            now=now,
        )
        images.append(StoredImage(number, band_id, record))
    return RegisteredImages(tuple(images), bands, tuple(entries))


async def _judge(catalogue: Catalogue, timestep: Timestep, stream_id: int) -> list[LedgerEntry]:
    records = [arrival.record for arrival in timestep.arrivals]
    known = await catalogue.find_images(stream_id, [record.image_id for record in records])
    entries = []
    mended = []
    for record in records:
        before = known.get(record.image_id)
        if before is not None and before.source == record.source:
            continue
        if before is not None and not (before.verdict == "rejected" != record.verdict):
            entries.append(LedgerEntry(record, "duplicate"))
            continue
        if before is not None:
            mended.append(record.image_id)
        known[record.image_id] = KnownImage(record.source, record.verdict)
        entries.append(LedgerEntry(record, _outcome(record, is_late=timestep.is_late)))
    if mended:
        await catalogue.delete_rejected_images(stream_id, mended)
    return entries


def _outcome(record: ImageDetections, *, is_late: bool) -> str:
    if record.verdict == "rejected":
        return "rejected"
    return "late" if is_late else "processed"


async def _band_id(
    catalogue: Catalogue, bands: dict[Band, int], stream_id: int, record: ImageDetections
) -> int | None:
    metadata = record.metadata
    if metadata is None:
        return None
    band = find_band(metadata.freq_eff_hz, metadata.freq_bw_hz, bands)
    if band is None:
        band = to_band(metadata.freq_eff_hz, metadata.freq_bw_hz)
        bands[band] = await catalogue.ensure_band(stream_id, band)
    return bands[band]
