-- Schema version 1. Times are microseconds since 1970 in UTC; ids are their 16 bytes; the tenant stands first in every key.

-- The kinds that have a table here, and the paths for which they have indexes (bits: 1 listed, 2 found, 4 owned, 8 expires).
CREATE TABLE kind (name TEXT PRIMARY KEY, paths INTEGER NOT NULL) WITHOUT ROWID;

-- By whom a record is found and exported; one row for each (record, subject).
CREATE TABLE subject (
    tenant BLOB NOT NULL, subject BLOB NOT NULL, kind TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (tenant, subject, kind, id)
) WITHOUT ROWID;

-- What came in before. Ordered by the provider's time, so that new keys land together.
CREATE TABLE seen (
    tenant BLOB NOT NULL, second INTEGER NOT NULL, digest BLOB NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (tenant, second, digest)
) WITHOUT ROWID;

CREATE TABLE work (
    tenant BLOB NOT NULL, bucket INTEGER NOT NULL, due INTEGER NOT NULL, id BLOB NOT NULL,
    lane BLOB NOT NULL, attempts INTEGER NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (tenant, bucket, due, id)
) WITHOUT ROWID;

-- The newest lease of each bucket. It stays when it is released, so that its fence is never given out again.
CREATE TABLE lease (
    tenant BLOB NOT NULL, bucket INTEGER NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL, worker BLOB NOT NULL,
    PRIMARY KEY (tenant, bucket)
) WITHOUT ROWID;

CREATE TABLE fact (
    tenant BLOB NOT NULL, at INTEGER NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tenant, at, id)
) WITHOUT ROWID;
