-- A file of schema version 2 of the SQLite store, with one of everything. Never changed: see sqlite_golden.rs.
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA application_id = 1466463088;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE fact (
    tenant BLOB NOT NULL, at INTEGER NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tenant, at, id)
) WITHOUT ROWID;
INSERT INTO "fact" VALUES(X'00000000000000000000000000000000',1795338000000000,X'F22348245A584C0981E94D1B34C89032',X'01020303763FD29B8D8F46CCB513CA492A71A838FD9D2B1723304A6BA18293A23C04E8DCEB08424230F9474B89A873DEC705BDCB400779DA38CB43DAB76DED4773971F85');
CREATE TABLE kind (name TEXT PRIMARY KEY, paths INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "kind" VALUES('alias',4);
INSERT INTO "kind" VALUES('connection',5);
INSERT INTO "kind" VALUES('consent',5);
INSERT INTO "kind" VALUES('contact',4);
INSERT INTO "kind" VALUES('conversation',5);
INSERT INTO "kind" VALUES('dead_letter',13);
INSERT INTO "kind" VALUES('inquiry',5);
INSERT INTO "kind" VALUES('member',5);
INSERT INTO "kind" VALUES('message',15);
INSERT INTO "kind" VALUES('raw',13);
INSERT INTO "kind" VALUES('receipt',1);
INSERT INTO "kind" VALUES('route',0);
INSERT INTO "kind" VALUES('suggestion',13);
INSERT INTO "kind" VALUES('tenant',5);
CREATE TABLE lease (
    tenant BLOB NOT NULL, bucket INTEGER NOT NULL, fence INTEGER NOT NULL, until INTEGER NOT NULL, worker BLOB NOT NULL,
    PRIMARY KEY (tenant, bucket)
) WITHOUT ROWID;
INSERT INTO "lease" VALUES(X'00000000000000000000000000000000',3,1,1795338000000000,X'05050505050505050505050505050505');
CREATE TABLE lookup_message (tenant BLOB NOT NULL, lookup BLOB NOT NULL, id BLOB NOT NULL, PRIMARY KEY (tenant, lookup, id)) WITHOUT ROWID;
INSERT INTO "lookup_message" VALUES(X'00000000000000000000000000000000',X'C15C0289EC2D4A918982F6DB67F89FE9',X'B9B501D1D8544B71B3BB38A4BDAD1DD3');
CREATE TABLE record_alias (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_connection (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_consent (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_contact (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_conversation (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_dead_letter (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_inquiry (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_member (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_message (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
INSERT INTO "record_message" VALUES(1,X'00000000000000000000000000000000',X'B9B501D1D8544B71B3BB38A4BDAD1DD3',1,X'07070707070707070707070707070707',1,1795338000000000,X'C15C0289EC2D4A918982F6DB67F89FE9',X'956EEB2F263247BD83F166B233E3EF28E375EFCB2F0D435FB4C9058BB4D34565','{"text":"қ"}',X'A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5');
CREATE TABLE record_raw (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_receipt (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_route (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_suggestion (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE record_tenant (
    row INTEGER PRIMARY KEY, tenant BLOB NOT NULL, id BLOB NOT NULL, version INTEGER NOT NULL,
    parent BLOB, position INTEGER NOT NULL, expires_at INTEGER,
    lookups BLOB NOT NULL, subjects BLOB NOT NULL, clear TEXT NOT NULL, sealed BLOB NOT NULL
);
CREATE TABLE seen (
    tenant BLOB NOT NULL, second INTEGER NOT NULL, digest BLOB NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (tenant, second, digest)
) WITHOUT ROWID;
INSERT INTO "seen" VALUES(X'00000000000000000000000000000000',1795338000,X'0909090909090909090909090909090909090909090909090909090909090909',1795338000000000);
CREATE TABLE subject (
    tenant BLOB NOT NULL, subject BLOB NOT NULL, kind TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (tenant, subject, kind, id)
) WITHOUT ROWID;
INSERT INTO "subject" VALUES(X'00000000000000000000000000000000',X'956EEB2F263247BD83F166B233E3EF28','message',X'B9B501D1D8544B71B3BB38A4BDAD1DD3');
INSERT INTO "subject" VALUES(X'00000000000000000000000000000000',X'E375EFCB2F0D435FB4C9058BB4D34565','message',X'B9B501D1D8544B71B3BB38A4BDAD1DD3');
CREATE TABLE work (
    tenant BLOB NOT NULL, bucket INTEGER NOT NULL, due INTEGER NOT NULL, id BLOB NOT NULL,
    lane BLOB NOT NULL, attempts INTEGER NOT NULL, payload TEXT NOT NULL,
    PRIMARY KEY (tenant, bucket, due, id)
) WITHOUT ROWID;
INSERT INTO "work" VALUES(X'00000000000000000000000000000000',3,1795338000000000,X'7C8E9865B5884CEA84D12D7A10016DEE',X'75BA5EF352D7431A9BEF97348DF4ED86',2,'{"do":"reply"}');
CREATE UNIQUE INDEX key_alias ON record_alias (tenant, id);
CREATE UNIQUE INDEX key_connection ON record_connection (tenant, id);
CREATE INDEX list_connection ON record_connection (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX key_consent ON record_consent (tenant, id);
CREATE INDEX list_consent ON record_consent (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX key_contact ON record_contact (tenant, id);
CREATE UNIQUE INDEX key_conversation ON record_conversation (tenant, id);
CREATE INDEX list_conversation ON record_conversation (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX key_dead_letter ON record_dead_letter (tenant, id);
CREATE INDEX list_dead_letter ON record_dead_letter (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE INDEX expiry_dead_letter ON record_dead_letter (tenant, expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX key_inquiry ON record_inquiry (tenant, id);
CREATE INDEX list_inquiry ON record_inquiry (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX key_member ON record_member (tenant, id);
CREATE INDEX list_member ON record_member (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX key_message ON record_message (tenant, id);
CREATE INDEX list_message ON record_message (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE INDEX expiry_message ON record_message (tenant, expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX key_raw ON record_raw (tenant, id);
CREATE INDEX list_raw ON record_raw (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE INDEX expiry_raw ON record_raw (tenant, expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX key_receipt ON record_receipt (tenant, id);
CREATE INDEX list_receipt ON record_receipt (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE UNIQUE INDEX key_route ON record_route (tenant, id);
CREATE UNIQUE INDEX key_suggestion ON record_suggestion (tenant, id);
CREATE INDEX list_suggestion ON record_suggestion (tenant, parent, position, id) WHERE parent IS NOT NULL;
CREATE INDEX expiry_suggestion ON record_suggestion (tenant, expires_at) WHERE expires_at IS NOT NULL;
CREATE UNIQUE INDEX key_tenant ON record_tenant (tenant, id);
CREATE INDEX list_tenant ON record_tenant (tenant, parent, position, id) WHERE parent IS NOT NULL;
COMMIT;
