"""An alert of the past as a test: same content, role and identity of its own."""

import orjson
from lxml import etree

from services.distribute.models import OutgoingAlert

__all__ = ["to_test"]


def to_test(alert: OutgoingAlert, replay_id: int) -> OutgoingAlert:
    """Return an alert as a replay sends it.

    Its role is ``test``; its ivorn, and those that it cites, end in ``.replay<id>``: who knows the
    first one does not take it for that.
    """
    ending = f".replay{replay_id}"
    notice = orjson.loads(alert.notice)
    notice |= {
        "alert_tense": "test",
        "role": "test",
        "ivorn": f"{alert.ivorn}{ending}",
        "cited_ivorn": notice.get("cited_ivorn") and f"{notice['cited_ivorn']}{ending}",
        "cited_ivorns": [f"{each}{ending}" for each in notice.get("cited_ivorns", [])],
    }
    return OutgoingAlert(notice["ivorn"], _to_test_packet(alert, ending), orjson.dumps(notice))


def _to_test_packet(alert: OutgoingAlert, ending: str) -> bytes:
    root = etree.fromstring(
        alert.voevent, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    )
    root.set("role", "test")
    root.set("ivorn", f"{alert.ivorn}{ending}")
    for tense in root.findall("What/Param[@name='AlertTense']"):
        tense.set("value", "test")
    for cited in root.findall("Citations/EventIVORN"):
        cited.text = f"{cited.text}{ending}"
    packet: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return packet
