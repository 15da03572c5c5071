"""The accuracy of the source finder on ten skies, from FITS bytes to the catalogue."""

__all__: list[str] = []
