"""What events cost: numbers looked at, for as many events as an image has detections."""

from dataclasses import replace
from typing import Any

import numpy as np

from runtime.settings import AssociateSettings
from services.associate.models.evidence import LastNotified
from services.associate.steps.association import Association, associate
from services.associate.steps.calibration import solve_timestep
from services.associate.steps.events import EventBuilder
from services.associate.steps.triggers import count_bands
from services.associate.steps.updates import find_updates
from tests.support.records import image, sources
from tests.support.timesteps import NOW, known_source, state_of, timestep_of

N = 400
SETTINGS = AssociateSettings()


class Counted(np.ndarray):
    """An array that counts the numbers on which something is computed."""

    n_numbers = 0

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute, and count."""
        Counted.n_numbers += max(np.size(each) for each in inputs)
        plain = [each.view(np.ndarray) if isinstance(each, Counted) else each for each in inputs]
        return getattr(ufunc, method)(*plain, **options)


def _associate_known() -> Association:
    """Return an image of N known sources."""
    east, north = np.divmod(np.arange(N), 20)
    places = [(120.0 + 0.2 * x, 8.0 + 0.2 * y) for x, y in zip(east, north, strict=True)]
    record = image(1, sources(places, flux_jy=0.05))
    timestep = timestep_of(record)
    known = [known_source(1 + number, *place) for number, place in enumerate(places)]
    state = state_of(timestep, *known)
    solutions = solve_timestep(timestep, state, SETTINGS, radius_deg=0.1)
    association = associate(timestep, state, SETTINGS, solutions)
    candidates = association.candidates
    candidates.sources = candidates.sources.view(Counted)
    [first] = association.images
    touched = replace(first.result.touched, source=first.result.touched.source.view(Counted))
    result = replace(first.result, source=first.result.source.view(Counted), touched=touched)
    return replace(association, images=(replace(first, result=result),))


def test_events_of_all_sources_look_at_each_a_few_times() -> None:
    association = _associate_known()
    candidates, images = association.candidates, association.images
    rows = candidates.sources.view(np.ndarray)
    last = [
        LastNotified(
            transient_id=1, trig_id="", source_id=int(row["id"]), kind="new_source",
            certainty="certain", snr=10.0, n_bands=1, ra=float(row["ra"]), dec=float(row["dec"]),
            ra_err_deg=1e-3, dec_err_deg=1e-3, limit_previous_jy_beam=None,
        )
        for row in rows
    ]  # fmt: skip
    Counted.n_numbers = 0
    updates = find_updates(candidates, images, last, SETTINGS)
    builder = EventBuilder(
        stream="test",
        stream_id=1,
        candidates=candidates,
        rows=rows,
        image_ids={},
        earlier_trig_ids={},
        image_keys=[1],
        n_bands=count_bands(images, rows.size),
        now=NOW,
    )
    events = [builder.to_notification(each).event for each in updates]
    assert [each.source_id for each in events] == rows["id"].tolist()
    assert Counted.n_numbers < 50 * N
