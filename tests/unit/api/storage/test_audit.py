"""What the API writes at somebody's request is in the audit."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[4]
_WRITES = re.compile(r"^ *(?:insert into|update|delete from) (\w+)", re.MULTILINE)
_TRIGGER = re.compile(r"create trigger audit_(\w+) after insert or update or delete on \1\b")
# Nobody asks for the copy of the statistics; a retraction and a redriven message note themselves;
# jobs of TAP have no owner, and nothing else changes by them.
_OTHERS = {
    "refresh_source_statistics", "upsert_statistics_refresh", "retract_transient", "insert_audit",
    "insert_tap_job", "update_tap_job", "update_tap_destruction", "abort_tap_job",
    "delete_tap_job", "claim_tap_job", "touch_tap_jobs", "insert_tap_chunk", "complete_tap_job",
    "fail_tap_job", "fail_lost_tap_jobs", "delete_expired_tap_jobs",
}  # fmt: skip


def test_each_table_that_requests_write_has_the_trigger_of_the_audit() -> None:
    written = {
        table
        for path in (_ROOT / "api" / "queries").glob("*.sql")
        if path.stem not in _OTHERS
        for table in _WRITES.findall(path.read_text())
    }
    schema = "".join(path.read_text() for path in (_ROOT / "schemas" / "sql").glob("*.sql"))
    assert {"monitor", "source_tag", "api_token"} <= written
    assert written <= set(_TRIGGER.findall(schema))
