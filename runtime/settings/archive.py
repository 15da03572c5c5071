"""Settings of the archive of accepted images."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator

from runtime.settings.section import Section

__all__ = ["ArchiveSettings"]

_SCHEMES = ("file", "s3", "gs", "az")


class ArchiveSettings(Section):
    """The archive of accepted images."""

    url: str | None = Field(
        None,
        description="Where accepted images are kept: folder, s3://bucket/prefix, gs:// or "
        "az://, with the credentials of the environment (AWS_..., GOOGLE_..., AZURE_...); "
        "off: nowhere",
    )
    keep_days: float | None = Field(
        30.0,
        gt=0,
        le=36_500,
        description="Time after it was archived at which an image without alert is deleted [d]; "
        "off: never",
    )
    max_bytes: int | None = Field(
        None,
        ge=0,
        description="Size of the archive beyond which the images without alert that were archived "
        "first are deleted; off: any [byte]",
    )
    retention_every_s: float = Field(
        60.0, gt=0, le=86_400, description="Time between two looks at what is to be deleted [s]"
    )
    timeout_s: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="Time that one image may take; one that takes longer ends the process [s]",
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if not url or (parts.scheme and parts.scheme not in _SCHEMES):
            raise ValueError(f"write a folder, or {', '.join(f'{each}://' for each in _SCHEMES)}")
        if parts.scheme in _SCHEMES[1:] and (not parts.hostname or parts.password):
            raise ValueError("write the bucket behind the scheme, and no credentials")
        folder = _to_folder(url)
        if folder is not None and not folder.is_absolute():
            raise ValueError("write the whole path of the folder, from / on")
        return url

    @property
    def folder(self) -> Path | None:
        """The folder, where it is one."""
        return None if self.url is None else _to_folder(self.url)


def _to_folder(url: str) -> Path | None:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if parts.scheme else Path(url).expanduser()
