-- The table of one kind. Rows are appended; a list is read over its index, which is cheaper on writes than clustering.
CREATE TABLE record_{kind} (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE UNIQUE INDEX key_{kind} ON record_{kind} (tenant, id);
