//! The one door through which a conversation reaches an engine, and the only one through which it leaves the process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::assistant::AssistantError;
use crate::error::Retry;
use crate::model::{Content, HandOffReason};
use crate::privacy::{
    Categories, DataCategory, Disclosure, DisclosureGround, EgressRefusal, Processor, ProcessorId, Processors,
};
use crate::reply::mask::Mask;
use crate::reply::{Decision, ReplyEngine, ReplyError, ReplyErrorKind, ReplyRequest};

/// What an engine outside is shown: texts, and neither the contact's name nor any id.
pub(crate) const SHOWN: Categories = Categories::of(&[DataCategory::MessageContent]);

/// Writes down what leaves.
#[async_trait]
pub(crate) trait DisclosureLog: fmt::Debug + Send + Sync {
    /// Returns once it is durable.
    async fn note(&self, disclosure: &Disclosure) -> Result<(), AssistantError>;
}

/// By what is decided which engines outside may be asked, and where that is written down.
#[derive(Debug)]
pub(crate) struct Egress {
    processors: Arc<Processors>,
    log: Box<dyn DisclosureLog>,
    /// Whether texts that tell of special categories may be shown too.
    special: bool,
    refused: Mutex<Option<(ProcessorId, EgressRefusal)>>,
}

impl Egress {
    pub(crate) fn new(processors: Arc<Processors>, log: Box<dyn DisclosureLog>, special: bool) -> Self {
        Self { processors, log, special, refused: Mutex::default() }
    }

    fn check(&self, processor: &ProcessorId, request: &ReplyRequest) -> Result<&Processor, EgressRefusal> {
        self.processors.check(processor, request.grant.purpose(), SHOWN).inspect_err(|refusal| {
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert_with(|| (processor.clone(), *refusal));
        })
    }
}

impl ReplyRequest {
    /// Says by what it is decided which engines outside may be asked. Without it none may.
    pub(crate) fn through(mut self, egress: Egress) -> Self {
        self.egress = Some(Arc::new(egress));
        self
    }

    /// Returns which processor was refused first, and why, if one was.
    pub(crate) fn refused(&self) -> Option<(ProcessorId, EgressRefusal)> {
        let refused = self.egress.as_ref()?.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.clone()
    }

    /// Returns whether what it shows was made ready for this processor: checked against the register, masked, written down.
    /// An engine that is reached over the network asks this before it reads a turn.
    #[must_use]
    pub fn is_released_to(&self, processor: &ProcessorId) -> bool {
        self.released.as_ref() == Some(processor)
    }

    /// Asks an engine: whoever asks another engine does it by this, and not by [`ReplyEngine::reply`].
    ///
    /// An engine in this process is shown the request as it is. One whose data go to a processor is asked only if the
    /// register of processors has that for this purpose and these data. It is shown texts alone, in which the contact's name
    /// and whatever [`find`](crate::find::find) finds are replaced by marks such as `⟦PHONE_7KX2B⟧`; a text that tells of
    /// special categories is left out. That the data leave is written down first. In what it proposes each mark becomes again
    /// what the contact wrote; a proposal with a mark that stands for nothing goes to a person.
    ///
    /// # Errors
    /// [`ReplyErrorKind::Egress`] if the processor may not have the data, with an
    /// [`EgressRefusal`] as its cause; [`Unavailable`](ReplyErrorKind::Unavailable) if that they leave can't be written
    /// down; [`Denied`](ReplyErrorKind::Denied) if the person has said no meanwhile, here or in another process; as
    /// [`ReplyEngine::reply`].
    ///
    /// # Cancellation
    /// What has left has left, and was written down before.
    pub async fn ask(&self, engine: &dyn ReplyEngine) -> Result<Decision, ReplyError> {
        let Some(id) = engine.processor() else { return engine.reply(self).await };
        let refuse =
            |refusal| ReplyError::new("ask a processor", ReplyErrorKind::Egress, Retry::Never).with_source(refusal);
        let egress = self.egress.as_ref().ok_or_else(|| refuse(EgressRefusal::Unregistered))?;
        let processor = egress.check(&id, self).map_err(refuse)?;
        let mut mask = Mask::new(self.conversation, self.contact_name.clone());
        let turns = mask.turns(self.turns_for(engine)?, egress.special);
        let bytes = turns.iter().filter_map(|turn| turn.content.readable()).map(str::len).sum::<usize>();
        let disclosure = Disclosure {
            ground: DisclosureGround::Processor,
            purpose: self.grant.purpose(),
            categories: SHOWN,
            bytes: bytes.try_into().unwrap_or(u64::MAX),
            at: self.now,
            told_from: None,
            retained_until: Some(processor.keeps_until(self.now)),
            processor: id.clone(),
        };
        egress.log.note(&disclosure).await.map_err(|error| {
            let denied = matches!(error, AssistantError::Denied(_));
            let kind = if denied { ReplyErrorKind::Denied } else { ReplyErrorKind::Unavailable };
            ReplyError::new("write down a disclosure", kind, error.retry()).with_source(error)
        })?;
        let masked = Self {
            grant: Arc::clone(&self.grant),
            turns: turns.into(),
            egress: Some(Arc::clone(egress)),
            released: Some(id),
            business: self.business.clone(),
            zone: self.zone.clone(),
            channel: self.channel.clone(),
            contact_name: None,
            ..*self
        };
        let decision = engine.reply(&masked).await?;
        Ok(mask.restore(decision).unwrap_or(Decision::HandOff { reason: HandOffReason::Blocked, notice: None }))
    }

    /// Makes it one that was released to whom the engine's data go, for tests of engines without an assistant.
    #[cfg(any(test, feature = "test-util"))]
    #[must_use]
    pub fn released_for_tests(mut self, engine: &dyn ReplyEngine) -> Self {
        self.released = engine.processor();
        self
    }
}

/// What an engine outside is shown of a message: what a person reads of it, and nothing else.
pub(super) fn readable_alone(text: Option<String>) -> Content {
    match text {
        Some(text) => Content::Text { text: text.into() },
        None => Content::Unsupported { kind: None, code: None },
    }
}
