"""The command that believes nobody: verify (a certificate, or an object that others published)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli.options import json_option, print_json
from evolve.errors import EvolveError, UsageError
from evolve.terminal import clipped, inert, number, wrapped

if TYPE_CHECKING:
    from evaluators import Invalid, Valid, Verifier
    from evolve.certificate import Checked
    from evolve.problem import Problem
    from evolve.standing import Standing

_DIGITS = 16
_MOST_S = 5.0
_NO_TIME = "not checked: the objects before it in this file took all the time there is"
"""CPU for all objects of one file together; each is bounded besides."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--as", "kind", default="", metavar="VERIFIER", help="Read the file as this kind.")
@click.option("--repair", is_flag=True, help="Apply the exact repair first, where there is one.")
@click.option(
    "--against",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Say what is settled about the equivalence with a known object.",
)
@json_option
def verify(file: Path, kind: str, repair: bool, against: Path | None, as_json: bool) -> int:
    """Re-check a certificate or a published object, without any run.

    FILE is a certificate, or one of the published forms in docs/formats.md. It says where the value
    stands against the known records. Exit code 1: it does not hold.
    """
    from evolve import certificate

    certificate.bound_this_process()
    if not kind and not repair and certificate.is_one(file):
        checked = certificate.check(certificate.read(file))
        return _show_certificate(checked, against, as_json)
    return _show_published(file, kind, repair, against, as_json)


def _show_certificate(checked: Checked, against: Path | None, as_json: bool) -> int:
    import msgspec

    from evolve.certificate import registered
    from evolve.loading import available, load

    held = checked.certificate
    problem = None
    if checked.holds and not checked.caveats and held.problem in available():
        problem = load(held.problem).problem
    standings = _standings(problem, checked.result, held.parameters)
    compared = ""
    if checked.holds and against is not None:
        artifact = msgspec.json.decode(held.artifact)
        compared = _compared(registered()[held.verifier], artifact, against)
    if as_json:
        print_json(
            {
                "holds": checked.holds,
                "reason": checked.reason,
                "objective": held.claim.objective,
                "claimed": held.claim.value,
                "value": None if checked.value is None else str(checked.value),
                "verifier": held.verifier,
                "verifier_version": held.verifier_version,
                "program": held.program,
                "caveats": list(checked.caveats),
                "tier": held.tier,
                "standings": _plain(standings),
                "compared": compared,
            }
        )
        return 0 if checked.holds else 1
    if not checked.holds:
        click.echo(f"DOES NOT HOLD: {inert(checked.reason)}")
        return 1
    _show_value(held.claim.objective, held.claim.direction, Fraction(held.claim.value))
    click.echo(f"  checked by {held.verifier} version {held.verifier_version}")
    steps = max(len(held.lineage) - 1, 0)
    finder = inert(held.program[:16])
    click.echo(f"  it says that program {finder} found it, {steps} steps into its lineage")
    if held.tier == "none":
        click.echo("  the finder ran without a sandbox; the object above was checked all the same")
    assert checked.result is not None
    _show_facts(checked.result)
    _show_records(problem, standings, checked.result, held.parameters)
    _show_compared(compared, against)
    return 0


def _show_published(
    file: Path, kind: str, repair: bool, against: Path | None, as_json: bool
) -> int:
    from evaluators import Invalid
    from evolve.certificate import registered
    from evolve.errors import nearest
    from evolve.published import content_of, objects

    known = registered()
    if kind and kind not in known:
        raise UsageError(f"no verifier {kind[:40]!r} is registered; {nearest(kind, list(known))}")
    content = content_of(file)
    if isinstance(content, dict) and "format" in content and not kind:
        raise UsageError(f"{file} is no certificate: format {str(content['format'])[:40]!r}")
    found = objects(content, known, kind=kind)
    if not found:
        raise UsageError(
            f"{file} is no certificate, and no published object that a verifier here knows; "
            "docs/formats.md has the layouts"
        )
    problem = _problem_of(found[0][0])
    answers: list[dict[str, object]] = []
    began = time.process_time()
    for verifier, label, artifact in found:
        if repair and verifier.repair is None:
            raise UsageError(f"{verifier.name} has no repair: its objects are exact as they are")
        if repair and verifier.repair is not None and not isinstance(artifact, Invalid):
            artifact = verifier.repair(artifact)
        result: Valid | Invalid = Invalid(_NO_TIME)
        if time.process_time() - began < _MOST_S:
            result = _checked(verifier, artifact)
        if isinstance(result, Invalid):
            hint = "" if repair or result.reason == _NO_TIME else _after_repair(verifier, artifact)
            answers.append({"object": label, "holds": False, "reason": result.reason + hint})
            if not as_json:
                click.echo(f"DOES NOT HOLD: {_named(found, label)}{inert(result.reason)}{hint}")
            continue
        standings = _standings(problem, result, {})
        compared = "" if against is None else _compared(verifier, artifact, against)
        answers.append(
            {
                "object": label,
                "holds": True,
                "objective": verifier.objective,
                "value": str(result.value),
                "repaired": repair,
                "verifier": verifier.name,
                "verifier_version": verifier.version,
                "metrics": {name: str(value) for name, value in result.metrics.items()},
                "facts": {name: str(value) for name, value in result.facts.items()},
                "caveats": list(result.caveats),
                "standings": _plain(standings),
                "compared": compared,
            }
        )
        if not as_json:
            prefix = _named(found, label)
            _show_value(verifier.objective, verifier.direction, Fraction(result.value), prefix)
            again = ", after the exact repair" if repair else ""
            click.echo(f"  checked by {verifier.name} version {verifier.version}{again}")
            _show_facts(result)
            _show_records(problem, standings, result, {})
            _show_compared(compared, against)
    holds = all(answer["holds"] for answer in answers)
    if as_json:
        print_json({"holds": holds, "objects": answers})
    return 0 if holds else 1


def _checked(verifier: Verifier, artifact: object) -> Valid | Invalid:
    """The verifier's answer, or `Invalid` where it ran out of what it may take."""
    from evaluators import Invalid

    if isinstance(artifact, Invalid):
        return artifact
    try:
        return verifier.check(artifact)
    except (MemoryError, RecursionError) as error:
        return Invalid(f"checking it takes more than is allowed ({type(error).__name__})")


def _after_repair(verifier: Verifier, artifact: object) -> str:
    from evaluators import Invalid, Valid

    if verifier.repair is None or isinstance(artifact, Invalid):
        return ""
    repaired = verifier.repair(artifact)
    result = repaired if isinstance(repaired, Invalid) else verifier.check(repaired)
    if not isinstance(result, Valid):
        return ""
    return f"; as printed. --repair makes it hold, at {number(float(result.value), _DIGITS)}"


def _compared(verifier: Verifier, artifact: object, against: Path) -> str:
    """What is settled about an object beside the valid ones of another file."""
    from evaluators import Invalid
    from evolve import certificate
    from evolve.published import content_of, objects

    if verifier.compare is None:
        raise UsageError(f"--against: {verifier.name} knows no symmetry to compare by")
    content = content_of(against)
    if certificate.is_one(against) and isinstance(content, dict):
        content = content.get("artifact")
    known = objects(content, {verifier.name: verifier})
    found = []
    for _, label, other in known:
        if not isinstance(other, Invalid) and not isinstance(_checked(verifier, other), Invalid):
            said = verifier.compare(artifact, other)
            if not said.startswith("of another"):
                found.append((f"{label[:60]}: " if len(known) > 1 else "") + said)
    return "; ".join(found) or "it holds nothing of this kind and format"


def _show_compared(compared: str, against: Path | None) -> None:
    if against is not None:
        click.echo(wrapped(f"  against {inert(str(against))}: {inert(compared)}", indent=4))


def _named(found: list[tuple[Verifier, str, object]], label: str) -> str:
    return f"{inert(label[:60])}: " if len(found) > 1 else ""


def _problem_of(verifier: Verifier) -> Problem | None:
    """The problem here whose results this verifier checks: it knows the records."""
    from evolve.loading import available, load

    for name in available():
        try:
            problem = load(name).problem
        except EvolveError:
            continue  # somebody's broken problem says nothing about this file
        if problem.verifier == verifier.name:
            return problem
    return None


def _standings(
    problem: Problem | None, result: Valid | None, parameters: Mapping[str, object]
) -> list[Standing]:
    from evolve.standing import standings

    if problem is None or result is None or result.caveats:
        return []
    first = problem.objectives[0].name
    return standings(
        problem.objectives,
        {**result.metrics, first: result.value},
        problem.known_records(_described(problem, result, parameters)),
    )


def _described(
    problem: Problem, result: Valid, parameters: Mapping[str, object]
) -> dict[str, object]:
    """The parameters that an object stands for: the problem's own, and what it says of itself."""
    return {**problem.resolve(), **parameters, **result.facts}


def _plain(standings: list[Standing]) -> list[dict[str, object]]:
    return [
        {
            "objective": s.objective,
            "word": s.word,
            "best_known": str(Fraction(s.best.value)),
            "who": s.best.who,
            "date": s.best.date,
            "source": s.best.source,
        }
        for s in standings
    ]


def _show_value(objective: str, direction: str, value: Fraction, label: str = "") -> None:
    goal = "lower" if direction == "min" else "higher"
    shown = number(float(value), _DIGITS) if value.denominator > 1 else str(value)
    click.echo(f"holds: {label}{inert(objective)} = {shown} ({goal} is better), exactly {value}")


def _show_facts(result: Valid) -> None:
    facts = {**result.facts, **result.metrics}
    if facts:
        shown = ", ".join(
            f"{name} {number(float(x), 6) if isinstance(x, Fraction | float) else x}"
            for name, x in facts.items()
        )
        click.echo(wrapped(f"  it has {inert(shown)}", indent=4))
    for note in result.notes:
        click.echo(wrapped(f"  {inert(note)}", indent=4))
    for caveat in result.caveats:
        click.echo(wrapped(f"  not shown: {inert(caveat)}", indent=4))


def _show_records(
    problem: Problem | None,
    standings: list[Standing],
    result: Valid,
    parameters: Mapping[str, object],
) -> None:
    for standing in standings:
        best = standing.best
        shown = number(float(best.value), _DIGITS)
        click.echo(
            f"  {standing.objective}: {standing.word} the best known, {shown}, {inert(best.who)}"
        )
        dated = f"{best.date}; " if best.date else ""
        click.echo(f"    {clipped(inert(dated + best.source), 74)}")
    if problem is None:
        return
    known = problem.known_records(_described(problem, result, parameters))
    if not standings and not result.caveats:
        click.echo("  no published value is known here for an object of this kind and size")
    others = [r for r in known if r.split or r.claimed]
    for record in others:
        why = record.split or "claimed, not exact"
        click.echo(f"  beside it: {number(float(record.value), 9)}, {inert(record.who)}")
        click.echo(f"    {clipped(inert(record.source), 74)}")
        click.echo(f"    {clipped(inert(why), 74)}")
