"""Webhook: a message as signed JSON, after the Standard Webhooks convention.

The convention (standardwebhooks.com, specification 1.0) sends `webhook-id`, `webhook-timestamp` (seconds) and
`webhook-signature`, which is `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`. A receiver that has one of
its libraries needs to be told the secret only.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from typing import TYPE_CHECKING, Final

from offpath.models.retry_after import seconds_to_wait
from offpath.posthooks.notification.failure import DeliveryError

if TYPE_CHECKING:
    import ssl

PREFIX: Final = "whsec_"
LEAST_KEY: Final = 16
"""Bytes of a secret that are not guessed; the convention asks for 24."""
TIMEOUT: Final = 10.0
"""Seconds for all of one request."""
_CONNECT: Final = 5.0


def signing_key(secret: str) -> bytes:
    """The key of a secret: what follows `whsec_`, in Base64; any other text as it is.

    Raises:
        ValueError: It is too short, or not Base64; the text does not show it.
    """
    secret = secret.strip()
    if secret.startswith(PREFIX):
        try:
            key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("what follows whsec_ is not Base64; copy the whole secret") from None
    else:
        key = secret.encode()
    if len(key) < LEAST_KEY:
        raise ValueError(f"it is too short to be safe; it needs at least {LEAST_KEY} bytes")
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


async def send_webhook(
    url: str, key: bytes, message_id: str, body: bytes, *, timeout: float = TIMEOUT, tls: ssl.SSLContext | None = None
) -> None:
    """Send a message once. Redirects are not followed: they could lead anywhere, with a signed message.

    Args:
        url: The operator's; see docs/how-to/notifications.md for why any address is right.
        message_id: The same for every attempt, so that a receiver can tell that it has the message.
        body: JSON.
        timeout: Seconds for all of it.
        tls: Instead of the system's certificates.

    Raises:
        DeliveryError: It was not accepted, or nobody knows; the text does not show the address.
    """
    import aiohttp

    now = int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "offpath",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(key, message_id, now, body),
        "Idempotency-Key": message_id,
    }
    limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(_CONNECT, timeout))
    # `trust_env`: a proxy that the operator's environment names.
    session = aiohttp.ClientSession(timeout=limits, trust_env=True, cookie_jar=aiohttp.DummyCookieJar())
    try:
        async with (
            session,
            session.post(url, data=body, headers=headers, allow_redirects=False, ssl=tls or True) as answer,
        ):
            status, wait = answer.status, answer.headers.get("Retry-After")
    except TimeoutError:
        raise DeliveryError(f"the receiver did not answer within {timeout:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Their texts show the address.
        raise DeliveryError(f"the receiver cannot be reached: {_what(error)}") from None
    if not 200 <= status < 300:
        redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
        raise DeliveryError(
            f"the receiver answered {status}{redirect}",
            status=status,
            retry_after=None if wait is None else seconds_to_wait(wait),
        )


def _what(error: BaseException) -> str:
    """The kind of a failed connection, and the system's own words for it."""
    reason = getattr(error, "os_error", error)
    text = getattr(reason, "strerror", None)
    return f"{type(error).__name__}: {text}" if isinstance(text, str) and "//" not in text else type(error).__name__
