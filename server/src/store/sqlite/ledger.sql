-- Version 7: the whole life of a payment. What is told about money is kept as rows whose keys are what they say; what
-- follows from them stands beside the conversions and is written anew whenever one more is told.

ALTER TABLE payment ADD COLUMN subscription_id TEXT;
ALTER TABLE payment ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN reconciled INTEGER NOT NULL DEFAULT 0; -- no delivery brought it

-- Every name by which a payment is known: its own id, others, its subscription's.
CREATE TABLE payment_name (
  funnel     TEXT NOT NULL,
  provider   TEXT NOT NULL,
  name       TEXT NOT NULL,
  payment_id TEXT NOT NULL,
  PRIMARY KEY (funnel, provider, name, payment_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_name_of_payment ON payment_name (funnel, provider, payment_id);
INSERT INTO payment_name SELECT funnel, provider, payment_id, payment_id FROM payment;

CREATE TABLE refund (
  funnel              TEXT NOT NULL,
  provider            TEXT NOT NULL,
  refund_id           TEXT NOT NULL,
  counts              TEXT NOT NULL,    -- one | all_so_far
  state               TEXT NOT NULL,    -- pending | succeeded | failed: each is a row
  sum_minor           INTEGER NOT NULL, -- of all_so_far, each of which is a row; else 0
  payment_name        TEXT NOT NULL,    -- the payment, by any of its names
  amount_minor        INTEGER,          -- NULL with amount_fault: never guessed
  currency            TEXT,
  amount_fault        TEXT,
  at                  INTEGER NOT NULL,
  session_id          TEXT,
  anonymous_id        TEXT,
  checkout_started_at INTEGER,
  received_at         INTEGER NOT NULL,
  PRIMARY KEY (funnel, provider, refund_id, counts, state, sum_minor)
) STRICT;
CREATE INDEX refund_of_payment ON refund (funnel, provider, payment_name);

CREATE TABLE dispute (
  funnel       TEXT NOT NULL,
  provider     TEXT NOT NULL,
  dispute_id   TEXT NOT NULL,
  state        TEXT NOT NULL, -- warning | open | won | lost: each is a row
  payment_name TEXT NOT NULL,
  amount_minor INTEGER,
  currency     TEXT,
  amount_fault TEXT,
  at           INTEGER NOT NULL,
  received_at  INTEGER NOT NULL,
  PRIMARY KEY (funnel, provider, dispute_id, state)
) STRICT;
CREATE INDEX dispute_of_payment ON dispute (funnel, provider, payment_name);

-- Minor units of the conversion's currency.
ALTER TABLE conversion ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversion ADD COLUMN renewals INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversion ADD COLUMN renewed_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversion ADD COLUMN refunded_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversion ADD COLUMN disputed_minor INTEGER NOT NULL DEFAULT 0;

ALTER TABLE session ADD COLUMN net TEXT NOT NULL DEFAULT '[]'; -- as revenue, after refunds and disputes
UPDATE session SET net = revenue WHERE revenue <> '[]';
ALTER TABLE tally ADD COLUMN net_minor INTEGER NOT NULL DEFAULT 0;
UPDATE tally SET net_minor = amount_minor WHERE amount_minor <> 0;
