-- Schema version 1. Times are microseconds since 1970 in UTC; the tenant stands first in every key, so that the
-- tables about tenants can be hash-partitioned, or distributed, by it.

-- The kinds that have a table here, and on which paths they are found (bits: 1 listed, 2 found, 4 owned, 8 expires).
CREATE TABLE {schema}.kind (name text PRIMARY KEY, paths smallint NOT NULL);

-- One row for each tenant: whoever writes for the tenant holds it, so that its batches come one after another.
CREATE TABLE {schema}.tenant (tenant uuid NOT NULL, PRIMARY KEY (tenant)){by_tenant};

-- By whom a record is found and exported; one row for each (record, subject).
CREATE TABLE {schema}.subject (
    tenant uuid NOT NULL, subject uuid NOT NULL, kind text COLLATE "C" NOT NULL, id uuid NOT NULL,
    PRIMARY KEY (tenant, subject, kind, id)
){by_tenant};

-- What came in before. Ordered by the provider's time, so that new keys land together; forgotten by the second index.
CREATE TABLE {schema}.seen (
    tenant uuid NOT NULL, second bigint NOT NULL, digest bytea NOT NULL, until bigint NOT NULL,
    PRIMARY KEY (tenant, second, digest)
){by_tenant};
CREATE INDEX seen_until ON {schema}.seen (tenant, until);

CREATE TABLE {schema}.work (
    tenant uuid NOT NULL, bucket integer NOT NULL, due bigint NOT NULL, id uuid NOT NULL,
    lane uuid NOT NULL, attempts bigint NOT NULL, payload text NOT NULL,
    PRIMARY KEY (tenant, bucket, due, id)
){by_tenant};

-- One row for each bucket that ever held work: its newest lease. It stays when that is released, so that its fence is
-- never given out again.
CREATE TABLE {schema}.lease (
    tenant uuid NOT NULL, bucket integer NOT NULL, fence bigint NOT NULL, until bigint NOT NULL,
    PRIMARY KEY (tenant, bucket)
){by_tenant};

CREATE TABLE {schema}.fact (
    tenant uuid NOT NULL, at bigint NOT NULL, id uuid NOT NULL, body bytea NOT NULL,
    PRIMARY KEY (tenant, at, id)
){by_tenant};
