"""`Idempotency-Key`: a request that is sent twice runs once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from offpath.api.body import FieldError
from offpath.api.link import route_path
from offpath.api.principal import Principal
from offpath.api.run_form import RunForm, fingerprint
from offpath.errors import ConflictError, InvalidInputError
from offpath.storage.store import Store

HEADER: Final = "idempotency-key"
REPLAYED: Final = {"idempotent-replayed": "true"}
_LONGEST: Final = 200


class InProgressError(ConflictError):
    """The first request with this key is still under way."""

    reason = "idempotency_in_progress"
    retry_after = 1.0


class KeyReusedError(InvalidInputError):
    """The key was used with another request."""

    reason = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class Claim:
    """A key that this request holds."""

    store: Store
    key: str
    scope: str
    run_id: str
    replayed: bool
    """True if the run of that id answered an earlier request like this one."""

    async def release(self) -> None:
        """Forget it: no run was stored, so that the same request may be sent again."""
        await self.store.release_idempotency_key(self.key, self.scope, self.run_id)


async def claim(request: Request, form: RunForm, principal: Principal, store: Store, owner: str) -> Claim | None:
    """Claim the key that the request brought, if it brought one.

    Raises:
        FieldError: It is no key.
        InProgressError, KeyReusedError: See there.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not key or len(key) > _LONGEST or not key.isascii() or not key.isprintable():
        raise FieldError(
            f"Idempotency-Key must be 1 to {_LONGEST} printable ASCII characters, such as a UUID",
            ("header", "Idempotency-Key"),
        )
    scope = f"{principal.name}\n{principal.user or ''}\n{route_path(request.scope)}"
    run_id = form.request.run_id
    found = await store.claim_idempotency_key(key, scope, fingerprint(form), run_id, owner)
    if found.state == "mismatch":
        raise KeyReusedError("this Idempotency-Key was used with another request; use a new key for each request")
    if found.state == "in_progress":
        raise InProgressError("the first request with this Idempotency-Key is still running; try again in a second")
    return Claim(store, key, scope, found.run_id, replayed=found.state == "replay")
