//! What PostgreSQL can do to a store, and what the store says then; and the wall between the tenants.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "support/postgres.rs"]
mod support;

use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use tokio_postgres::error::SqlState;
use whisp_core::error::Retry;
use whisp_core::id::{RecordId, TenantId, WorkId, WorkerId};
use whisp_core::store::{
    Bucket, Clear, Commit, Kind, OwnRequest, Paths, Record, Records, RenewRequest, Sealed, StoreError, StoreErrorKind,
    Work, WorkItem, WorkKey, WriteBatch, WriteOp,
};
use whisp_store::PostgresOptions;

use support::{TempSchema, schema, url, walls_without_queries};

const TENANT: TenantId = TenantId::from_bytes([1; 16]);
const OTHER: TenantId = TenantId::from_bytes([2; 16]);

fn put(tenant: TenantId, id: u8) -> WriteBatch {
    let record = Record { sealed: Sealed(vec![id; 8]), ..Record::new(Kind::MESSAGE, RecordId::from_bytes([id; 16])) };
    WriteBatch::new(tenant).op(WriteOp::Put(record))
}

async fn refused(options: PostgresOptions) -> StoreError {
    match options.open().await {
        Err(error) => error,
        Ok(store) => panic!("it opened: {store:?}"),
    }
}

#[tokio::test]
async fn who_forgets_the_tenant_sees_and_writes_nothing() {
    for partitions in [0, 3] {
        let Some(schema) = TempSchema::new() else { return };
        let store = schema.options().partitions(partitions).open().await.expect("the server opens a new schema");
        for tenant in [TENANT, OTHER] {
            assert_eq!(store.commit(put(tenant, 7)).await.expect("the store works"), Commit::Done);
        }
        assert!(store.is_walled());
        let client = schema.client().await;
        let row = client.query_one("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user", &[]);
        let is_above: bool = row.await.expect("it can be asked").get(0);
        assert!(!is_above, "WHISP_TEST_POSTGRES_URL names a user for whom row-level security does not hold");
        let table = format!("{}.record_message", schema.name);
        let count = format!("SELECT count(*) FROM {table}");
        let seen = async || client.query_one(&count, &[]).await.expect("it can be asked").get::<_, i64>(0);
        assert_eq!(seen().await, 0, "without a tenant");
        let insert = format!("INSERT INTO {table} VALUES ('{TENANT}', '{OTHER}', 1, null, 0, null, '', '', '', '')");
        let written = client.batch_execute(&insert).await.expect_err("no tenant, no row");
        assert_eq!(written.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));

        client.batch_execute(&format!("SET whisp.tenant = '{OTHER}'")).await.expect("anything can be set");
        assert_eq!(seen().await, 1, "one's own");
        let change = format!("UPDATE {table} SET version = 9 WHERE tenant = '{TENANT}'");
        assert_eq!(client.execute(&change, &[]).await.expect("it finds nothing"), 0);
        let delete = format!("DELETE FROM {table} WHERE tenant = '{TENANT}'");
        assert_eq!(client.execute(&delete, &[]).await.expect("it finds nothing"), 0);
        let written = client.batch_execute(&insert).await.expect_err("another's row");
        assert_eq!(written.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
        for part in 0..partitions {
            let count = format!("SELECT count(*) FROM {table}_{part}");
            let seen: i64 = client.query_one(&count, &[]).await.expect("it can be asked").get(0);
            assert_eq!(seen, 0, "a partition by itself");
        }
        client
            .batch_execute("SET whisp.every_tenant = 'on'; SET whisp.tenant = ''")
            .await
            .expect("anything can be set");
        assert_eq!(seen().await, 0, "who looks for work reads no record");
    }
}

#[tokio::test]
async fn a_wall_that_is_not_there_is_told() {
    let Some(schema) = TempSchema::new() else { return };
    drop(schema.options().open().await.expect("the server opens a new schema"));
    let client = schema.client().await;
    for (change, is_walled) in [("NO FORCE", false), ("FORCE", true), ("DISABLE", false)] {
        let change = format!("ALTER TABLE {}.record_message {change} ROW LEVEL SECURITY", schema.name);
        client.batch_execute(&change).await.expect("the owner may");
        let store = schema.options().open().await.expect("it opens");
        assert_eq!(store.is_walled(), is_walled, "{change}");
    }
}

/// Of every table there is, so that none that is added is left out.
#[tokio::test]
async fn every_table_stands_behind_the_wall_with_the_tenant_first_in_every_key() {
    for partitions in [0, 2] {
        let Some(schema) = TempSchema::new() else { return };
        drop(schema.options().partitions(partitions).open().await.expect("the server opens a new schema"));
        let client = schema.client().await;
        let tables = client
            .query(
                "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity, c.relispartition, \
                 (SELECT count(*) FROM pg_policy AS p WHERE p.polrelid = c.oid), \
                 (SELECT bool_and(a.attname = 'tenant') FROM pg_index AS i \
                  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid) \
                 FROM pg_class AS c WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p')",
                &[&schema.name],
            )
            .await
            .expect("it can be asked");
        let mut walled = 0;
        for row in &tables {
            let name: String = row.get(0);
            if ["version", "kind"].contains(&name.as_str()) {
                continue;
            }
            assert!(row.get::<_, bool>(1), "{name} has no row-level security");
            assert!(row.get::<_, bool>(4), "{name} has an index without the tenant first");
            let (is_partition, policies): (bool, i64) = (row.get(2), row.get(3));
            assert_eq!(is_partition, policies == 0, "{name} has {policies} policies");
            walled += usize::from(!is_partition);
        }
        let both = walls_without_queries(&client, &schema).await;
        assert_eq!(both, walled + 2, "two tables have a second one, for who looks for work");
        assert_eq!(walled, 6 + Kind::ALL.len() + Kind::ALL.iter().filter(|kind| kind.paths().found).count());
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_told_without_its_secrets() {
    let cases = [
        ("postgres://whisp:canary-7f3a@127.0.0.1:1/whisp", StoreErrorKind::Unavailable),
        ("host=/nowhere-canary-7f3a user=whisp", StoreErrorKind::Unavailable),
        ("postgres://whisp:canary-7f3a@[::1", StoreErrorKind::Invalid),
        ("user=canary-7f3a", StoreErrorKind::Invalid),
    ];
    for (url, kind) in cases {
        let options = PostgresOptions::new(url);
        assert!(!format!("{options:?}").contains("canary-7f3a"));
        let error = refused(options).await;
        assert_eq!(error.kind(), kind, "{url}: {error}");
        let told = format!("{error} {error:?} {}", whisp_core::error::ErrorChain(&error));
        assert!(!told.contains("canary-7f3a"), "{told}");
    }
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let Some(schema) = TempSchema::new() else { return };
    drop(schema.options().open().await.expect("the server opens a new schema"));
    let client = schema.client().await;
    let stranger = format!("{}_stranger", schema.name);
    client.batch_execute(&format!("CREATE ROLE {stranger} LOGIN")).await.expect("the user of the tests may make users");
    let as_stranger = url().expect("there is a server").replace("user=whisp", &format!("user={stranger}"));
    let error = refused(PostgresOptions::new(as_stranger.clone()).schema(schema.name.clone())).await;
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::PermissionDenied, Retry::Never), "{error}");
    let error = refused(PostgresOptions::new(as_stranger).schema(support::schema())).await;
    assert_eq!(error.kind(), StoreErrorKind::PermissionDenied, "it may not make a schema: {error}");
    client.batch_execute(&format!("DROP ROLE {stranger}")).await.expect("it owns nothing");
    let nobody = url().expect("there is a server").replace("user=whisp", "user=nobody_of_this_name");
    let error = refused(PostgresOptions::new(nobody)).await;
    assert_eq!(error.kind(), StoreErrorKind::PermissionDenied, "{error}");
    let nowhere = url().expect("there is a server").replace("dbname=whisp", "dbname=no_base_of_this_name");
    let error = refused(PostgresOptions::new(nowhere)).await;
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::Never), "{error}");
}

/// Who may only use the tables opens the store as well: there is nothing to make.
#[tokio::test]
async fn a_user_who_owns_nothing_works_with_the_tables_of_another() {
    let Some(schema) = TempSchema::new() else { return };
    drop(schema.options().open().await.expect("the server opens a new schema"));
    let client = schema.client().await;
    let (name, user) = (&schema.name, format!("{}_user", schema.name));
    let grant = format!(
        "CREATE ROLE {user} LOGIN; GRANT USAGE ON SCHEMA {name} TO {user}; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {name} TO {user}"
    );
    client.batch_execute(&grant).await.expect("the owner may");
    let as_user = url().expect("there is a server").replace("user=whisp", &format!("user={user}"));
    let store = PostgresOptions::new(as_user).schema(name.clone()).open().await.expect("it opens");
    assert_eq!(store.commit(put(TENANT, 7)).await.expect("the store works"), Commit::Done);
    drop(store);
    let drop = format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA {name} FROM {user}; REVOKE ALL ON SCHEMA {name} FROM {user}; \
         DROP ROLE {user}"
    );
    client.batch_execute(&drop).await.expect("the owner may");
}

#[tokio::test]
async fn what_takes_too_long_is_unavailable_and_goes_on_later() {
    let Some(schema) = TempSchema::new() else { return };
    let options = schema.options().statement_timeout(Duration::from_millis(60));
    let store = options.open().await.expect("the server opens a new schema");
    assert_eq!(store.commit(put(TENANT, 1)).await.expect("the store works"), Commit::Done);
    let client = schema.client().await;
    let hold = format!(
        "BEGIN; SET LOCAL whisp.tenant = '{TENANT}'; SELECT FROM {}.tenant WHERE tenant = '{TENANT}' FOR UPDATE",
        schema.name
    );
    client.batch_execute(&hold).await.expect("it can be held");
    let error = store.commit(put(TENANT, 2)).await.expect_err("another holds the tenant");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
    assert!(error.to_string().contains("SQLSTATE 57014"), "{error}");
    assert_eq!(store.commit(put(OTHER, 2)).await.expect("another tenant does not wait"), Commit::Done);
    assert!(store.get(TENANT, Kind::MESSAGE, RecordId::from_bytes([1; 16])).await.expect("reads go on").is_some());
    client.batch_execute("ROLLBACK").await.expect("it ends");
    assert_eq!(store.commit(put(TENANT, 2)).await.expect("the store works"), Commit::Done);
}

/// One tenant's trouble is nobody else's: whoever asks for work gets and keeps that of the others.
#[tokio::test]
async fn a_tenant_whose_row_is_held_keeps_no_work_of_others_back() {
    let Some(schema) = TempSchema::new() else { return };
    let options = schema.options().statement_timeout(Duration::from_millis(60));
    let store = options.open().await.expect("the server opens a new schema");
    let at = DateTime::UNIX_EPOCH;
    let now = |second| at + TimeDelta::seconds(second);
    for (tenant, bucket) in [(TENANT, 1), (TENANT, 2), (OTHER, 1), (OTHER, 2)] {
        let key = WorkKey { bucket: Bucket(bucket), due: now(i64::from(bucket)), id: WorkId::from_bytes([1; 16]) };
        let work = WorkItem { key, lane: RecordId::from_bytes([1; 16]), attempts: 0, payload: Clear::default() };
        let batch = WriteBatch::new(tenant).op(WriteOp::Enqueue(work));
        assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
    }
    let own = async |due_by| {
        let worker = WorkerId::from_bytes([1; 16]);
        store.own(&OwnRequest { worker, limit: 10, now: at, due_by, until: now(60) }).await
    };
    let mut leases = own(now(1)).await.expect("the store works");
    assert_eq!(leases.len(), 2);
    let client = schema.client().await;
    let hold = format!(
        "BEGIN; SET LOCAL whisp.tenant = '{TENANT}'; SELECT FROM {}.tenant WHERE tenant = '{TENANT}' FOR UPDATE",
        schema.name
    );
    client.batch_execute(&hold).await.expect("it can be held");
    let more = own(now(2)).await.expect("one tenant can be asked");
    assert_eq!(more.iter().map(|lease| (lease.tenant, lease.bucket)).collect::<Vec<_>>(), [(OTHER, Bucket(2))]);
    leases.extend(more);
    let request = RenewRequest { leases: leases.clone(), now: at, until: now(120) };
    let renewed = store.renew(&request).await.expect("one tenant can be asked");
    assert_eq!(renewed.iter().map(|lease| lease.tenant).collect::<Vec<_>>(), [OTHER; 2]);
    let error = store.release(&leases).await.expect_err("not each is released");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
    let theirs: Vec<_> = leases.into_iter().filter(|lease| lease.tenant == TENANT).collect();
    let request = RenewRequest { leases: theirs, ..request };
    let error = store.renew(&request).await.expect_err("nobody can be asked");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
    let rest = own(now(2)).await.expect("the others are free again");
    assert_eq!(rest.iter().map(|lease| lease.tenant).collect::<Vec<_>>(), [OTHER; 2], "they were released");
    client.batch_execute("ROLLBACK").await.expect("it ends");
    assert_eq!(store.renew(&request).await.expect("the store works").len(), 1);
}

/// Nor does it delay them: nobody waits for the row as long as the server does, and nobody waits twice.
#[tokio::test]
async fn a_tenant_whose_row_is_held_long_delays_nobody_and_comes_again_when_it_is_free() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server opens a new schema");
    let at = DateTime::UNIX_EPOCH;
    for (tenant, due) in [(TENANT, at), (OTHER, at + TimeDelta::seconds(1))] {
        for bucket in [1, 2] {
            let key = WorkKey { bucket: Bucket(bucket), due, id: WorkId::from_bytes([1; 16]) };
            let work = WorkItem { key, lane: RecordId::from_bytes([1; 16]), attempts: 0, payload: Clear::default() };
            let batch = WriteBatch::new(tenant).op(WriteOp::Enqueue(work));
            assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
        }
    }
    let until = at + TimeDelta::seconds(60);
    let own = async || {
        let worker = WorkerId::from_bytes([1; 16]);
        let request = OwnRequest { worker, limit: 2, now: at, due_by: until, until };
        store.own(&request).await.expect("the others are served")
    };
    let client = schema.client().await;
    let hold = format!(
        "BEGIN; SET LOCAL whisp.tenant = '{TENANT}'; SELECT FROM {}.tenant WHERE tenant = '{TENANT}' FOR UPDATE",
        schema.name
    );
    client.batch_execute(&hold).await.expect("it can be held");
    let others = async {
        assert_eq!(own().await, [], "those who wait longest can't be served");
        for _ in 0..9 {
            let leases = own().await;
            assert_eq!(leases.iter().map(|lease| lease.tenant).collect::<Vec<_>>(), [OTHER; 2]);
            let request = RenewRequest { leases, now: at, until };
            let leases = store.renew(&request).await.expect("the others are served");
            assert_eq!(leases.len(), 2);
            store.release(&leases).await.expect("the others are served");
        }
    };
    // The server waits ten seconds for a row.
    tokio::time::timeout(Duration::from_secs(8), others).await.expect("one tenant delayed the others");
    client.batch_execute("ROLLBACK").await.expect("it ends");
    let theirs = async {
        loop {
            let leases = own().await;
            store.release(&leases).await.expect("the store works");
            if let Some(lease) = leases.iter().find(|lease| lease.tenant == TENANT) {
                break *lease;
            }
        }
    };
    let lease = tokio::time::timeout(Duration::from_secs(30), theirs).await.expect("what came late was kept");
    assert_eq!(lease.fence.0, 2, "it was leased late, to nobody, and given back");
}

/// Nor does whoever gives leases back wait so long: they come back when the row is free.
#[tokio::test]
async fn leases_of_a_tenant_whose_row_is_held_long_come_back_when_it_is_free() {
    let Some(schema) = TempSchema::new() else { return };
    let store = schema.options().open().await.expect("the server opens a new schema");
    let at = DateTime::UNIX_EPOCH;
    let key = WorkKey { bucket: Bucket(1), due: at, id: WorkId::from_bytes([1; 16]) };
    let work = WorkItem { key, lane: RecordId::from_bytes([1; 16]), attempts: 0, payload: Clear::default() };
    let batch = WriteBatch::new(TENANT).op(WriteOp::Enqueue(work));
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
    let own = async || {
        let (worker, until) = (WorkerId::from_bytes([1; 16]), at + TimeDelta::seconds(60));
        store.own(&OwnRequest { worker, limit: 2, now: at, due_by: at, until }).await.expect("the store works")
    };
    let leases = own().await;
    assert_eq!(leases.len(), 1);
    let client = schema.client().await;
    let hold = format!(
        "BEGIN; SET LOCAL whisp.tenant = '{TENANT}'; SELECT FROM {}.tenant WHERE tenant = '{TENANT}' FOR UPDATE",
        schema.name
    );
    client.batch_execute(&hold).await.expect("it can be held");
    // The server waits ten seconds for a row.
    let released = tokio::time::timeout(Duration::from_secs(8), store.release(&leases)).await;
    released.expect("one tenant delays who gives its leases back").expect("it goes on");
    assert_eq!(own().await, [], "it is still held");
    client.batch_execute("ROLLBACK").await.expect("it ends");
    let again = async {
        loop {
            if let [lease] = *own().await {
                break lease;
            }
        }
    };
    let lease = tokio::time::timeout(Duration::from_secs(30), again).await.expect("it was given back");
    assert_eq!(lease.fence.0, 2);
}

#[tokio::test]
async fn a_server_that_only_reads_is_told_so() {
    let Some(schema) = TempSchema::new() else { return };
    drop(schema.options().open().await.expect("the server opens a new schema"));
    let reads = format!("{} options='-c default_transaction_read_only=on'", url().expect("there is a server"));
    let store = PostgresOptions::new(reads).schema(schema.name.clone()).open().await.expect("nothing is to be made");
    let error = store.commit(put(TENANT, 7)).await.expect_err("it only reads");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Unavailable, Retry::After(None)), "{error}");
    assert_eq!(store.get(TENANT, Kind::MESSAGE, RecordId::from_bytes([7; 16])).await.expect("reads go on"), None);
}

#[tokio::test]
async fn tables_that_are_not_ours_are_refused() {
    const VISIT: Kind = Kind::new("visit", Paths { listed: true, found: true, owned: true, expires: true });
    const VISIT_LATER: Kind = Kind::new("visit", Paths { listed: true, found: false, owned: true, expires: false });
    let Some(schema) = TempSchema::new() else { return };
    let client = schema.client().await;
    let name = &schema.name;
    drop(schema.options().open().await.expect("the server opens a new schema"));

    // A kind without records may change its paths, one with records keeps them and must be given.
    drop(schema.options().kind(VISIT).open().await.expect("a kind is added"));
    drop(schema.options().kind(VISIT_LATER).open().await.expect("it has no records"));
    let store = schema.options().kind(VISIT).open().await.expect("it has no records");
    let record = Record::new(VISIT, RecordId::from_bytes([1; 16]));
    let batch = WriteBatch::new(TENANT).op(WriteOp::Put(record.clone()));
    assert_eq!(store.commit(batch).await.expect("the store works"), Commit::Done);
    assert_eq!(store.get(TENANT, VISIT, record.id).await.expect("the store works"), Some(record));
    drop(store);
    assert_eq!(refused(schema.options().kind(VISIT_LATER)).await.kind(), StoreErrorKind::Invalid);
    assert_eq!(refused(schema.options()).await.kind(), StoreErrorKind::Invalid);

    client.batch_execute(&format!("UPDATE {name}.version SET version = version + 1")).await.expect("the owner may");
    let error = refused(schema.options().kind(VISIT)).await;
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Newer, Retry::Never), "{error}");
    client.batch_execute(&format!("UPDATE {name}.version SET version = version - 1")).await.expect("the owner may");
    let store = schema.options().kind(VISIT).open().await.expect("it is as before");
    client.batch_execute(&format!("DROP TABLE {name}.record_message CASCADE")).await.expect("the owner may");
    let error = store.commit(put(TENANT, 7)).await.expect_err("a table is gone");
    assert_eq!((error.kind(), error.retry()), (StoreErrorKind::Corrupt, Retry::Never), "{error}");
}

#[tokio::test]
async fn names_that_can_not_name_tables_are_refused() {
    let Some(url) = url() else { return };
    for name in ["", "Whisp", "1st", "a b", "x;y", &"x".repeat(41)] {
        let error = refused(PostgresOptions::new(url.clone()).schema(name)).await;
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{name}: {error}");
    }
    let kind = Kind::new("no-name", Paths { listed: false, found: false, owned: false, expires: false });
    let error = refused(PostgresOptions::new(url.clone()).schema(schema()).kind(kind)).await;
    assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
    let error = refused(PostgresOptions::new(url).root_certificates(*b"no certificate")).await;
    assert_eq!(error.kind(), StoreErrorKind::Invalid, "{error}");
}
