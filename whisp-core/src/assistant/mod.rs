//! The assistant: takes messages in, decides, sends, and keeps the promises.
//!
//! The host drives it: [`ingest`](Assistant::ingest) in the webhook handler, then [`step`](Assistant::step),
//! [`deliver`](Assistant::deliver), [`fetch`](Assistant::fetch) and [`sweep`](Assistant::sweep) from loops of its own, or
//! all four through `Runner` (feature `runtime`).

mod access;
mod admin;
mod ask;
mod audit;
mod authorize;
mod backlog;
mod breaches;
mod builder;
mod clock_watch;
mod closing;
mod config;
mod connections;
mod contact_book;
mod deliver;
mod desk;
mod disclose;
mod documents;
mod due;
mod epoch;
mod erase;
mod erased;
mod error;
mod explain;
mod export;
mod exported;
mod figures;
mod handle_keys;
mod holds;
mod identity;
mod ingest;
mod lane;
mod legal;
mod letters;
mod measure;
mod media;
mod outbox;
mod own;
mod pace;
mod people;
mod pick;
mod policies;
mod portable;
mod receipt;
mod recover;
mod redate;
mod renew;
mod requests;
mod retain;
#[cfg(feature = "runtime")]
mod runner;
mod said;
mod say;
mod sent;
mod share;
mod slots;
mod stage;
mod stand;
mod step;
mod suggestions;
mod sweep;
pub(crate) mod task;
mod team;
mod transfer;
mod turn;
mod usage;
mod warm;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use lru::LruCache;

pub use access::GLASS_BROKEN_FOR;
pub use admin::NewTenant;
pub use audit::{Audit, AuditCheck, AuditEntry, AuditFault, EventProof, Inclusion};
pub use authorize::{DeletionProgress, PlatformWord, Unmatched, UnmatchedPage};
pub use breaches::{Affected, BreachPage, Breaches, Contained, ErasedPeople, Radius, RadiusCursor, RadiusPage};
pub use builder::{AssistantBuilder, BuildError};
#[cfg(test)]
pub(crate) use clock_watch::ClockClear;
#[cfg(test)]
pub(crate) use closing::ClosedClear;
pub use closing::ClosingReceipt;
pub use config::{Config, LocalText, Retention, Texts};
pub use connections::NewConnection;
pub use desk::{Desk, InboxPage};
pub use disclose::DisclosurePage;
pub use due::{Due, DueWhat};
#[cfg(test)]
pub(crate) use epoch::EpochClear;
pub use epoch::{ErasureHorizon, Unbounded};
#[cfg(test)]
pub(crate) use erase::ErasureClear;
pub use erased::{ErasedElsewhere, ErasureReceipt};
pub use error::AssistantError;
pub use explain::{ExplainedActivity, ExplainedProcessor, Explanation};
pub use exported::{EXPORT_SCHEMA, ExportPage, Exported, ExportedData};
pub use handle_keys::HandleRenewal;
pub use holds::{Held, HeldPage, Holds, WithheldRecords};
pub use ingest::Ingested;
pub use legal::{HandedOut, LegalDisclosures, LegalPage};
pub use letters::QueuePage;
pub use media::{LiveStory, OpenFile};
pub use policies::UntoldPage;
pub use portable::{
    CopyError, CopyFault, EXPORT_SCHEMA_JSON, Imported, PACKAGE_SCHEMA, PACKAGE_SCHEMA_JSON, Package, PackageManifest,
    PackagePart, PackagePiece, PackagedFile, PortableCopy,
};
pub use recover::Recovery;
#[cfg(test)]
pub(crate) use redate::DatedClear;
pub use redate::RETENTION_SETTLES;
pub use renew::KeyRenewal;
pub use requests::{RequestPage, Requests};
pub use retain::RetentionPlan;
#[cfg(feature = "runtime")]
pub use runner::{Runner, RunnerHandle};
pub(crate) use stage::LATE_MAX;
pub use step::{Budget, StepReport};
pub use sweep::SweepReport;
pub use team::{NewMember, TEAM_MAX, Team};
pub use transfer::Transfers;
pub use usage::{NewUsage, Support, SupportEntry, UsageEntry, UsageLog, UsageNoted};

use crate::audit::{CheckpointSigner, CheckpointSink};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::detect::Detector;
use crate::entity::Entities;
use crate::id::{IdSource, RecordId, TenantId, WorkerId};
use crate::kpi::Kpi;
use crate::media::{MediaSource, MediaStore};
use crate::model::ChannelKind;
use crate::privacy::{AccessPolicy, Gate, Processors};
use crate::reply::ReplyEngine;
use crate::route::Router;
use crate::store::ErasableStore;

/// The assistant of any number of tenants. Cheap to clone: all clones are one.
///
/// # Cancellation
/// Every method may be dropped at any await. What was committed stays, nothing is half-written, and the next call goes
/// on from there.
#[derive(Debug, Clone)]
pub struct Assistant {
    inner: Arc<Inner>,
}

// What is large and is awaited from outside returns a `BoxFuture`: the body of an `async fn` is compiled in each crate that
// awaits it, in each of its codegen units anew, and what is boxed here is compiled here, once.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) entities: Entities,
    pub(crate) gate: Arc<Gate>,
    pub(crate) access: Arc<dyn AccessPolicy>,
    pub(crate) processors: Arc<Processors>,
    pub(crate) channels: BTreeMap<ChannelKind, Arc<dyn Channel>>,
    pub(crate) media: Option<Arc<dyn MediaStore>>,
    /// Stores of the host's own.
    erasable: Vec<Arc<dyn ErasableStore>>,
    pub(crate) sources: BTreeMap<ChannelKind, Arc<dyn MediaSource>>,
    pub(crate) engine: Option<Arc<dyn ReplyEngine>>,
    pub(crate) router: Arc<dyn Router>,
    pub(crate) detector: Arc<dyn Detector>,
    pub(crate) signer: Option<Arc<dyn CheckpointSigner>>,
    pub(crate) anchor: Option<Arc<dyn CheckpointSink>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    /// What is frozen of facts.
    kpis: Vec<Box<dyn Kpi>>,
    pub(crate) config: Config,
    pub(crate) worker: WorkerId,
    routes: Mutex<LruCache<RecordId, ingest::Account>>,
    lanes: Mutex<own::Lanes>,
    round: Mutex<media::Round>,
    pace: Mutex<pace::Paces>,
    warm: Mutex<warm::Warm>,
    unrecorded: Mutex<sent::Unrecorded>,
    audit: Mutex<audit::AuditMemory>,
    /// Of each tenant, until when facts have been looked through for figures to freeze.
    frozen: Mutex<BTreeMap<TenantId, DateTime<Utc>>>,
    /// The connections whose contact book is left alone for a while.
    resting: Mutex<contact_book::Resting>,
    #[cfg(feature = "runtime")]
    wake: tokio::sync::Notify,
    #[cfg(feature = "runtime")]
    wake_fetch: tokio::sync::Notify,
}

/// How many routes, from a platform's account to a tenant, are remembered.
const ROUTES_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

impl Assistant {
    /// Begins to put an assistant together.
    #[must_use]
    pub fn builder() -> AssistantBuilder {
        AssistantBuilder::default()
    }

    /// Returns the gate, for tests and benches: what it permits is nobody's to hold otherwise.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn gate_for_tests(&self) -> &Gate {
        &self.inner.gate
    }

    /// Returns the time by the assistant's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }
}

impl Inner {
    fn lanes(&self) -> std::sync::MutexGuard<'_, own::Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warm(&self) -> std::sync::MutexGuard<'_, warm::Warm> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn frozen(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, DateTime<Utc>>> {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> std::sync::MutexGuard<'_, pace::Paces> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resting(&self) -> std::sync::MutexGuard<'_, contact_book::Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the runner, if there is one, that there is something to do.
    fn wake(&self) {
        #[cfg(feature = "runtime")]
        {
            self.wake.notify_one();
            self.wake_fetch.notify_one();
        }
    }
}
