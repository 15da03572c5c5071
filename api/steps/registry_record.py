"""The record by which a registry of the IVOA lists this service (VOResource 1.1)."""

from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape

from api.steps.vosi import write_capability_elements

__all__ = ["Publisher", "write_record"]

_NAMESPACES = (
    'xmlns:ri="http://www.ivoa.net/xml/RegistryInterface/v1.0" '
    'xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" '
    'xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" '
    'xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" '
    'xmlns:cs="http://www.ivoa.net/xml/ConeSearch/v1.0" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_DESCRIPTION = (
    "Transients found in a stream of radio images, the running catalogue of sources with their "
    "light curves and statistics of variability, the images that were observed, and the alerts."
)
# Of the Unified Astronomy Thesaurus.
_SUBJECTS = ("radio-transient-sources", "time-domain-astronomy", "variable-radiation-sources")


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who publishes the service.

    Parameters
    ----------
    authority : str
        Authority of identifiers that the publisher has registered.
    name : str
        Organisation.
    contact_name, contact_email : str
        Who answers questions.
    """

    authority: str
    name: str
    contact_name: str
    contact_email: str


def write_record(publisher: Publisher, root: str, time: datetime) -> str:
    """Return the record.

    Parameters
    ----------
    publisher : Publisher
        Who publishes the service.
    root : str
        Address of the server.
    time : datetime
        When the record is made, UTC.

    References
    ----------
    Plante et al. (2018), VOResource 1.1; Demleitner et al. (2021), VODataService 1.2.
    """
    subjects = "".join(f"<subject>{each}</subject>" for each in _SUBJECTS)
    made = f"{time:%FT%TZ}"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<ri:Resource {_NAMESPACES} xsi:type="vs:CatalogService" created="{made}" '
        f'updated="{made}" status="active">\n'
        "<title>LiveTrap: transients and variable sources of a stream of radio images</title>\n"
        "<shortName>LiveTrap</shortName>\n"
        f"<identifier>ivo://{escape(publisher.authority)}/livetrap</identifier>\n"
        f"<curation><publisher>{escape(publisher.name)}</publisher>"
        f"<contact><name>{escape(publisher.contact_name)}</name>"
        f"<email>{escape(publisher.contact_email)}</email></contact></curation>\n"
        f"<content>{subjects}<description>{_DESCRIPTION}</description>"
        f"<referenceURL>{escape(root)}/docs</referenceURL>"
        "<type>Catalog</type><contentLevel>Research</contentLevel></content>\n"
        f"{write_capability_elements(f'{root}/vo')}"
        '<coverage><footprint ivo-id="ivo://ivoa.net/std/moc">'
        f"{escape(root)}/vo/coverage.moc</footprint><waveband>Radio</waveband></coverage>\n"
        "</ri:Resource>\n"
    )
