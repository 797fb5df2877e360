"""A witness that is killed, at each step and in the middle of work: what had left stays true."""

from __future__ import annotations

import http.client
import threading

import pytest

from scoregate.tlog.checkpoint import open_checkpoint
from scoregate.witness import evidence
from scoregate.witness.durable import Step
from scoregate.witness.judging import Contradiction
from tests.witness.conftest import Place, Starts
from tests.witness.made_log import MOST, Caller, MadeLog, request

LOG = MadeLog()
FORK = LOG.forked(at=3)
KILLED = -9

BEFORE_IT_COUNTS = (Step.JUDGED, Step.REMEMBERED, Step.DRAFTED, Step.SYNCED)
FROM_THEN_ON = (Step.REPLACED, Step.DURABLE)
OF_A_RECORD = (Step.REFUSED, Step.FILED, Step.RECORDED)


def test_every_step_is_one_of_these() -> None:
    assert {*BEFORE_IT_COUNTS, *FROM_THEN_ON, *OF_A_RECORD} == set(Step)


def killed_by(start: Starts, step: Step, body: bytes) -> None:
    """A witness is asked this and dies at that step, without an answer."""
    doomed = start(dies_at=step)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        doomed.caller.submit(body)
    assert doomed.process.wait(20) == KILLED


def shown_size(caller: Caller) -> int:
    return open_checkpoint(caller.shown().body, LOG.vkey)[0].size


def cosigned_before(place: Place) -> None:
    for old, size in ((0, 4), (4, 8)):
        place.witness().add_checkpoint(LOG.request(old, size))


@pytest.mark.parametrize("step", BEFORE_IT_COUNTS)
def test_killed_before_it_is_kept_it_was_never_cosigned(place: Place, start: Starts, step: Step) -> None:
    """No cosignature left, so another tree of that size may still come: once."""
    cosigned_before(place)
    killed_by(start, step, LOG.request(8, 12))
    heir = start().caller
    assert shown_size(heir) == 8
    other = LOG.forked(at=9)
    assert heir.submit(other.request(8, 12)).status == 200
    assert heir.submit(request(12, [], LOG.note(12))).status == 422
    assert heir.submit(LOG.request(8, 12)).body == b"12\n"
    require_one_history(heir, other)


@pytest.mark.parametrize("step", FROM_THEN_ON)
def test_killed_once_it_is_kept_it_stays_and_the_log_gets_its_line(
    place: Place, start: Starts, step: Step
) -> None:
    cosigned_before(place)
    killed_by(start, step, LOG.request(8, 12))
    heir = start().caller
    assert shown_size(heir) == 12
    again = heir.submit(LOG.request(8, 12))
    assert (again.status, again.body) == (409, b"12\n")
    assert place.times(LOG.note(12), heir.submit(LOG.request(12, 12)).body)
    assert heir.submit(request(12, [], LOG.forked(at=9).note(12))).status == 422
    require_one_history(heir, LOG)


@pytest.mark.parametrize("step", [Step.JUDGED, Step.DRAFTED, Step.SYNCED, Step.REPLACED, Step.DURABLE])
def test_killed_at_the_first_of_all_it_has_one_history_too(place: Place, start: Starts, step: Step) -> None:
    killed_by(start, step, LOG.request(0, 12))
    heir = start().caller
    if step in FROM_THEN_ON:
        assert heir.submit(request(12, [], FORK.note(12))).status == 422
        require_one_history(heir, LOG)
    else:
        assert heir.shown().status == 404
        assert heir.submit(FORK.request(0, 12)).status == 200
        require_one_history(heir, FORK)


def require_one_history(caller: Caller, log: MadeLog) -> None:
    """It is at 12 entries of this log: nothing smaller is cosigned, nothing else, and the log goes on."""
    for old, size in ((12, 11), (8, 11), (4, 8), (0, 0)):
        assert caller.submit(log.request(old, size)).status in (400, 409)
    assert caller.submit(log.forked(at=2).request(12, 13)).status == 422
    assert caller.submit(log.request(12, 13)).status == 200
    assert shown_size(caller) == 13


@pytest.mark.parametrize("step", OF_A_RECORD)
def test_killed_while_it_files_a_fork_the_record_is_whole_or_not_there(
    place: Place, start: Starts, step: Step
) -> None:
    cosigned_before(place)
    fork = request(8, [], FORK.note(8))
    killed_by(start, step, fork)
    assert len(evidence.records(place.folder)) == (step is Step.RECORDED)
    heir = start().caller
    assert heir.submit(fork).status == 422
    (record,) = evidence.records(place.folder)
    assert record.kind is Contradiction.FORK
    (folder,) = place.evidence()
    assert (folder / "submitted").read_bytes() == FORK.note(8)
    assert open_checkpoint((folder / "cosigned").read_bytes(), LOG.vkey)[0] == LOG.checkpoint(8)


def test_killed_in_the_middle_of_work_it_never_goes_back(place: Place, start: Starts) -> None:
    """Several times over, at whatever moment it is; the log only knows what was answered."""
    answered = 0
    for blow in (3, 5, 9):
        running = start()
        answered = require_no_less(running.caller, answered)
        enough, sizes = threading.Event(), [answered]

        def grow(
            caller: Caller = running.caller,
            sizes: list[int] = sizes,
            enough: threading.Event = enough,
            blow: int = blow,
        ) -> None:
            try:
                while caller.submit(LOG.request(sizes[-1], sizes[-1] + 1)).status == 200:
                    sizes.append(sizes[-1] + 1)
                    if len(sizes) > blow:
                        enough.set()
            except (http.client.HTTPException, OSError):
                return

        growing = threading.Thread(target=grow)
        growing.start()
        assert enough.wait(20)
        assert running.end() == KILLED
        growing.join()
        answered = sizes[-1]
    heir = start().caller
    size = require_no_less(heir, answered)
    assert heir.submit(request(size, [], FORK.note(size))).status == 422
    assert heir.submit(LOG.request(size, MOST)).status == 200


def require_no_less(caller: Caller, answered: int) -> int:
    """What it has is what it last answered, or the one that it was about to."""
    size = shown_size(caller) if answered else 0
    assert answered <= size <= answered + 1
    return size


def test_two_processes_on_one_folder_are_one_witness(place: Place, start: Starts) -> None:
    """Both are asked at once for growth from one size to different ones: each time one of them says yes."""
    place.witness().add_checkpoint(LOG.request(0, 1))
    callers = [start().caller, start().caller]
    size = 1
    for _ in range(12):
        wanted = [size + 1, size + 2]
        answers: dict[int, int] = {}
        together = threading.Barrier(2)

        def ask(
            caller: Caller,
            new: int,
            old: int = size,
            together: threading.Barrier = together,
            answers: dict[int, int] = answers,
        ) -> None:
            body = LOG.request(old, new)
            together.wait(20)
            answers[new] = caller.submit(body).status

        threads = [threading.Thread(target=ask, args=each) for each in zip(callers, wanted, strict=True)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert sorted(answers.values()) == [200, 409]
        size = next(new for new, status in answers.items() if status == 200)
        assert [shown_size(each) for each in callers] == [size, size]
    assert evidence.records(place.folder) == []
