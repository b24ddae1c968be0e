-- Version 9: how the money of each payment stands, whose the owner says it is, and what came of comparing the ledger with
-- each provider's own list. What was told before is settled anew in ledger::stand.

ALTER TABLE payment ADD COLUMN state TEXT NOT NULL DEFAULT 'paid';
  -- paid | partly_refunded | refunded | disputed | dispute_lost | unclear
ALTER TABLE payment ADD COLUMN refunded_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN disputed_minor INTEGER NOT NULL DEFAULT 0;
ALTER TABLE payment ADD COLUMN joined_at INTEGER; -- when the owner said by hand whose it is
UPDATE payment SET state = 'unclear' WHERE amount_minor IS NULL;

-- Lists are newest first by the time of payment.
CREATE INDEX payment_by_time ON payment (funnel, paid_at DESC, provider DESC, payment_id DESC);
CREATE INDEX payment_of_state ON payment (funnel, state, paid_at DESC, provider DESC, payment_id DESC);
CREATE INDEX payment_without_session ON payment (funnel, paid_at DESC, provider DESC, payment_id DESC)
  WHERE session_id IS NULL;

-- Who may have paid what nobody is known for.
CREATE INDEX session_unpaid ON session (funnel, checkout_at DESC) WHERE checkout_at IS NOT NULL AND converted = 0;

-- How refunds and disputes call payments that nobody knows yet.
CREATE TABLE unjoined (
  funnel       TEXT NOT NULL,
  provider     TEXT NOT NULL,
  payment_name TEXT NOT NULL,
  PRIMARY KEY (funnel, provider, payment_name)
) STRICT, WITHOUT ROWID;

CREATE TABLE comparison (
  provider    TEXT PRIMARY KEY,
  at          INTEGER NOT NULL,
  listed      INTEGER NOT NULL, -- payments, refunds and disputes in the provider's list
  found       TEXT NOT NULL,    -- JSON: what no delivery had brought, a line each
  differences TEXT NOT NULL,    -- JSON: what differs, a line each
  fault       TEXT              -- why there was nothing to compare
) STRICT, WITHOUT ROWID;
