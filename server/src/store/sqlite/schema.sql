-- Version 1. A later version is a new file in mod.rs; a published one never changes.
-- Times are ms since 1970, money is minor units with its ISO currency.

CREATE TABLE event (
  seq          INTEGER PRIMARY KEY,
  funnel       TEXT NOT NULL,
  source       TEXT NOT NULL, -- browser | key | server
  event_id     TEXT NOT NULL,
  session_id   TEXT NOT NULL,
  anonymous_id TEXT,
  name         TEXT NOT NULL,
  properties   TEXT NOT NULL, -- JSON object
  page_url     TEXT,
  referrer     TEXT,
  event_index  INTEGER,
  timestamp    INTEGER NOT NULL,
  received_at  INTEGER NOT NULL,
  UNIQUE (funnel, source, event_id)
) STRICT;
CREATE INDEX event_of_session ON event (funnel, session_id, name);
CREATE INDEX event_of_visitor ON event (funnel, anonymous_id, name, timestamp) WHERE anonymous_id IS NOT NULL;

-- What lists of sessions need; every column is a commutative sum of the session's rows.
CREATE TABLE session (
  funnel     TEXT NOT NULL,
  session_id TEXT NOT NULL,
  last_at    INTEGER NOT NULL,
  converted  INTEGER NOT NULL,
  PRIMARY KEY (funnel, session_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX session_newest ON session (funnel, last_at DESC, session_id DESC);
CREATE INDEX session_converted ON session (funnel, converted, last_at DESC, session_id DESC);

CREATE TABLE delivery (
  provider    TEXT NOT NULL,
  delivery_id TEXT NOT NULL,
  event_type  TEXT NOT NULL,
  state       TEXT NOT NULL, -- recorded | ignored | unparsable
  body        BLOB NOT NULL,
  received_at INTEGER NOT NULL,
  PRIMARY KEY (provider, delivery_id)
) STRICT;

CREATE TABLE payment (
  funnel              TEXT NOT NULL,
  provider            TEXT NOT NULL,
  payment_id          TEXT NOT NULL,
  kind                TEXT NOT NULL, -- first | renewal
  amount_minor        INTEGER,       -- NULL with amount_fault: never guessed
  currency            TEXT,
  amount_fault        TEXT,
  paid_at             INTEGER NOT NULL,
  session_id          TEXT,          -- NULL: unattributed
  anonymous_id        TEXT,
  checkout_started_at INTEGER,
  received_at         INTEGER NOT NULL,
  PRIMARY KEY (funnel, provider, payment_id)
) STRICT;
CREATE INDEX payment_newest ON payment (funnel, received_at DESC);

CREATE TABLE conversion (
  funnel          TEXT NOT NULL,
  provider        TEXT NOT NULL,
  payment_id      TEXT NOT NULL,
  conversion_type TEXT NOT NULL,
  amount_minor    INTEGER,
  currency        TEXT,
  converted_at    INTEGER NOT NULL,
  session_id      TEXT,
  anonymous_id    TEXT,
  PRIMARY KEY (funnel, provider, payment_id)
) STRICT;
CREATE INDEX conversion_of_session ON conversion (funnel, session_id) WHERE session_id IS NOT NULL;
