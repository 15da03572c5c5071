"""The order in which the files of a parallel run are given to its workers."""

from collections.abc import Sequence
from pathlib import Path

__all__ = ["LONGEST", "in_order"]

_TESTS = Path(__file__).parents[1]

# What lasts 15 s or more beside one other worker, the longest first: whoever starts a long file
# last lets the others wait for it. Times: pytest --durations=0, summed by file.
LONGEST = (
    "consistency/test_kill_any_service.py",
    "integration/alert/test_outage.py",
    "consistency/test_poison_messages.py",
    "tutorials/test_tutorials.py",
    "end_to_end/test_secured_stack.py",
    "integration/runtime/test_kafka_security.py",
    "end_to_end/test_bad_input.py",
    "integration/runtime/test_shutdown.py",
    "integration/alert/test_membership.py",
    "integration/alert/test_service.py",
    "end_to_end/test_page_use.py",
    "integration/associate/test_event_order.py",
    "end_to_end/test_stack.py",
    "end_to_end/test_image_to_alert.py",
    "integration/alert/test_database_restart.py",
    "end_to_end/test_page_pictures.py",
    "integration/decisions/test_same_events.py",
    "consistency/test_kill_the_alert_service.py",
    "end_to_end/test_forced_photometry.py",
    "integration/distribute/test_brokers.py",
    "end_to_end/test_killed_server.py",
    "end_to_end/test_page_content.py",
    "integration/livetrap/test_stream_replay.py",
    "end_to_end/test_page_states.py",
    "integration/distribute/test_deliveries.py",
    "integration/decisions/test_every_chance.py",
    "hostile/test_slow_clients.py",
    "end_to_end/test_page_filters.py",
    "integration/api/test_catalogue.py",
    "integration/runtime/test_retention.py",
    "integration/decisions/test_whole_images.py",
    "integration/api/test_tables.py",
    "integration/alert/test_clients.py",
    "integration/runtime/test_cluster_identity.py",
    "integration/associate/test_properties.py",
    "integration/associate/test_guarantees.py",
    "integration/api/test_archived_images.py",
    "integration/archive/test_service.py",
)
_RANK = {_TESTS / name: rank for rank, name in enumerate(LONGEST)}


def in_order(files: Sequence[Path]) -> list[Path]:
    """Return the files, the longest first, with those that compute spread evenly over the others.

    Parameters
    ----------
    files : sequence of Path
        Each once. Unit tests compute; the others wait for servers, too.

    Returns
    -------
    list of Path
        All of them. The order does not depend on theirs.
    """
    computing = sorted(path for path in files if path.is_relative_to(_TESTS / "unit"))
    waiting = sorted(set(files) - set(computing), key=lambda path: (_rank(path), path))
    place = {
        path: (number + 0.5) / len(kind)
        for kind in (waiting, computing)
        for number, path in enumerate(kind)
    }
    return sorted(files, key=lambda path: (place[path], path))


def _rank(path: Path) -> int:
    return _RANK.get(path, len(_RANK))
