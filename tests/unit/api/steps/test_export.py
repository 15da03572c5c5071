"""Tables are encoded in pieces, beside the event loop."""

import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from api.steps.export import encode_table
from api.steps.lightcurve_tables import CsvTable


async def give() -> AsyncGenerator[Sequence[Mapping[str, Any]], None]:
    yield [{"n": 1}, {"n": 2}]
    yield [{"n": 3}]


async def test_rows_are_converted_and_encoded_in_another_thread() -> None:
    threads = set()

    def convert(row: Mapping[str, Any]) -> Mapping[str, Any]:
        threads.add(threading.current_thread())
        return {"line": f"{row['n']}!"}

    table = CsvTable()
    pieces = [piece async for piece in encode_table(table, give(), convert=convert)]
    assert b"".join(pieces) == table.header() + b"1!\n2!\n3!\n"
    assert threading.current_thread() not in threads
