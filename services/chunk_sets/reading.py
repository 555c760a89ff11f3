"""Reads the files of a chunk set row by row: Parquet, JSON lines, and those compressed. Blocking, for threads."""

import base64
import binascii
import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from services.chunk_sets.errors import BrokenFileError

BATCH_ROWS = 256
LONGEST_LINE = 1024 * 1024
# what a file may grow to when it is decompressed, by its own size
MOST_GROWTH = 100
LEAST_ALLOWED = 64 * 1024 * 1024
MOST_BLANK = 1_000
MOST_GROUP_BYTES = 1024 * 1024 * 1024
# bytes of one text, or of an embedding as bytes: what is allowed of each is said by the row that has more
LONGEST_CELL = 64 * 1024
LONGER = f"something of more than {LONGEST_CELL // 1024} KB, which no text is"
# how many values a row has in the columns that hold lists
MOST_VALUES = {"tags": 100, "embedding": 16_384}
COLUMNS = (
    "id",
    "document_id",
    "filename",
    "tags",
    "ordinal",
    "document_chunks",
    "heading",
    "page",
    "text",
    "embedder",
    "embedding",
)


def raw_rows(path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    """Rows as they stand there; `embedding` is a vector already, or None. Raises BrokenFileError, OSError."""
    return _parquet(path) if name.endswith(".parquet") else _lines(path, packed=name.endswith(".gz"))


def _lines(path: Path, *, packed: bool) -> Iterator[Mapping[str, Any]]:
    allowed = max(path.stat().st_size * MOST_GROWTH, LEAST_ALLOWED)
    with gzip.open(path) if packed else path.open("rb") as file:
        number = blank = 0
        while line := _line(file, number + 1):
            number += 1
            allowed -= len(line)
            if allowed < 0:
                raise BrokenFileError("it is far larger than it says once it is decompressed")
            if line.strip():
                yield _row(line, number)
            elif (blank := blank + 1) > MOST_BLANK:
                raise BrokenFileError(f"it has more than {MOST_BLANK:,} empty lines")


def _line(file: Any, number: int) -> bytes:
    try:
        line: bytes = file.readline(LONGEST_LINE + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BrokenFileError("it is no gzip file, or a part of it is missing") from error
    if len(line) > LONGEST_LINE:
        raise BrokenFileError(f"line {number} is longer than {LONGEST_LINE:,} bytes")
    return line


def _row(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BrokenFileError(f"line {number} is no JSON ({error.msg})") from error
    if not isinstance(row, dict):
        raise BrokenFileError(f"line {number} is no JSON object")
    return {**row, "embedding": _json_vector(row.get("embedding"), number)}


def _json_vector(given: object, number: int) -> Any:
    if given is None:
        return None
    try:
        if isinstance(given, str):
            return np.frombuffer(base64.b64decode(given, validate=True), "<f4")
        if isinstance(given, list):
            if not all(type(each) in {int, float} for each in given):
                raise BrokenFileError(f"row {number}: its embedding holds something that is no number")
            with np.errstate(over="ignore"):  # what is too large is infinite, and refused as that
                return np.array(given, np.float32)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BrokenFileError(f"row {number}: its embedding is no float32 in base64") from error
    raise BrokenFileError(f"row {number}: its embedding is neither a list of numbers nor base64")


def _parquet(path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa  # noqa: PLC0415 - only who imports Parquet loads it
    import pyarrow.parquet as pq  # noqa: PLC0415 - the same

    try:
        with pq.ParquetFile(path) as file:
            names = _columns(file)
            texts, groups = _checked_sizes(file.metadata, names), file.num_row_groups
        # Texts as dictionaries: one that stands in many rows is looked at before it is made so many times.
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            number = 0
            # Group by group: each has dictionaries of its own, which lists of texts cannot be joined over.
            for group in range(groups):
                # one thread: the event loop needs the other core
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=names, use_threads=False):
                    yield from _batch_rows(batch, number)
                    number += batch.num_rows
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BrokenFileError("it is no Parquet file that can be read, or it is damaged") from error


def _checked_sizes(metadata: Any, names: list[str]) -> list[str]:
    """Which columns hold texts or bytes, also in lists. Raises BrokenFileError for what is too large."""
    texts: set[str] = set()
    for group in (metadata.row_group(number) for number in range(metadata.num_row_groups)):
        if group.total_byte_size > MOST_GROUP_BYTES:
            raise BrokenFileError("one of its row groups is larger than 1 GB")
        for column in (group.column(at) for at in range(group.num_columns)):
            name = column.path_in_schema.split(".")[0]
            if name not in names:
                continue
            _check_size(column, name, group.num_rows)
            if column.physical_type == "BYTE_ARRAY":
                texts.add(column.path_in_schema)
    return sorted(texts)


def _check_size(column: Any, name: str, rows: int) -> None:
    values = column.num_values
    if values > MOST_VALUES.get(name, 1) * rows or 4 * values > MOST_GROUP_BYTES:
        raise BrokenFileError(f"its column {name} holds more than its rows may have")
    if column.total_uncompressed_size > LONGEST_CELL * (values + 16):
        raise BrokenFileError(f"its column {name} holds {LONGER}")


def _columns(file: Any) -> list[str]:
    """Those that we know, if they are of kinds that we know."""
    import pyarrow.types as kinds  # noqa: PLC0415 - only who imports Parquet loads it

    schema = file.schema_arrow
    names = [name for name in COLUMNS if name in schema.names]
    twice = next((name for name in names if schema.names.count(name) > 1), None)
    if twice is not None:
        raise BrokenFileError(f"it has two columns {twice}")
    texts: tuple[Any, ...] = (kinds.is_string, kinds.is_large_string, kinds.is_dictionary)
    expected = dict.fromkeys(COLUMNS, texts)
    expected |= dict.fromkeys(("ordinal", "document_chunks", "page"), (kinds.is_integer,))
    expected |= {
        "tags": (kinds.is_list, kinds.is_large_list),
        "embedding": (kinds.is_fixed_size_list, kinds.is_list, kinds.is_large_list, kinds.is_binary),
    }
    for name in names:
        kind = schema.field(name).type
        if not kinds.is_null(kind) and not any(fits(kind) for fits in expected[name]):
            raise BrokenFileError(f"its column {name} is of the type {kind}")
    return names


def _batch_rows(batch: Any, before: int) -> Iterator[Mapping[str, Any]]:
    plain = {name: batch.column(name) for name in batch.schema.names if name != "embedding"}
    columns = {name: _decoded(column, name).to_pylist() for name, column in plain.items()}
    vectors = (
        _vectors(_decoded(batch.column("embedding"), "embedding"), before)
        if "embedding" in batch.schema.names
        else None
    )
    for at in range(batch.num_rows):
        row = {name: values[at] for name, values in columns.items()}
        row["embedding"] = vectors[at] if vectors else None
        yield row


def _decoded(column: Any, name: str) -> Any:
    """Without dictionaries. Raises BrokenFileError before a text is repeated that is far too long."""
    import pyarrow.types as kinds  # noqa: PLC0415 - only who imports Parquet loads it

    if kinds.is_list(column.type) or kinds.is_large_list(column.type):
        _check_lists(column, name)
        return column
    if not kinds.is_dictionary(column.type):
        return column
    if _longest(column) > LONGEST_CELL:
        raise BrokenFileError(f"its column {name} holds {LONGER}")
    return column.dictionary_decode()


def _check_lists(column: Any, name: str) -> None:
    """Raises BrokenFileError before the values of lists are made that are too many, or far too long together."""
    import pyarrow.compute as pc  # noqa: PLC0415 - only who imports Parquet loads it
    import pyarrow.types as kinds  # noqa: PLC0415 - the same

    if (pc.max(pc.list_value_length(column)).as_py() or 0) > MOST_VALUES[name]:
        raise BrokenFileError(f"its column {name} holds more than its rows may have")
    values = column.flatten()
    if kinds.is_dictionary(values.type) and _longest(values) * len(values) > LEAST_ALLOWED:
        raise BrokenFileError(f"its column {name} holds {LONGER}")


def _longest(column: Any) -> int:
    """Bytes of the longest text in a dictionary."""
    import pyarrow.compute as pc  # noqa: PLC0415 - only who imports Parquet loads it

    longest: int | None = pc.max(pc.binary_length(column.dictionary)).as_py()
    return longest or 0


def _vectors(column: Any, before: int) -> list[Any]:
    """One numpy vector, or None, for each row: without a Python object for each number."""
    import pyarrow.types as kinds  # noqa: PLC0415 - only who imports Parquet loads it

    if kinds.is_null(column.type):
        return [None] * len(column)
    if kinds.is_binary(column.type):
        return [_bytes_vector(each, before + at) for at, each in enumerate(column.to_pylist(), 1)]
    inner = column.type.value_type
    if not kinds.is_floating(inner):
        raise BrokenFileError(f"its column embedding holds {inner}")
    return [None if not each.is_valid else each.values.to_numpy(zero_copy_only=False) for each in column]


def _bytes_vector(given: bytes | None, number: int) -> Any:
    if given is None:
        return None
    if len(given) % 4:
        raise BrokenFileError(f"row {number}: its embedding is no float32")
    return np.frombuffer(given, "<f4")
