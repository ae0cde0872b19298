"""What a stranger gets: files that build, sort, and hold nothing that was not checked."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from evaluators import Invalid, kernel_export
from evaluators.kernel_listings import of_network

NETWORK = [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)]
SORTS_TWO = """
void kernel(int *v) {
    int a = v[0] < v[1] ? v[0] : v[1];
    int b = v[0] < v[1] ? v[1] : v[0];
    v[0] = a;
    v[1] = b;
}
"""
LISTING = {
    "lengths": [4],
    "interface": "registers",
    "listing": [str(line) for line in of_network(NETWORK, 4)],
}


def test_c_is_written_from_what_was_checked():
    # to a compiler the second line goes on as a comment, and the third is code
    hidden = "// \\\n/*\nint system(const char *); // */\n" + SORTS_TWO
    made = kernel_export.files({"values": 2, "text": hidden})
    assert not isinstance(made, Invalid), made
    assert "system" not in made["kernel.c"]
    assert "\\" not in made["kernel.c"]


@pytest.mark.parametrize(
    "artifact",
    [None, [], {}, {"values": 2}, {"values": 9, "text": ""}, {"values": True, "text": SORTS_TWO},
     {"values": 3, "text": SORTS_TWO}, {"listing": []}, {"listing": ["x"], "lengths": [3]},
     LISTING | {"lengths": [5]}, LISTING | {"lengths": [4, 4]}, LISTING | {"instructions": 3}],
)  # fmt: skip
def test_what_does_not_sort_is_not_written(artifact):
    assert isinstance(kernel_export.files(artifact), Invalid)


@pytest.mark.skipif(not shutil.which("gcc") or not shutil.which("make"), reason="no gcc, no make")
@pytest.mark.parametrize("artifact", [LISTING, {"values": 2, "text": SORTS_TWO}])
def test_the_exported_test_and_benchmark_build_and_pass(tmp_path, artifact):
    given = tmp_path / "certificate.json"
    given.write_text(json.dumps({"artifact": artifact}), encoding="utf-8")
    folder = tmp_path / "kernel"
    assert kernel_export.main([str(given), str(folder)]) == 0
    done = subprocess.run(
        ["make", "-C", str(folder), "test", "bench"], capture_output=True, text=True, check=True
    )
    assert "sorts" in done.stdout
    assert "ns, insertion sort" in done.stdout
    assert kernel_export.main([str(given), str(folder)]) == 2  # nothing is written over
