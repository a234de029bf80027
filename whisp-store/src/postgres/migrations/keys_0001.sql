-- Schema version 1 of the wrapped keys.
CREATE TABLE {schema}.tenant_key (
    tenant uuid NOT NULL, epoch bigint NOT NULL, wrapped bytea NOT NULL, index_key bytea NOT NULL,
    PRIMARY KEY (tenant)
){by_tenant};

-- A key that is erased keeps its row, without the key, so that no late writer makes another. Times are microseconds
-- since 1970 in UTC.
CREATE TABLE {schema}.subject_key (
    tenant uuid NOT NULL, subject uuid NOT NULL, version bigint NOT NULL, epoch bigint NOT NULL, wrapped bytea NOT NULL,
    erased_at bigint,
    PRIMARY KEY (tenant, subject)
){by_tenant};
