-- What must still be told to somebody else. A row goes when it was sent: the events themselves stay in `event`, so that a
-- second copy of them would only make the file grow, and the table stays as small as what waits.

CREATE TABLE outbox (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE, -- also the Idempotency-Key
  destination TEXT NOT NULL,
  funnel      TEXT NOT NULL,
  body        BLOB NOT NULL,        -- never changes: a part of it is another row
  created_at  INTEGER NOT NULL,
  driven_at   INTEGER NOT NULL,     -- written, or last driven by hand
  due_at      INTEGER,              -- of a claimed row: when the claim ends; NULL: parked
  claim_id    TEXT,                 -- NULL: nobody is at it
  tries       INTEGER NOT NULL,     -- those that failed
  tried_at    INTEGER,
  last_error  TEXT
) STRICT;
CREATE INDEX outbox_due ON outbox (destination, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_fresh ON outbox (destination, seq) WHERE tries = 0 AND due_at IS NOT NULL;
CREATE INDEX outbox_parked ON outbox (destination, seq) WHERE due_at IS NULL;
CREATE INDEX outbox_failed ON outbox (destination, tried_at) WHERE last_error IS NOT NULL;
CREATE INDEX outbox_claimed ON outbox (destination) WHERE claim_id IS NOT NULL;
