//! Puts an assistant together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use lru::LruCache;

use crate::assistant::{Assistant, Config, Inner, ROUTES_MAX, media, own, pace};
use crate::audit::{CheckpointSigner, CheckpointSink};
use crate::channel::Channel;
use crate::clock::Clock;
use crate::detect::{Detector, PhraseDetector};
use crate::entity::Entities;
use crate::id::{IdSource, WorkerId};
use crate::kpi::{Kpi, built_in};
use crate::media::{MediaSource, MediaStore};
use crate::model::ChannelKind;
use crate::privacy::{AccessPolicy, EgressRefusal, Gate, ProcessorId, Purpose, RolePolicy};
use crate::reply::{EngineId, ReplyEngine, SHOWN};
use crate::route::{EngineFirst, Router};
use crate::store::{ErasableStore, Store};
use crate::vault::Vault;

/// Puts an assistant together. A store, a vault, a clock and a source of ids are needed; an engine only where something
/// is to be answered, a channel only where something is to be sent.
#[derive(Debug, Default)]
pub struct AssistantBuilder {
    store: Option<Arc<dyn Store>>,
    vault: Option<Arc<dyn Vault>>,
    clock: Option<Arc<dyn Clock>>,
    ids: Option<Arc<dyn IdSource>>,
    channels: BTreeMap<ChannelKind, Arc<dyn Channel>>,
    media: Option<Arc<dyn MediaStore>>,
    erasable: Vec<Arc<dyn ErasableStore>>,
    sources: BTreeMap<ChannelKind, Arc<dyn MediaSource>>,
    engine: Option<Arc<dyn ReplyEngine>>,
    router: Option<Arc<dyn Router>>,
    detector: Option<Arc<dyn Detector>>,
    access: Option<Arc<dyn AccessPolicy>>,
    signer: Option<Arc<dyn CheckpointSigner>>,
    anchor: Option<Arc<dyn CheckpointSink>>,
    kpis: Option<Vec<Box<dyn Kpi>>>,
    config: Config,
}

/// Why an assistant can't be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The engine would send data to somebody who may not have them.
    #[error("the engine {engine} sends data to {processor}, and could never be asked: {refusal}")]
    Egress {
        /// Which engine.
        engine: EngineId,
        /// To whom.
        processor: ProcessorId,
        /// Why they may not have them.
        refusal: EgressRefusal,
    },
    /// Something is missing.
    #[error("the assistant has no {0}: give it one with the builder's method of that name")]
    Missing(&'static str),
    /// Two stores to erase from have the same name: a receipt could not tell them apart.
    #[error("two stores to erase from are called {0:?}: give each a name of its own")]
    Twice(String),
}

impl AssistantBuilder {
    /// Keeps records, work and facts here.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Seals with this.
    #[must_use]
    pub fn vault(mut self, vault: Arc<dyn Vault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// Tells the time by this.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Makes ids with this.
    #[must_use]
    pub fn ids(mut self, ids: Arc<dyn IdSource>) -> Self {
        self.ids = Some(ids);
        self
    }

    /// Takes the system's clock and random ids.
    #[cfg(feature = "system")]
    #[must_use]
    pub fn system(self) -> Self {
        self.clock(Arc::new(crate::system::SystemClock)).ids(Arc::new(crate::system::RandomIds::default()))
    }

    /// Sends on this channel. A second one of the same kind replaces the first.
    #[must_use]
    pub fn channel(mut self, channel: Arc<dyn Channel>) -> Self {
        self.channels.insert(channel.kind(), channel);
        self
    }

    /// Keeps the files of messages here, sealed. Without one nothing is fetched, and a message keeps the reference that it
    /// came with. It is this assistant's alone: what is in it without a record of this store is deleted.
    #[must_use]
    pub fn media(mut self, media: Arc<dyn MediaStore>) -> Self {
        self.media = Some(media);
        self
    }

    /// Erases from this store of the host's own too: no erasure ends, and no account is closed, before it has done its part.
    /// As many as there are.
    #[must_use]
    pub fn erases(mut self, store: Arc<dyn ErasableStore>) -> Self {
        self.erasable.push(store);
        self
    }

    /// Fetches the files of one channel with this. A second one of the same kind replaces the first.
    #[must_use]
    pub fn media_source(mut self, source: Arc<dyn MediaSource>) -> Self {
        self.sources.insert(source.kind(), source);
        self
    }

    /// Answers with this engine. Several engines are one `Fallback` (whisp-ai).
    #[must_use]
    pub fn engine(mut self, engine: Arc<dyn ReplyEngine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Routes with this; [`EngineFirst`] unless told.
    #[must_use]
    pub fn router(mut self, router: Arc<dyn Router>) -> Self {
        self.router = Some(router);
        self
    }

    /// Notices stop words and the like with this; [`PhraseDetector`] unless told.
    #[must_use]
    pub fn detector(mut self, detector: Arc<dyn Detector>) -> Self {
        self.detector = Some(detector);
        self
    }

    /// Lets this decide who of the team may do what; [`RolePolicy`] unless told.
    #[must_use]
    pub fn access_policy(mut self, policy: Arc<dyn AccessPolicy>) -> Self {
        self.access = Some(policy);
        self
    }

    /// Signs the checkpoints of the audit logs with this. Without one events are logged all the same, and nothing of them
    /// can be proved.
    #[must_use]
    pub fn signer(mut self, signer: Arc<dyn CheckpointSigner>) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Anchors the audit logs here, with each sweep after which they have grown. Whoever can change the store must not be
    /// able to change this.
    #[must_use]
    pub fn anchor(mut self, anchor: Arc<dyn CheckpointSink>) -> Self {
        self.anchor = Some(anchor);
        self
    }

    /// Freezes the [figures](crate::kpi::Figures) of these; the [built-in](crate::kpi::built_in) ones unless told. What they
    /// count must name nobody, members not even by their ids: figures stay.
    #[must_use]
    pub fn kpis(mut self, kpis: Vec<Box<dyn Kpi>>) -> Self {
        self.kpis = Some(kpis);
        self
    }

    /// Behaves like this.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Puts it together.
    ///
    /// # Errors
    /// [`BuildError`] names what is missing, what is there twice, and an engine that could never be asked, because whom it
    /// sends data to may not have them. Of an engine that asks others by itself that shows only when it does.
    pub fn build(self) -> Result<Assistant, BuildError> {
        let clock = self.clock.ok_or(BuildError::Missing("clock"))?;
        let ids = self.ids.ok_or(BuildError::Missing("ids"))?;
        let store = self.store.ok_or(BuildError::Missing("store"))?;
        let entities = Entities { store, vault: self.vault.ok_or(BuildError::Missing("vault"))? };
        let processors = Arc::new(self.config.processors.clone());
        if let Some(engine) = &self.engine
            && let Some(processor) = engine.processor()
            && let Err(refusal) = processors.check(&processor, Purpose::AutomatedReplies, SHOWN)
        {
            return Err(BuildError::Egress { engine: engine.id().clone(), processor, refusal });
        }
        let mut names = BTreeSet::new();
        if let Some(second) = self.erasable.iter().find(|store| !names.insert(store.name())) {
            return Err(BuildError::Twice(second.name().to_owned()));
        }
        Ok(Assistant {
            inner: Arc::new(Inner {
                gate: Arc::new(Gate::new(entities.clone(), self.config.register.clone())),
                access: self.access.unwrap_or_else(|| Arc::new(RolePolicy::default())),
                entities,
                processors,
                channels: self.channels,
                media: self.media,
                erasable: self.erasable,
                sources: self.sources,
                engine: self.engine,
                router: self.router.unwrap_or_else(|| Arc::new(EngineFirst)),
                detector: self.detector.unwrap_or_else(|| Arc::new(PhraseDetector::default())),
                signer: self.signer,
                anchor: self.anchor,
                worker: WorkerId::from_uuid(ids.random()),
                clock,
                ids,
                kpis: self.kpis.unwrap_or_else(built_in),
                config: self.config,
                routes: Mutex::new(LruCache::new(ROUTES_MAX)),
                lanes: Mutex::new(own::Lanes::default()),
                round: Mutex::new(media::Round::default()),
                pace: Mutex::new(pace::Paces::default()),
                warm: Mutex::default(),
                unrecorded: Mutex::default(),
                audit: Mutex::default(),
                frozen: Mutex::default(),
                resting: Mutex::default(),
                #[cfg(feature = "runtime")]
                wake: tokio::sync::Notify::new(),
                #[cfg(feature = "runtime")]
                wake_fetch: tokio::sync::Notify::new(),
            }),
        })
    }
}
