//! The PostgreSQL server that a bench works on.

#![expect(clippy::expect_used, reason = "a bench stops if its ground is missing")]

use tokio_postgres::{Client, NoTls};

/// Connects.
///
/// # Panics
/// If the server does not answer.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server answers");
    tokio::spawn(async move { connection.await.expect("the connection holds") });
    client
}

/// Drops a schema of ours with all that is in it.
///
/// # Panics
/// If it can't be dropped.
pub async fn drop_schema(url: &str, schema: &str) {
    let drop = format!("SET client_min_messages = error; DROP SCHEMA {schema} CASCADE");
    connect(url).await.batch_execute(&drop).await.expect("it is ours");
}
