"""Sandboxes shared by the tests of the package, one for each tier this machine gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest

from sandbox import Candidate, Limits, Sandbox, SandboxError, Tier


@pytest.fixture(scope="session", params=[Tier.A, Tier.B])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    try:
        made = Sandbox(requires=["numpy"], preload=["numpy"], tier=request.param)
    except SandboxError as error:
        pytest.skip(f"no tier {request.param} here: {error}")
    with made:
        yield made


@pytest.fixture(scope="session")
def best_sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


Opener = Callable[..., Candidate]


@pytest.fixture
def program(best_sandbox: Sandbox) -> Iterator[Opener]:
    """Opens a one-file program in the best tier there is; all are closed after the test."""
    opened: list[Candidate] = []

    def open_program(
        source: str,
        *,
        files: Mapping[str, str] | None = None,
        driver: str | None = None,
        **limits: float,
    ) -> Candidate:
        candidate = best_sandbox.open(
            {"program.py": source, **(files or {})},
            entry="program.py",
            driver=driver,
            limits=Limits(**{"wall_s": 5.0, **limits}),  # type: ignore[arg-type]
        )
        opened.append(candidate)
        return candidate

    yield open_program
    for candidate in opened:
        candidate.close()
