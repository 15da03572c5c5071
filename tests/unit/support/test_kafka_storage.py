"""Storage that is copied is of another cluster each time, and the same otherwise."""

from pathlib import Path

from livetrap.stack.kafka_broker import KafkaBroker
from tests.support.kafka_storage import give_storage

CHECKPOINT = "__cluster_metadata-0/0-0.checkpoint"


def properties(broker: KafkaBroker) -> dict[str, str]:
    text = (broker.folder / "data" / "meta.properties").read_text()
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def test_each_broker_has_storage_of_its_own(tmp_path: Path) -> None:
    jars, formatted = tmp_path / "kafka-1.0", tmp_path / "kafka-1.0-formatted"
    (formatted / CHECKPOINT).parent.mkdir(parents=True)
    (formatted / CHECKPOINT).write_bytes(b"features")
    meta = "#\n#Sat Nov 28\ncluster.id=-one\ndirectory.id=two\nnode.id=1\nversion=1\n"
    (formatted / "meta.properties").write_text(meta)
    brokers = [KafkaBroker(tmp_path / name, 1, 2) for name in ("a", "b")]
    for broker in brokers:
        give_storage(broker.folder, jars)
        broker.prepare(jars)  # no Java is there: it formats nothing
        assert (broker.folder / "data" / CHECKPOINT).read_bytes() == b"features"
        assert properties(broker).keys() == {"cluster.id", "directory.id", "node.id", "version"}
        assert properties(broker)["cluster.id"] == broker.cluster_id
    ids = [properties(each)[name] for each in brokers for name in ("cluster.id", "directory.id")]
    assert len({*ids, "-one", "two"}) == 6
    assert all(len(each) == 22 for each in ids)
