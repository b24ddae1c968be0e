-- Version 11: the oldest row that waits is found without going through the others, whether it was tried or not; and parked
-- rows are counted in their index: without `due_at` in it SQLite looks into each row to see that it is parked. Both take the
-- place of others: whoever writes a row pays for no more than before.

DROP INDEX outbox_fresh;
CREATE INDEX outbox_waiting ON outbox (destination, tries > 0, seq) WHERE due_at IS NOT NULL;
DROP INDEX outbox_parked;
CREATE INDEX outbox_parked ON outbox (destination, seq, due_at) WHERE due_at IS NULL;
