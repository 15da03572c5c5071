"""The schema of VOEvent 2.0, as the IVOA publishes it."""

from importlib.resources import files

from lxml import etree

__all__ = ["NAMESPACE", "load_voevent_schema"]

NAMESPACE = "http://www.ivoa.net/xml/VOEvent/v2.0"


def load_voevent_schema() -> etree.XMLSchema:
    """Return a validator of VOEvent 2.0 packets.

    Returns
    -------
    lxml.etree.XMLSchema
        A new one at each call; it keeps its last error, so threads need one each.

    References
    ----------
    Seaman et al. (2011), VOEvent 2.0, IVOA Recommendation, appendix A.
    """
    text = (files("schemas") / "xml" / "VOEvent-v2.0.xsd").read_bytes()
    return etree.XMLSchema(etree.fromstring(text))
