"""Every service and command on a Kafka of somebody else that asks for a password."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.fits_images import make
from tests.support.night import run_forked, run_process, running_stack, wait_for
from tests.support.secure_broker import PASSWORD, SecureBroker, secure_broker
from tests.support.vtp_service import to_environment

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def broker() -> Iterator[SecureBroker]:
    with secure_broker() as started:
        yield started


def test_images_pass_all_services_and_commands_reach_kafka(
    broker: SecureBroker, postgres_url: str, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.fits", tmp_path / "bad.fits"
    good.write_bytes(make())
    bad.write_bytes(b"no image")
    login = to_environment(broker.sasl("SCRAM-SHA-512"))
    with running_stack(**login, LIVETRAP_POSTGRES__URL=postgres_url) as stack:
        assert stack.status["kafka"] == broker.sasl("PLAIN").bootstrap_servers
        folder = ["--data-dir", str(stack.data_dir)]
        run_forked("ingest", str(good), str(bad), "--stream", "night", *folder, expect=1)
        run_forked(
            "simulate", "--kafka", "--images", "1", "--size", "256", "--bands", "1",
            "--truth", str(tmp_path / "truth.csv"),
        )  # fmt: skip
        wait_for(lambda: stack.outcomes().get("processed") == 2, what="both images")
        assert "ingest" in run_forked("dead-letters", "list", *folder)
        logs = [path.read_text() for path in (stack.data_dir / "logs").iterdir()]
        assert not any(PASSWORD in log for log in logs)
        assert PASSWORD not in (stack.data_dir / "supervisord.conf").read_text()


def refused(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command that cannot work; return its exit code and its last line."""
    done = run_process(*arguments, **settings)
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stderr
    return done.returncode, done.stderr.strip().splitlines()[-1]


def test_a_refused_login_is_explained(broker: SecureBroker, tmp_path: Path) -> None:
    settings = to_environment(broker.sasl("PLAIN", sasl_password=PASSWORD[::-1]))
    image = tmp_path / "image.fits"
    image.write_bytes(make())
    up = ["up", "--detach", "--data-dir", str(tmp_path)]
    simulate = ["simulate", "--kafka", "--images", "1", "--truth", str(tmp_path / "truth.csv")]
    commands = (up, ["ingest", str(image)], ["dead-letters", "list"], simulate)
    with ThreadPoolExecutor() as together:  # each waits ten seconds for the login
        answers = together.map(lambda command: refused(*command, **settings), commands)
        for code, words in answers:
            assert code == 1, words
            assert "LIVETRAP_KAFKA__SASL_PASSWORD" in words
    del settings["LIVETRAP_KAFKA__BOOTSTRAP_SERVERS"]
    code, words = refused(*up, **settings)
    assert code == 2, words
    assert "--kafka" in words
