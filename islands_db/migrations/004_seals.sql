-- A checksum beside what is stored, so that a flipped bit is found where SQLite sees none.
-- `islands_db/seals.py` says what each covers; NULL where a row has not been sealed.
ALTER TABLE attempts ADD COLUMN seal INTEGER;
ALTER TABLE settings ADD COLUMN seal INTEGER;
ALTER TABLE meta ADD COLUMN seal INTEGER;
ALTER TABLE twins ADD COLUMN seal INTEGER;
ALTER TABLE members ADD COLUMN seal INTEGER;
ALTER TABLE elites ADD COLUMN seal INTEGER;
ALTER TABLE islands ADD COLUMN seal INTEGER;
ALTER TABLE epochs ADD COLUMN seal INTEGER;
ALTER TABLE maps ADD COLUMN seal INTEGER;
ALTER TABLE tallies ADD COLUMN seal INTEGER;
ALTER TABLE held ADD COLUMN seal INTEGER;
ALTER TABLE events ADD COLUMN seal INTEGER;
ALTER TABLE rescoring ADD COLUMN seal INTEGER;
ALTER TABLE scorings ADD COLUMN seal INTEGER;
ALTER TABLE past_verdicts ADD COLUMN seal INTEGER;
