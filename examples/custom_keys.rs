//! A key provider of one's own: a business that wants it has its keys in a key service of its own, here the Transit
//! engine of a Vault; those of the others are in a key file with cells.
//!
//! `cargo run -p whisp-examples --example custom_keys [-- --json]`
//!
//! First it proves the provider with the suite that every key provider passes. Then a business moves into its own
//! service and is sold, and the key service of its old owner opens nothing any more. Vault is simulated, in this
//! process. With `--json` each line of standard output is `{"done": bool, "step": string}`. Exits with 0 when all went
//! well, else with 1; a broken contract panics.
#![expect(clippy::print_stdout, reason = "what it found is its output")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use whisp::clock::Clock;
use whisp::error::BoxError;
use whisp::id::{SubjectId, TenantId};
use whisp::stores::keys::conformance::{self as suite, Open};
use whisp::stores::keys::transit::simulator::TransitSimulator;
use whisp::stores::keys::transit::{Snapshots, TransitKeyProvider};
use whisp::stores::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, MemoryKeyTable, MovingKeyProvider};
use whisp::system::SystemClock;
use whisp::vault::{
    Destroyed, Destruction, EpochDue, KeyContext, KeyProvider, KeyTable, SecretKey, Turn, Vault, VaultError, WrappedKey,
};

/// The provider. It only chooses; whom it chooses keeps the contract.
#[derive(Debug)]
struct ByTenant {
    own: BTreeMap<TenantId, Arc<dyn KeyProvider>>,
    others: Arc<dyn KeyProvider>,
}

impl ByTenant {
    fn of(&self, context: &KeyContext) -> &Arc<dyn KeyProvider> {
        self.own.get(&context.tenant).unwrap_or(&self.others)
    }
}

#[async_trait]
impl KeyProvider for ByTenant {
    async fn wrap(&self, context: &KeyContext, key: &SecretKey) -> Result<WrappedKey, VaultError> {
        self.of(context).wrap(context, key).await
    }

    async fn unwrap(&self, context: &KeyContext, wrapped: &WrappedKey) -> Result<SecretKey, VaultError> {
        self.of(context).unwrap(context, wrapped).await
    }

    async fn destroy(&self, context: &KeyContext) -> Result<Destroyed, VaultError> {
        self.of(context).destroy(context).await
    }

    /// Nothing worse may happen than is told here, to anybody: the worst of all.
    fn destruction(&self) -> Destruction {
        let own = self.own.values().map(|provider| provider.destruction());
        own.fold(self.others.destruction(), Destruction::worse)
    }
}

const BUSINESS: TenantId = TenantId::from_bytes([1; 16]);

/// A Vault, and a folder with the key file and the cells.
struct Services {
    vault: TransitSimulator,
    folder: tempfile::TempDir,
}

impl Services {
    async fn new() -> Result<Self, BoxError> {
        Ok(Self { vault: TransitSimulator::start().await?, folder: tempfile::tempdir()? })
    }

    /// The Transit engine. A real one has an address with `https`, a token from the environment, and `Snapshots` that
    /// say how long its operator keeps them.
    fn transit(&self) -> Result<Arc<dyn KeyProvider>, BoxError> {
        Ok(Arc::new(TransitKeyProvider::new(&self.vault.config(Snapshots::Never), Arc::new(SystemClock))?))
    }

    fn cells(&self) -> Result<Arc<dyn KeyProvider>, BoxError> {
        let root_key = LocalKeyProvider::open_or_create(self.folder.path().join("root.key"))?;
        let cells = FolderCells::open(self.folder.path().join("cells"))?;
        Ok(Arc::new(CellKeyProvider::new(Arc::new(root_key), Arc::new(cells))))
    }

    fn by_tenant(&self) -> Result<ByTenant, BoxError> {
        Ok(ByTenant { own: [(BUSINESS, self.transit()?)].into(), others: self.cells()? })
    }
}

#[async_trait]
impl Open<dyn KeyProvider> for Services {
    #[expect(clippy::expect_used, reason = "the suite fails by a panic")]
    async fn open(&self) -> Arc<dyn KeyProvider> {
        Arc::new(self.by_tenant().expect("the services are there"))
    }
}

/// Gives a business a key service of its own, proved by the suite that every key provider passes.
#[derive(Parser)]
struct Arguments {
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, BoxError> {
    let arguments = Arguments::parse();
    let mut all = true;
    let mut say = |step: &str, done: bool| {
        all &= done;
        if arguments.json {
            println!("{}", serde_json::json!({ "step": step, "done": done }));
        } else {
            println!("{} {step}", if done { "ok    " } else { "FAILED" });
        }
    };
    prove().await?;
    say("the provider keeps the contract", true);

    // Everybody's keys are in the key file's cells, until a business wants its own service.
    let (old, new) = (Services::new().await?, Services::new().await?);
    let table: Arc<dyn KeyTable> = Arc::new(MemoryKeyTable::new());
    let shared = old.cells()?;
    let vault = EnvelopeVault::open(Arc::clone(&shared), Arc::clone(&table)).await?;
    vault.provision(BUSINESS, &[SubjectId::from_bytes([2; 16])]).await?;

    // It goes there with the next turn of its epoch; `sweep` makes one each week, and here it is made at once.
    let (service, moved) = move_to(&table, Arc::clone(&shared), old.transit()?, &shared).await?;
    say("the business has moved into a key service of its own", moved);
    say("that service holds one key, of its current epoch", old.vault.keys().len() == 1);
    say("its keys are in the cells no more", !opens(&table, &shared).await?);

    // The business is sold: the same again, to the new owner's.
    let (_, moved) = move_to(&table, Arc::clone(&service), new.transit()?, &shared).await?;
    say("the business has moved to its new owner's key service", moved);
    say("the old owner's key service has no key of it", old.vault.keys().is_empty() && !opens(&table, &service).await?);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Moves the business; returns its new provider, and whether it needs the old one no more.
async fn move_to(
    table: &Arc<dyn KeyTable>,
    from: Arc<dyn KeyProvider>,
    to: Arc<dyn KeyProvider>,
    others: &Arc<dyn KeyProvider>,
) -> Result<(Arc<dyn KeyProvider>, bool), BoxError> {
    let moving = Arc::new(MovingKeyProvider::new(from, Arc::clone(&to)));
    let both: Arc<dyn KeyProvider> = Arc::<MovingKeyProvider>::clone(&moving);
    let own = [(BUSINESS, both)].into();
    let vault = EnvelopeVault::open(Arc::new(ByTenant { own, others: Arc::clone(others) }), Arc::clone(table)).await?;
    let now = SystemClock.now();
    let due = EpochDue { now, begun_before: now };
    // Of a large business a call wraps a part.
    while let Turn::UnderWay { .. } = vault.turn(BUSINESS, &due, 1_000).await? {}
    let epoch = table.tenant(BUSINESS).await?.map_or(0, |key| key.epoch);
    vault.end_turn(BUSINESS, epoch).await?;
    Ok((to, moving.is_moved(&**table, BUSINESS).await?))
}

/// Whether a provider opens the business's key as it is in the table.
async fn opens(table: &Arc<dyn KeyTable>, provider: &Arc<dyn KeyProvider>) -> Result<bool, BoxError> {
    let key = table.tenant(BUSINESS).await?.ok_or("the business has no key")?;
    Ok(provider.unwrap(&KeyContext { tenant: BUSINESS, epoch: key.epoch }, &key.wrapped).await.is_ok())
}

/// Each case on fresh services.
async fn prove() -> Result<(), BoxError> {
    suite::what_is_wrapped_is_unwrapped_also_after_a_restart(&Services::new().await?).await;
    suite::another_context_does_not_unwrap(&Services::new().await?).await;
    suite::a_changed_byte_does_not_unwrap(&Services::new().await?).await;
    suite::key_bytes_are_not_shown(&Services::new().await?).await;
    suite::what_was_wrapped_for_a_destroyed_epoch_never_unwraps(&Services::new().await?).await;
    suite::later_epochs_and_other_tenants_outlive_a_destroyed_one(&Services::new().await?).await;
    suite::an_epoch_is_destroyed_again_without_harm(&Services::new().await?).await;
    suite::nothing_is_destroyed_worse_than_was_told_before(&Services::new().await?).await;
    Ok(())
}
