"""All packets of generated nights say nothing that contradicts another thing they say."""

import asyncio
import json
import os
from itertools import groupby
from pathlib import Path

import pytest

from tests.support.alert_bodies import wait_for_alerts
from tests.support.decision_site import DecisionSite, decision_site
from tests.support.family_rules import find_contradictions_of_family
from tests.support.packet_night import N_STEPS, night_of
from tests.support.packet_rules import find_contradictions

# PACKET_NIGHTS=5 reads the packets of as many nights.
_SEEDS = range(1700, 1700 + int(os.environ.get("PACKET_NIGHTS", "1")))


async def watch(site: DecisionSite, seed: int) -> None:
    """Send the streams of a night, and take one transient back."""
    skies = list(night_of(seed))
    for last in (N_STEPS // 2, N_STEPS):
        for sky in skies:
            await site.observe(sky, until=last)
    (row,) = await site.rows(
        "select id from transient where state <> 'retracted' order by id limit 1"
    )
    await site.retract(int(row["id"]))


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", _SEEDS)
def test_no_packet_contradicts_itself_or_its_family(
    kafka_bootstrap: str, postgres_url: str, tmp_path: Path, seed: int
) -> None:
    with decision_site(kafka_bootstrap, postgres_url, tmp_path) as site:
        site.site.start_and_wait("alert")
        asyncio.run(watch(site, seed))
        wait_for_alerts(site.site)
        rows = site.site.fetch(
            "select trig_id, kind, voevent, notice::text as notice from alert "
            "order by trig_id, revision"
        )
    found = [
        words
        for row in rows
        for words in find_contradictions(row["voevent"], row["notice"].encode())
    ]
    for _, family in groupby(rows, key=lambda row: row["trig_id"]):
        found += find_contradictions_of_family([row["notice"].encode() for row in family])
    assert found == []
    types = {json.loads(row["notice"])["alert_type"] for row in rows}
    assert types == {"initial", "update", "retraction"}
    assert {"new_source", "variable", "vanished", "returned", "storm"} <= {
        row["kind"] for row in rows
    }
