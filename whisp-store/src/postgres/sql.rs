//! Every statement that the store makes while it works, in one place. Each is about one tenant, named first: a database
//! that spreads the tables by tenant sends it to one place. The one exception is [`Sql::waiting`].
//!
//! Each goes by whole keys, whatever the planner believes. To one who last looked at a queue when it was empty, or at a
//! tenant before it grew, reading all that the tenant has looks as good as going by a key. So nothing is left to choose:
//! - Rows of many keys are looked up key by key, in a subquery that `OFFSET 0` keeps apart.
//! - They are changed by `ON CONFLICT`, which goes by the key, and deleted by where they are. What is new, or was read to be
//!   missing, is inserted without it: it makes an index half as dear again, and a second row is an error that ends the
//!   transaction.
//! - Pages come in the order of an index: see the settings of each connection.

use std::collections::BTreeMap;

use whisp_core::store::{Kind, ListOrder};

/// The columns that `row::record` reads, in its order.
const COLUMNS: &str = "r.id, r.version, r.parent, r.position, r.expires_at, r.lookups, r.subjects, r.clear, r.sealed";

/// The statements of a schema.
#[derive(Debug)]
pub(super) struct Sql {
    kinds: BTreeMap<&'static str, KindSql>,
    /// Holds the tenant's row until the end of the transaction.
    pub(super) hold: String,
    pub(super) add_tenant: String,
    pub(super) seen: String,
    pub(super) remember: String,
    /// For keys that nobody should have seen: fails where somebody has.
    pub(super) remember_new: String,
    pub(super) forget: String,
    pub(super) waits: String,
    pub(super) enqueue: String,
    pub(super) complete: String,
    pub(super) leases: String,
    pub(super) lend: String,
    /// Finds buckets with work that nobody holds, of every tenant: who looks for work can't name one. It reads ids and
    /// times, and nothing is written by it.
    pub(super) waiting: String,
    pub(super) append: String,
    pub(super) scan: String,
    /// Removes the oldest facts before a time.
    pub(super) discard: String,
    pub(super) pending: String,
    pub(super) add_subjects: String,
    pub(super) remove_subjects: String,
    pub(super) of_subject: String,
    pub(super) expired: String,
    /// For each table, removes some of what a tenant has in it.
    pub(super) clear: Vec<String>,
}

/// In the order of the key, so that they are found by it.
fn clear(s: &str, kinds: &[Kind]) -> Vec<String> {
    let records = kinds.iter().map(|kind| (format!("record_{kind}"), "id"));
    let lookups = kinds.iter().filter(|kind| kind.paths().found).map(|kind| (format!("lookup_{kind}"), "lookup, id"));
    let others = [
        ("subject", "subject, kind, id"),
        ("seen", "second, digest"),
        ("work", "bucket, due, id"),
        ("lease", "bucket"),
        ("fact", "at, id"),
    ];
    let others = others.map(|(table, key)| (table.to_owned(), key));
    let remove = |(table, key): (String, &str)| {
        format!(
            "DELETE FROM {s}.{table} WHERE tenant = $1 AND ctid = ANY (ARRAY( \
             SELECT ctid FROM {s}.{table} WHERE tenant = $1 ORDER BY {key} LIMIT $2)) RETURNING 1"
        )
    };
    records.chain(lookups).chain(others).map(remove).collect()
}

/// The statements about one kind.
#[derive(Debug)]
pub(super) struct KindSql {
    /// Version and paths of the records that a batch touches.
    pub(super) stored: String,
    pub(super) insert: String,
    pub(super) update: String,
    pub(super) delete: String,
    pub(super) get: String,
    list: [String; 4],
    /// For a kind that is found by lookups.
    pub(super) lookup: Option<LookupSql>,
}

/// The statements about a kind's lookups.
#[derive(Debug)]
pub(super) struct LookupSql {
    pub(super) add: String,
    pub(super) remove: String,
    pub(super) find: String,
}

impl Sql {
    /// Writes the statements for the kinds in a schema, which is a quoted name.
    pub(super) fn new(schema: &str, kinds: &[Kind]) -> Self {
        let s = schema;
        Self {
            kinds: kinds.iter().map(|kind| (kind.name(), KindSql::new(s, *kind))).collect(),
            hold: format!("SELECT 1 FROM {s}.tenant WHERE tenant = $1 FOR NO KEY UPDATE"),
            add_tenant: format!("INSERT INTO {s}.tenant (tenant) VALUES ($1) ON CONFLICT DO NOTHING"),
            // The first at or after the key, if it is the key's: only one of the two indexes has this order.
            seen: format!(
                "SELECT s.* FROM unnest($2::bigint[], $3::bytea[]) AS k (second, digest) CROSS JOIN LATERAL \
                 (SELECT second, digest, until FROM {s}.seen \
                 WHERE tenant = $1 AND (second, digest) >= (k.second, k.digest) ORDER BY second, digest LIMIT 1) AS s \
                 WHERE s.second = k.second AND s.digest = k.digest"
            ),
            remember: format!(
                "INSERT INTO {s}.seen (tenant, second, digest, until) \
                 SELECT $1, u.* FROM unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS u \
                 ON CONFLICT (tenant, second, digest) DO UPDATE SET until = greatest(seen.until, excluded.until)"
            ),
            remember_new: format!(
                "INSERT INTO {s}.seen (tenant, second, digest, until) \
                 SELECT $1, u.* FROM unnest($2::bigint[], $3::bytea[], $4::bigint[]) AS u"
            ),
            forget: format!(
                "DELETE FROM {s}.seen WHERE tenant = $1 AND ctid = ANY (ARRAY( \
                 SELECT ctid FROM {s}.seen WHERE tenant = $1 AND until < $2 ORDER BY until LIMIT $3))"
            ),
            waits: format!(
                "SELECT w.* FROM unnest($2::integer[], $3::bigint[], $4::uuid[]) AS k (bucket, due, id) \
                 CROSS JOIN LATERAL (SELECT bucket, due, id FROM {s}.work \
                 WHERE tenant = $1 AND bucket = k.bucket AND due = k.due AND id = k.id OFFSET 0) AS w"
            ),
            enqueue: format!(
                "INSERT INTO {s}.work (tenant, bucket, due, id, lane, attempts, payload) SELECT $1, u.* \
                 FROM unnest($2::integer[], $3::bigint[], $4::uuid[], $5::uuid[], $6::bigint[], $7::text[]) AS u"
            ),
            complete: delete(
                &format!("{s}.work"),
                "unnest($2::integer[], $3::bigint[], $4::uuid[]) AS k (bucket, due, id)",
                "bucket = k.bucket AND due = k.due AND id = k.id",
            ),
            leases: format!(
                "SELECT l.* FROM unnest($2::integer[]) AS k (bucket) CROSS JOIN LATERAL \
                 (SELECT bucket, fence, until FROM {s}.lease WHERE tenant = $1 AND bucket = k.bucket OFFSET 0) AS l"
            ),
            lend: format!(
                "INSERT INTO {s}.lease (tenant, bucket, fence, until) \
                 SELECT $1, u.* FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS u \
                 ON CONFLICT (tenant, bucket) DO UPDATE SET fence = excluded.fence, until = excluded.until"
            ),
            waiting: format!(
                "SELECT l.tenant, l.bucket, w.due, w.id FROM {s}.lease AS l CROSS JOIN LATERAL \
                 (SELECT due, id FROM {s}.work WHERE tenant = l.tenant AND bucket = l.bucket ORDER BY due, id LIMIT 1) AS w \
                 WHERE l.until <= $1 AND w.due <= $2 AND l.tenant <> ALL ($4) ORDER BY w.due LIMIT $3"
            ),
            append: format!(
                "INSERT INTO {s}.fact (tenant, at, id, body) \
                 SELECT $1, u.* FROM unnest($2::bigint[], $3::uuid[], $4::bytea[]) AS u ON CONFLICT DO NOTHING"
            ),
            scan: format!(
                "SELECT at, id, body FROM {s}.fact WHERE tenant = $1 AND at < $2 AND (at, id) > ($3, $4) \
                 ORDER BY at, id LIMIT $5"
            ),
            discard: format!(
                "DELETE FROM {s}.fact WHERE tenant = $1 AND ctid = ANY (ARRAY( \
                 SELECT ctid FROM {s}.fact WHERE tenant = $1 AND at < $2 ORDER BY at, id LIMIT $3)) RETURNING 1"
            ),
            pending: format!(
                "SELECT due, id, lane, attempts, payload FROM {s}.work \
                 WHERE tenant = $1 AND bucket = $2 AND due <= $3 AND (due, id) > ($4, $5) ORDER BY due, id LIMIT $6"
            ),
            add_subjects: format!(
                "INSERT INTO {s}.subject (tenant, subject, kind, id) \
                 SELECT $1, u.* FROM unnest($2::uuid[], $3::text[], $4::uuid[]) AS u"
            ),
            remove_subjects: delete(
                &format!("{s}.subject"),
                "unnest($2::uuid[], $3::text[], $4::uuid[]) AS k (subject, kind, id)",
                "subject = k.subject AND kind = k.kind AND id = k.id",
            ),
            of_subject: of_subject(s, kinds),
            expired: expired(s, kinds),
            clear: clear(s, kinds),
        }
    }

    /// The statements about a kind; `None` if the store was not opened with it.
    pub(super) fn kind(&self, kind: Kind) -> Option<&KindSql> {
        self.kinds.get(kind.name())
    }
}

impl KindSql {
    fn new(s: &str, kind: Kind) -> Self {
        let (records, lookups) = (format!("{s}.record_{kind}"), format!("{s}.lookup_{kind}"));
        let insert = format!(
            "INSERT INTO {records} \
             (tenant, id, version, parent, position, expires_at, lookups, subjects, clear, sealed) \
             SELECT $1, u.* FROM unnest($2::uuid[], $3::bigint[], $4::uuid[], $5::bigint[], $6::bigint[], \
             $7::bytea[], $8::bytea[], $9::text[], $10::bytea[]) AS u"
        );
        Self {
            stored: format!(
                "SELECT r.* FROM unnest($2::uuid[]) AS k (id) CROSS JOIN LATERAL \
                 (SELECT id, version, lookups, subjects FROM {records} WHERE tenant = $1 AND id = k.id OFFSET 0) AS r"
            ),
            update: format!(
                "{insert} ON CONFLICT (tenant, id) DO UPDATE SET version = excluded.version, parent = excluded.parent, \
                 position = excluded.position, expires_at = excluded.expires_at, lookups = excluded.lookups, \
                 subjects = excluded.subjects, clear = excluded.clear, sealed = excluded.sealed"
            ),
            insert,
            delete: delete(&records, "unnest($2::uuid[]) AS k (id)", "id = k.id"),
            get: format!("SELECT {COLUMNS} FROM {records} AS r WHERE r.tenant = $1 AND r.id = $2"),
            list: [(">", "ASC", false), (">", "ASC", true), ("<", "DESC", false), ("<", "DESC", true)].map(
                |(compare, order, continued)| {
                    let after =
                        if continued { format!("AND (r.position, r.id) {compare} ($4, $5)") } else { String::new() };
                    format!(
                        "SELECT {COLUMNS} FROM {records} AS r WHERE r.tenant = $1 AND r.parent = $2 {after} \
                         ORDER BY r.position {order}, r.id {order} LIMIT $3"
                    )
                },
            ),
            lookup: kind.paths().found.then(|| LookupSql {
                add: format!(
                    "INSERT INTO {lookups} (tenant, lookup, id) \
                     SELECT $1, u.* FROM unnest($2::uuid[], $3::uuid[]) AS u"
                ),
                remove: delete(
                    &lookups,
                    "unnest($2::uuid[], $3::uuid[]) AS k (lookup, id)",
                    "lookup = k.lookup AND id = k.id",
                ),
                find: format!(
                    "SELECT r.* FROM (SELECT id FROM {lookups} \
                     WHERE tenant = $1 AND lookup = $2 ORDER BY id LIMIT $3) AS l CROSS JOIN LATERAL \
                     (SELECT {COLUMNS} FROM {records} AS r WHERE r.tenant = $1 AND r.id = l.id OFFSET 0) AS r \
                     ORDER BY l.id"
                ),
            }),
        }
    }

    /// Lists, from the beginning or after a cursor.
    pub(super) fn list(&self, order: ListOrder, continued: bool) -> &str {
        let [first, next, last, before] = &self.list;
        match (order, continued) {
            (ListOrder::Ascending, false) => first,
            (ListOrder::Ascending, true) => next,
            (ListOrder::Descending, false) => last,
            (ListOrder::Descending, true) => before,
        }
    }
}

/// Deletes the rows whose keys are given. They are looked up first and deleted by where they are: nobody else moves them,
/// for the tenant's row is held, and a tenant's rows are in one partition, so that no other has a row of theirs there.
fn delete(table: &str, keys: &str, is_key: &str) -> String {
    format!(
        "DELETE FROM {table} WHERE tenant = $1 AND ctid = ANY (ARRAY( \
         SELECT t.ctid FROM {keys} CROSS JOIN LATERAL \
         (SELECT ctid FROM {table} WHERE tenant = $1 AND {is_key} OFFSET 0) AS t))"
    )
}

/// A page of what leads to a person's records, and each record out of the table of its kind.
fn of_subject(s: &str, kinds: &[Kind]) -> String {
    let each = kinds.iter().map(|kind| {
        format!(
            "SELECT {COLUMNS} FROM {s}.record_{kind} AS r \
             WHERE p.kind = '{kind}' AND r.tenant = $1 AND r.id = p.id"
        )
    });
    format!(
        "SELECT p.kind, r.* FROM (SELECT kind, id FROM {s}.subject \
         WHERE tenant = $1 AND subject = $2 AND (kind, id) > ($3, $4) ORDER BY kind, id LIMIT $5) AS p \
         LEFT JOIN LATERAL ({}) AS r ON true ORDER BY p.kind, p.id",
        each.collect::<Vec<_>>().join(" UNION ALL ")
    )
}

/// The oldest of each kind that expires, but for what is of the people who are left out, and of those the oldest. Each is
/// looked up by its whole key, and counted, because an anti-join may read everything that a tenant has.
fn expired(s: &str, kinds: &[Kind]) -> String {
    let each = kinds.iter().filter(|kind| kind.paths().expires).map(|kind| {
        format!(
            "(SELECT '{kind}' AS kind, {COLUMNS} FROM {s}.record_{kind} AS r \
             WHERE r.tenant = $1 AND r.expires_at <= $2 AND 0 = (SELECT count(*) FROM unnest($4::uuid[]) AS w (subject) \
             CROSS JOIN LATERAL (SELECT FROM {s}.subject AS s WHERE s.tenant = $1 AND s.subject = w.subject \
             AND s.kind = '{kind}' AND s.id = r.id OFFSET 0) AS theirs) \
             ORDER BY r.expires_at LIMIT $3)"
        )
    });
    format!("{} ORDER BY expires_at LIMIT $3", each.collect::<Vec<_>>().join(" UNION ALL "))
}
