"""`/sources/columns` on real rows."""

import json
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.api_rows import rows_of
from tests.support.api_service import client_of

PATH = "/api/v1/sources/columns"


def columns_of(answer: httpx.Response) -> dict[str, list[Any]]:
    """Return the values of each column."""
    assert answer.status_code == 200, answer.text
    place = answer.content.index(b"\n") + 1
    head = json.loads(answer.content[:place])
    found = {}
    for name, kind in head["columns"]:
        values = np.frombuffer(answer.content, np.dtype(kind).newbyteorder("<"), head["n"], place)
        found[name] = values.tolist()
        place += values.nbytes
    return found


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_every_source_of_a_stream_is_there_with_its_numbers(
    postgres_url: str, encoding: str
) -> None:
    async with rows_of(postgres_url) as rows, client_of(postgres_url) as client:
        image = await rows.image(0)
        first = await rows.source(10.0, -5.0, image=image, eta=2.5, v=0.1, n_datapoints=4)
        second = await rows.source(
            0.25, 89.0, image=image, eta=float("nan"), v=float("nan"), is_new=True,
            is_variable=True,
        )  # fmt: skip
        await rows.connection.execute(
            "insert into source_tag (source_id, tag, actor) values ($1, 'known', 'anna')", first
        )
        await rows.copy_statistics()
        await rows.connection.execute(
            "update source_statistics set snr_max = 30 where source_id = $1", second
        )

        async def ask(**query: object) -> dict[str, list[Any]]:
            query["stream"] = rows.stream
            headers = {"Accept-Encoding": encoding}
            return columns_of(await client.get(PATH, params=query, headers=headers))

        found = await ask()
        assert found["id"] == [first, second]
        assert (found["ra"], found["dec"]) == ([10.0, 0.25], [-5.0, 89.0])
        assert (found["eta"][0], found["v"][0]) == (2.5, 0.1)
        assert np.isnan([found["eta"][1], found["v"][1]]).all()
        assert (found["n_datapoints"], found["flags"]) == ([4, 1], [0, 3])
        assert (await ask(min_n_datapoints=2))["id"] == [first]
        assert (await ask(min_snr_max=20))["id"] == [second]
        assert (await ask(tag="known"))["id"] == [first]
        assert (await ask(tag="unknown"))["id"] == []


async def test_an_unknown_stream_is_not_an_empty_one(postgres_url: str) -> None:
    async with client_of(postgres_url) as client:
        answer = await client.get(PATH, params={"stream": "nothing-there"})
        assert answer.status_code == 404
