"""The signed webhook, against a real receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from notification_receivers import HANG, Reply, http_receiver
from offpath.posthooks.notification.failure import DeliveryError
from offpath.posthooks.notification.webhook import send_webhook, signature, signing_key

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_signature_is_that_of_the_standard() -> None:
    # The example of the convention's own documentation.
    body = b'{"test": 2432232314}'
    made = signature(signing_key(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secret_without_prefix_is_the_key_itself() -> None:
    assert signing_key(" sixteen bytes at least ") == b"sixteen bytes at least"


async def test_receiver_can_check_a_message() -> None:
    with http_receiver(Reply(204, b"")) as receiver:
        await send_webhook(f"http://{receiver.address}/hook?x=1", signing_key(SECRET), "d1", b'{"type":"test"}')
    (got,) = receiver.received
    assert got.path == "/hook?x=1"
    assert (got.headers["webhook-id"], got.headers["idempotency-key"]) == ("d1", "d1")
    assert abs(int(got.headers["webhook-timestamp"]) - got.at) < 60
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = f"d1.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"
    assert got.headers["content-type"] == "application/json"
    assert json.loads(got.body) == {"type": "test"}


@pytest.mark.parametrize(
    ("reply", "status", "retry_after"),
    [
        (Reply(429, headers={"Retry-After": "17"}), 429, 17.0),
        (Reply(503, headers={"Retry-After": "later"}), 503, None),
        (Reply(500), 500, None),
        (Reply(401), 401, None),
        (Reply(200), None, None),
    ],
)
async def test_answers(reply: Reply, status: int | None, retry_after: float | None) -> None:
    with http_receiver(reply) as receiver:
        url = f"http://{receiver.address}/hook/hunter2"
        if status is None:
            await send_webhook(url, b"k" * 16, "d1", b"{}")
            return
        with pytest.raises(DeliveryError) as caught:
            await send_webhook(url, b"k" * 16, "d1", b"{}")
    assert (caught.value.status_code, caught.value.retry_after) == (status, retry_after)
    assert str(status) in str(caught.value)
    assert "hunter2" not in str(caught.value)


async def test_redirects_are_not_followed() -> None:
    with http_receiver() as other, http_receiver(Reply(307, headers={"Location": f"http://{other.address}/"})) as first:
        with pytest.raises(DeliveryError, match="307, a redirect, which is not followed"):
            await send_webhook(f"http://{first.address}/", b"k" * 16, "d1", b"{}")
        assert other.received == []


async def test_silence() -> None:
    with http_receiver(Reply(HANG)) as receiver, pytest.raises(DeliveryError, match=r"not answer within 0\.2 s"):
        await send_webhook(f"http://{receiver.address}/", b"k" * 16, "d1", b"{}", timeout=0.2)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/hunter2", "http://hunter2.invalid/hunter2", "https://127.0.0.1:9/"]
)
async def test_unreachable(url: str) -> None:
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        await send_webhook(url, b"k" * 16, "d1", b"{}")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_certificates_are_checked() -> None:
    # The receiver speaks no TLS at all.
    with http_receiver() as receiver, pytest.raises(DeliveryError, match="cannot be reached"):
        await send_webhook(f"https://{receiver.address}/", b"k" * 16, "d1", b"{}")
