"""The page's server: static files, views as JSON, and actions passed on to the runs.

Every text on its way out goes through one door, `inert_json`; the page itself makes nodes of text
only, and its policy forbids the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from evolve.control import MAX_LINE, ask
from evolve.errors import EvolveError, UsageError
from evolve.terminal import inert, shortened
from evolve.ui import archive, family, population, views
from evolve.ui.figures import Plain
from evolve.ui.guard import Guard
from evolve.watched import Runs, Watched
from islands_db import StoreError

STATIC = Path(__file__).parent / "static"
ACTIONS = ("pause", "go", "stop", "budget", "inject", "hint", "ban")
TEXT_SHOWN = 200_000
"""Characters of one text; of longer ones the middle is left out."""
_EXACT = 2**53
"""Beyond it a browser's numbers skip integers, and seeds are 64 bits."""
_MOST_COMPARED = 8
_VIEWS: Mapping[str, Callable[[Watched], Plain]] = {
    "overview": views.overview,
    "tree": family.tree,
    "islands": archive.islands,
}


def application(root: Path, *, token: str, host: str) -> Guard:
    """The server's application for the runs below a folder."""
    runs = Runs(root)

    def list_runs(request: Request) -> Response:
        return _answered(lambda: {"root": str(root.resolve()), "runs": _cards(runs)})

    def view(request: Request) -> Response:
        name = request.path_params["view"]
        return _answered(lambda: _current(runs.get(request.path_params["run"]), name, request))

    def program(request: Request) -> Response:
        run, wanted = request.path_params["run"], request.path_params["program"]
        return _answered(
            lambda: {**views.program(runs.get(run), wanted), "live": runs.get(run).listens}
        )

    def compare(request: Request) -> Response:
        names = request.query_params.getlist("run")
        return _answered(lambda: _compared(runs, names))

    async def act(request: Request) -> Response:
        body = await _body(request)
        command, run = request.path_params["command"], request.path_params["run"]
        return await run_in_threadpool(_answered, lambda: _acted(runs.get(run), command, body))

    def page(request: Request) -> Response:
        return FileResponse(STATIC / "index.html")

    return Guard(
        Starlette(
            routes=[
                Route("/", page),
                Route("/api/runs", list_runs),
                Route("/api/compare", compare),
                Route("/api/runs/{run}/programs/{program}", program),
                Route("/api/runs/{run}/{view}", view),
                Route("/api/runs/{run}/actions/{command}", act, methods=["POST"]),
                Mount("/static", StaticFiles(directory=STATIC)),
            ]
        ),
        token=token,
        host=host,
    )


def inert_json(value: object) -> object:
    """Plain data with nothing in its texts that a screen would obey, and no text without end."""
    if isinstance(value, str):
        return inert(shortened(value, TEXT_SHOWN), lines=True)
    if type(value) is int and abs(value) > _EXACT:
        return str(value)
    if isinstance(value, Mapping):
        return {str(inert_json(str(key))): inert_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        if value and all(type(inner) in (int, float) for inner in value):
            return value  # long columns, as they are
        return [inert_json(inner) for inner in value]
    return value


def _answered(work: Callable[[], object]) -> Response:
    status = 200
    try:
        found = work()
    except UsageError as error:
        status, found = 404, {"error": str(error)}
    except (EvolveError, StoreError) as error:
        status, found = 409, {"error": str(error)}
    except OSError as error:
        status, found = 409, {"error": f"{error.strerror}: {error.filename or 'the run'}"}
    except RecursionError:
        status, found = 409, {"error": "what the run stores is nested too deep to be read"}
    except Exception as error:  # noqa: BLE001  the outermost edge: one line, and the server goes on
        status, found = 500, {"error": f"a bug of ours: {type(error).__name__}: {error}"}
    return Response(
        msgspec.json.encode(inert_json(found)), status_code=status, media_type="application/json"
    )


def _cards(runs: Runs) -> list[Plain]:
    found = []
    for name in runs.names():
        try:
            found.append(views.card(runs.get(name)))
        except (StoreError, EvolveError, OSError, RecursionError) as error:
            found.append({"name": name, "fault": str(error)})
    return found


def _current(run: Watched, name: str, request: Request) -> object:
    """The view, or only that nothing has changed since the state the page has."""
    if name == "programs":
        try:
            query = msgspec.convert(dict(request.query_params), population.Query, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(f"programs: {error}") from None
        found = population.population(run, query)
    elif name in _VIEWS:
        if name != "overview" and request.query_params.get("seen"):
            with run.reading():
                if run.version == request.query_params["seen"]:
                    return {"same": True, "live": run.listens}
        found = _VIEWS[name](run)
    else:
        raise UsageError(f"no view {name[:40]!r}")
    return {**found, "version": run.version, "live": run.listens}


def _compared(runs: Runs, names: list[str]) -> Plain:
    if not 1 <= len(names) <= _MOST_COMPARED:
        raise UsageError(f"compare: expected 1 to {_MOST_COMPARED} runs")
    return views.compared([runs.get(name) for name in dict.fromkeys(names)])


async def _body(request: Request) -> bytes | None:
    """What was sent; None where it is longer than a run would read."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_LINE // 2:
            return None
    return bytes(body)


def _acted(run: Watched, command: str, body: bytes | None) -> dict[str, object]:
    if command not in ACTIONS:
        raise UsageError(f"no action {command[:40]!r}")
    if body is None:
        raise UsageError(f"{command}: too long")
    try:
        arguments = msgspec.json.decode(body or b"{}", type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{command}: expected a JSON object: {error}") from None
    return ask(run.folder.socket, {**arguments, "command": command})
