"""A model with the inputs and outputs of all-MiniLM-L6-v2, small enough to be written by hand: a table of word vectors.

Its file is ONNX's protocol buffer, field by field (onnx.proto3, IR version 8, opset 13): Gather(table, input_ids).
"""

import tarfile
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WORDS = ["[PAD]", "[UNK]", "when", "do", "you", "open", "opening", "hours", "?", "at", "nine", "refund"]
DIMENSION = 384
FLOAT, INT64 = 1, 7


def tiny_minilm(folder: Path, dimension: int = DIMENSION) -> Path:
    """Write model.onnx and tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_model(dimension))
    tokenizer = Tokenizer(WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def tiny_archive(path: Path) -> Path:
    """The same, packed as Chroma packs its model."""
    folder = tiny_minilm(path.parent / "to be packed")
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, "onnx")
    return path


def _model(dimension: int) -> bytes:
    table = np.random.default_rng(4).normal(size=(len(WORDS), dimension)).astype("<f4")
    table[WORDS.index("opening")] = table[WORDS.index("open")] + 0.1
    initializer = _number(1, len(WORDS)) + _number(1, dimension) + _number(2, FLOAT) + _text(8, "table")
    initializer += _bytes(9, table.tobytes())
    node = _text(1, "table") + _text(1, "input_ids") + _text(2, "last_hidden_state") + _text(4, "Gather")
    inputs = [_value(name, INT64, ["n", "length"]) for name in ("input_ids", "attention_mask", "token_type_ids")]
    output = _value("last_hidden_state", FLOAT, ["n", "length", dimension])
    graph = _bytes(1, node) + _text(2, "tiny") + _bytes(5, initializer)
    graph += b"".join(_bytes(11, each) for each in inputs) + _bytes(12, output)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 13))


def _value(name: str, kind: int, shape: list[str | int]) -> bytes:
    sizes = b"".join(_bytes(1, _text(2, each) if isinstance(each, str) else _number(1, each)) for each in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, sizes)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
