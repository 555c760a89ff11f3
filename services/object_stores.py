"""Opens object stores (S3, Google, Azure) by their address, with time-outs and retries; says what is wrong in words.

Only obstore's blocking calls are used, in threads: its own threads, which answer its coroutines, abort the interpreter
now and then when the program ends meanwhile (measured with obstore 0.12.1: 2 of 5 runs ended with SIGABRT).
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
CONNECT_SECONDS = 5.0
# multipart: 10,000 parts of this size are 78 GB, and four of them are in memory at once
PART_BYTES = 8 * 1024 * 1024
PARTS_AT_ONCE = 4

_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_UNREACHABLE = ("error sending request", "timed out", "Connect", "dns error", "connection closed")


class StoreError(Exception):
    """A store did not do what it was asked for. The text is for its owner, without secrets.

    `passing`: the same may work a little later.
    """

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """How object stores are reached. What is empty comes from the environment's usual variables.

    `timeout_seconds` is how long a store may be silent: until it answers, for a part of a file until it has it, and
    while it sends. `retry_seconds` holds for a request with all its repetitions.
    """

    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    region: str = ""
    endpoint_url: str = ""
    timeout_seconds: float = 60.0
    retries: int = 4
    retry_seconds: float = 120.0


def is_object_store(address: str) -> bool:
    """Whether this is the address of an object store, such as s3://bucket/prefix, and not a folder."""
    return address.partition("://")[0] in SCHEMES and "://" in address


def open_store(address: str, access: StoreAccess) -> "ObjectStore":
    """The store at `scheme://bucket/prefix`; paths are below the prefix. Asks nobody yet. Raises StoreError."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - only who has an object store loads it
    from obstore.store import from_url  # noqa: PLC0415 - the same

    parts = urlsplit(address)
    if not is_object_store(address) or not parts.netloc:
        raise StoreError(f"{address} is no address of an object store, such as s3://bucket/prefix.")
    # a user's name before the @ is Azure's container; a password is nobody's
    if parts.password is not None or parts.query or parts.fragment:
        raise StoreError("The address of an object store holds no password, query or fragment.")
    # which keys fit depends on the scheme
    config: Any = _s3_config(access) if parts.scheme.startswith("s3") else {}
    client: ClientConfig = {
        "allow_http": True,  # only an endpoint that says http:// itself is asked without TLS
        "connect_timeout": timedelta(seconds=min(CONNECT_SECONDS, access.timeout_seconds)),
        "read_timeout": timedelta(seconds=access.timeout_seconds),
        # of a whole answer: a large file over a slow line
        "timeout": timedelta(days=1),
    }
    retry: RetryConfig = {
        "max_retries": access.retries,
        "retry_timeout": timedelta(seconds=access.retry_seconds),
    }
    try:
        store: ObjectStore = from_url(address.rstrip("/"), config=config, client_options=client, retry_config=retry)
    except (BaseError, ValueError, OSError) as error:
        raise told(error, address) from error
    return store


def _s3_config(access: StoreAccess) -> dict[str, str]:
    given = {
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "session_token": access.session_token,
        "region": access.region,
        "endpoint": access.endpoint_url,
    }
    return {name: value for name, value in given.items() if value}


@contextmanager
def errors_told(address: str) -> Iterator[None]:
    """Turn what obstore and the disk raise into StoreError. FileNotFoundError of an object passes."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - only who has an object store loads it

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise told(error, address) from error


def told(error: Exception, address: str) -> StoreError:
    """The error in a sentence. Of what the store wrote only its code is shown: the rest may hold keys."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StoreError("There is no space left on this machine's disk.")
    text = str(error)
    code, status = _CODE.search(text), _STATUS.search(text)
    said = " ".join(each[1] for each in (status, code) if each)
    if status and status[1] in {"401", "403"}:
        return StoreError(f"{address} refuses our credentials ({said}). Check the keys, and what they may do there.")
    if status and status[1] == "404":
        return StoreError(f"{address} does not exist ({said}). Make the bucket first.")
    if status:
        return StoreError(f"{address} answered {said}.", passing=status[1][0] == "5" or status[1] == "429")
    if any(sign in text for sign in _UNREACHABLE):
        return StoreError(f"{address} cannot be reached.", passing=True)
    return StoreError(f"{address} cannot be used ({type(error).__name__}).")
