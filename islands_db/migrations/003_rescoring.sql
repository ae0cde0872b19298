-- Scores given anew after a verifier has changed.

-- What has been judged again so far, as JSON; it takes effect all at once when nothing is missing.
CREATE TABLE rescoring (
    program INTEGER PRIMARY KEY REFERENCES programs,
    outcome TEXT NOT NULL
);

-- Every time scores were given anew: with which evaluator before, NULL where it was the same.
CREATE TABLE scorings (
    id INTEGER PRIMARY KEY,
    programs INTEGER NOT NULL,
    before TEXT,
    created REAL NOT NULL
);

-- The verdicts that held until then, as they were in `verdicts`.
CREATE TABLE past_verdicts (
    scoring INTEGER NOT NULL REFERENCES scorings,
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
    PRIMARY KEY (scoring, program, stage, split, seed)
) WITHOUT ROWID;
