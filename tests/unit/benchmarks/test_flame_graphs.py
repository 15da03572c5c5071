"""Flame graphs: samples become a tree, a tree becomes a picture."""

from pathlib import Path

from lxml import etree

from benchmarks.flame_graphs import fold
from benchmarks.flame_svg import Node, draw

MAIN = "thread (7): MainThread;<module> (services/extract/__main__.py:6)"
SAMPLES = [
    f"{MAIN};run_service (a.py:1);step (a.py:2);memcpy (libc.so.6) 3",
    f"{MAIN};run_service (a.py:1);step (a.py:9);0x7fff (libc.so.6) 1",
    f"{MAIN};run_service (a.py:1);step (a.py:2);poll (libc.so.6) 50",
    "thread (8): metrics;run_service (a.py:1);step (a.py:2) 7",
    f"{MAIN};load (a.py:1) 9",
]


def test_samples_of_the_main_thread_that_works_become_a_tree() -> None:
    tree = fold(SAMPLES, "run_service")
    (step,) = tree.children.values()
    assert (tree.total, step.name, step.total) == (4, "step", 4)
    assert {name: each.total for name, each in step.children.items()} == {"memcpy": 3}


def test_a_box_is_as_wide_as_its_share_and_tells_its_time(tmp_path: Path) -> None:
    tree = Node("all")
    tree.attach(fold(SAMPLES, "run_service").scaled(2.0))
    tree.attach(Node("thread rdk:<broker>", 8.0))
    draw(tree, "of < & >", tmp_path / "flame.svg")
    svg = etree.parse(tmp_path / "flame.svg").getroot()
    space = {"s": "http://www.w3.org/2000/svg"}
    boxes = {
        each.findtext("s:title", namespaces=space): float(each.find("s:rect", space).get("width"))
        for each in svg.findall("s:g", space)
    }
    assert boxes == {
        "all: 8.00 ms": 500.0,
        "step: 8.00 ms": 500.0,
        "memcpy: 6.00 ms": 375.0,
        "thread rdk:<broker>: 8.00 ms": 500.0,
    }
