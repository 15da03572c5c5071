"""Each alert rule fires when it should, and is silent before and after, as promtool says."""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parents[2] / "deploy/alert-rules.yaml"
IMAGES = "livetrap_extract_images_total"
NEWEST = "livetrap_associate_newest_image_timestamp_seconds"
LAG = 'kafka_consumergroup_lag{consumergroup="livetrap-extract",topic="images-v1",partition="0"}'
DEAD = 'livetrap_dead_letters_total{service="extract",reason="bad_header"}'
LATENCY = "livetrap_alert_latency_seconds_bucket"


@dataclass(frozen=True)
class Case:
    """Values of series, one a minute, and the minutes at which a rule fires or is silent."""

    rule: str
    series: dict[str, str]
    fires: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


CASES = {
    # A counter has no series before the first of its kind: increase() does not see that.
    "the first loss": Case(
        "LiveTrapImagesLost", {f'{IMAGES}{{reason="lost_by_retention",pod="a"}}': "_x20 5x30"},
        fires=(22, 30), silent=(19, 40), labels={"reason": "lost_by_retention", "pod": "a"},
    ),
    "another loss": Case(
        "LiveTrapImagesLost", {f'{IMAGES}{{reason="lost_by_retention",pod="a"}}': "2x40 5x30"},
        fires=(43,), silent=(39, 60), labels={"reason": "lost_by_retention", "pod": "a"},
    ),
    "a growing backlog": Case(
        "LiveTrapBacklogGrows", {LAG: "0x10 0+60x30"}, fires=(25,), silent=(9, 12),
        labels={"consumergroup": "livetrap-extract", "topic": "images-v1"},
    ),
    "a backlog that is worked off": Case(
        "LiveTrapBacklogGrows", {LAG: "6000-60x60"}, silent=(10, 30)
    ),
    "images that end": Case(
        "LiveTrapNoImages", {f'{IMAGES}{{reason="accepted"}}': "0+10x20 200x40"},
        fires=(40,), silent=(25,),
    ),
    # One process ends and another goes on: what counts is the newest image of either.
    "a stream that falls silent": Case(
        "LiveTrapStreamSilent",
        {f'{NEWEST}{{stream="night",pod="a"}}': "0+60x20 _x60",
         f'{NEWEST}{{stream="night",pod="b"}}': "_x20 1200+60x10 1800x500",
         f'{NEWEST}{{stream="day",pod="b"}}': "0+60x600"},
        fires=(46, 120, 380), silent=(25, 35, 43, 395), labels={"stream": "night"},
    ),
    "a stream that ended before the process began": Case(
        "LiveTrapStreamSilent", {f'{NEWEST}{{stream="night",pod="a"}}': "0+60x20 _x500"},
        fires=(40,), silent=(20, 385), labels={"stream": "night"},
    ),
    "late alerts": Case(
        "LiveTrapAlertsLate",
        {f'{LATENCY}{{le="1"}}': "0+5x40", f'{LATENCY}{{le="5"}}': "0+10x40",
         f'{LATENCY}{{le="+Inf"}}': "0+10x40"},
        fires=(30,), silent=(2,),
    ),
    "alerts in time": Case(
        "LiveTrapAlertsLate",
        {f'{LATENCY}{{le="1"}}': "0+10x40", f'{LATENCY}{{le="+Inf"}}': "0+10x40"}, silent=(30,),
    ),
    "a leader that ends": Case(
        "LiveTrapNoLeader",
        {'livetrap_alert_leads{pod="a"}': "1x10 0x20", 'livetrap_alert_leads{pod="b"}': "0x30"},
        fires=(15,), silent=(9,),
    ),
    "no alert process": Case("LiveTrapNoLeader", {"up": "1x30"}, fires=(5,)),
    "many rejected images": Case(
        "LiveTrapImagesRejected",
        {f'{IMAGES}{{reason="accepted"}}': "0+3x60", f'{IMAGES}{{reason="no_wcs"}}': "0+1x60"},
        fires=(30,), silent=(10,),
    ),
    "few rejected images": Case(
        "LiveTrapImagesRejected",
        {f'{IMAGES}{{reason="accepted"}}': "0+9x60", f'{IMAGES}{{reason="no_wcs"}}': "0+1x60"},
        silent=(30,),
    ),
    "invalid rules": Case(
        "LiveTrapRulesInvalid", {'livetrap_alert_rules_are_current{pod="a"}': "1x10 0x20"},
        fires=(20,), silent=(12,), labels={"pod": "a"},
    ),
    "the first dead letters": Case(
        "LiveTrapDeadLetters", {DEAD: "_x20 12x30"}, fires=(22,), silent=(19, 40),
        labels={"service": "extract", "reason": "bad_header"},
    ),
    "more dead letters": Case(
        "LiveTrapDeadLetters", {DEAD: "5x40 30x30"}, fires=(45,), silent=(39, 60),
        labels={"service": "extract", "reason": "bad_header"},
    ),
    "few dead letters": Case("LiveTrapDeadLetters", {DEAD: "_x20 5x30"}, silent=(22, 30)),
    "a replica that falls behind": Case(
        "LiveTrapReplicaBehind",
        {'livetrap_api_replica_lag_seconds{pod="a"}': "0x10 6+1x10 0x10",
         'livetrap_api_replica_lag_seconds{pod="b"}': "0x40"},
        fires=(14,), silent=(9, 12, 25), labels={"pod": "a"},
    ),
    "no database": Case(
        "LiveTrapDatabaseAway", {'livetrap_api_database_up{pod="a"}': "1x10 0x10"},
        fires=(15,), silent=(11,), labels={"pod": "a"},
    ),
}  # fmt: skip


def rules() -> dict[str, dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {each["alert"]: each for each in group["rules"]}


def expected(case: Case) -> dict[str, Any]:
    """Return the alert with labels and annotations as Prometheus sends it."""
    rule = rules()[case.rule]
    annotations = {
        name: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: case.labels[found[1]], text)
        for name, text in rule["annotations"].items()
    }
    return {"exp_labels": case.labels | rule["labels"], "exp_annotations": annotations}


def checks(case: Case) -> list[dict[str, Any]]:
    at = [(minute, [expected(case)]) for minute in case.fires]
    at += [(minute, []) for minute in case.silent]
    return [
        {"eval_time": f"{minute}m", "alertname": case.rule, "exp_alerts": alerts}
        for minute, alerts in at
    ]


def test_every_rule_has_a_case_in_which_it_fires() -> None:
    assert {case.rule for case in CASES.values() if case.fires} == rules().keys()


def test_the_rules_fire_when_they_should(promtool: str, tmp_path: Path) -> None:
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [
                {"series": series, "values": values} for series, values in case.series.items()
            ],
            "alert_rule_test": checks(case),
        }
        for name, case in CASES.items()
    ]
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": tests}))
    done = subprocess.run(
        [promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_that_does_not_fire_is_found(promtool: str, tmp_path: Path) -> None:
    case = CASES["no database"]
    series = [{"series": next(iter(case.series)), "values": "1x30"}]
    test = {"interval": "1m", "input_series": series, "alert_rule_test": checks(case)}
    path = tmp_path / "tests.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, check=False)
    assert done.returncode == 1
