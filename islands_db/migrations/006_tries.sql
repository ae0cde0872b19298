-- Opening counts the attempts begun from each member of an island. What it asks of them lies in the
-- index, so that none of their rows is read: most of all rows where a search has long stood still.
DROP INDEX attempts_by_parent;
CREATE INDEX attempts_by_parent ON attempts (parent, attempt, island) WHERE parent IS NOT NULL;
