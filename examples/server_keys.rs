//! The example `server` moves its keys as its file says: from a key file to cells, from there to a key service.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod running;

use std::path::Path;
use std::sync::Arc;

use running::Server;
use whisp::clock::Clock as _;
use whisp::id::TenantId;
use whisp::stores::keys::transit::simulator::TransitSimulator;
use whisp::stores::keys::transit::{Snapshots, TransitKeyProvider};
use whisp::stores::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MovingKeyProvider, SqliteKeyTable};
use whisp::system::SystemClock;
use whisp::vault::{EpochDue, KeyProvider, Turn, Vault as _};

/// How often a server may be started until its sweeps have ended the turns. The first start does it, unless it is stopped
/// before.
const STARTS_MAX: usize = 20;

/// Starts a server over the folder's files and stops it when it serves; returns whether it does.
fn runs(folder: &Path, cells: bool, keys: &str) -> bool {
    let files = r#"kind = "sqlite", file = "whisp.db", keys = "keys.db""#;
    let accounts = [("whatsapp", "106540352242922", "whatsapp_business_messaging")];
    let mut config = running::config("http://127.0.0.1:9", files, "", &accounts);
    if !cells {
        config = config.replace(r#", cells = "cells""#, "");
    }
    let server = Server::start(&running::write(folder, &format!("{config}\n[keys]\n{keys}")), "");
    let serves = server.webhooks().is_some();
    if serves {
        server.stop();
    }
    serves
}

/// Turns the epochs of the directory and the tenant, as an operator does who does not want to wait for a week, and runs the
/// server until its sweeps have noted and ended that.
async fn move_all(folder: &Path, cells: bool, keys: &str, from: Arc<dyn KeyProvider>, to: Arc<dyn KeyProvider>) {
    let moving = Arc::new(MovingKeyProvider::new(from, to));
    let tenants = [TenantId::DIRECTORY, "0c0ffee0-0000-4000-8000-000000000001".parse().unwrap()];
    let open = || Arc::new(SqliteKeyTable::open(folder.join("keys.db")).unwrap());
    let vault = EnvelopeVault::open(Arc::<MovingKeyProvider>::clone(&moving), open()).await.unwrap();
    let now = SystemClock.now();
    for tenant in tenants {
        let due = EpochDue { now, begun_before: now };
        while let Turn::UnderWay { .. } = vault.turn(tenant, &due, 1_000).await.unwrap() {}
    }
    drop(vault);
    for _ in 0..STARTS_MAX {
        assert!(runs(folder, cells, keys));
        let table = open();
        let [directory, tenant] = tenants.map(|tenant| moving.is_moved(&*table, tenant));
        if directory.await.unwrap() && tenant.await.unwrap() {
            return;
        }
    }
    panic!("the keys do not move");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_began_with_a_key_file_gets_cells_and_then_a_key_service() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(runs(folder, false, ""));
    let root_key = Arc::new(LocalKeyProvider::open(folder.join("root.key")).unwrap());
    assert!(!runs(folder, true, ""), "it does not open with cells alone");

    let in_cells = Arc::new(FolderCells::open(folder.join("cells")).unwrap());
    let cells = Arc::new(CellKeyProvider::new(Arc::<LocalKeyProvider>::clone(&root_key), in_cells));
    let to = Arc::<CellKeyProvider>::clone(&cells);
    move_all(folder, true, r#"moving_from = "root_key""#, root_key, to).await;
    assert!(runs(folder, true, ""), "it needs the bare key file no more");

    let vault = TransitSimulator::start().await.unwrap();
    let service =
        format!(r#"transit = {{ address = "{}", mount = "whisp", snapshots_kept_days = 3 }}"#, vault.address());
    let config = vault.config(Snapshots::Never);
    let to = Arc::new(TransitKeyProvider::new(&config, Arc::new(SystemClock)).unwrap());
    let keys = format!("moving_from = \"cells\"\n{service}");
    move_all(folder, true, &keys, cells, to).await;
    std::fs::remove_file(folder.join("root.key")).unwrap();
    assert!(runs(folder, false, &service), "it needs the cells no more");
    assert!(!folder.join("root.key").exists(), "a key file that nobody asks for is not made");
    assert_eq!(vault.keys().len(), 2, "one for the directory, one for the tenant");
}
