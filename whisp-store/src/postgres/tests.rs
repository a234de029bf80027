//! That no statement lacks the tenant: by its text, and by its plan.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

use whisp_core::store::Kind;

use super::sql::Sql;

mod plans;
#[path = "../../tests/support/postgres.rs"]
mod support;

/// Takes the statements out of how they print, so that one that is added can't be left out here.
fn statements(sql: &Sql) -> Vec<String> {
    let printed = format!("{sql:?}");
    let is_statement = |text: &&str| {
        ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "(SELECT "].iter().any(|verb| text.starts_with(verb))
    };
    printed.split('"').filter(is_statement).map(str::to_owned).collect()
}

#[test]
fn no_statement_lacks_the_tenant() {
    let sql = Sql::new("whisp", Kind::ALL);
    let all = statements(&sql);
    let found = Kind::ALL.iter().filter(|kind| kind.paths().found).count();
    assert_eq!(all.len(), 25 + Kind::ALL.len() * 10 + found * 4);
    for statement in all.iter().filter(|statement| **statement != sql.waiting) {
        let reads = statement.matches("FROM whisp.").count() + statement.matches("JOIN whisp.").count();
        let changes = statement.matches("UPDATE whisp.").count();
        let bound = statement.matches("tenant = $1").count() + statement.matches("tenant = l.tenant").count();
        let inserted = statement.matches("INTO whisp.").count();
        let first = statement.matches("SELECT $1, u.*").count() + statement.matches("VALUES ($1)").count();
        assert_eq!((reads + changes, inserted), (bound, first), "{statement}");
    }
}

/// The plans on partitioned tables: none reads or writes two partitions of a table.
#[tokio::test]
async fn every_statement_goes_to_one_partition_of_a_table() {
    let Some(schema) = support::TempSchema::new() else { return };
    drop(schema.options().partitions(4).open().await.unwrap());
    let client = schema.client().await;
    client.batch_execute("SET plan_cache_mode = force_custom_plan").await.unwrap();
    let sql = Sql::new(&schema.name, Kind::ALL);
    for statement in statements(&sql).iter().filter(|statement| **statement != sql.waiting) {
        let types = client.prepare(statement).await.unwrap();
        let values: Vec<String> = types.params().iter().map(literal).collect();
        client.batch_execute(&format!("DEALLOCATE ALL; PREPARE it AS {statement}")).await.unwrap();
        let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE it ({})", values.join(", "));
        let plan = first_column(&client.simple_query(&explain).await.unwrap());
        let mut touched = BTreeMap::new();
        relations(&serde_json::from_str(&plan).unwrap(), &mut touched);
        for (table, partitions) in touched {
            assert_eq!(partitions.len(), 1, "{table} in {statement}");
        }
    }
}

/// What the rows say in their first column, one after another.
fn first_column(messages: &[SimpleQueryMessage]) -> String {
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.filter_map(|row| row.get(0)).collect()
}

/// Some value of the type, which is not null.
fn literal(of: &Type) -> String {
    let value = match *of {
        Type::UUID => "00000000-0000-0000-0000-000000000001",
        Type::UUID_ARRAY => "{00000000-0000-0000-0000-000000000001}",
        Type::INT4_ARRAY | Type::INT8_ARRAY | Type::TEXT_ARRAY => "{1}",
        Type::BYTEA_ARRAY => r"{\\x01}",
        Type::INT4 | Type::INT8 | Type::TEXT => "1",
        ref other => panic!("no value of type {other}"),
    };
    format!("'{value}'")
}

/// Collects the partitions that a plan scans, by their table.
fn relations(plan: &Value, into: &mut BTreeMap<String, BTreeSet<String>>) {
    let children: Vec<&Value> = match plan {
        Value::Array(children) => children.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => return,
    };
    let scan = plan["Node Type"].as_str().is_some_and(|node| node.contains("Scan"));
    if let (true, Some(name)) = (scan, plan["Relation Name"].as_str()) {
        let (table, _) = name.rsplit_once('_').unwrap();
        into.entry(table.to_owned()).or_default().insert(name.to_owned());
    }
    children.into_iter().for_each(|child| relations(child, into));
}
