"""The data model that the site shows is the one that the schema files make.

With ``UPDATE_DOCS=1`` in the environment the committed file is written anew.
"""

import os

from data_model.snapshot import SNAPSHOT, Schema, read_schema


async def test_the_committed_data_model_is_that_of_a_migrated_database(postgres_url: str) -> None:
    schema = await read_schema(postgres_url)
    if "UPDATE_DOCS" in os.environ:
        SNAPSHOT.write_text(schema.to_json(), encoding="utf-8")
    committed = Schema.from_json(SNAPSHOT.read_text(encoding="utf-8"))
    assert committed == schema, "the site shows an older schema; run make docs-update"
