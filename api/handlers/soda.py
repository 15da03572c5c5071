"""`/vo/soda/sync`: an image as it was sent, or the part of it in a region (SODA 1.0)."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from api.errors import RETRY_S, ProblemError
from api.handlers.caching import NOT_MODIFIED, answer_immutable
from api.handlers.context import ApiContext, ClientAddress, Context
from api.handlers.dali import describe_parameters, read_parameters, single
from api.steps.cutout import image_cards, to_fits
from api.steps.datalink import to_image_id
from api.steps.observations import parse_span
from api.steps.stamps import cut_first_region
from runtime.errors import TransientError
from sky.cutout import cut_region
from sky.geometry import to_unit_vectors
from sky.regions import Region, parse_region

__all__ = ["router"]

router = APIRouter(prefix="/vo/soda", tags=["virtual observatory"])

_FITS = "application/fits"
_NEAREST_STAMPS = 3
_TEXT: dict[str, Any] = {
    "text/plain": {"schema": {"type": "string"}, "example": "UsageFault: ID: write one"}
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "FITS",
        "content": {
            _FITS: {
                "schema": {"type": "string", "format": "binary"},
                "example": "SIMPLE  =                    T",
            }
        },
    },
    204: {"description": "The image has nothing there"},
    **NOT_MODIFIED,
    400: {"description": "What is wrong", "content": _TEXT},
    404: {"description": "The pixels are gone, or never were", "content": _TEXT},
    503: {
        "description": "Pixels cannot be read now, or too many cutouts are made",
        "content": _TEXT,
    },
}
_PARAMETERS = describe_parameters(
    ID=("obs_publisher_did or sha256 of an image", "0" * 64),
    CIRCLE=("ra dec radius, ICRS [deg]", "123.4 10.5 0.1"),
    POLYGON=("ra1 dec1 ra2 dec2 ra3 dec3 ..., convex, ICRS [deg]", "123 10 124 10 124 11"),
    POS=("CIRCLE, RANGE or POLYGON with its numbers", "CIRCLE 123.4 10.5 0.1"),
    BAND=("Wavelength that the image must have, one or two limits [m]", "1.9 2.1"),
    TIME=("MJD (UTC) that it must have, one or two limits [d]", "61367.5 61368.5"),
    POL=("Stokes parameter that it must have", "I"),
)
_LIGHT_M_S = 299_792_458.0
_MJD_1970, _DAY_S = 40_587, 86_400


@router.get(
    "/sync",
    summary="An image, or a part of it",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_PARAMETERS,
)
async def cut_sync(request: Request, context: Context, client: ClientAddress) -> Response:
    """Return the pixels of ID in CIRCLE, POLYGON or POS; without these the file as it was sent."""
    return await _answer(request, context, client)


@router.post(
    "/sync",
    summary="An image, or a part of it",
    response_class=Response,
    responses=_RESPONSES,
    openapi_extra=_PARAMETERS,
)
async def post_cut_sync(request: Request, context: Context, client: ClientAddress) -> Response:
    """Answer the same parameters from a form."""
    return await _answer(request, context, client)


async def _answer(request: Request, context: ApiContext, client: str) -> Response:
    try:
        given = await read_parameters(request)
        region = _to_region(given)
        row = await _find(context, to_image_id(single(given, "ID") or ""))
        if not _is_met(given, row):
            return Response(status_code=204)
        async with context.pixel_budget.turn(client):
            try:
                body = await asyncio.to_thread(_read, context, row, region)
            except (TransientError, ProblemError) as gone:
                body = await _read_stamp(context, row, region, gone)
    except ValueError as error:
        return PlainTextResponse(f"UsageFault: {error}", 400)
    except TransientError as error:
        return _fail(503, str(error))
    except ProblemError as error:
        return _fail(error.status, error.detail)
    return Response(status_code=204) if body is None else answer_immutable(request, body, _FITS)


async def _read_stamp(
    context: ApiContext, row: Mapping[str, Any], region: Region | None, gone: Exception
) -> bytes:
    """Return the part of an image from a stored stamp that shows all of it.

    Raises
    ------
    Exception
        `gone`, if there is none.
    """
    if region is None:
        raise gone
    x, y, z = to_unit_vectors(*region.border()).mean(axis=1)
    rows = await context.database.fetch(
        "list_image_stamps",
        image_key=row["id"],
        ra=math.degrees(math.atan2(y, x)) % 360.0,
        dec=math.degrees(math.atan2(z, math.hypot(x, y))),
        limit=_NEAREST_STAMPS,
    )
    files = [each["data"] for each in rows]
    found = await asyncio.to_thread(cut_first_region, files, region)
    if found is None:
        raise gone
    return await asyncio.to_thread(to_fits, found, image_cards(row))


async def _find(context: ApiContext, image_id: str) -> Mapping[str, Any]:
    rows = await context.database.fetch("get_image_place", id=None, image_id=image_id)
    if not rows or rows[0]["verdict"] != "accepted" or rows[0]["wcs_header"] is None:
        raise ProblemError(404, f"there is no accepted image {image_id}")
    return rows[0]


def _fail(status: int, words: str) -> Response:
    fault = {404: "NotFoundFault", 503: "TransientFault"}.get(status, "UsageFault")
    headers = {"Retry-After": str(RETRY_S)} if status == 503 else None
    return PlainTextResponse(f"{fault}: {words}", status, headers)


def _to_region(given: Mapping[str, Sequence[str]]) -> Region | None:
    texts = [
        (name, f"{prefix}{value}")
        for name, prefix in (("CIRCLE", "CIRCLE "), ("POLYGON", "POLYGON "), ("POS", ""))
        for value in given.get(name, ())
        if value
    ]
    if len(texts) > 1:
        raise ValueError("MultiValuedParamNotSupported: write one of CIRCLE, POLYGON and POS")
    for name, text in texts:
        try:
            return parse_region(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return None


def _is_met(given: Mapping[str, Sequence[str]], row: Mapping[str, Any]) -> bool:
    """Return whether an image has something of the band, time and polarization wanted."""
    half_hz = (row["freq_bw_hz"] or 0.0) / 2
    start_mjd = row["time_start"].timestamp() / _DAY_S + _MJD_1970
    highest_hz, lowest_hz = row["freq_eff_hz"] + half_hz, row["freq_eff_hz"] - half_hz
    has = {
        "BAND": (_LIGHT_M_S / highest_hz, _LIGHT_M_S / lowest_hz if lowest_hz > 0 else 1e30),
        "TIME": (start_mjd, start_mjd + (row["exposure_s"] or 0.0) / _DAY_S),
    }
    for name, (least, greatest) in has.items():
        text = single(given, name)
        if text is not None:
            low, high = parse_span(name, text)
            if low > greatest or high < least:
                return False
    wanted = [value for value in given.get("POL", ()) if value]
    return not wanted or row["stokes"] in wanted


def _read(context: ApiContext, row: Mapping[str, Any], region: Region | None) -> bytes | None:
    """Return a FITS file; None if the image has nothing of the region."""
    if region is None:
        return context.pixels.read_file(row)
    image = context.pixels.read(row)
    cutout = cut_region(image.pixels, image.wcs_header, region)
    return None if cutout is None else to_fits(cutout, image_cards(row))
