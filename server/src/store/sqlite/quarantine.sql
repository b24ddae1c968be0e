-- Version 6: deliveries that were refused, and kept aside; how many in a row; deliveries that came again with another body.
CREATE TABLE quarantine (
  place       INTEGER PRIMARY KEY,
  provider    TEXT NOT NULL,
  digest      BLOB NOT NULL,    -- of the body: the same is kept once
  sender      INTEGER NOT NULL, -- tells senders apart, and says of none who it is
  received_at INTEGER NOT NULL,
  why         TEXT NOT NULL,
  headers     TEXT NOT NULL,    -- JSON: [[name, value], …]
  body        BLOB NOT NULL,    -- last: the others are read without it
  UNIQUE (provider, digest)
) STRICT;
CREATE INDEX quarantine_of_sender ON quarantine (sender);
CREATE INDEX quarantine_by_age ON quarantine (received_at);

CREATE TABLE refusal (
  provider TEXT PRIMARY KEY, -- whose last delivery was refused
  in_a_row INTEGER NOT NULL,
  since    INTEGER NOT NULL,
  why      TEXT NOT NULL     -- of the last one
) STRICT, WITHOUT ROWID;

CREATE TABLE conflict (
  seq         INTEGER PRIMARY KEY,
  provider    TEXT NOT NULL,
  delivery_id TEXT NOT NULL, -- the first delivery with it is in `delivery`, and stands
  digest      BLOB NOT NULL,
  received_at INTEGER NOT NULL,
  body        BLOB,          -- NULL: longer than what is kept
  UNIQUE (provider, delivery_id, digest)
) STRICT;
