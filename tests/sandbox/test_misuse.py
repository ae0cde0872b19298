"""Wrong uses of the library: each is said at once, in one line, and nothing else comes of it."""

from __future__ import annotations

import math
import os
import threading
from typing import Any

import pytest

from sandbox import Limits, Sandbox, SandboxError, compile_c

FILES = {"program.py": "def f(x=1):\n    return x\n"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wall_s", 0), ("wall_s", -1.0), ("wall_s", math.nan), ("wall_s", math.inf),
        ("wall_s", "3"), ("memory_bytes", 0), ("memory_bytes", 1e9), ("memory_bytes", 1 << 70),
        ("cpu_s", 0), ("cpu_s", 0.5), ("output_bytes", 0), ("tmp_bytes", -1),
        ("tmp_bytes", 1 << 65), ("stderr_bytes", -1),
    ],
)  # fmt: skip
def test_limits_that_limit_nothing_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} is .*, expected "):
        Limits(**{field: value})


@pytest.mark.parametrize("tier", ["C", "b", "None"])
def test_a_tier_that_is_none_is_refused(tier: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid Tier"):
        Sandbox(tier=tier)


@pytest.mark.parametrize("name", ["requires", "preload"])
@pytest.mark.parametrize("value", ["numpy", [3]])
def test_names_are_a_list_of_texts(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"^{name} is a list of names, not "):
        Sandbox(**{name: value})


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["program.py"], "a mapping of paths to text, not list"),
        ("def f(): pass", "a mapping of paths to text, not str"),
        ({"program.py": b"x = 1"}, "file 'program.py': path and content are text"),
        ({"program.py": None}, "file 'program.py': path and content are text"),
        ({3: "", "program.py": ""}, "file 3: path and content are text"),
        ({"/program.py": ""}, "not a relative path"),
        ({"../program.py": ""}, "not a relative path"),
        ({"other.py": ""}, "entry 'program.py' is not a .py file of the program"),
    ],
)
def test_a_program_is_a_mapping_of_relative_paths_to_text(
    sandbox: Sandbox, files: Any, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        sandbox.open(files, entry="program.py")


def test_a_driver_and_a_name_are_text(sandbox: Sandbox) -> None:
    driver: Any = 3
    with pytest.raises(ValueError, match="a driver is the text of a module, not int"):
        sandbox.open(FILES, entry="program.py", driver=driver)
    with (
        sandbox.open(FILES, entry="program.py") as candidate,
        pytest.raises(TypeError, match="the name of a function is text, not int"),
    ):
        candidate.call(driver)


@pytest.mark.parametrize("arguments", [{"source": b"int x;"}, {"source": "", "flags": "-O2"}])
def test_a_source_in_c_is_text_and_its_flags_are_a_list(arguments: Any) -> None:
    with pytest.raises(TypeError, match="a source as text and flags as a list"):
        compile_c(**arguments)


def test_a_sandbox_is_not_for_another_process() -> None:
    with Sandbox() as own, own.open(FILES, entry="program.py") as candidate:
        candidate.call("f")
        to_read, to_write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                with own.open(FILES, entry="program.py") as other:
                    other.call("f")
            except SandboxError as error:
                os.write(to_write, str(error).encode())
            candidate.close()  # which is not its own to kill
            os._exit(0)
        os.close(to_write)
        with os.fdopen(to_read) as said:
            assert "belongs to the process that made it" in said.read()
        os.waitpid(child, 0)
        assert candidate.call("f", 7) == 7
        with own.open(FILES, entry="program.py") as other:
            assert other.call("f", 8) == 8


def test_threads_may_share_a_sandbox() -> None:
    found: list[bool] = []
    with Sandbox() as own:

        def work(start: int) -> None:
            for number in range(start, start + 10):
                with own.open(FILES, entry="program.py") as candidate:
                    found.append(candidate.call("f", number) == number)

        threads = [threading.Thread(target=work, args=(100 * k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [True] * 40
