"""Media in a bucket of any S3 server: failures are OSError, as a disk's are; reads fetch only what is read."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from storages.backends.s3 import S3Storage

from studio.media.seeking import Seeking

BUFFER_BYTES = 1 << 20
_GONE = {"404", "NoSuchKey", "NotFound"}


class BucketStorage(S3Storage):  # type: ignore[misc]  # untyped package
    """django-storages' S3, with one connection for all threads of a process.

    A connection takes half a second and 13 MB to make, so one a thread would cost a web server
    hundreds; boto3's clients may be shared between threads, but not across a fork.
    """

    def __init__(self, **options: Any) -> None:
        options.setdefault("client_config", _client_config())
        super().__init__(**options)
        self._lock = threading.Lock()
        self._made: tuple[int, Any] = (0, None)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return state | {"_lock": None, "_made": (0, None)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._lock = threading.Lock()

    @property
    def connection(self) -> Any:
        with self._lock:
            if self._made[0] != os.getpid():
                made = self._create_session().resource(
                    "s3",
                    region_name=self.region_name,
                    endpoint_url=self.endpoint_url,
                    config=self.client_config,
                )
                self._made = (os.getpid(), made)
            return self._made[1]

    @property
    def bucket(self) -> Any:
        return self.connection.Bucket(self.bucket_name)

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        with as_disk_errors(name):
            if mode != "rb":
                return cast("File[bytes]", super()._open(name, mode))
            return BucketFile(self, name)

    def _save(self, name: str, content: Any) -> str:
        with as_disk_errors(name):
            return cast(str, super()._save(name, content))

    def delete(self, name: str) -> None:
        with as_disk_errors(name):
            super().delete(name)

    def exists(self, name: str) -> bool:
        with as_disk_errors(name):
            return cast(bool, super().exists(name))

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        with as_disk_errors(name):
            return cast("tuple[list[str], list[str]]", super().listdir(name))

    def size(self, name: str) -> int:
        with as_disk_errors(name):
            return cast(int, super().size(name))

    def stream(self, name: str) -> BinaryIO:
        """Return one object, open, seekable and read as it is needed. Raises OSError."""
        with as_disk_errors(name):
            found = self.connection.Object(self.bucket_name, self._normalize_name(name))
            size, version = found.content_length, found.e_tag
        return io.BufferedReader(_Reading(found, name, size, version), BUFFER_BYTES)


class BucketFile(File):  # type: ignore[type-arg]  # generic for mypy alone
    """A stored object as Django's File; it can be opened again after it was closed."""

    def __init__(self, storage: BucketStorage, name: str) -> None:
        super().__init__(storage.stream(name), name)
        self._storage = storage

    def open(self, mode: str | None = None, *args: Any, **kwargs: Any) -> BucketFile:
        if self.closed:
            self.file = self._storage.stream(self.name or "")
        else:
            self.seek(0)
        return self


class _Reading(Seeking):
    """The bytes of one object: one request for each place from which it is read on."""

    def __init__(self, found: Any, name: str, size: int, version: str) -> None:
        super().__init__(size)
        self._object = found
        self._name = name
        self._version = version  # written anew meanwhile, it is refused, not mixed
        self._body: Any = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = self._at
        if super().seek(offset, whence) != before:
            self._let_go()
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        with as_disk_errors(self._name):
            if self._body is None:
                answer = self._object.get(Range=f"bytes={self._at}-", IfMatch=self._version)
                self._body = answer["Body"]
            data = self._body.read(wanted)
        if not data:
            raise OSError(f"The bucket ended “{self._name}” before its end.")
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _let_go(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None

    def close(self) -> None:
        self._let_go()
        super().close()


@contextmanager
def as_disk_errors(name: str) -> Iterator[None]:
    """Raise what a disk would raise: FileNotFoundError for what is not there, else OSError."""
    try:
        yield
    except ClientError as error:
        if str(error.response.get("Error", {}).get("Code", "")) in _GONE:
            raise FileNotFoundError(f"“{name}” is not in the bucket.") from error
        raise OSError(f"The bucket refused “{name}”: {_sentence(error)}.") from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(f"The bucket cannot be used for “{name}”: {_sentence(error)}.") from error


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _client_config() -> Config:
    return Config(
        signature_version="s3v4",  # the only one that every server of today takes
        s3={"addressing_style": "path"},
        # Checksums beside those of S3 itself are refused by other makers' servers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=32,
    )
