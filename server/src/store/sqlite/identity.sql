-- Version 5: tells this store from every other, so that whoever forwards to itself is found out.
CREATE TABLE identity (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id  TEXT NOT NULL
) STRICT;

INSERT INTO identity (one, id) VALUES (1, lower(hex(randomblob(16))));
