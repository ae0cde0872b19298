-- What a program scored in each test case, where its problem says so: 32-bit floats, little-endian,
-- higher is better. Selection by cases (`lexicase`) starts from these.
CREATE TABLE cases (
    program INTEGER PRIMARY KEY REFERENCES programs,
    scores BLOB NOT NULL,
    seal INTEGER
);
