-- Fitness of different stages is not of one kind, so no gain comes of it; as in `path_edits`.
DROP VIEW lineage_edges;
CREATE VIEW lineage_edges AS
-- Who came from whom: one row for each program and source it was made from, `role` being 'parent'
-- or 'inspiration'; `gain` is the child's fitness less the source's (NULL where one of the two has
-- none, or where they reached different stages).
SELECT a.program AS child, a.parent AS source, 'parent' AS role, a.operator,
    CASE WHEN c.rung = s.rung THEN c.fitness - s.fitness END AS gain
FROM attempts a JOIN programs c ON c.id = a.program JOIN programs s ON s.id = a.parent
UNION ALL
SELECT a.program, s.id, 'inspiration', a.operator,
    CASE WHEN c.rung = s.rung THEN c.fitness - s.fitness END
FROM attempts a JOIN json_each(a.inspirations) i JOIN programs c ON c.id = a.program
JOIN programs s ON s.id = i.value;
