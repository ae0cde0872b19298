"""Files that others published: every layout, and what hostile ones come to."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from evolve.certificate import registered
from evolve.errors import UsageError
from evolve.published import content_of, objects
from tests.evolve.conftest import Evolve

STRASSEN = {
    "n": 2, "m": 2, "p": 2, "field": "Z", "denominator": 1,
    "u": [[1, 0, 1, 0, 1, -1, 0], [0, 0, 0, 0, 1, 0, 1],
          [0, 1, 0, 0, 0, 1, 0], [1, 1, 0, 1, 0, 0, -1]],
    "v": [[1, 1, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0],
          [0, 0, 0, 1, 0, 0, 1], [1, 0, -1, 0, 1, 0, 1]],
    "w": [[1, 0, 0, 1, -1, 0, 1], [0, 1, 0, 1, 0, 0, 0],
          [0, 0, 1, 0, 1, 0, 0], [1, -1, 1, 0, 0, 1, 0]],
}  # fmt: skip
HALVES = [["0.25", "0.25", "0.25"], ["0.75", "0.75", "0.25"]]


def verify(evolve: Evolve, name: str, content: str | bytes, *options: str) -> tuple[int, str]:
    file = evolve.folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    ended = evolve("verify", file, *options)
    assert "Traceback" not in ended.err
    return ended.code, ended.out + ended.err


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def factors() -> np.ndarray:
    return np.array([STRASSEN["u"], STRASSEN["v"], STRASSEN["w"]])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", json.dumps(STRASSEN), "rank = 7"),
        ("a.npz", npz(**{"2,2,2": factors()}), "rank = 7"),
        ("b.npz", npz(**{"2x2x2": factors().astype(np.float32) / 2 * 2}), "rank = 7"),
        ("c.npz", npz(u=factors()[0], v=factors()[1], w=factors()[2]), "rank = 7"),
        ("d.npz", npz(**{f"2x2x2_{k}": x for k, x in zip("uvw", factors(), strict=True)}), "rank"),
        ("n.json", '{"wires": 3, "layers": [[[0, 2]], [[0, 1]], [[1, 2]]]}', "size = 3"),
        ("n.txt", "[(0,2)]\n[(0,1)]\n[(1,2)]\n", "size = 3"),
        ("c.json", json.dumps({"circles": HALVES}), "sum_radii = 0.5"),
        ("c.txt", "0.25 0.25 0.25\n0.75 0.75 0.25\n", "sum_radii = 0.5"),
        ("s.json", '{"n": 2, "vectors": [[0, 0], [0, 1], [1, 0], [1, 1]]}', "equal to the best"),
    ],
)
def test_every_layout_is_read(evolve: Evolve, name: str, content: str | bytes, said: str) -> None:
    code, text = verify(evolve, name, content)
    assert (code, said in text) == (0, True)


def test_a_miss_by_rounding_is_refused_as_printed_and_holds_after_repair(evolve: Evolve) -> None:
    circles = [["0.25", "0.25", "0.25000000000000001"], HALVES[1]]
    code, text = verify(evolve, "c.json", json.dumps({"circles": circles}))
    assert (code, "leaves the square by 1.0e-17" in text, "--repair" in text) == (1, True, True)
    code, text = verify(evolve, "c.json", json.dumps({"circles": circles}), "--repair", "--json")
    answer = json.loads(text)
    assert (code, answer["objects"][0]["value"]) == (0, "1/2")


def test_a_wrong_scheme_and_a_claim_above_the_truth(evolve: Evolve) -> None:
    code, text = verify(evolve, "a.json", json.dumps({**STRASSEN, "rank": 6}))
    assert (code, "the rank claimed is 6, but it has 7 terms" in text) == (1, True)
    wrong = factors()
    wrong[0, 0, 0] = 2
    code, text = verify(evolve, "a.npz", npz(**{"2,2,2": wrong}))
    assert (code, "DOES NOT HOLD" in text) == (1, True)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_factors_of_unequal_sizes_come_as_objects_and_are_not_unpickled(
    tmp_path: Path, protocol: int
) -> None:
    stacked = np.empty(3, dtype=object)  # <1,2,1>: A and B have two entries, C has one
    for at, matrix in enumerate((np.eye(2), np.eye(2, dtype=np.int32), np.ones((1, 2)))):
        stacked[at] = matrix
    file = tmp_path / "objects.npz"
    data = header(OBJECTS.replace("(1,)", "(3,)"), pickle.dumps(stacked, protocol=protocol))
    file.write_bytes(zipped("1,2,1.npy", data))
    ((verifier, label, artifact),) = objects(content_of(file), registered())
    assert (verifier.name, label) == ("matmul_scheme", "1,2,1")
    assert verifier.check(artifact).value == 2  # type: ignore[union-attr]


def header(text: str, data: bytes = b"") -> bytes:
    raw = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(raw)) + raw + data


def zipped(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return stream.getvalue()


OBJECTS = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"


class Runs:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch /tmp/evolve-was-here",)


PLAIN = "{'descr': '<i8', 'fortran_order': False, 'shape': (%s,), }"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped("u.npy", header(PLAIN % "1250000000")), "claims 10000000000 bytes, there are 0"),
        (zipped("u.npy", header(PLAIN % "-1")), "no shape"),
        (zipped("u.npy", header(OBJECTS)), "the pickle is damaged"),
        (zipped("u.npy", header(OBJECTS, pickle.dumps(Runs()))), "it could run code"),
        (pickle.dumps([Runs()]), "it could run code"),
        (zipped("u.npy", header("__import__('os').abort()")), "no array in npy format"),
        (zipped("u.npy", b"\0" * (33 << 20)), "too many to read"),
        (zipped("u.npy", b""), "no array in npy format"),
        (b"PK\x03\x04" + b"\xff" * 100, "no sound npz"),
        (zipped("u.npy", header(PLAIN % "1", b"\0" * 8))[:-10], "no sound npz"),
        (b"[" * 100_000, "no certificate"),
        (b"[" + b"[]," * 2_000_000 + b"[]]", "at most"),
        (b"\xff\xfe", "UTF-16"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_in_a_line(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "hostile"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=said) as refused:
        content_of(file)
    assert "\n" not in str(refused.value)


def test_floats_are_read_exactly_or_not_at_all(evolve: Evolve) -> None:
    code, text = verify(evolve, "a.npz", npz(**{"2,2,2": factors() * 0.1}))
    assert (code, "rounded, so not exact" in text) == (1, True)
    code, text = verify(evolve, "a.npz", npz(**{"2,2,2": factors() * np.nan}))
    assert (code, "not a finite number" in text) == (1, True)


def test_a_mark_at_the_beginning_is_no_content(tmp_path: Path) -> None:
    file = tmp_path / "marked.json"
    file.write_bytes(b'\xef\xbb\xbf{"n": 1}')
    assert content_of(file) == {"n": 1}


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1, "m": 2, "n": 3}',
        '{"a": {"u": 1, "u": 1}}',
        '{"nu": 1, "n\\u0075": 2}',
        '{"n\\\\": 1, "n\\\\": 2}',
        f'{{"n": {"1" * 5000}, "n": 3}}',
    ],
)
def test_a_key_given_twice_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "twice.json"
    file.write_text(text)
    with pytest.raises(UsageError, match="occurs twice"):
        content_of(file)


def test_a_key_may_occur_in_two_objects(tmp_path: Path) -> None:
    file = tmp_path / "once.json"
    file.write_text('{"a": {"u": 1}, "b": {"u": 1}}')
    assert content_of(file) == {"a": {"u": 1}, "b": {"u": 1}}


def test_an_array_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "twice.npz"
    np.savez(file, u=np.eye(2), v=np.eye(2))
    file.write_bytes(file.read_bytes().replace(b"v.npy", b"u.npy"))
    with pytest.raises(UsageError, match="occurs twice"):
        content_of(file)


def test_floats_wider_than_a_double_are_not_rounded(tmp_path: Path) -> None:
    file = tmp_path / "wide.npz"
    np.savez(file, u=np.ones((4, 7), dtype=np.longdouble))
    with pytest.raises(UsageError, match="expected numbers"):
        content_of(file)


def test_integers_as_objects_keep_their_places(tmp_path: Path) -> None:
    file = tmp_path / "objects.npz"
    by_columns = np.arange(6).reshape(3, 2).T.astype(object)
    np.savez(file, u=by_columns)
    content = content_of(file)
    assert isinstance(content, dict)
    assert content["u"].tolist() == by_columns.tolist()
