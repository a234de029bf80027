//! The audit log of a tenant: list it, prove it, verify it. What is in it and what not stands in [`crate::audit`].

mod check;
mod sequence;
mod stage;
mod tiles;

use serde::{Deserialize, Serialize};

pub use check::{AuditCheck, AuditFault};
pub(in crate::assistant) use stage::AuditMemory;

use crate::assistant::audit::tiles::Tiles;
use crate::assistant::{Assistant, AssistantError};
use crate::audit::tree::{consistency, inclusion};
use crate::audit::{
    AnchorError, AnchorErrorKind, AuditDetail, AuditEvent, Checkpoint, LogProof, SignedNote, Tag, TreeHash,
    VerifierKey, goes_on,
};
use crate::entity::{EventRow, damaged};
use crate::error::Retry;
use crate::id::{ContactId, RecordId, SubjectId, TenantId};
use crate::privacy::{About, Storage};
use crate::store::{Cursor, PAGE_MAX};

/// How often anchoring is tried again when another process was faster.
const TRIES_MAX: usize = 8;

/// The audit log of a tenant.
#[derive(Debug, Clone)]
pub struct Audit {
    assistant: Assistant,
    tenant: TenantId,
}

/// An event of the log, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEntry {
    /// What happened.
    pub event: AuditEvent,
    /// The event as it is hashed into the tree, byte for byte.
    pub leaf: String,
    /// At which place of the log, counted from 0; `None` while it waits to be put into the tree: until then it has no
    /// proof.
    pub index: Option<u64>,
}

/// Whether an event is in the tree, and the proof if it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inclusion {
    /// It waits: the next sweep puts it into the tree.
    Waiting,
    /// It is in the tree.
    Logged(EventProof),
}

/// What a person needs to show that an event was logged, without us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventProof {
    /// The event as it is hashed into the tree.
    pub leaf: String,
    /// The proof as a text: C2SP's `tlog-proof`, with a signed checkpoint in it. [`LogProof`] reads it.
    pub proof: String,
}

impl Assistant {
    /// Returns the audit log of a tenant. Who may see it is the host's to check.
    #[must_use]
    pub fn audit(&self, tenant: TenantId) -> Audit {
        Audit { assistant: self.clone(), tenant }
    }
}

impl Audit {
    /// Returns the name of the log, which its checkpoints carry: the config's `audit_origin` and the tenant's random id.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}/{}", self.assistant.inner.config.audit_origin, self.tenant)
    }

    /// Returns the key by which the log's checkpoints are verified. Give it to whoever is to verify.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the assistant has no signer, or the config's `audit_origin` is no name of a log.
    pub fn verifier_key(&self) -> Result<VerifierKey, AssistantError> {
        let signer =
            self.assistant.inner.signer.as_ref().ok_or(AssistantError::Invalid(
                "the assistant has no signer of checkpoints: give it one with `signer`",
            ))?;
        VerifierKey::new(self.origin(), signer.public_key()).map_err(|_| {
            AssistantError::Invalid("the audit origin is no name of a log: it has spaces, a plus or control characters")
        })
    }

    /// Puts what waits into the tree, at most `limit` events; returns how many. [`Assistant::sweep`] does it too.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// What was put stays put; the next call goes on.
    pub async fn sequence(&self, limit: usize) -> Result<usize, AssistantError> {
        self.assistant.inner.sequence(self.tenant, limit).await
    }

    /// Lists the log in its order, and after what to go on. What waits is in [`waiting`](Self::waiting). Nothing is verified:
    /// [`verify`](Self::verify) and [`prove`](Self::prove) do.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn events(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<AuditEntry>, Option<Cursor>), AssistantError> {
        let page = self.assistant.inner.entities.audit_after(self.tenant, after, limit).await?;
        let events = page.records.into_iter().map(|record| Ok(self.entry(EventRow::read(record)?)));
        Ok((events.collect::<Result<_, AssistantError>>()?, page.next))
    }

    /// Lists events that wait to be put into the tree, at most [`PAGE_MAX`] of each kind.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn waiting(&self) -> Result<Vec<AuditEntry>, AssistantError> {
        let entities = &self.assistant.inner.entities;
        let mut records = entities.audit_in_directory(self.tenant, PAGE_MAX).await?.records;
        records.extend(entities.audit_waiting(self.tenant, PAGE_MAX).await?.records);
        records.into_iter().map(|record| Ok(self.entry(EventRow::read(record)?))).collect()
    }

    /// Returns an event.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn event(&self, id: RecordId) -> Result<AuditEntry, AssistantError> {
        Ok(self.entry(self.row(id).await?))
    }

    /// Returns what more is known of an event; `None` if there is nothing, its time is over, or its person was erased.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`], [`Denied`](AssistantError::Denied); by the store, also where the detail is not the one
    /// that was logged; by the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn detail(&self, id: RecordId) -> Result<Option<AuditDetail>, AssistantError> {
        let inner = &self.assistant.inner;
        let row = self.row(id).await?;
        let Some((subject, record)) = inner.entities.audit_detail_record(self.tenant, id).await? else {
            return Ok(None);
        };
        let tenant = inner.entities.tenant(self.tenant).await?.tenant;
        let about = if subject == tenant.account_holder { About::holder(&tenant) } else { ContactId(subject).into() };
        let permit = inner.gate.permit::<Storage>(&tenant, about, inner.clock.now()).await?;
        match inner.entities.audit_detail(permit.grant(), self.tenant, &record, row.event.detail).await {
            // Past its time.
            Err(AssistantError::NotFound(_)) => Ok(None),
            detail => detail.map(Some),
        }
    }

    /// Returns what stands for a person in the log, to find what they did and what was done about them.
    ///
    /// # Errors
    /// By the vault.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn tag(&self, person: SubjectId) -> Result<Tag, AssistantError> {
        Ok(self.assistant.inner.entities.person_tag(self.tenant, person).await?)
    }

    /// Returns how many events are in the tree, and its root. Nobody has signed that: [`checkpoint`](Self::checkpoint).
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn head(&self) -> Result<Checkpoint, AssistantError> {
        let (head, _) = self.assistant.inner.entities.log_head(self.tenant).await?;
        Ok(Checkpoint { origin: self.origin(), size: head.size, root: head.root })
    }

    /// Signs the log as it is, and anchors it where there is a sink. Nothing is signed that does not go on from the anchor.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if there is no signer; [`Anchor`](AssistantError::Anchor) if the log was set back or
    /// changed, or the sink can't be reached; by the store and the signer.
    ///
    /// # Cancellation
    /// Anchored or not; repeat the call.
    pub async fn checkpoint(&self) -> Result<SignedNote, AssistantError> {
        let inner = &self.assistant.inner;
        let key = self.verifier_key()?;
        let mut tries = 0;
        loop {
            tries += 1;
            // First the anchor, then the head: the log may grow in between, and never shrinks.
            let last = match &inner.anchor {
                Some(anchor) => anchor.latest(key.name()).await?,
                None => None,
            };
            let head = self.head().await?;
            let (mut old, mut path) = (0, Vec::new());
            if let Some(note) = &last {
                let last = note.checkpoint().map_err(|_| anchor_error(AnchorErrorKind::Corrupt))?;
                path = self.going_on(&last, &head).await?;
                old = last.size;
                if old == head.size {
                    inner.audited().anchored.put(self.tenant, old);
                    return Ok(note.clone());
                }
            }
            let body = head.body();
            let signature = match &inner.signer {
                Some(signer) => signer.sign(&body).await?,
                None => return Err(AssistantError::Invalid("the assistant has no signer of checkpoints")),
            };
            let note = key.sign(body, signature);
            let Some(anchor) = &inner.anchor else { return Ok(note) };
            match anchor.publish(&note, old, &path).await {
                Ok(()) => {
                    inner.audited().anchored.put(self.tenant, head.size);
                    return Ok(note);
                }
                Err(error) if error.kind() == AnchorErrorKind::Overtaken && tries < TRIES_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Proves that an event is in the log, under a checkpoint that is signed now and, where there is a sink, anchored.
    ///
    /// # Errors
    /// [`AssistantError::NotFound`]; as [`checkpoint`](Self::checkpoint); by the store, also where it holds something else
    /// than what was logged.
    ///
    /// # Cancellation
    /// As [`checkpoint`](Self::checkpoint).
    pub async fn prove(&self, id: RecordId) -> Result<Inclusion, AssistantError> {
        let row = self.row(id).await?;
        let Some(index) = row.index(self.tenant) else { return Ok(Inclusion::Waiting) };
        let note = self.checkpoint().await?;
        let size = note.checkpoint().map_err(|_| damaged())?.size;
        let path = Tiles::new(&self.assistant.inner.entities, self.tenant).path(&inclusion(index, size)).await?;
        let proof = LogProof { index, path, checkpoint: note };
        let leaf = row.record.clear.0;
        match proof.check(leaf.as_bytes()) {
            Ok(_) => Ok(Inclusion::Logged(EventProof { leaf, proof: proof.to_string() })),
            Err(_) => Err(damaged().into()),
        }
    }

    /// Returns the hashes that prove that the log of `new` events goes on from the one of `old`, for
    /// [`goes_on`](crate::audit::goes_on).
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if the log has fewer events, or `old` is more than `new`; by the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Vec<TreeHash>, AssistantError> {
        if old > new || new > self.head().await?.size {
            return Err(AssistantError::Invalid("the log has fewer events"));
        }
        Ok(Tiles::new(&self.assistant.inner.entities, self.tenant).path(&consistency(old, new)).await?)
    }

    /// Proves that the log goes on from what was anchored.
    async fn going_on(&self, last: &Checkpoint, head: &Checkpoint) -> Result<Vec<TreeHash>, AssistantError> {
        if last.origin != head.origin {
            return Err(anchor_error(AnchorErrorKind::Corrupt).into());
        }
        if last.size > head.size {
            return Err(anchor_error(AnchorErrorKind::Back).into());
        }
        let path = self.consistency(last.size, head.size).await?;
        if goes_on((last.size, last.root), (head.size, head.root), &path) {
            Ok(path)
        } else {
            Err(anchor_error(AnchorErrorKind::Fork).into())
        }
    }

    async fn row(&self, id: RecordId) -> Result<EventRow, AssistantError> {
        let row = self.assistant.inner.entities.audit_event(self.tenant, id).await?;
        row.ok_or(AssistantError::NotFound("audit event"))
    }

    fn entry(&self, row: EventRow) -> AuditEntry {
        let index = row.index(self.tenant);
        AuditEntry { event: row.event, leaf: row.record.clear.0, index }
    }
}

fn anchor_error(kind: AnchorErrorKind) -> AnchorError {
    AnchorError::new("anchor the audit log", kind, Retry::Never)
        .with_advice("hold the log against the anchor with `Audit::verify`: it was set back or changed")
}
