from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from offpath.worker.messages import (
    Ask,
    Batch,
    Call,
    Close,
    Ended,
    Frames,
    Hello,
    Reply,
    Results,
    decode_from_executor,
    decode_to_executor,
    frame,
)

bodies = st.lists(st.binary(max_size=40), max_size=8)


@given(records=bodies, cuts=st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_frames_come_out_whole_however_the_stream_is_cut(records: list[bytes], cuts: list[int]) -> None:
    sent = [Batch(number, [record], []) for number, record in enumerate(records)]
    stream = b"".join(map(frame, sent))
    frames, received, at = Frames(), [], 0
    while at < len(stream):
        size = cuts[at % len(cuts)]
        received += frames.feed(stream[at : at + size])
        at += size
    assert [decode_to_executor(body) for body in received] == sent


def test_messages_come_back_as_they_were() -> None:
    call = Call(7, "agent:a:post:h", "r:post:h", 2, 1.5, 0)
    for message in (Batch(1, [b"record"], [call]), Close(), Reply(3, b"body"), Reply(4, b"", "no")):
        (body,) = Frames().feed(frame(message))
        assert decode_to_executor(body) == message
    ended = Ended(7, "error", 1.0, 2.0, error="no", retry_after=3.0, final=True)
    for reply in (Hello(42, 19), Ask(3, b"body"), Results([ended, Ended(8, "success", 1.0, 2.0, result=b"{}")])):
        (body,) = Frames().feed(frame(reply))
        assert decode_from_executor(body) == reply
