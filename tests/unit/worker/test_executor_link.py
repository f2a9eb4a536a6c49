"""What the parent keeps of an executor."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pytest

from offpath.engine.protocol import ClaimedJob
from offpath.worker.executor_link import LARGEST_LOAD, STALL_NS, ExecutorLink
from offpath.worker.messages import Ask, Begun, Ended, Frames, Held, Hello, Reply, Results, decode_to_executor, frame
from offpath.worker.options import LANE_WINDOW
from offpath.worker.pool import Ticket
from offpath.worker.slot import Slots, monotonic_ns
from unit.worker.memory_engine import make_info
from unit.worker.worker_kit import make_job


class Wire:
    """Takes what is written to an executor."""

    def __init__(self) -> None:
        self.batches: list[object] = []
        self.closing = False
        self._frames = Frames()

    def write(self, data: bytes) -> None:
        self.batches += map(decode_to_executor, self._frames.feed(data))

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None: ...


class Bench:
    def __init__(self) -> None:
        self.slots = Slots.create(1, 4)
        self.ended: list[Ended] = []
        self.asked: list[Ask] = []
        self.link = ExecutorLink(
            0,
            self.slots[0],
            "lane",
            4,
            ready=lambda _: None,
            ended=self._take,
            lost=lambda _: None,
            asked=lambda _, ask: self.asked.append(ask),
        )
        self.wire = Wire()
        self.link._transport = self.wire  # type: ignore[assignment]
        self.link.data_received(frame(Hello(4711, 19)))

    def _take(self, link: ExecutorLink, ended: Sequence[Ended]) -> None:
        self.ended += ended


@pytest.fixture
def bench() -> Iterator[Bench]:
    opened = Bench()
    yield opened
    opened.link.dispose()
    opened.slots.close()


def ticket(number: int, *, is_async: bool = True, record: bytes = b"r", limit: float = 5.0) -> Ticket:
    return Ticket(number, ClaimedJob(number, make_job("h"), 1), make_info("h"), is_async, record, limit)


def test_the_time_of_attempts_that_are_held_runs_when_they_begin(bench: Bench) -> None:
    first, second = ticket(1), ticket(2)
    bench.link.send([first, second])
    assert (first.executor, second.executor) == ("4711", "4711")
    assert first.deadline < math.inf
    bench.link.data_received(frame(Held([2, 99])))
    assert first.deadline < math.inf
    assert (second.deadline, second.sent_at) == (math.inf, 0.0)
    bench.link.data_received(frame(Begun(2)) + frame(Begun(99)))
    assert first.deadline <= second.deadline < math.inf


def test_one_record_is_sent_once_however_many_hooks_get_it(bench: Bench) -> None:
    shared, other = b"shared", b"other"
    bench.link.send([ticket(1, record=shared), ticket(2, record=shared), ticket(3, record=other)])
    (batch,) = bench.wire.batches
    assert batch.records == [shared, other]  # type: ignore[attr-defined]
    assert [call.record for call in batch.calls] == [0, 0, 1]  # type: ignore[attr-defined]


def test_there_is_room_within_threads_window_and_load(bench: Bench) -> None:
    plain, waits = ticket(1, is_async=False), ticket(2)
    assert bench.link.room_for(plain, 0, 3, 3)
    assert not bench.link.room_for(plain, 0, 4, 4)
    assert bench.link.room_for(waits, 0, 4, LANE_WINDOW - 1)
    assert not bench.link.room_for(waits, 0, 0, LANE_WINDOW)
    huge = ticket(3, record=bytes(10))
    assert not bench.link.room_for(huge, LARGEST_LOAD, 0, 1)
    assert bench.link.room_for(huge, LARGEST_LOAD, 0, 0)


def test_a_thread_that_was_given_up_leaves_less_room(bench: Bench) -> None:
    bench.link.send([ticket(number, is_async=False) for number in (1, 2)])
    assert bench.link.abandon(1) is not None
    assert bench.link.sync_count == 1
    assert bench.link.room_for(ticket(3, is_async=False), 0, 2, 0)
    assert not bench.link.room_for(ticket(3, is_async=False), 0, 3, 0)


def test_a_loop_that_does_not_turn_or_does_not_read_is_stalled(bench: Bench) -> None:
    link, slot = bench.link, bench.slots[0]
    assert not link.check_stall()
    link.send([ticket(1)])
    link._untaken[0] = (1, monotonic_ns() - 2 * STALL_NS, [1])
    assert link.check_stall()
    slot.take(1)
    slot.beat()
    assert not link.check_stall()
    slot.words[0] -= 2 * STALL_NS
    assert link.check_stall()
    link.remove(1)
    assert not link.check_stall()


def test_a_heartbeat_from_before_a_pause_is_no_stall(bench: Bench) -> None:
    link, slot = bench.link, bench.slots[0]
    link.send([ticket(1)])
    slot.take(1)
    slot.beat()
    link.remove(1)
    slot.words[0] -= 2 * STALL_NS
    link.send([ticket(2)])
    assert not link.check_stall()
    slot.take(2)
    assert link.check_stall()


def test_who_was_stalled_gets_work_again_once_it_has_read_what_was_recalled(bench: Bench) -> None:
    link, slot = bench.link, bench.slots[0]
    link.send([ticket(1)])
    link._untaken[0] = (1, monotonic_ns() - 2 * STALL_NS, [1])
    assert link.check_stall()
    assert [each.number for each in link.recall()] == [1]
    assert not link.room_for(ticket(2), 0, 0, 0)
    slot.take(1)
    assert link.room_for(ticket(2), 0, 0, 0)


def test_only_what_was_not_read_is_recalled(bench: Bench) -> None:
    read, unread = ticket(1), ticket(2)
    bench.link.send([read])
    bench.link.send([unread])
    bench.slots[0].take(1)
    assert bench.link.recall() == [unread]
    assert list(bench.link.tickets) == [1]
    assert not bench.slots[0].take(2)


def test_questions_are_passed_on_and_answered_as_long_as_it_is_there(bench: Bench) -> None:
    bench.link.data_received(frame(Ask(7, b"question")))
    assert bench.asked == [Ask(7, b"question")]
    bench.link.reply(Reply(7, b"answer"))
    bench.wire.closing = True
    bench.link.reply(Reply(8, b"too late"))
    assert bench.wire.batches == [Reply(7, b"answer")]


def test_results_are_passed_on_and_nonsense_ends_the_executor(bench: Bench) -> None:
    bench.link.pid = 0  # there is no process to be killed
    bench.link.data_received(frame(Results([Ended(1, "success", 1.0, 2.0)])))
    assert [each.number for each in bench.ended] == [1]
    bench.link.data_received(frame(["what is this?"]))
    assert bench.link.state == "closing"
    assert "no message" in bench.link.reason
