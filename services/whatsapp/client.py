"""Speaks to Meta's Cloud API: sends a message, marks one as read (WHATSAPP.md 4)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

import aiohttp

from services.whatsapp.error_codes import RetryClass, classify
from services.whatsapp.errors import NotSentError, RefusedError, UnsureError
from services.whatsapp.graph_answers import answered, error_of


class WhatsAppClient:
    """One Meta app's line out. The token goes into a header and nowhere else: no error and no log shows it."""

    def __init__(self, session: aiohttp.ClientSession, *, api_url: str, api_version: str, access_token: str) -> None:
        self._session = session
        self._root = f"{api_url.rstrip('/')}/{api_version}"
        self._token = access_token
        self._headers = {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"}

    async def send(
        self,
        number_id: str,
        message: Mapping[str, Any],
        *,
        phone: str | None,
        bsuid: str | None,
        attempt_id: str,
        timeout_seconds: float,
    ) -> str:
        """Send `message` (`type` and the object of that name) to a person; the wamid that Meta gave it.

        The phone is used where it is known (it renews Meta's 30-day rule, WHATSAPP.md 3.4). `attempt_id` comes back
        in statuses. Raises RefusedError, NotSentError or UnsureError; ValueError when the person has no address.
        """
        body = {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            **_address(phone, bsuid),
            **message,
            "biz_opaque_callback_data": attempt_id,
        }
        return _wamid(await self._post(number_id, body, timeout_seconds))

    async def mark_read(self, number_id: str, wamid: str, *, typing: bool, timeout_seconds: float) -> None:
        """Show the message, and all before it, as read; `typing` also shows that we write, for up to 25 seconds.

        Raises what `send` raises; nobody is hurt by leaving it at that.
        """
        body: dict[str, Any] = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        await self._post(number_id, body, timeout_seconds)

    async def _post(self, number_id: str, body: Mapping[str, Any], timeout_seconds: float) -> dict[str, Any] | None:
        """Meta's answer to a request that it took."""
        # Half of the time for the connection: when that runs out, certainly nothing has been sent.
        timeout = aiohttp.ClientTimeout(total=timeout_seconds, connect=timeout_seconds / 2)
        try:
            async with self._session.post(
                f"{self._root}/{number_id}/messages",
                data=json.dumps(body).encode(),
                headers=self._headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                answer = answered(await response.read())
                if response.status != HTTPStatus.OK:
                    self._raise_refusal(response.status, answer)
                return answer
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.ServerFingerprintMismatch) as exc:
            raise NotSentError(f"no connection to Meta: {type(exc).__name__}") from exc
        except TimeoutError as exc:
            raise UnsureError(f"Meta did not answer within {timeout_seconds:g} s") from exc
        except aiohttp.ClientError as exc:
            raise UnsureError(f"the connection to Meta broke: {type(exc).__name__}") from exc

    def _raise_refusal(self, http_status: int, answer: dict[str, Any] | None) -> NoReturn:
        error = error_of(answer)
        details = error.without(self._token) or f"HTTP {http_status}"
        retry_class = classify(error.code, http_status)
        if retry_class is RetryClass.UNSURE:
            raise UnsureError(details, error.code, http_status)
        raise RefusedError(details, error.code, http_status, retry_class)


def _address(phone: str | None, bsuid: str | None) -> dict[str, str]:
    """`to` takes phones only: a BSUID there is answered 200 and never delivered (WHATSAPP.md 3.4)."""
    if phone:
        return {"to": f"+{phone.removeprefix('+')}"}
    if bsuid:
        return {"recipient": bsuid}
    raise ValueError("a message needs a phone or a BSUID to go to")


def _wamid(answer: dict[str, Any] | None) -> str:
    try:
        wamid = (answer or {})["messages"][0]["id"]
    except (KeyError, IndexError, TypeError):
        wamid = None
    if not isinstance(wamid, str) or not wamid:
        raise UnsureError("Meta answered 200 without a message id", http_status=HTTPStatus.OK)
    return wamid
