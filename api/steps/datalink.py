"""What answers of SIA and DataLink say of the services that take an image's identifier."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from api.models.columns import Column

__all__ = ["LINKS", "describe_services", "to_image_id", "to_links"]

_STD = "ivo://ivoa.net/std"
_PUBLISHER = "ivo://org.livetrap/image?"
# Name, type, length, unit, xtype and UCD.
_SODA_INPUTS = (
    ("CIRCLE", "double", "3", "deg", "circle", "obs.field"),
    ("POLYGON", "double", "*", "deg", "polygon", "obs.field"),
    ("POS", "char", "*", "", "", "obs.field"),
    ("BAND", "double", "2", "m", "interval", "em.wl;stat.interval"),
    ("TIME", "double", "2", "d", "interval", "time.interval;obs.exposure"),
    ("POL", "char", "*", "", "", "meta.code;phys.polarization"),
)
LINKS = (
    Column("ID", "text", None, "meta.id;meta.main", 0, "Identifier of the image"),
    Column("access_url", "text", None, "meta.ref.url", 0, "Where it is"),
    Column("service_def", "text", None, "meta.ref", 0, "Service that makes it"),
    Column("error_message", "text", None, "meta.code.error", 0, "Why it is not there"),
    Column("semantics", "text", None, "meta.code", 0, "What it is to the image"),
    Column("description", "text", None, "meta.note", 0, "What it is"),
    Column("content_type", "text", None, "meta.code.mime", 0, "Media type"),
    Column("content_length", "long", "byte", "phys.size;meta.file", 0, "Size"),
)


def to_image_id(identifier: str) -> str:
    """Return the sha256 of an image of which somebody writes the identifier or the sha256.

    Parameters
    ----------
    identifier : str
        Value of ID.

    Raises
    ------
    ValueError
        If it is neither.
    """
    plain = identifier.removeprefix(_PUBLISHER)
    if len(plain) != 64 or not set(plain) <= set("0123456789abcdef"):
        raise ValueError(f"ID: write {_PUBLISHER} and the sha256 of an image, or that alone")
    return plain


def describe_services(root: str, *, refers_to: str, with_links: bool) -> str:
    """Return the elements of a VOTable that say how to ask for cutouts, and for links.

    Parameters
    ----------
    root : str
        Address of ``/vo``.
    refers_to : str
        Column with the identifiers of images.
    with_links : bool
        DataLink, too.

    References
    ----------
    Bonnarel et al. (2023), DataLink 1.1, section 4; Bonnarel et al. (2017), SODA 1.0, section 4.
    """
    inputs = "".join(_parameter(*each) for each in _SODA_INPUTS)
    soda = _service("soda", f"{_STD}/SODA#sync-1.0", f"{root}/soda/sync", refers_to, inputs)
    if not with_links:
        return soda
    links = f"{_STD}/DataLink#links-1.1"
    return _service("links", links, f"{root}/datalink", refers_to, "") + soda


def _service(name: str, standard: str, address: str, refers_to: str, inputs: str) -> str:
    return (
        f' <RESOURCE ID="{name}" name="{name}" type="meta" utype="adhoc:service">\n'
        f'  <PARAM name="standardID" datatype="char" arraysize="*" value="{standard}"/>\n'
        f'  <PARAM name="accessURL" datatype="char" arraysize="*" value={quoteattr(address)}/>\n'
        '  <GROUP name="inputParams">\n'
        f'   <PARAM name="ID" datatype="char" arraysize="*" ref="{refers_to}" '
        'ucd="meta.id;meta.main" value=""/>\n'
        f"{inputs}  </GROUP>\n </RESOURCE>\n"
    )


def _parameter(name: str, datatype: str, size: str, unit: str, xtype: str, ucd: str) -> str:
    known = (("unit", unit), ("xtype", xtype))
    more = "".join(f' {key}="{value}"' for key, value in known if value)
    return (
        f'   <PARAM name="{name}" datatype="{datatype}" arraysize="{size}"{more} ucd="{ucd}" '
        'value=""/>\n'
    )


def to_links(identifier: str, row: Mapping[str, Any] | None, root: str) -> list[dict[str, Any]]:
    """Return what there is of an image.

    Parameters
    ----------
    identifier : str
        As the client wrote it.
    row : mapping or None
        Of query ``get_observation``; None: there is no such image.
    root : str
        Address of the server.

    References
    ----------
    Bonnarel et al. (2023), DataLink 1.1, section 3.2; the semantics are those of
    http://www.ivoa.net/rdf/datalink/core.
    """
    if row is None:
        return [_link(identifier, "#this", error_message="NotFoundFault: no such image")]
    rest = f"{root}/api/v1/images/{row['obs_id']}"
    derived = [
        _link(
            identifier, "#derivation", access_url=f"{rest}/sources?format=votable",
            description="Sources that were measured", content_type="application/x-votable+xml",
        ),
        _link(
            identifier, "#noise", access_url=f"{rest}/rms",
            description="Noise over the image", content_type="application/json",
        ),
    ]  # fmt: skip
    if row["access_url"] is None:
        words = "NotFoundFault: the pixels are retained no longer"
        return [_link(identifier, "#this", error_message=words), *derived]
    return [
        _link(
            identifier, "#this", access_url=row["access_url"], description="Image as it was sent",
            content_type=row["access_format"],
        ),
        _link(
            identifier, "#cutout", service_def="soda", description="Part of the image",
            content_type=row["access_format"],
        ),
        *derived,
    ]  # fmt: skip


def _link(identifier: str, semantics: str, **values: str) -> dict[str, Any]:
    empty: dict[str, Any] = {column.name: None for column in LINKS}
    return empty | {"ID": identifier, "semantics": semantics} | values
