//! The tables: how an empty schema gets them, and how an older one becomes a newer one.

use deadpool_postgres::Client;
use whisp_core::error::Retry;
use whisp_core::store::{Kind, StoreErrorKind};

use super::error::Failure;
use super::row::get;
use crate::kinds::{self, paths_bits};

/// Tables that share a schema, which is theirs alone.
struct Tables {
    /// What turns each schema version into the next. The number of them is the schema version.
    migrations: &'static [&'static str],
    /// Those that the first makes, all of them with the tenant first.
    names: &'static [&'static str],
}

/// The second shape of the walls between the tenants, in every table of the schema.
const WALLS_0002: &str = include_str!("migrations/walls_0002.sql");

/// The tables of a store; those of its kinds come beside them.
const STORE: Tables = Tables {
    migrations: &[include_str!("migrations/0001.sql"), WALLS_0002],
    names: &["tenant", "subject", "seen", "work", "lease", "fact"],
};

/// The tables of wrapped keys.
const KEYS: Tables = Tables {
    migrations: &[include_str!("migrations/keys_0001.sql"), include_str!("migrations/keys_0002.sql"), WALLS_0002],
    names: &["tenant_key", "subject_key"],
};

/// Those that who looks for work reads for every tenant: ids and times, no content.
const SCANNED: &[&str] = &["work", "lease"];

/// The table of a kind.
const KIND_TABLE: &str = include_str!("migrations/kind.sql");

/// The longest name of a schema, in bytes: with what stands before and after it, a name of PostgreSQL has 63 at most.
const SCHEMA_NAME_MAX: usize = 40;

/// Where the tables are, and how.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    name: String,
    /// Into how many partitions by tenant each table is cut when it is made; none if 0.
    partitions: u16,
}

impl Schema {
    pub(crate) fn new(name: &str, partitions: u16) -> Result<Self, Failure> {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
        if !is_plain || !begins || name.len() > SCHEMA_NAME_MAX {
            let advice = "name a schema with 1 to 40 lower-case letters, digits and underscores, a letter first";
            return Err(Failure::new(StoreErrorKind::Invalid, Retry::Never, advice));
        }
        Ok(Self { name: name.to_owned(), partitions })
    }

    /// The name, which needs no quotes.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name of the channel on which processes that share the schema tell each other of work.
    pub(super) fn channel(&self) -> String {
        format!("whisp_work_{}", self.name)
    }

    /// Brings the tables of a store to this version and makes room for the kinds. Where there is nothing to do, it needs
    /// no right but to read.
    pub(super) async fn open(&self, client: &Client, kinds: &[Kind]) -> Result<(), Failure> {
        if !kinds.iter().all(|kind| kinds::is_plain(*kind)) {
            return Err(invalid(kinds::NAME_ADVICE));
        }
        let has_room = |known: &[(String, u8)], kind: &Kind| {
            known.iter().any(|(name, paths)| name == kind.name() && *paths == paths_bits(*kind))
        };
        let is_ready = self.version(client, &STORE).await? == STORE.migrations.len() && {
            let known = self.kinds(client).await?;
            kinds.iter().all(|kind| has_room(&known, kind))
        };
        if !is_ready {
            self.in_transaction(client, async {
                self.migrate(client, &STORE).await?;
                let known = self.kinds(client).await?;
                for kind in kinds.iter().filter(|kind| !has_room(&known, kind)) {
                    let is_there = known.iter().any(|(name, _)| name == kind.name());
                    self.make_room(client, *kind, is_there).await?;
                }
                Ok(())
            })
            .await?;
        }
        self.know_every_kind(client, kinds).await
    }

    /// Brings the tables of wrapped keys to this version.
    pub(crate) async fn open_keys(&self, client: &Client) -> Result<(), Failure> {
        if self.version(client, &KEYS).await? != KEYS.migrations.len() {
            self.in_transaction(client, self.migrate(client, &KEYS)).await?;
        }
        Ok(())
    }

    /// Whether the walls stand for this user, in every table: for superusers and the like they do not.
    pub(crate) async fn is_walled(&self, client: &Client) -> Result<bool, Failure> {
        let walls = "SELECT coalesce(bool_and(row_security_active(oid)), false) FROM pg_class \
                     WHERE relnamespace = $1::text::regnamespace AND relkind IN ('r', 'p') \
                     AND relname NOT IN ('version', 'kind')";
        get(&client.query_one(walls, &[&self.name]).await?, 0)
    }

    /// The version of the tables, 0 if there are none. A schema that has a version, but none of these tables, is
    /// something else's: it is never added to, for two versions would be one.
    async fn version(&self, client: &Client, tables: &Tables) -> Result<usize, Failure> {
        let there =
            "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND (tablename = 'version' OR tablename = ANY ($2))";
        let there = client.query(there, &[&self.name, &tables.names]).await?;
        let there = there.iter().map(|row| get(row, 0)).collect::<Result<Vec<&str>, _>>()?;
        if !there.contains(&"version") {
            return Ok(0);
        }
        if there.len() == 1 {
            let advice =
                "the schema holds the tables of something else: name another one, and keep data and keys apart";
            return Err(Failure::new(StoreErrorKind::Corrupt, Retry::Never, advice));
        }
        let row = client.query_opt(&format!("SELECT version FROM {}.version", self.name), &[]).await?;
        usize::try_from(get::<i32>(&row.ok_or_else(Failure::corrupt)?, 0)?).map_err(|_| Failure::corrupt())
    }

    async fn kinds(&self, client: &Client) -> Result<Vec<(String, u8)>, Failure> {
        let rows = client.query(&format!("SELECT name, paths FROM {}.kind", self.name), &[]).await?;
        let kind = |row| Ok((get(row, 0)?, u8::try_from(get::<i16>(row, 1)?).map_err(|_| Failure::corrupt())?));
        rows.iter().map(kind).collect()
    }

    /// Changes the schema wholly or not at all. Of several processes one does it and the others wait.
    async fn in_transaction(
        &self,
        client: &Client,
        change: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        let lock = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(hashtextextended('whisp {}', 0))",
            self.name
        );
        client.batch_execute(&lock).await?;
        let changed = change.await;
        let ended = client.batch_execute(if changed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        changed?;
        Ok(ended?)
    }

    async fn migrate(&self, client: &Client, tables: &Tables) -> Result<(), Failure> {
        let (name, newest) = (&self.name, tables.migrations.len());
        let from = self.version(client, tables).await?;
        if from > newest {
            let advice = "open the database with the version of whisp that wrote it";
            return Err(Failure::new(StoreErrorKind::Newer, Retry::Never, advice));
        }
        if from == 0 {
            let first = format!(
                "CREATE SCHEMA IF NOT EXISTS {name}; CREATE TABLE {name}.version (version integer NOT NULL); \
                 INSERT INTO {name}.version VALUES (0)"
            );
            client.batch_execute(&first).await?;
        }
        for migration in tables.migrations.iter().skip(from) {
            client.batch_execute(&self.fill(migration, None)).await?;
        }
        if from == 0 {
            for table in tables.names {
                self.wall(client, table).await?;
            }
        }
        Ok(client.batch_execute(&format!("UPDATE {name}.version SET version = {newest}")).await?)
    }

    /// Creates the tables and the indexes of a kind; those that are there with other paths go, if they are empty.
    async fn make_room(&self, client: &Client, kind: Kind, is_there: bool) -> Result<(), Failure> {
        let name = &self.name;
        if is_there {
            if self.holds_records(client, kind.name()).await? {
                return Err(invalid(kinds::PATHS_ADVICE));
            }
            let drop = format!(
                "DROP TABLE {name}.record_{kind}; DROP TABLE IF EXISTS {name}.lookup_{kind}; \
                 DELETE FROM {name}.kind WHERE name = '{kind}'"
            );
            client.batch_execute(&drop).await?;
        }
        client.batch_execute(&self.fill(KIND_TABLE, Some(kind))).await?;
        self.wall(client, &format!("record_{kind}")).await?;
        let paths = kind.paths();
        let mut sql = format!("INSERT INTO {name}.kind VALUES ('{kind}', {})", paths_bits(kind));
        if paths.listed {
            sql += &format!(
                "; CREATE INDEX list_{kind} ON {name}.record_{kind} (tenant, parent, position, id) WHERE parent IS NOT NULL"
            );
        }
        if paths.expires {
            sql += &format!(
                "; CREATE INDEX expiry_{kind} ON {name}.record_{kind} (tenant, expires_at) WHERE expires_at IS NOT NULL"
            );
        }
        if paths.found {
            sql += &self.fill(
                "; CREATE TABLE {schema}.lookup_{kind} (tenant uuid NOT NULL, lookup uuid NOT NULL, id uuid NOT NULL, \
                 PRIMARY KEY (tenant, lookup, id)){by_tenant}",
                Some(kind),
            );
        }
        client.batch_execute(&sql).await?;
        if paths.found {
            self.wall(client, &format!("lookup_{kind}")).await?;
        }
        Ok(())
    }

    fn fill(&self, sql: &str, kind: Option<Kind>) -> String {
        let by_tenant = if self.partitions == 0 { "" } else { " PARTITION BY HASH (tenant)" };
        let sql = sql.replace("{schema}", &self.name).replace("{by_tenant}", by_tenant);
        kind.map_or_else(|| sql.clone(), |kind| sql.replace("{kind}", kind.name()))
    }

    /// Cuts a table into its partitions, and puts a wall between the tenants: rows of another tenant than the one that
    /// the transaction names are neither seen nor written, whatever the statement says. The partitions by themselves
    /// show and take nothing.
    async fn wall(&self, client: &Client, table: &str) -> Result<(), Failure> {
        let name = &self.name;
        let mut sql = String::new();
        for part in 0..self.partitions {
            sql += &format!(
                "CREATE TABLE {name}.{table}_{part} PARTITION OF {name}.{table} \
                 FOR VALUES WITH (MODULUS {}, REMAINDER {part}); \
                 ALTER TABLE {name}.{table}_{part} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; ",
                self.partitions
            );
        }
        // Citus takes no table whose policy holds a query of its own. Nor is one needed: every statement names the tenant,
        // so PostgreSQL compares the setting with that, once a statement and not once a row. Only where there is a second
        // policy it compares row by row, less than a microsecond for each.
        sql += &format!(
            "ALTER TABLE {name}.{table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
             CREATE POLICY one_tenant ON {name}.{table} \
             USING (tenant = nullif(current_setting('whisp.tenant', true), '')::uuid)"
        );
        if SCANNED.contains(&table) {
            sql += &format!(
                "; CREATE POLICY every_tenant ON {name}.{table} FOR SELECT \
                 USING (current_setting('whisp.every_tenant', true) = 'on')"
            );
        }
        Ok(client.batch_execute(&sql).await?)
    }

    /// A kind whose records are there but that was not given would stay out of erasure, export and retention.
    async fn know_every_kind(&self, client: &Client, kinds: &[Kind]) -> Result<(), Failure> {
        for (name, _) in self.kinds(client).await? {
            if !kinds.iter().any(|kind| kind.name() == name) && self.holds_records(client, &name).await? {
                return Err(invalid(kinds::MISSING_ADVICE));
            }
        }
        Ok(())
    }

    /// Whether a kind's table has rows of any tenant. The wall hides them, so what it takes on the disk is looked at: a
    /// table whose last row was deleted counts until the server has vacuumed it.
    async fn holds_records(&self, client: &Client, kind: &str) -> Result<bool, Failure> {
        let sql = format!(
            "SELECT pg_relation_size('{0}.record_{kind}') + coalesce(sum(pg_relation_size(relid)), 0) > 0 \
             FROM pg_partition_tree('{0}.record_{kind}')",
            self.name
        );
        get(&client.query_one(&sql, &[]).await?, 0)
    }
}

const fn invalid(advice: &'static str) -> Failure {
    Failure::new(StoreErrorKind::Invalid, Retry::Never, advice)
}
