//! That every statement goes by whole keys, whatever the planner believes: on the real server, over tables with one large
//! tenant and many small ones, it touches no more pages than its few keys need.
//!
//! The planner knows a table by what was there when it was last looked at. A queue is looked at when it is empty, a
//! tenant grows after it was looked at: "this tenant has one row" is then what it believes, and reading all that the
//! tenant has looks as good as going by the whole key.

use std::fmt::Write as _;
use std::time::Duration;

use deadpool_postgres::Client;
use serde_json::Value;
use whisp_core::store::{Kind, ListOrder};

use super::super::connect::Address;
use super::super::sql::{KindSql, LookupSql, Sql};
use super::{first_column, statements, support};

/// How many rows the large tenant has in each table.
const ROWS: u32 = 20_000;

/// How many small ones there are, with one row in each.
const OTHERS: u32 = 3_000;

/// How many pages a statement about three keys, or a page of three, may touch: twelve or so where it reads, and fewer
/// than twenty for each row that it writes with all its indexes. Whoever reads all that the tenant has touches the 100
/// and more that the index has, and as many as there are rows where it goes from there to the table.
const PAGES_MAX: u64 = 80;

/// Rows of tenant `t` with the numbers `n`, in each table. Each id is made of the number.
const FILL: &str = "\
    INSERT INTO {s}.tenant SELECT DISTINCT t FROM rows; \
    INSERT INTO {s}.record_message SELECT t, md5('record' || n)::uuid, 1, md5('parent' || n % 100)::uuid, n, n, \
        decode(md5('lookup' || n), 'hex'), decode(md5('subject' || n), 'hex'), '{}', repeat('x', 100)::bytea FROM rows; \
    INSERT INTO {s}.lookup_message SELECT t, md5('lookup' || n)::uuid, md5('record' || n)::uuid FROM rows; \
    INSERT INTO {s}.subject SELECT t, md5('subject' || n)::uuid, 'message', md5('record' || n)::uuid FROM rows; \
    INSERT INTO {s}.seen SELECT t, n / 4, sha256(n::text::bytea), n FROM rows; \
    INSERT INTO {s}.work SELECT t, n % 8, n, md5('work' || n)::uuid, md5('lane' || n)::uuid, 0, '{}' FROM rows; \
    INSERT INTO {s}.lease SELECT t, n, 1, n FROM rows; \
    INSERT INTO {s}.fact SELECT t, n, md5('fact' || n)::uuid, repeat('x', 60)::bytea FROM rows";

const TABLES: [&str; 8] = ["tenant", "record_message", "lookup_message", "subject", "seen", "work", "lease", "fact"];

/// The large tenant, as SQL.
const LARGE: &str = "md5('large')::uuid";

/// A database whose rows and statistics this file decides.
struct Ground {
    client: Client,
    schema: support::TempSchema,
    partitions: u16,
}

impl Ground {
    async fn new(partitions: u16) -> Option<Self> {
        let schema = support::TempSchema::new()?;
        drop(schema.options().partitions(partitions).open().await.unwrap());
        // With the settings of the store's own connections.
        let address = Address::new(&schema.url, &rustls::RootCertStore::empty()).unwrap();
        let client = address.pool(1, Duration::from_secs(60)).unwrap().get().await.unwrap();
        let ground = Self { client, schema, partitions };
        for table in TABLES {
            for part in ground.parts(table) {
                ground.run(&format!("ALTER TABLE {part} SET (autovacuum_enabled = off)")).await;
            }
        }
        Some(ground)
    }

    /// The tables that hold the rows of a table.
    fn parts(&self, table: &str) -> Vec<String> {
        let name = format!("{}.{table}", self.schema.name);
        if self.partitions == 0 {
            vec![name]
        } else {
            (0..self.partitions).map(|part| format!("{name}_{part}")).collect()
        }
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{error:?}: {sql}"));
    }

    /// Does it for rows of every tenant, past the wall, in each table.
    async fn run_each(&self, sql: impl Fn(&str) -> String) {
        for table in TABLES {
            let name = format!("{}.{table}", self.schema.name);
            self.run(&format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")).await;
            self.run(&sql(&name)).await;
            self.run(&format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY")).await;
        }
    }

    async fn fill(&self, rows: &str) {
        let fill = FILL.replace("{s}", &self.schema.name).replace("FROM rows", &format!("FROM {rows}"));
        for (table, insert) in TABLES.iter().zip(fill.split("; ")) {
            let name = format!("{}.{table}", self.schema.name);
            self.run(&format!("ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY")).await;
            self.run(insert).await;
            self.run(&format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY")).await;
        }
    }

    async fn fill_large(&self) {
        self.fill(&format!("(SELECT {LARGE} AS t, n FROM generate_series(1, {ROWS}) AS n) AS rows")).await;
    }

    async fn fill_others(&self) {
        self.fill(&format!("(SELECT md5(n::text)::uuid AS t, n FROM generate_series(1, {OTHERS}) AS n) AS rows")).await;
    }

    async fn analyze(&self) {
        self.run_each(|table| format!("ANALYZE {table}")).await;
    }

    /// Looks at every statement: those that touch too much, with their plans.
    async fn look(&self, belief: &str, into: &mut String) {
        let sql = Sql::new(&self.schema.name, Kind::ALL);
        for mode in ["force_custom_plan", "force_generic_plan"] {
            self.run(&format!("SET plan_cache_mode = {mode}")).await;
            for Case { name, sql, values } in cases(&sql) {
                self.run(&format!("DEALLOCATE ALL; PREPARE it AS {sql}")).await;
                let begin = format!("BEGIN; SELECT set_config('whisp.tenant', {LARGE}::text, true)");
                self.run(&begin).await;
                let explain = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE it ({LARGE}{values})");
                let plan = first_column(&self.client.simple_query(&explain).await.unwrap());
                self.run("ROLLBACK").await;
                let plan: Value = serde_json::from_str(&plan).unwrap();
                let plan = &plan[0]["Plan"];
                let pages = ["Shared Hit Blocks", "Shared Read Blocks"].map(|blocks| plan[blocks].as_u64().unwrap());
                let pages: u64 = pages.iter().sum();
                if pages > PAGES_MAX {
                    let partitions = self.partitions;
                    writeln!(into, "{name}: {pages} pages, {belief}, {mode}, {partitions} partitions").unwrap();
                    scans(plan, into);
                }
            }
        }
    }
}

/// A statement with three keys, or for a page of three, after its tenant.
struct Case<'a> {
    name: &'static str,
    sql: &'a str,
    values: String,
}

/// Every statement but the one that names no tenant.
fn cases(sql: &Sql) -> Vec<Case<'_>> {
    let Sql {
        hold,
        add_tenant,
        seen,
        remember,
        remember_new,
        forget,
        waits,
        enqueue,
        complete,
        leases,
        lend,
        append,
        scan,
        discard,
        pending,
        add_subjects,
        remove_subjects,
        of_subject,
        expired,
        clear,
        ..
    } = sql;
    let KindSql { stored, insert, update, delete, get, lookup, .. } = sql.kind(Kind::MESSAGE).unwrap();
    let LookupSql { add, remove, find } = lookup.as_ref().unwrap();
    let list = |order, continued| sql.kind(Kind::MESSAGE).unwrap().list(order, continued);

    let ids = |of: &str, from: u32| three(from, |n| format!("md5('{of}{n}')::uuid"));
    let numbers = |from: u32| three(from, |n| n.to_string());
    let texts = |text: &str| three(0, |_| format!("'{text}'"));
    let bytes = |from: u32| three(from, |n| format!("sha256('{n}'::bytea)"));
    let new = ROWS + 1;
    let seconds = |from: u32| three(from, |n| (n / 4).to_string());
    let buckets = |from: u32| three(from, |n| (n % 8).to_string());
    let key = |from| format!("{}, {}, {}", buckets(from), numbers(from), ids("work", from));
    let record = |from| {
        let (ids, numbers, parents) = (ids("record", from), numbers(from), ids("parent", 1));
        let (none, sixteen, clear) =
            (three(0, |_| "''::bytea".into()), three(from, |n| format!("decode(md5('{n}'), 'hex')")), texts("{}"));
        format!("{ids}, {numbers}, {parents}, {numbers}, {numbers}, {none}, {sixteen}, {clear}, {none}")
    };
    let parent = "md5('parent1')::uuid";
    let one = "md5('record5000')::uuid";
    [
        ("hold", hold, String::new()),
        ("add_tenant", add_tenant, String::new()),
        ("seen", seen, format!("{}, {}", seconds(5000), bytes(5000))),
        ("remember", remember, format!("{}, {}, {}", seconds(5000), bytes(5000), numbers(new))),
        ("remember_new", remember_new, format!("{}, {}, {}", seconds(new), bytes(new), numbers(new))),
        ("forget", forget, "5000, 3".into()),
        ("waits", waits, key(5000)),
        ("enqueue", enqueue, format!("{}, {}, {}, {}", key(new), ids("lane", 1), numbers(0), texts("{}"))),
        ("complete", complete, key(5000)),
        ("leases", leases, numbers(5000)),
        ("lend", lend, format!("{}, {}, {}", numbers(5000), numbers(2), numbers(new))),
        ("append", append, format!("{}, {}, {}", numbers(5000), ids("new fact", 1), bytes(1))),
        ("scan", scan, format!("6000, 5000, {one}, 3")),
        ("discard", discard, "5000, 3".into()),
        ("pending", pending, format!("3, 6000, 5000, {one}, 3")),
        ("add_subjects", add_subjects, format!("{}, {}, {}", ids("subject", 1), texts("message"), ids("record", new))),
        (
            "remove_subjects",
            remove_subjects,
            format!("{}, {}, {}", ids("subject", 5000), texts("message"), ids("record", 5000)),
        ),
        ("of_subject", of_subject, "md5('subject5000')::uuid, '', md5('nil')::uuid, 3".into()),
        ("expired", expired, "5000, 3, ARRAY[]::uuid[]".into()),
        ("expired without some", expired, format!("5000, 3, {}", ids("subject", 5000))),
        ("stored", stored, ids("record", 5000)),
        ("insert", insert, record(new)),
        ("update", update, record(5000)),
        ("delete", delete, ids("record", 5000)),
        ("get", get, one.into()),
        ("add lookup", add, format!("{}, {}", ids("lookup", 5000), ids("record", new))),
        ("remove lookup", remove, format!("{}, {}", ids("lookup", 5000), ids("record", 5000))),
        ("find", find, "md5('lookup5000')::uuid, 3".into()),
    ]
    .into_iter()
    .map(|(name, sql, values)| (name, &**sql, values))
    .chain(clear.iter().filter(|sql| is_ground(sql)).map(|sql| ("clear", &**sql, "3".to_owned())))
    .chain([
        ("first of a list", list(ListOrder::Ascending, false), format!("{parent}, 3")),
        ("next of a list", list(ListOrder::Ascending, true), format!("{parent}, 3, 5000, {one}")),
        ("last of a list", list(ListOrder::Descending, false), format!("{parent}, 3")),
        ("before in a list", list(ListOrder::Descending, true), format!("{parent}, 3, 5000, {one}")),
    ])
    .map(|(name, sql, values)| Case {
        name,
        sql,
        values: if values.is_empty() { values } else { format!(", {values}") },
    })
    .collect()
}

/// Returns whether a statement is about a table that has rows here.
fn is_ground(sql: &str) -> bool {
    TABLES.iter().any(|table| sql.contains(&format!(".{table} ")))
}

/// Says how each table of a plan is read.
fn scans(plan: &Value, into: &mut String) {
    if let Some(table) = plan["Relation Name"].as_str() {
        let [node, index, condition, filter] =
            ["Node Type", "Index Name", "Index Cond", "Filter"].map(|field| plan[field].as_str().unwrap_or("-"));
        writeln!(into, "  {table}: {node} of {index} by {condition}, filtered by {filter}").unwrap();
    }
    for child in plan["Plans"].as_array().into_iter().flatten() {
        scans(child, into);
    }
}

/// An array of what is made of three numbers that stand far apart.
fn three(from: u32, value: impl Fn(u32) -> String) -> String {
    format!("ARRAY[{}, {}, {}]", value(from), value(from + 4_000), value(from + 8_000))
}

#[test]
fn no_statement_is_left_out() {
    let sql = Sql::new("whisp", &[Kind::MESSAGE]);
    let cases = cases(&sql);
    let left_out = |statement: &String| *statement != sql.waiting && cases.iter().all(|case| case.sql != statement);
    assert_eq!(statements(&sql).into_iter().filter(left_out).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn every_statement_goes_by_whole_keys_whatever_the_planner_believes() {
    let mut found = String::new();
    for partitions in [0, 4] {
        let Some(ground) = Ground::new(partitions).await else { return };
        ground.fill_others().await;
        ground.fill_large().await;
        ground.look("nobody has looked yet", &mut found).await;

        ground.run_each(|table| format!("DELETE FROM {table} WHERE tenant <> md5('1')::uuid")).await;
        ground.analyze().await;
        ground.fill_large().await;
        ground.look("it was nearly empty", &mut found).await;

        ground.analyze().await;
        ground.look("it is as it is", &mut found).await;

        ground.run_each(|table| format!("TRUNCATE {table}")).await;
        ground.analyze().await;
        ground.fill_large().await;
        ground.look("it was empty", &mut found).await;

        ground.analyze().await;
        ground.look("there is one tenant", &mut found).await;

        ground.run_each(|table| format!("TRUNCATE {table}")).await;
        ground.fill_others().await;
        ground.analyze().await;
        ground.fill_large().await;
        ground.look("each tenant is small", &mut found).await;
    }
    assert!(found.is_empty(), "{found}");
}
