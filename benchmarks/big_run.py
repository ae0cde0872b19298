"""A synthetic run of any size, written straight into the tables: what reading commands are
measured on. Its programs are small and many share a text; its tree is as deep as real ones."""

from __future__ import annotations

import json
import sqlite3
import zlib
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

from islands_db import Axis, Settings, Store

SETTINGS = Settings(
    islands=4,
    axes=(Axis(name="early", low=0, high=1, cells=8), Axis(name="gap", low=0, high=1, cells=8)),
)
_TEXTS = 997
_META = {
    "problem": "synthetic", "objectives": ["min distance"], "parameters": {}, "seed": 1,
    "baselines": [{"name": "nothing", "values": {"distance": 4.1}}], "elapsed_s": 3600.0,
}  # fmt: skip
_SCRIPT = """
CREATE TEMP TABLE n AS WITH RECURSIVE c (i) AS (
    SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < :count)
SELECT i, (i * 2654435761 + :seed) % 4294967296 AS h FROM c;
INSERT INTO attempts (attempt, island, parent, inspirations, proposer, note, fate, reason,
    operator, diff, program, duplicate_of, cost_usd, propose_s, created, settled)
SELECT i - 1, i % 4, CASE WHEN i > 1 THEN i - 1 - h % min(i - 1, 10000) END, '[]',
    CASE WHEN i > 1 THEN 'tree' ELSE 'seed' END, '',
    CASE WHEN i > 1 THEN 'evaluated' ELSE 'seed' END, '', 'op' || (h / 64 % 12),
    'answer ' || i, i, NULL, 0.0001, 0.01,
    1.7e9 + i * 0.01, 1.7e9 + i * 0.01
FROM n;
INSERT INTO programs (id, attempt, generation, hash, syntax_hash, length, cell, rung, fitness)
SELECT i, i - 1, 0, printf('%064x', i), printf('%064x', i), 20, h % (24 * 64), 1,
    -4.0 + 3.0 * i / :count - (h % 1000) / 1000.0 FROM n;
INSERT INTO contents (program, path, source) SELECT i, 'program.py', 1 + h % 997 FROM n;
INSERT INTO verdicts (program, stage, split, seed, position, status, reason, scores, exact,
    features, fitness, feedback, stderr, tier, wall_s, cpu_s, memory_bytes)
SELECT id, 'close', 'training', '1', 0, 'ok', '', json_object('distance', -fitness), '{}', '{}',
    fitness, '', '', 'A', 0.01, 0.01, 20000000 FROM programs;
INSERT INTO verdicts (program, stage, split, seed, position, status, reason, scores, exact,
    features, fitness, feedback, stderr, tier, wall_s, cpu_s, memory_bytes)
SELECT id, 'fresh', 'validation', '2', 1, 'ok', '', json_object('distance', -fitness), '{}', '{}',
    fitness, '', '', 'A', 0.01, 0.01, 20000000
FROM programs WHERE id = 1 OR id % (1 + :count / 200) = 0;
INSERT INTO tallies (proposer, fate, attempts, programs, cost_usd)
SELECT proposer, fate, count(*), count(*), total(cost_usd) FROM attempts
GROUP BY proposer, fate;
INSERT INTO members (island, slot, program, joined)
SELECT i % 4, i / 4 % 50, i, i FROM n WHERE i > :count - 200;
"""
_ONE_MORE = """
INSERT INTO attempts (attempt, island, parent, inspirations, proposer, note, fate, reason,
    operator, diff, program, duplicate_of, cost_usd, propose_s, created, settled)
SELECT :id - 1, :id % 4, :parent, '[]', 'tree', '', 'evaluated', '', 'op1', '', :id, NULL, 0,
    0.01, 1.7e9 + :id * 0.01, 1.7e9 + :id * 0.01;
INSERT INTO programs (id, attempt, generation, hash, syntax_hash, length, cell, rung, fitness)
SELECT :id, :id - 1, 1, printf('%064x', :id), printf('%064x', :id), 20, :id % 1536, 1, -2.0;
INSERT INTO contents (program, path, source) SELECT :id, 'program.py', 1;
UPDATE tallies SET attempts = attempts + 1, programs = programs + 1 WHERE proposer = 'tree'
"""


def add(folder: Path, count: int, *, seed: int) -> None:
    """As many programs more, as if the run went on."""
    with closing(sqlite3.connect(folder / "run.db", isolation_level=None)) as connection:
        last = connection.execute("SELECT max(id) FROM programs").fetchone()[0]
        connection.execute("BEGIN")
        for number in range(last + 1, last + 1 + count):
            values = {
                "id": number,
                "parent": number - 1 - (number * 7919 + seed) % min(number - 1, 5000),
            }
            for statement in _ONE_MORE.split(";\n"):
                used = {name: v for name, v in values.items() if f":{name}" in statement}
                connection.execute(statement, used)
        connection.execute("COMMIT")


def write(folder: Path, count: int, *, seed: int) -> None:
    """A run of `count` programs, all evaluated; about 15 s for a million."""
    folder.mkdir(parents=True)
    file = folder / "run.db"
    Store.create(file, settings=SETTINGS, meta=json.loads(json.dumps(_META))).close()
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for number in range(_TEXTS):
        lines = "".join(f"    x = x + {i * (number % 7 == i % 7)}\n" for i in range(30))
        body = f"def answer(x={number}):\n{lines}    return x\n"
        text = f"# EVOLVE-BLOCK-START\n{body}# EVOLVE-BLOCK-END\n".encode()
        connection.execute(
            "INSERT INTO sources (id, hash, base, body) VALUES (?, ?, NULL, ?)",
            (number + 1, blake2b(text, digest_size=20).digest(), zlib.compress(text)),
        )
    for statement in _SCRIPT.split(";\n"):
        if statement.strip():
            values = {"count": count, "seed": seed % 2**31}
            named = {name: v for name, v in values.items() if f":{name}" in statement}
            connection.execute(statement, named)
    connection.execute("UPDATE settings SET seal = NULL")  # says that no row has one
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
