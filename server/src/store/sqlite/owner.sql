-- Version 3: who may see the owner's screens. Only hashes are kept.
CREATE TABLE admin_token (
  one  INTEGER PRIMARY KEY CHECK (one = 1),
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE login (
  hash       BLOB PRIMARY KEY,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
