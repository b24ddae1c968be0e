-- Version 10: deliveries that are authentic and count for nothing: those that can't be read, and those of another account,
-- which are `foreign` from here on. (Before, they were `ignored`, and what is stored so can't be told apart any more.)
-- Each state has an index of its own, so that many of one hide none of the other.

ALTER TABLE delivery ADD COLUMN why TEXT; -- what can't be read, or whose account it is
CREATE INDEX delivery_unparsable ON delivery (received_at DESC, provider DESC, delivery_id DESC)
  WHERE state = 'unparsable';
CREATE INDEX delivery_foreign ON delivery (received_at DESC, provider DESC, delivery_id DESC)
  WHERE state = 'foreign';
