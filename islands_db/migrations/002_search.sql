-- The structure of the search: islands that are born and reset, the archive's map, several
-- objectives; and lineage as views.

-- Twelve digits find a program; the whole hash is compared in its row. Whole hashes as keys took
-- 140 of 1,060 bytes a program.
DROP INDEX programs_by_hash;
DROP INDEX programs_by_syntax;
CREATE INDEX programs_by_hash ON programs (substr(hash, 1, 12)) WHERE rung IS NOT NULL;
CREATE INDEX programs_by_syntax ON programs (substr(syntax_hash, 1, 12)) WHERE rung IS NOT NULL;

-- JSON lists; NULL where the search does not need them. `objectives`: every one, higher is better.
-- `features`: one figure for each axis.
ALTER TABLE programs ADD COLUMN objectives TEXT;
ALTER TABLE programs ADD COLUMN features TEXT;

-- `born` and `improved` count settled attempts, `since` is an attempt's number: earlier ones were
-- sampled before the island's last reset and may not join its population. The peak is the best that
-- was in the population since then.
CREATE TABLE islands (
    island INTEGER PRIMARY KEY,
    born INTEGER NOT NULL,
    since INTEGER NOT NULL,
    improved INTEGER NOT NULL,
    peak_rung INTEGER,
    peak_fitness REAL
);
INSERT INTO islands
WITH RECURSIVE n (island) AS (
    SELECT 0 FROM settings UNION ALL
    SELECT island + 1 FROM n
    WHERE island + 1 < (SELECT json_extract(value, '$.islands') FROM settings))
SELECT island, 0, 0, 0, best.rung, best.fitness
FROM n LEFT JOIN programs best ON best.id = (
    SELECT p.id FROM members m JOIN programs p ON p.id = m.program
    WHERE m.island = n.island ORDER BY p.rung DESC, p.fitness DESC LIMIT 1);

-- What happened to the islands themselves, in order: 'migration', 'reset', 'birth', 'map'.
CREATE TABLE epochs (
    id INTEGER PRIMARY KEY,
    settled INTEGER NOT NULL,
    kind TEXT NOT NULL,
    island INTEGER,
    program INTEGER REFERENCES programs
);

-- How features become cells, where that is not the fixed grid; the last row counts.
CREATE TABLE maps (
    id INTEGER PRIMARY KEY,
    settled INTEGER NOT NULL,
    value TEXT NOT NULL
);

-- Lineage. A condition on `program` reaches the walk, so one program's rows come at once at any
-- size of the run; without one a view lists every pair there is.

CREATE VIEW ancestors AS
-- The line of parents of every program, itself included at distance 0.
SELECT p.id AS program, line.value AS ancestor, line.key AS distance
FROM programs p, json_each((
    WITH RECURSIVE walk (id, distance) AS (
        SELECT p.id, 0 UNION ALL
        SELECT a.parent, walk.distance + 1 FROM walk
        JOIN programs q ON q.id = walk.id JOIN attempts a ON a.attempt = q.attempt
        WHERE a.parent IS NOT NULL)
    SELECT json_group_array(id) FROM (SELECT id FROM walk ORDER BY distance))) line;

CREATE VIEW descendants AS
-- Every program made from this one, directly or not, with the number of steps.
SELECT p.id AS program, json_extract(found.value, '$[0]') AS descendant,
    json_extract(found.value, '$[1]') AS distance
FROM programs p, json_each((
    WITH RECURSIVE walk (id, distance) AS (
        SELECT p.id, 0 UNION ALL
        SELECT a.program, walk.distance + 1 FROM walk
        JOIN attempts a ON a.parent = walk.id WHERE a.program IS NOT NULL)
    SELECT json_group_array(json_array(id, distance)) FROM walk WHERE distance > 0)) found;

CREATE VIEW common_ancestors AS
-- For two programs every ancestor of both; the nearest has the least `distance` (steps to both
-- together). Give conditions on `one` and `other`.
SELECT p.id AS one, q.id AS other, json_extract(found.value, '$[0]') AS ancestor,
    json_extract(found.value, '$[1]') AS distance
FROM programs p, programs q, json_each((
    WITH RECURSIVE walk (id, distance) AS (
        SELECT p.id, 0 UNION ALL SELECT q.id, 0 UNION ALL
        SELECT a.parent, walk.distance + 1 FROM walk
        JOIN programs r ON r.id = walk.id JOIN attempts a ON a.attempt = r.attempt
        WHERE a.parent IS NOT NULL)
    SELECT json_group_array(json_array(id, distance)) FROM (
        SELECT id, sum(distance) AS distance FROM walk GROUP BY id HAVING count(*) = 2))) found;

CREATE VIEW path_edits AS
-- The edits on the way from a program's seed to it, one row each, the last edit at distance 0:
-- who made it, the patch, and what it gained (NULL where one of the two has no fitness, or where
-- the child reached another stage, so that the values are not of one kind).
SELECT line.program, line.distance, c.id AS child, a.parent, a.proposer, a.operator, a.diff,
    c.rung - s.rung AS rung_gain,
    CASE WHEN c.rung = s.rung THEN c.fitness - s.fitness END AS gain
FROM ancestors line JOIN programs c ON c.id = line.ancestor
JOIN attempts a ON a.attempt = c.attempt JOIN programs s ON s.id = a.parent;

CREATE VIEW generations AS
-- The best program of every generation (steps from a seed), and how many there are.
SELECT generation, programs, id AS best, rung, fitness FROM (
    SELECT generation, id, rung, fitness,
        count(*) OVER (PARTITION BY generation) AS programs,
        row_number() OVER (PARTITION BY generation ORDER BY rung DESC, fitness DESC, id) AS place
    FROM programs WHERE fitness IS NOT NULL)
WHERE place = 1 ORDER BY generation;
