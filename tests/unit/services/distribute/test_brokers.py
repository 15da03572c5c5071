"""What another broker's answer means, and what is tried after a refusal."""

import pytest

from services.distribute.errors import DeliveryError, RefusedError
from services.distribute.steps.broker import check_answer
from services.distribute.steps.refusal_counter import RefusalCounter
from services.distribute.steps.transport import PeerMessage, build_transport, parse_peer_message


def nak(reason: str) -> PeerMessage:
    return PeerMessage("nak", "ivo://a/b#c", "ivo://broker/x", result=reason)


@pytest.mark.parametrize(
    "answer",
    [PeerMessage("ack"), nak("Event rejected: Previously seen by this broker")],
)
def test_a_broker_has_what_it_acknowledges_or_has_seen_before(answer: PeerMessage) -> None:
    check_answer(answer, None)


@pytest.mark.parametrize("reason", ["Event rejected: No per-event local ID", ""])
def test_the_result_of_a_nak_is_the_reason_of_a_refusal(reason: str) -> None:
    with pytest.raises(RefusedError, match=reason or "no reason given"):
        check_answer(nak(reason), None)


def test_previously_seen_after_a_refusal_is_a_refusal() -> None:
    with pytest.raises(RefusedError, match="not valid"):
        check_answer(nak("Previously seen by this broker"), "not valid")
    check_answer(PeerMessage("ack"), "not valid")


@pytest.mark.parametrize(
    "answer", [nak("cannot store it now; try again later"), PeerMessage("authenticate")]
)
def test_later_or_the_wrong_port_is_a_failure_not_a_refusal(answer: PeerMessage) -> None:
    with pytest.raises(DeliveryError) as caught:
        check_answer(answer, None)
    assert not isinstance(caught.value, RefusedError)


def test_an_answer_of_livetrap_is_understood() -> None:
    said = build_transport("nak", "ivo://a/b#1&2", response="ivo://us/x", result="<no> & no")
    assert parse_peer_message(said) == PeerMessage(
        "nak", "ivo://a/b#1&2", "ivo://us/x", result="<no> & no"
    )


def test_the_first_is_tried_three_times_then_each_later_one_once() -> None:
    refusals = RefusalCounter()
    tried = []
    while (index := refusals.choose([7, 8, 9])) is not None:
        tried.append(index)
        assert refusals.add([7, 8, 9][index])
    assert tried == [0, 0, 0, 1, 2]
    assert not refusals.add(7)  # a fourth time: no longer counted as a failure
    assert refusals.choose([7, 8, 9, 10]) == 3
    refusals.clear()
    assert refusals.choose([7]) == 0
