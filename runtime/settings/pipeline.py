"""Settings of ingest, extract and associate."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from runtime.settings.section import OptionalPath, Section
from runtime.settings.solution import SolutionSettings

__all__ = [
    "AssociateSettings",
    "ExtractSettings",
    "ImageLimits",
    "IngestSettings",
    "RmsBounds",
]

Sigma = Annotated[float, Field(gt=0, le=100)]


class ImageLimits(Section):
    """What an image must satisfy; read by extract too: not every image comes through ingest."""

    # The rest of the section is for ingest alone.
    model_config = ConfigDict(extra="ignore")

    max_image_bytes: int = Field(
        64 << 20,
        ge=2880,
        description="Largest image that is accepted: bytes of its pixels, all planes together; "
        "headers are free; whatever it is, no file of more than 100 000 000 bytes, as much as a "
        "message on Kafka [byte]",
    )
    max_future_s: float = Field(
        86400.0, ge=0, le=1e10, description="An exposure farther ahead of now: rejected [s]"
    )
    cubes: Literal["split", "refuse"] = Field(
        "split", description="An image with several planes: one image a plane, or rejected"
    )


class IngestSettings(ImageLimits):
    """Publishing images, and what every image must satisfy."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: float = Field(
        60.0,
        gt=0,
        le=3600,
        description="A file that takes longer ends the service [s]",
    )
    stream: str | None = Field(None, description="Stream name; off: the TELESCOP card")
    inbox: OptionalPath = Field(
        None, description="Folder that the ingest service watches for FITS files; off: none"
    )


BrightSource = Literal["Cas A", "Cyg A", "Tau A", "Vir A", "Her A", "Sun", "Jupiter"]


class RmsBounds(Section):
    """Between which bounds the noise of an image must be; the API tells them, too."""

    # The rest of the section is for extract alone.
    model_config = ConfigDict(extra="ignore")

    rms_min_jy_beam: float | None = Field(
        None, gt=0, description="Less noise: rejected [Jy/beam]; off: none is too little"
    )
    rms_max_jy_beam: float | None = Field(
        None, gt=0, description="More noise: rejected [Jy/beam]; off: none is too much"
    )
    rms_history_images: int = Field(
        0, ge=0, le=10_000, description="Images of a band whose noise is remembered; 0 is off"
    )
    rms_history_sigma: float = Field(
        5.0, gt=0, description="Farther from the remembered noise, and by 1 %: rejected [sigma]"
    )


class ExtractSettings(RmsBounds):
    """Source finding."""

    model_config = ConfigDict(extra="forbid")

    timeout_s: float = Field(
        60.0, gt=0, le=3600, description="An image that takes longer ends the process [s]"
    )
    detection_threshold_sigma: Sigma = Field(8.0, description="Peak of a source [local rms]")
    analysis_threshold_sigma: Sigma = Field(3.0, description="Edge of an island [local rms]")
    background_cell_px: int = Field(
        50, ge=8, le=4096, description="Background grid cell, at least 3.5 beams wide [px]"
    )
    margin_px: int = Field(10, ge=0, le=4096, description="Ignored border of the image [px]")
    force_beam: bool = Field(
        default=True, description="Fit the beam's shape to sources that are not extended"
    )
    connectivity: Literal[4, 8] = Field(8, description="Neighbours that may share an island")
    contrast_sigma: float = Field(
        1.0, ge=0, description="Least depth between two peaks of an island [local rms]"
    )
    radius_px: float | None = Field(
        None,
        gt=0,
        description="Circle about the centre in which sources count [px]; off: the whole image",
    )
    median_filter_cells: int = Field(
        1, ge=1, le=99, description="Window of the median filter of the grids [cells]"
    )
    fdr_alpha: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="False discovery rate that replaces the threshold; off: none does",
    )
    negative_sources: bool = Field(
        default=True, description="Detect negative sources, too, in images of Stokes Q, U or V"
    )
    flux_calibration_error: float = Field(
        0.0,
        ge=0,
        description="Relative error of the flux scale of an image, added to the errors of all "
        "fluxes, blind and forced",
    )
    clean_bias_jy_beam: float = Field(
        0.0,
        description="What CLEAN takes from a source, added to peak and so to integrated fluxes, "
        "blind or forced; below 3 sigma in proportion to the flux [Jy/beam]",
    )
    clean_bias_err_jy_beam: float = Field(0.0, ge=0, description="Its error [Jy/beam]")
    psf_map: OptionalPath = Field(
        None,
        description="FITS cube of BMAJ, BMIN and BPA [deg]: the beam of each pixel of mosaics; "
        "images that it does not cover are rejected; off: the beam of the header",
    )
    bright_positions: OptionalPath = Field(
        None,
        description="CSV with columns ra and dec [deg] of bright sources, also outside the images:"
        " side lobes up to 50 beams away are flagged; off: of none",
    )
    recent_images_mb: int = Field(
        48,
        ge=0,
        description="Pixels kept in memory for forced photometry, of one image or more; "
        "0: none [MB]",
    )
    recent_images_disk_mb: int = Field(
        2000,
        ge=0,
        description="Pixels kept on disk while forced photometry is behind [MB]; 0: none",
    )
    stamp_px: int = Field(
        65,
        ge=9,
        le=513,
        description="Least side of a stamp around an announced source; 10 beams if more, at most "
        "513 [px]",
    )
    count_negative: bool = Field(
        default=True,
        description="Search the negated image, whose peaks are false by definition: alerts tell "
        "the rate of false alarms from them",
    )
    max_sources: int = Field(200_000, ge=1, description="More in an image: rejected")
    max_blank_fraction: float = Field(
        1.0, ge=0, le=1, description="More blank pixels: rejected [of all]"
    )
    max_beam_axis_ratio: float | None = Field(
        None, ge=1, description="More elongated beam: rejected [major/minor]; off: any is accepted"
    )
    min_bright_separation_deg: float = Field(
        0.0, ge=0, description="A bright source nearer to the centre: rejected [deg]; 0 is off"
    )
    bright_sources: tuple[BrightSource, ...] = Field(
        ("Cas A", "Cyg A", "Tau A", "Vir A", "Her A", "Sun", "Jupiter"),
        description="Bright sources of that test",
    )


class AssociateSettings(SolutionSettings):
    """Association in time and frequency."""

    timeout_s: float = Field(
        60.0, gt=0, le=3600, description="A message that keeps it busy longer ends the process [s]"
    )
    de_ruiter_radius: float = Field(5.68, gt=0, description="Match limit [sigma]")
    beamwidths_limit: float = Field(3.0, gt=0, description="Match limit [beam semi-major axes]")
    systematic_position_error_arcsec: float = Field(
        10.0,
        ge=0,
        description="Systematic error of a position, per axis, in quadrature with the statistical "
        "one [arcsec]",
    )
    forced_photometry: bool = Field(
        default=True,
        description="Measure known sources without a detection in an image, and monitors",
    )
    expiration_timesteps: int = Field(
        10,
        ge=1,
        description="Null detections in a row of a source until it is no longer measured",
    )
    forced_wait_timesteps: int = Field(
        1000,
        ge=0,
        description="Timesteps after which looks are judged without forced fluxes that have not "
        "come; 0: at once",
    )
    candidate_timesteps: int = Field(
        1,
        ge=1,
        description="Looks without a detection after which a source that was seen once leaves the "
        "catalogue if forced photometry does not show it",
    )
    candidate_sigma: float = Field(
        3.0,
        ge=0,
        description="Least weighted mean of the forced fluxes that confirms such a source "
        "[sigma]; 0 keeps all",
    )
    archive_sigma: float = Field(
        5.0,
        ge=0,
        description="A source that was seen more often leaves with a weighted mean of all fluxes "
        "below this: after candidate_timesteps or half of expiration_timesteps unseen, or when it "
        "expires [sigma]; 0 keeps all",
    )
    archive_wait_s: float = Field(
        10.0,
        ge=0,
        description="How long a timestep that detects something beside a source in doubt waits "
        "for the answers that tell whether the source leaves [s]; 0: not at all",
    )
    archive_announced_snr: float = Field(
        10.0,
        ge=0,
        description="A source that was announced and seen once leaves as others do if its peak "
        "was below this [local rms] and all of its fluxes do not reach archive_sigma; one that "
        "was seen twice, if eight forced fluxes do not reach candidate_sigma; 0 keeps all",
    )
    new_source_sigma_margin: float = Field(
        1.0, ge=0, description="Added to the detection threshold in the new-source test [sigma]"
    )
    lookback_images: int = Field(
        4,
        ge=0,
        le=100,
        description="Last images of the band that are measured at the place of a new source "
        "before it is announced, and the deepest [-]; 0: none",
    )
    lookback_wait_ms: float = Field(
        200.0,
        ge=0,
        le=86_400_000,
        description="Longest wait of an event for these measurements [ms]",
    )
    window_timeout_s: float = Field(
        30.0, gt=0, description="Longest wait for a band of a timestep [s]"
    )
    first_timestep_wait_s: float = Field(
        5.0, gt=0, description="Longest wait for the bands of a new stream [s]"
    )
    new_stream_bands: int | None = Field(
        None,
        ge=1,
        le=999_999,
        description="Images (bands and Stokes parameters) of a timestep of new streams whose "
        "images have no header n-bands [-]; off: unknown, they wait",
    )
    timestep_tolerance_s: float = Field(
        0.5, ge=0, description="Images this close in start time share a timestep [s]"
    )
    detection_retention_days: float | None = Field(
        None,
        gt=0,
        description="Measurements older than this before a stream's last timestep are deleted by "
        "whole months [d]; off: none",
    )
    image_retention_days: float | None = Field(
        None,
        gt=0,
        description="Images with their rms grids and timesteps so long before a stream's last "
        "timestep, and entries of the ledger of that age, are deleted, but for images that a "
        "measurement, source, transient or the new-source test refers to [d]; off: none",
    )
    stamps: bool = Field(
        default=True, description="Ask for pixels around each source that an event announces"
    )
    stamp_retention_days: float | None = Field(
        90.0,
        gt=0,
        description="Time after which the stored pixels of stamps are deleted [d]; off: never",
    )
    stamp_retention_mb: int = Field(
        20_000, ge=0, description="Pixels of stamps together; the oldest are deleted [MB]"
    )
    update_cool_down_s: float = Field(
        0.0, ge=0, description="Least time between the images of two events of a transient [s]"
    )
    update_snr_factor: float = Field(
        1.5, gt=1, description="Factor of S/N since the last event that makes an update"
    )
    update_position_sigma: float = Field(
        3.0,
        gt=0,
        description="Distance from the last notified position that makes an update [sigma]",
    )
    max_updates: int = Field(10, ge=0, description="Updates of one transient")
    spectral_conflict_sigma: float | None = Field(
        5.0,
        gt=0,
        description="A new source is retracted if another band, when a burst may have reached it, "
        "has so much less than any power law leaves there [sigma]; off: never",
    )
    spectral_conflict_max_index: float = Field(
        5.0, ge=0, le=100, description="Largest |alpha| of S ~ freq^alpha in that test"
    )
    max_dm_pc_cm3: float = Field(
        500.0,
        ge=0,
        le=1e5,
        description="In that test, bursts dispersed up to here arrive later in lower bands "
        "[pc cm^-3]; 0: all bands at once",
    )
    variable_eta: float = Field(5.0, gt=0, description="Reduced chi-square of a variable source")
    variable_v: float = Field(0.1, gt=0, description="Coefficient of variation of a variable")
    variable_min_points: int = Field(2, ge=2, description="Points before a source is variable")
    false_alarms_per_look: float = Field(
        1e-6,
        gt=0,
        le=0.01,
        description="False alarms that a look at a constant source may raise, all tests together",
    )
    trigger_windows: tuple[Annotated[int, Field(ge=2, le=100_000)], ...] = Field(
        (8, 64, 512),
        max_length=3,
        description="Sliding windows in which a change of the mean flux is looked for [looks]",
    )
    flux_systematic_fraction: float = Field(
        0.03,
        ge=0,
        le=1,
        description="Error of the flux scale between images, in tests for changes, beyond what "
        "the errors have of `EXTRACT__FLUX_CALIBRATION_ERROR` [of the flux]",
    )
    side_lobe_beams: float = Field(
        50.0,
        ge=0,
        description="How far from a bright source first detections at offsets that repeat are "
        "its side lobes [beam major axes]; 0: none is",
    )
    moving_min_points: int = Field(
        3,
        ge=0,
        le=8,
        description="Detections at a constant angular rate that make a moving object [-]; below "
        "3: none is looked for",
    )
    moving_chance: float = Field(
        1e-4,
        gt=0,
        le=1,
        description="Moving objects that unrelated detections may make in a timestep [-]: where "
        "there are many, more than the least number must agree",
    )
    moving_looks: int = Field(
        8, ge=3, le=64, description="Timesteps back to which detections are linked [-]"
    )
    episode_quiet_looks: int = Field(
        8,
        ge=1,
        description="Looks in a row without activity that end an episode of a source [looks]",
    )
    vanished_sigma: float = Field(
        5.0, gt=0, description="Distance below the expected flux of a faded source [sigma]"
    )
    vanished_looks: int = Field(
        2, ge=1, description="Looks in a row at that distance that make an event [looks]"
    )
    vanished_min_points: int = Field(
        3, ge=2, description="Quiet looks at a source that can fade or vanish [looks]"
    )
