"""Answers that are pixels: a picture or a FITS file."""

from typing import Any

from api.handlers.caching import NOT_MODIFIED

__all__ = ["MEDIA_TYPES", "PIXEL_FILES"]

# By the values of the parameter `format`.
MEDIA_TYPES = {"png": "image/png", "fits": "application/fits"}
_EXAMPLES = {"png": "PNG", "fits": "SIMPLE  =                    T"}

# For openapi.json.
PIXEL_FILES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A square of pixels; blank ones are NaN in FITS, transparent in PNG",
        "content": {
            media_type: {
                "schema": {"type": "string", "format": "binary"},
                "example": _EXAMPLES[form],
            }
            for form, media_type in MEDIA_TYPES.items()
        },
    },
    **NOT_MODIFIED,
}
