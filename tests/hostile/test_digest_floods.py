"""A digest of as many alerts as one e-mail takes, with as many pictures."""

from email.message import EmailMessage
from types import SimpleNamespace

import orjson
import pytest

from services.distribute.models import OutgoingAlert, SourcePictures
from services.distribute.steps import digest
from services.distribute.steps.digest import fill_digest, trig_id_of
from tests.support.vtp_events import build_test_alert, source_event

N_ALERTS = 500
N_SHOWN = 20
PNG = b"\x89PNG" + bytes(40_000)


def outgoing(number: int) -> OutgoingAlert:
    made = build_test_alert(source_event(number))
    return OutgoingAlert(made.ivorn, made.voevent, made.notice)


def test_the_cost_of_a_digest_grows_with_its_alerts_and_not_with_its_pictures_times_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alerts = [outgoing(number) for number in range(N_ALERTS)]
    # The last ones are shown: to find them is the most work.
    shown = {trig_id_of(alert): SourcePictures({"now": PNG}) for alert in alerts[-N_SHOWN:]}
    n_read = 0

    def loads(data: bytes) -> object:
        nonlocal n_read
        n_read += 1
        return orjson.loads(data)

    monkeypatch.setattr(digest, "orjson", SimpleNamespace(loads=loads))
    message = EmailMessage()
    fill_digest(message, alerts, shown)
    assert n_read <= 2 * N_ALERTS
    plain, html = message.iter_parts()
    assert all(alert.ivorn in plain.get_content() for alert in alerts)
    body, *pictures = html.iter_parts()
    assert len(pictures) == N_SHOWN
    places = [body.get_content().index(alert.ivorn) for alert in alerts[-N_SHOWN:]]
    assert places == sorted(places)
