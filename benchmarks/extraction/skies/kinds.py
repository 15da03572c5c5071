"""The ten skies: beam, place on the sky, density of sources, Stokes parameter."""

import math
from dataclasses import dataclass

from services.extract.models import BeamShape

__all__ = ["KINDS", "SkyKind"]

# 2000 sources in 2048 x 2048 px for a beam of 5 x 4 px.
_SPARSE_BEAMS = 92.0


@dataclass(frozen=True, slots=True)
class SkyKind:
    """One kind of sky.

    Parameters
    ----------
    name : str
        What the table calls it.
    beam_px : (float, float)
        Major and minor axis of the restoring beam, FWHM [px].
    beam_pa_deg : float
        Its position angle at the reference pixel [deg].
    reference_deg : (float, float)
        Right ascension and declination of the reference pixel, ICRS [deg].
    centre_px : (float, float)
        Place of the image's centre, to the right of and above the reference pixel [px].
    beams_a_source : float
        Solid angles of the beam for each source.
    clean_beams : float
        No other source is so near to those whose errors are measured [FWHM].
    size_px : int
        Side of an image [px].
    stokes : int
        FITS code; sources of 4, Stokes V, have either sign.
    """

    name: str
    beam_px: tuple[float, float] = (5.0, 4.0)
    beam_pa_deg: float = 30.0
    reference_deg: tuple[float, float] = (123.0, 50.0)
    centre_px: tuple[float, float] = (0.0, 0.0)
    beams_a_source: float = _SPARSE_BEAMS
    clean_beams: float = 4.0
    size_px: int = 2048
    stokes: int = 1

    @property
    def beam(self) -> BeamShape:
        """Return the beam in pixels: north is up, and east is to the left."""
        return BeamShape(*self.beam_px, math.radians(90 + self.beam_pa_deg))

    @property
    def is_signed(self) -> bool:
        """Return whether sources have either sign."""
        return self.stokes > 1


KINDS = (
    SkyKind("5x4"),
    SkyKind("12x2.4", (12.0, 2.4), 70.0),
    SkyKind("15x3", (15.0, 3.0), 20.0),
    SkyKind("1.65x1.5", (1.65, 1.5), 40.0, size_px=1024),
    SkyKind("12x12", (12.0, 12.0), 0.0),
    SkyKind("pole", reference_deg=(45.0, 90.0)),
    SkyKind("0h", reference_deg=(0.0, 30.0)),
    # North at its centre is turned by some 60 degrees from that at the reference pixel.
    SkyKind("cut-out", reference_deg=(123.0, 70.0), centre_px=(-1994.0, 1038.0)),
    # Few are further than 2 beams from the next.
    SkyKind("dense", beams_a_source=15.0, clean_beams=2.0),
    SkyKind("Stokes V", stokes=4),
)
