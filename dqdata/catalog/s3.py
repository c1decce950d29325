"""Data files of a store in a bucket of S3, or of a server that speaks its protocol.

Credentials come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, and
AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL for another server than Amazon's. DuckDB reads and writes through its httpfs
extension, limited to the prefix of the store; files of a version are uploaded by obstore, byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from dqdata.catalog.backend import Data, DataFile, Published
from dqdata.errors import StoreError
from dqdata.files import computed_hash
from dqdata.sql import literal

if TYPE_CHECKING:
    import duckdb
    from obstore.store import S3Config, S3Store

ATTEMPTS = 10
"""Times that a request is sent where the server fails, with growing pauses."""
_PIECE = 8 << 20


class S3File(DataFile):
    """path: the key, below the prefix of the store."""

    def __init__(self, data: S3Data, path: str) -> None:
        self._data, self._path, self.name = data, path, path.rpartition("/")[2]

    @property
    def url(self) -> str:
        return f"s3://{self._data.prefix}/{self._path}"

    def exists(self) -> bool:
        try:
            self.size()
        except FileNotFoundError:
            return False
        return True

    def size(self) -> int:
        with _errors() as obstore:
            return int(obstore.head(self._data.objects, self._path)["size"])

    def digest(self) -> str:
        made = hashlib.blake2b(digest_size=16)
        with _errors() as obstore:
            for piece in obstore.get(self._data.objects, self._path).stream(min_chunk_size=_PIECE):
                made.update(piece)
        return made.hexdigest()

    def rows(self) -> int:
        import pyarrow as pa
        import pyarrow.parquet as pq

        return int(pq.read_metadata(pa.BufferReader(self.read())).num_rows)

    def fetched(self, folder: Path) -> Path:
        path = folder / self.name
        with path.open("wb") as target, _errors() as obstore:
            for piece in obstore.get(self._data.objects, self._path).stream(min_chunk_size=_PIECE):
                target.write(piece)
        return path

    def read(self) -> bytes:
        with _errors() as obstore:
            return bytes(obstore.get(self._data.objects, self._path).bytes())

    def write(self, content: bytes) -> None:
        with self._data.in_a_bucket(), _errors() as obstore:
            obstore.put(self._data.objects, self._path, content)

    def remove(self) -> None:
        with suppress(FileNotFoundError), _errors() as obstore:
            obstore.delete(self._data.objects, self._path)

    def upload(self, file: Path) -> Published:
        """Byte for byte, large files in parts; there whole or not at all."""
        with file.open("rb") as source, self._data.in_a_bucket(), _errors() as obstore:
            obstore.put(self._data.objects, self._path, source)
        return Published(self, file.stat().st_size, computed_hash(file, "blake2b"))


class S3Data(Data):
    extensions = ("httpfs",)

    def __init__(self, url: str) -> None:
        self.prefix = url.removeprefix("s3://").rstrip("/")
        self.url = f"s3://{self.prefix}/data/"
        self._key, self._secret = _variable("AWS_ACCESS_KEY_ID", url), _variable("AWS_SECRET_ACCESS_KEY", url)
        self._token = os.environ.get("AWS_SESSION_TOKEN", "")
        self._region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        self._endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""

    def create(self) -> None:
        """Nothing: a prefix is there with the first object. The bucket is not made here."""

    def prepare(self, con: duckdb.DuckDBPyConnection) -> None:
        con.execute(f"set http_retries = {ATTEMPTS}")
        options = {"key_id": self._key, "secret": self._secret, "region": self._region, "scope": f"s3://{self.prefix}"}
        if self._token:
            options["session_token"] = self._token
        if self._endpoint:
            options |= {"endpoint": urlsplit(self._endpoint).netloc, "url_style": "path"}
        given = ", ".join(f"{name} {literal(value)}" for name, value in options.items())
        con.execute(f"create secret (type s3, {given}, use_ssl {not self._endpoint.startswith('http://')})")

    def file(self, table: str, name: str) -> S3File:
        return S3File(self, f"data/main/{table}/{name}")

    def files(self) -> list[DataFile]:
        with _errors() as obstore:
            paths = [str(one["path"]) for page in obstore.list(self.objects, "data") for one in page]
        return [S3File(self, path) for path in paths if path.endswith(".parquet")]

    def tables(self) -> list[str]:
        with _errors() as obstore:
            found = obstore.list_with_delimiter(self.objects, "data/main/")["common_prefixes"]
        return [prefix.rstrip("/").rpartition("/")[2] for prefix in found]

    def publish(self, files: Sequence[Path], table: str, version: int, work: Path) -> list[Published]:
        placed = [self.file(table, f"v{version}-{uuid.uuid4().hex}.parquet") for _ in files]
        try:
            return [target.upload(file) for file, target in zip(files, placed, strict=True)]
        except BaseException:
            for target in placed:
                target.remove()
            raise

    def place(self, table: str, file: Path) -> None:
        self.file(table, file.name).upload(file)

    @contextmanager
    def written(self, table: str) -> Iterator[None]:
        """An object is durable when the server has said that it is there."""
        yield

    def read_note(self, name: str) -> str | None:
        try:
            return str(S3File(self, name).read(), "utf-8")
        except FileNotFoundError:
            return None

    def write_note(self, name: str, text: str) -> None:
        S3File(self, name).write(text.encode())

    def remove_note(self, name: str) -> None:
        S3File(self, name).remove()

    @contextmanager
    def in_a_bucket(self) -> Iterator[None]:
        """What a server says that misses the place to put an object in, as OSError."""
        try:
            yield
        except FileNotFoundError as error:
            bucket, at = self.prefix.partition("/")[0], self._endpoint or f"Amazon S3, {self._region}"
            raise OSError(f"there is no bucket {bucket} at {at}: make it, or change [store] data") from error

    @cached_property
    def objects(self) -> S3Store:
        from obstore.store import S3Store

        bucket, _, below = self.prefix.partition("/")
        config: S3Config = {
            "access_key_id": self._key,
            "secret_access_key": self._secret,
            "region": self._region,
            "virtual_hosted_style_request": not self._endpoint,
            "disable_bulk_delete": True,  # not every server that speaks the protocol has it
        }
        if self._endpoint:
            config["endpoint"] = self._endpoint
        if self._token:
            config["session_token"] = self._token
        return S3Store(
            bucket,
            prefix=below or None,
            config=config,
            client_options={"allow_http": True, "connect_timeout": "10s", "timeout": "300s"},
            retry_config={"max_retries": ATTEMPTS},
        )


@contextmanager
def _errors() -> Iterator[Any]:
    """The library; its errors as OSError without a page of debug text. One for a missing object is FileNotFoundError
    already."""
    try:
        import obstore
        from obstore.exceptions import BaseError
    except ImportError:
        raise StoreError("a store in S3 needs obstore: pip install 'dqdata[cloud]'", code="missing-extra") from None
    try:
        yield obstore
    except FileNotFoundError:
        raise
    except BaseError as error:
        raise OSError(str(error).partition("\n\nDebug source")[0].replace("\n", " ")) from error


def _variable(name: str, url: str) -> str:
    try:
        return os.environ[name]
    except KeyError:
        raise StoreError(f"the store's data are at {url}: set {name} in the environment") from None
