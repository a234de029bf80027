-- The tables of schema version 3 of the PostgreSQL key table, with one of everything. Never changed: see keys_postgres.rs.
CREATE SCHEMA {schema};
CREATE TABLE {schema}.subject_key (tenant uuid NOT NULL, subject uuid NOT NULL, version bigint NOT NULL, epoch bigint NOT NULL, wrapped bytea NOT NULL, erased_at bigint);
ALTER TABLE ONLY {schema}.subject_key FORCE ROW LEVEL SECURITY;
CREATE TABLE {schema}.tenant_key (tenant uuid NOT NULL, epoch bigint NOT NULL, wrapped bytea NOT NULL, index_key bytea NOT NULL, begun_at bigint, previous bytea);
ALTER TABLE ONLY {schema}.tenant_key FORCE ROW LEVEL SECURITY;
CREATE TABLE {schema}.version (version integer NOT NULL);
INSERT INTO {schema}.subject_key VALUES ('00000000-0000-0000-0000-000000000000', '02020202-0202-0202-0202-020202020202', 1, 1, '\xcccc', NULL);
INSERT INTO {schema}.subject_key VALUES ('00000000-0000-0000-0000-000000000000', '03030303-0303-0303-0303-030303030303', 0, 0, '\x', 1795338000000000);
INSERT INTO {schema}.tenant_key VALUES ('00000000-0000-0000-0000-000000000000', 1, '\xaaaa', '\xbbbb', NULL, NULL);
INSERT INTO {schema}.version VALUES (3);
ALTER TABLE ONLY {schema}.subject_key ADD CONSTRAINT subject_key_pkey PRIMARY KEY (tenant, subject);
ALTER TABLE ONLY {schema}.tenant_key ADD CONSTRAINT tenant_key_pkey PRIMARY KEY (tenant);
CREATE INDEX subject_epoch ON {schema}.subject_key USING btree (tenant, epoch) WHERE (erased_at IS NULL);
CREATE POLICY one_tenant ON {schema}.subject_key USING ((tenant = (NULLIF(current_setting('whisp.tenant'::text, true), ''::text))::uuid));
CREATE POLICY one_tenant ON {schema}.tenant_key USING ((tenant = (NULLIF(current_setting('whisp.tenant'::text, true), ''::text))::uuid));
ALTER TABLE {schema}.subject_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE {schema}.tenant_key ENABLE ROW LEVEL SECURITY;
