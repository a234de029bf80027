-- The table of one kind.
CREATE TABLE {schema}.record_{kind} (
    tenant uuid NOT NULL, id uuid NOT NULL, version bigint NOT NULL,
    parent uuid, position bigint NOT NULL, expires_at bigint,
    lookups bytea NOT NULL, subjects bytea NOT NULL, clear text NOT NULL, sealed bytea NOT NULL,
    PRIMARY KEY (tenant, id)
){by_tenant};
-- What is sealed does not compress.
ALTER TABLE {schema}.record_{kind} ALTER COLUMN sealed SET STORAGE EXTERNAL;
