-- Schema version 2 of the wrapped keys: the epoch of a tenant's key turns. While it does, its key of the epoch before is
-- kept beside it.
ALTER TABLE {schema}.tenant_key ADD COLUMN begun_at bigint, ADD COLUMN previous bytea;

CREATE INDEX subject_epoch ON {schema}.subject_key (tenant, epoch) WHERE erased_at IS NULL;
