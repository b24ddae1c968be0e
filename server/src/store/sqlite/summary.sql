-- Version 2: sessions in short, and figures by day and source, kept up to date by every commit; which payment a delivery
-- told of. What was stored before is counted in summaries::rebuild.

DROP TABLE session;
CREATE TABLE session (
  funnel         TEXT NOT NULL,
  session_id     TEXT NOT NULL,
  last_at        INTEGER NOT NULL,
  checkout_at    INTEGER,
  arrived_at     INTEGER,
  closed_at      INTEGER,
  converted      INTEGER NOT NULL,
  converted_end  INTEGER,          -- when a conversion closed it first
  events         INTEGER NOT NULL, -- ends that may be overtaken not counted
  provisional    INTEGER NOT NULL, -- how many of those
  provisional_at INTEGER,          -- the newest of those
  first_at       INTEGER,          -- of the others …
  newest_at      INTEGER,
  visitor        TEXT,             -- of the earliest event that names one …
  visitor_at     INTEGER,
  visitor_event  TEXT,
  source         TEXT,             -- of the touch; NULL is direct
  touch          TEXT,             -- JSON, of the earliest event with a page …
  touch_at       INTEGER,
  touch_event    TEXT,
  bot            TEXT,
  conversions    INTEGER NOT NULL,
  revenue        TEXT NOT NULL     -- JSON: [["USD", minor units], …], the oldest conversion's currency first
) STRICT;
CREATE UNIQUE INDEX session_key ON session (funnel, session_id);
CREATE INDEX session_newest ON session (funnel, last_at DESC, session_id DESC);
CREATE INDEX session_of_source ON session (funnel, source, last_at DESC, session_id DESC);
CREATE INDEX session_converted ON session (funnel, last_at DESC, session_id DESC) WHERE converted = 1;
CREATE INDEX session_converted_of_source ON session (funnel, source, last_at DESC, session_id DESC) WHERE converted = 1;
CREATE INDEX session_at_checkout ON session (funnel, last_at DESC, session_id DESC) WHERE checkout_at IS NOT NULL;
CREATE INDEX session_of_bot ON session (funnel, last_at DESC, session_id DESC) WHERE bot IS NOT NULL;

CREATE TABLE tally (
  funnel       TEXT NOT NULL,
  day          INTEGER NOT NULL, -- days since 1970 on which the sessions began, UTC
  source       TEXT NOT NULL,    -- '' is direct
  currency     TEXT NOT NULL,    -- '' for sessions that brought nothing; a second currency is a row without sessions
  sessions     INTEGER NOT NULL,
  checkouts    INTEGER NOT NULL,
  conversions  INTEGER NOT NULL,
  amount_minor INTEGER NOT NULL,
  PRIMARY KEY (funnel, day, source, currency)
) STRICT, WITHOUT ROWID;

CREATE INDEX event_by_name ON event (funnel, name, session_id);
CREATE INDEX payment_of_session ON payment (funnel, session_id) WHERE session_id IS NOT NULL;
CREATE INDEX payment_unattributed ON payment (funnel, received_at DESC) WHERE session_id IS NULL;

ALTER TABLE delivery ADD COLUMN payment_id TEXT; -- which payment it told of
UPDATE delivery SET payment_id = json_extract(cast(body AS TEXT), '$.data.id')
 WHERE state = 'recorded' AND json_valid(cast(body AS TEXT)) AND json_type(cast(body AS TEXT), '$.data.id') = 'text';
CREATE INDEX delivery_of_payment ON delivery (provider, payment_id) WHERE payment_id IS NOT NULL;
