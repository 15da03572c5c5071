"""Programs that others wrote, run as observatories run them: pygcn, gcn-kafka, hop-client."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["listen_by_gcn_kafka", "listen_by_hop", "pygcn_listener"]

_PYGCN = """
import sys, gcn
def handler(payload, root):
    print(root.attrib["ivorn"], flush=True)
gcn.listen(host="127.0.0.1", port=int(sys.argv[1]), handler=handler, iamalive_timeout=120)
"""

_GCN_KAFKA = """
import sys
from gcn_kafka import Consumer
bootstrap, topic, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
consumer = Consumer(
    config={"bootstrap.servers": bootstrap, "security.protocol": "plaintext",
            "auto.offset.reset": "earliest"}
)
consumer.subscribe([topic])
while n:
    for message in consumer.consume(n, timeout=1):
        assert message.error() is None, message.error()
        print(message.value().decode().replace("\\n", " "), flush=True)
        n -= 1
consumer.close()
"""

_HOP = """
import sys
from hop.io import StartPosition, Stream
bootstrap, topic, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
stream = Stream(auth=False, start_at=StartPosition.EARLIEST)
with stream.open(f"kafka://{bootstrap}/{topic}", "r") as source:
    for message in source:
        print(type(message).__name__, message.ivorn if hasattr(message, "ivorn")
              else message.content["ivorn"], flush=True)
        n -= 1
        if not n:
            break
"""


@contextmanager
def pygcn_listener(port: int, folder: Path) -> Iterator[Callable[[], list[str]]]:
    """Run pygcn against a VTP port; give what returns the ivorns that it has heard."""
    out = folder / "pygcn.txt"
    with out.open("wb") as output, (folder / "pygcn.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _PYGCN, str(port)], stdout=output, stderr=log
        )
    try:
        yield lambda: out.read_text().split()
    finally:
        process.kill()
        process.wait()


def listen_by_gcn_kafka(bootstrap: str, topic: str, n: int) -> list[str]:
    """Return the first `n` messages of a topic, a line each, as gcn-kafka gives them."""
    return _listen(_GCN_KAFKA, bootstrap, topic, n)


def listen_by_hop(bootstrap: str, topic: str, n: int) -> list[tuple[str, str]]:
    """Return hop's class and the ivorn of the first `n` messages of a topic."""
    lines = [line.split(" ", 1) for line in _listen(_HOP, bootstrap, topic, n)]
    return [(kind, ivorn) for kind, ivorn in lines]


def _listen(program: str, bootstrap: str, topic: str, n: int) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, bootstrap, topic, str(n)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
