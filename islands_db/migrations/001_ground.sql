-- One run. Times are UTC seconds since 1970 and serve display only; nothing is decided by them.
-- A released migration is never edited: what changes later comes as the next numbered file.

CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value TEXT NOT NULL
);

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Texts, each stored once. The body is zlib data; where `base` is set, the text of that source is
-- the preset dictionary. A base has no base itself.
CREATE TABLE sources (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    base INTEGER REFERENCES sources,
    body BLOB NOT NULL
);

-- One row an attempt. While it is under way `fate` is NULL.
CREATE TABLE attempts (
    attempt INTEGER PRIMARY KEY,
    island INTEGER NOT NULL,
    parent INTEGER REFERENCES programs,
    inspirations TEXT NOT NULL,
    proposer TEXT NOT NULL,
    note TEXT NOT NULL,
    fate TEXT,
    reason TEXT NOT NULL DEFAULT '',
    operator TEXT NOT NULL DEFAULT '',
    diff TEXT NOT NULL DEFAULT '',
    program INTEGER REFERENCES programs,
    duplicate_of INTEGER REFERENCES programs,
    cost_usd REAL NOT NULL DEFAULT 0,
    propose_s REAL NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    settled REAL
);
CREATE INDEX attempts_pending ON attempts (attempt) WHERE fate IS NULL;
CREATE INDEX attempts_by_parent ON attempts (parent) WHERE parent IS NOT NULL;
CREATE INDEX attempts_duplicates ON attempts (duplicate_of) WHERE duplicate_of IS NOT NULL;

-- A program whose evaluation broke down through no fault of its own has no rung: it is kept to be
-- read, but it is not known, and may be proposed and judged again.
CREATE TABLE programs (
    id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL REFERENCES attempts,
    generation INTEGER NOT NULL,
    hash TEXT NOT NULL,
    syntax_hash TEXT NOT NULL,
    length INTEGER NOT NULL,
    cell INTEGER,
    rung INTEGER,
    fitness REAL,
    signature INTEGER,
    behaviour INTEGER
);
CREATE UNIQUE INDEX programs_by_hash ON programs (hash) WHERE rung IS NOT NULL;
CREATE INDEX programs_by_syntax ON programs (syntax_hash) WHERE rung IS NOT NULL;
CREATE INDEX programs_by_behaviour ON programs (behaviour, id) WHERE behaviour IS NOT NULL;
CREATE INDEX programs_by_rank ON programs (rung DESC, fitness DESC, id) WHERE fitness IS NOT NULL;

-- The content of twins: programs that were recognised by their behaviour and never judged.
CREATE TABLE twins (
    hash TEXT PRIMARY KEY,
    syntax_hash TEXT NOT NULL,
    attempt INTEGER NOT NULL REFERENCES attempts,
    program INTEGER NOT NULL REFERENCES programs
) WITHOUT ROWID;
CREATE INDEX twins_by_syntax ON twins (syntax_hash, program);

CREATE TABLE contents (
    program INTEGER NOT NULL REFERENCES programs,
    path TEXT NOT NULL,
    source INTEGER NOT NULL REFERENCES sources,
    PRIMARY KEY (program, path)
) WITHOUT ROWID;

-- `seed` is text because a 64-bit seed does not fit SQLite's signed integers. `position` counts a
-- program's verdicts in the order they came.
CREATE TABLE verdicts (
    program INTEGER NOT NULL REFERENCES programs,
    stage TEXT NOT NULL,
    split TEXT NOT NULL,
    seed TEXT NOT NULL,
    position INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT NOT NULL,
    scores TEXT NOT NULL,
    exact TEXT NOT NULL,
    features TEXT NOT NULL,
    fitness REAL,
    feedback TEXT NOT NULL,
    stderr TEXT NOT NULL,
    tier TEXT NOT NULL,
    wall_s REAL NOT NULL,
    cpu_s REAL NOT NULL,
    memory_bytes INTEGER NOT NULL,
    PRIMARY KEY (program, stage, split, seed)
) WITHOUT ROWID;
CREATE INDEX verdicts_outside_training ON verdicts (split, program, fitness) WHERE split <> 'training';

-- The islands' populations and archives, slot for slot as they lie in memory.
CREATE TABLE members (
    island INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    program INTEGER NOT NULL REFERENCES programs,
    joined INTEGER NOT NULL,
    PRIMARY KEY (island, slot)
) WITHOUT ROWID;

CREATE TABLE elites (
    island INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    program INTEGER NOT NULL REFERENCES programs,
    joined INTEGER NOT NULL,
    PRIMARY KEY (island, slot)
) WITHOUT ROWID;

-- Running totals, so that nobody has to count the attempts.
CREATE TABLE tallies (
    proposer TEXT NOT NULL,
    fate TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    programs INTEGER NOT NULL,
    cost_usd REAL NOT NULL,
    PRIMARY KEY (proposer, fate)
) WITHOUT ROWID;

-- Results that arrived before their turn.
CREATE TABLE held (
    attempt INTEGER PRIMARY KEY REFERENCES attempts,
    payload BLOB NOT NULL
);

-- Paid calls, one row each time one is sent, written before it leaves. An attempt asks in turns:
-- 0 is its question, 1 what it asks after a miss, and each turn is asked until it is answered.
--   open      it has been sent
--   answered  its last byte was read; `answer` is the zlib text, NULL cost_usd an unknown cost
--   failed    the vendor refused it, or it never left: nothing to pay
--   cut       it was lost on the way, and may have been billed up to reserve_usd
CREATE TABLE calls (
    id INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL REFERENCES attempts,
    turn INTEGER NOT NULL,
    model TEXT NOT NULL,
    state TEXT NOT NULL,
    template TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reserve_usd REAL NOT NULL,
    reserve_tokens INTEGER NOT NULL,
    cost_usd REAL,
    input INTEGER NOT NULL DEFAULT 0,
    cached INTEGER NOT NULL DEFAULT 0,
    written INTEGER NOT NULL DEFAULT 0,
    output INTEGER NOT NULL DEFAULT 0,
    reasoning INTEGER NOT NULL DEFAULT 0,
    finish TEXT NOT NULL DEFAULT '',
    answered_by TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT '',
    status INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    answer BLOB,
    latency_s REAL NOT NULL DEFAULT 0,
    created REAL NOT NULL,
    ended REAL
);
CREATE UNIQUE INDEX calls_answered ON calls (attempt, turn) WHERE state = 'answered';
CREATE INDEX calls_by_attempt ON calls (attempt, turn);
CREATE INDEX calls_open ON calls (id) WHERE state = 'open';

CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    data TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX events_by_kind ON events (kind);

CREATE VIEW program_scores AS
-- Every judged program with where it came from and how far it got in training. `fitness` is higher
-- is better; `scores` holds the objectives in their own sign and unit, from the last stage reached.
SELECT p.id, a.attempt, a.island, a.parent, p.generation, a.proposer, a.operator, p.length, p.rung,
    p.fitness, v.stage, v.status, v.scores, v.reason,
    datetime(a.settled, 'unixepoch') AS created
FROM programs p
JOIN attempts a ON a.attempt = p.attempt
LEFT JOIN verdicts v ON v.program = p.id AND v.split = 'training' AND v.position = (
    SELECT max(position) FROM verdicts WHERE program = p.id AND split = 'training')
WHERE p.rung IS NOT NULL;

CREATE VIEW lineage_edges AS
-- Who came from whom: one row for each program and source it was made from, `role` being 'parent'
-- or 'inspiration'; `gain` is the child's fitness less the source's.
SELECT a.program AS child, a.parent AS source, 'parent' AS role, a.operator, c.fitness - s.fitness AS gain
FROM attempts a JOIN programs c ON c.id = a.program JOIN programs s ON s.id = a.parent
UNION ALL
SELECT a.program, s.id, 'inspiration', a.operator, c.fitness - s.fitness
FROM attempts a JOIN json_each(a.inspirations) i JOIN programs c ON c.id = a.program
JOIN programs s ON s.id = i.value;

CREATE VIEW spending AS
-- What the calls to each model came to. What the vendor bills lies between settled_usd and
-- settled_usd + unsettled_usd.
SELECT model, state, count(*) AS calls, total(cost_usd) AS settled_usd,
    total(CASE WHEN state IN ('open', 'cut') OR (state = 'answered' AND cost_usd IS NULL)
        THEN reserve_usd END) AS unsettled_usd,
    sum(input) AS input, sum(cached) AS cached, sum(output) AS output, sum(reasoning) AS reasoning
FROM calls GROUP BY model, state;

CREATE VIEW waste AS
-- What the attempts came to, by proposer and fate, with their share of all and what they cost.
SELECT proposer, fate, attempts,
    round(100.0 * attempts / (SELECT sum(attempts) FROM tallies), 2) AS percent, programs, cost_usd
FROM tallies ORDER BY attempts DESC;
