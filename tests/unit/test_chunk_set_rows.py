import base64
import gzip
import json
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.chunk_sets.errors import BrokenFileError
from services.chunk_sets.reading import raw_rows
from services.chunk_sets.rows import OurEmbedder
from services.chunk_sets.staging import StagedFile, merged, pieces, stage, without_repeats

OURS = OurEmbedder("ours", 3)
GOOD = {"id": "a", "filename": "a.md", "text": "Open at nine.", "embedder": "ours", "embedding": [3.0, 0.0, 4.0]}


def lines(folder: Path, *rows: object, name: str = "set.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
    return path


def staged(path: Path, number: int = 0, embedder: str | None = None) -> StagedFile:
    return stage(path, path.name, number, path.with_name(f"{number}.staged"), OURS, embedder)


def kept(folder: Path, *files: StagedFile) -> list[dict[str, Any]]:
    """The lines of the one document that the files make."""
    (document,) = merged(list(files))
    content = b"".join(pieces(document, lambda number: folder / f"{number}.staged"))
    return [json.loads(line) for line in content.splitlines()]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"text": " "}, "row 2 has no text"),
        ({"text": None}, "row 2 has no text"),
        ({"text": 5}, "a text that is no text"),
        ({"text": "a" * 1201}, "1,201 characters"),
        ({"text": "a\0b"}, "a character that no text has"),
        ({"id": "a"}, "another row's"),
        ({"id": ""}, "an id that is empty"),
        ({"embedding": [1.0, 2.0]}, "2 numbers, others of 3"),
        ({"embedding": [0, 0, 0]}, "zeros alone"),
        ({"embedding": [1e300, 0, 0]}, "not finite"),
        ({"embedding": [True, 0, 0]}, "no number"),
        ({"embedding": ["1", 0, 0]}, "no number"),
        ({"embedding": "not base64"}, "base64"),
        ({"embedding": {"a": 1}}, "neither a list"),
        ({"ordinal": -1}, "ordinal"),
        ({"page": 1.5}, "page"),
        ({"tags": "sale"}, "tags"),
        ({"tags": ["a" * 65]}, "tags"),
    ],
)
def test_one_bad_row_makes_the_file_bad(tmp_path, change, reason):
    """What is wrong is said, with the row, before anything of the file is taken in."""
    path = lines(tmp_path, GOOD, {**GOOD, "id": "b", **change})
    with pytest.raises(BrokenFileError, match=reason):
        staged(path)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"[1]\n", b"{\n", b'{"text": NaN}\n', b"\xff\xfe\n"])
def test_what_is_no_json_line_is_refused(tmp_path, content):
    """An empty file, another shape, a half line, NaN and broken text are all told."""
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    with pytest.raises(BrokenFileError):
        staged(path)


def test_a_wrong_dimension_of_our_embedder_is_refused(tmp_path):
    """Vectors that cannot be ours never get among ours."""
    with pytest.raises(BrokenFileError, match="ours makes 3"):
        staged(lines(tmp_path, {**GOOD, "embedding": [1.0, 2.0]}))


def test_nan_in_parquet_and_base64_is_refused(tmp_path):
    """A number that is none is found in every form."""
    encoded = base64.b64encode(np.array([1, np.nan, 0], "<f4").tobytes()).decode()
    with pytest.raises(BrokenFileError, match="not finite"):
        staged(lines(tmp_path, {**GOOD, "embedding": encoded}))
    table = pa.table({"text": ["Hello"], "embedding": [[1.0, float("nan"), 0.0]], "embedder": ["ours"]})
    pq.write_table(table, tmp_path / "set.parquet")
    with pytest.raises(BrokenFileError, match="not finite"):
        staged(tmp_path / "set.parquet", 1)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[3.0, 0.0, 4.0]], pa.list_(pa.float32(), 3)),
        pa.array([[3.0, 0.0, 4.0]], pa.list_(pa.float64())),
        pa.array([[3.0, 0.0, 4.0]], pa.large_list(pa.float32())),
        pa.array([np.array([3, 0, 4], "<f4").tobytes()], pa.binary()),
    ],
)
def test_every_form_of_a_vector_in_parquet_is_read(tmp_path, column):
    """Lists of fixed or any length and bytes mean the same, brought to length 1."""
    pq.write_table(pa.table({"text": ["Hello"], "embedding": column}), tmp_path / "set.parquet")
    (row,) = kept(tmp_path, staged(tmp_path / "set.parquet", embedder="ours"))
    assert np.allclose(np.frombuffer(base64.b64decode(row["v"]), "<f4"), [0.6, 0.0, 0.8])


@pytest.mark.parametrize(
    "table", [{"text": [1, 2]}, {"text": ["a"], "embedding": ["b"]}, {"text": ["a"], "page": ["b"]}]
)
def test_columns_of_other_types_are_refused(tmp_path, table):
    """A column that cannot be what its name says is named."""
    pq.write_table(pa.table(table), tmp_path / "set.parquet")
    with pytest.raises(BrokenFileError, match="its column"):
        staged(tmp_path / "set.parquet")


@pytest.mark.parametrize(
    "column",
    [
        pa.DictionaryArray.from_arrays(pa.array([0] * 256, pa.int32()), pa.array(["x" * 2_000_000])),
        pa.array(["x" * 2_000_000] * 256),
    ],
    ids=["dictionary", "text"],
)
def test_a_parquet_bomb_is_left_early(tmp_path, column):
    """A long text that a small file repeats is refused before it is made as often as it is meant."""
    path = tmp_path / "set.parquet"
    pq.write_table(pa.table({"text": column}), path, compression="zstd", dictionary_pagesize_limit=10**9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenFileError, match="its column text holds something of more than 64 KB"):
        staged(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ([["x" * 6_000_000] * 100], "its column tags holds something of more than 64 KB"),
        ([["x"] * 90_000, *[[]] * 999], "its column tags holds more than its rows may have"),
    ],
    ids=["long", "many"],
)
def test_a_bomb_in_a_list_is_left_early(tmp_path, tags, reason):
    """Tags that a small file repeats are refused before they are made as often as they are meant."""
    path = tmp_path / "set.parquet"
    table = pa.table({"text": ["Open."] * len(tags), "tags": tags})
    pq.write_table(table, path, compression="zstd", dictionary_pagesize_limit=10**9)
    assert path.stat().st_size < 10_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenFileError, match=reason):
        staged(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_lists_and_bytes_come_as_they_are(tmp_path):
    """Tags and embeddings as bytes are read whole over several row groups, None and empty ones included."""
    path = tmp_path / "set.parquet"
    vectors = [np.array([1, 2, 2], "<f4").tobytes()] * 600
    table = {"text": ["Open."] * 600, "tags": [["sale", "new"], None, []] * 200, "embedding": vectors}
    pq.write_table(pa.table(table), path, row_group_size=400)
    rows = list(raw_rows(path, path.name))
    assert [row["tags"] for row in rows] == table["tags"]
    assert all(row["text"] == "Open." and row["embedding"].tolist() == [1, 2, 2] for row in rows)


def test_two_columns_of_one_name_are_refused(tmp_path):
    """Which of them is meant is not guessed at."""
    path = tmp_path / "set.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]), path)
    with pytest.raises(BrokenFileError, match="two columns text"):
        staged(path)


def test_damaged_files_are_refused(tmp_path):
    """Half a Parquet file, half a gzip file and files that only have the name."""
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"text": [f"text {n}" for n in range(1000)]}), whole)
    half = gzip.compress(b"".join(json.dumps({**GOOD, "id": str(n)}).encode() + b"\n" for n in range(1000)))
    files = {
        "half.parquet": whole.read_bytes()[:2000],
        "flipped.parquet": whole.read_bytes()[:100] + b"\xff" * 200 + whole.read_bytes()[300:],
        "text.parquet": b"hello",
        "half.jsonl.gz": half[: len(half) // 2],
        "text.jsonl.gz": b"hello",
    }
    for number, (name, content) in enumerate(files.items()):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BrokenFileError):
            staged(tmp_path / name, number)


def test_a_gzip_bomb_is_left_early(tmp_path):
    """A small file that decompresses to gigabytes does not fill the disk."""
    rows = b"".join(json.dumps({"text": "a", "heading": "a" * 2000}).encode() + b"\n" for _ in range(40_000))
    for number, (content, reason) in enumerate(
        [(b"\n" * 10_000, "empty lines"), (b"a" * 2_000_000, "longer"), (rows, "larger")]
    ):
        with gzip.open(tmp_path / f"{number}.jsonl.gz", "wb", 6) as file:
            file.write(content)
        with pytest.raises(BrokenFileError, match=reason):
            staged(tmp_path / f"{number}.jsonl.gz", number)


def test_a_document_in_several_files_is_put_together_in_order(tmp_path):
    """Its chunks lie where their ordinals say, and rows that several files have are taken once."""
    rows = [{**GOOD, "id": str(n), "text": f"Part {n}.", "ordinal": n, "document_chunks": 4} for n in range(4)]
    first = staged(lines(tmp_path, rows[3], rows[1]), 0)
    second = staged(lines(tmp_path, rows[0], rows[2], rows[1]), 1)
    (document,) = merged([first, None, second])
    assert without_repeats(document) == 1
    assert len(document.entries) == document.of == 4


def test_an_id_with_two_texts_is_refused(tmp_path):
    """Of two files that contradict each other, nobody knows which is right."""
    first = staged(lines(tmp_path, GOOD), 0)
    second = staged(lines(tmp_path, {**GOOD, "text": "Open at ten."}), 1)
    (document,) = merged([first, second])
    with pytest.raises(BrokenFileError, match="different texts"):
        without_repeats(document)


def test_documents_of_one_name_stay_two(tmp_path):
    """They differ by their ids in the set, so they differ here."""
    path = lines(tmp_path, {**GOOD, "document_id": "1"}, {**GOOD, "id": "b", "document_id": "2"})
    assert [document.filename for document in merged([staged(path)])] == ["a.md", "a (2).md"]


def test_vectors_of_nobody_known_are_left_out(tmp_path):
    """Without an embedder's name a vector cannot be compared with anything."""
    row = {key: value for key, value in GOOD.items() if key != "embedder"}
    (found,) = kept(tmp_path, staged(lines(tmp_path, row)))
    assert found == {"e": "", "h": None, "p": None, "t": "Open at nine.", "v": None}
