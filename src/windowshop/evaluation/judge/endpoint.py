"""Conversation with a language model behind an OpenAI-compatible endpoint that a user names.

Nothing is sent anywhere unless an address is given. The key comes from the environment and is
written nowhere. Answers have a limit of size and of time; busy endpoints are asked again.
"""

import ipaddress
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import orjson

from windowshop.errors import ConfigError, DataError, first_line, needs_extra, plain_address
from windowshop.settings import environment_key

KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable of the key; endpoints of one's own may need none."""
TIMEOUT_S, TRIES, FIRST_WAIT_S, MAX_WAIT_S = 60.0, 4, 1.0, 60.0
MAX_ANSWER = 1 << 20
"""Bytes of an answer, beyond which it is not read."""
BUSY = (408, 429, 500, 502, 503, 504)
"""Statuses after which the same is asked again."""


def check_endpoint(url: str, model: str, option: str = "--model") -> None:
    """Check an address and a model's name; raises ConfigError.

    A key and a shop's texts travel by HTTPS, or stay on this machine.
    """
    shown = plain_address(url)
    try:
        parts = urlsplit(url)
        _ = parts.port  # which raises where it is no number
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--endpoint: {shown!r} is no address. Write https://….")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"--endpoint: {shown!r} was given with a user, a password, a ? or a #. Write the "
            f"address alone; the key stands in {KEY_VARIABLE}."
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ConfigError(
            f"--endpoint: {shown!r} is neither HTTPS nor on this machine, and would send texts and "
            "key for all to read. Write https://…."
        )
    if not model:
        raise ConfigError(f"--endpoint needs the name of a model: {option} NAME.")


class Chat:
    """Open connection to an endpoint's model, used in a `with` block."""

    def __init__(self, url: str, model: str, pause: Callable[[float], object] = time.sleep) -> None:
        """Open a client; `pause` waits so many seconds before the next try."""
        check_endpoint(url, model)
        with needs_extra("import"):
            import httpx2
        key = environment_key(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx2
        self._client = httpx2.Client(headers=headers, timeout=TIMEOUT_S)
        self._address, self._model, self._pause = url.rstrip("/"), model, pause
        try:
            httpx2.URL(self._address)
        except httpx2.InvalidURL as error:
            raise ConfigError(
                f"--endpoint: {url!r} is no address ({first_line(error)}). Write https://…."
            ) from None

    def __enter__(self) -> "Chat":
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self._client.close()

    def ask(self, *messages: str, **options: Any) -> str:  # noqa: ANN401
        """Return the answer's text; of two messages the first is the system's.

        Raises DataError where the endpoint refuses, stays busy, or answers with anything but a
        chat completion.
        """
        roles = ("system", "user")[-len(messages) :]
        said = [{"role": role, "content": m} for role, m in zip(roles, messages, strict=True)]
        body = {"model": self._model, "messages": said, **options}
        problem = ""
        for attempt in range(TRIES):
            wait = FIRST_WAIT_S * 2**attempt
            try:
                status, after, content = self._post(body)
            except (self._http.RequestError, UnicodeError) as error:  # a host like a..example
                problem = first_line(error) or type(error).__name__
            else:
                if status < 300:
                    return self._text(content)
                problem = f"status {status}"
                if status not in BUSY:
                    break
                wait = after if after is not None else wait
            if attempt + 1 < TRIES:
                self._pause(min(wait, MAX_WAIT_S))
        raise DataError(
            f"{self._address}: no usable answer ({problem}). Check the address, the model's name "
            f"and the key in {KEY_VARIABLE}."
        )

    def _post(self, body: dict[str, Any]) -> tuple[int, float | None, bytes]:
        """Return status, seconds to wait where the endpoint names them, and content."""
        content, started = b"", time.monotonic()
        with self._client.stream(
            "POST", f"{self._address}/chat/completions", json=body
        ) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > MAX_ANSWER:
                    raise DataError(f"{self._address}: an answer of over {MAX_ANSWER:,} bytes.")
                if time.monotonic() - started > TIMEOUT_S:
                    raise self._http.ReadTimeout("the answer took too long")
            named = response.headers.get("Retry-After", "")
            return response.status_code, float(named) if named.isdigit() else None, content

    def _text(self, content: bytes) -> str:
        try:
            text = orjson.loads(content)["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError, orjson.JSONDecodeError):
            text = None
        if not isinstance(text, str):
            raise DataError(f"{self._address}: the answer is not that of a chat completion.")
        return text


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
