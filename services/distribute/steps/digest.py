"""The text of a digest, and its pictures for readers of HTML."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid
from html import escape

import orjson

from services.distribute.models import OutgoingAlert, SourcePictures

__all__ = ["fill_digest", "trig_id_of"]

# Side of a picture on a screen, of mostly 65 pixels [px].
_SIDE_PX = 195


@dataclass(frozen=True, slots=True)
class _Picture:
    """A PNG, and the name by which the HTML refers to it."""

    cid: str
    role: str
    png: bytes

    @property
    def html(self) -> str:
        return (
            f'<td align="center"><img src="cid:{self.cid[1:-1]}" alt="{self.role}" '
            f'width="{_SIDE_PX}" height="{_SIDE_PX}" style="image-rendering: pixelated">'
            f"<br>{self.role}</td>"
        )


def trig_id_of(alert: OutgoingAlert) -> str:
    """Return the identity that the alerts of a source share."""
    return str(orjson.loads(alert.notice)["id"])


def fill_digest(
    message: EmailMessage,
    alerts: Sequence[OutgoingAlert],
    sources: Mapping[str, SourcePictures],
) -> None:
    """Give a message a line for each alert, and in HTML the pictures below its first one.

    Parameters
    ----------
    message : EmailMessage
        With its header fields alone.
    alerts : sequence of OutgoingAlert
        What it tells of.
    sources : mapping
        Pictures by `trig_id_of`; empty: nobody asked for them.
    """
    lines = [_to_line(alert) for alert in alerts]
    summary = _summarise(sources)
    message.set_content("\n".join([*lines, "", summary] if summary else lines))
    shown = {trig_id: each for trig_id, each in sources.items() if each.by_role}
    if not shown:
        return
    pictures = {trig_id: _name(each) for trig_id, each in shown.items()}
    trig_ids = [trig_id_of(alert) for alert in alerts]
    paragraphs = [f"<p>{escape(line)}</p>" for line in lines]
    for trig_id, row in pictures.items():
        first = trig_ids.index(trig_id)
        cells = "".join(picture.html for picture in row)
        reason = escape(shown[trig_id].reason)
        paragraphs[first] += f"<table><tr>{cells}<td>{reason}</td></tr></table>"
    body = "\n".join([*paragraphs, f"<p>{escape(summary)}</p>"])
    message.add_alternative(f"<html><body>\n{body}\n</body></html>\n", subtype="html")
    *_, html = message.iter_parts()
    for picture in (picture for row in pictures.values() for picture in row):
        html.add_related(
            picture.png, "image", "png", cid=picture.cid, disposition="inline",
            filename=f"{picture.role}.png",
        )  # fmt: skip


def _name(source: SourcePictures) -> list[_Picture]:
    return [
        _Picture(make_msgid(domain="livetrap"), role, png) for role, png in source.by_role.items()
    ]


def _to_line(alert: OutgoingAlert) -> str:
    notice = orjson.loads(alert.notice)
    snr = f"  S/N {notice['image_snr']:.1f}" if "image_snr" in notice else ""
    return (
        f"{notice['alert_datetime']}  {notice['alert_type']}  {notice['kind']}{snr}  "
        f"{notice['ra']:.4f} {notice['dec']:+.4f}  {alert.ivorn}"
    )


def _summarise(sources: Mapping[str, SourcePictures]) -> str:
    """Return how many sources have pictures, and why others have none."""
    if not sources:
        return ""
    without = Counter(each.reason for each in sources.values() if not each.by_role)
    shown = len(sources) - without.total()
    reasons = ", ".join(f"{reason} ({n})" for reason, n in without.most_common())
    return f"Stamps of {shown} of {len(sources)} sources" + (
        f"; without: {reasons}." if reasons else "."
    )
