-- Version 8: how the ids of each checkout went to the provider, and by what its return is known.

CREATE TABLE checkout (
  funnel      TEXT NOT NULL,
  session_id  TEXT NOT NULL,
  click_id    TEXT NOT NULL,
  provider    TEXT NOT NULL,
  carried     TEXT NOT NULL, -- api | link | fallback
  return_hash BLOB NOT NULL, -- SHA-256 of the return URL's token
  started_at  INTEGER NOT NULL,
  PRIMARY KEY (funnel, session_id, click_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkout_of_return ON checkout (return_hash);
