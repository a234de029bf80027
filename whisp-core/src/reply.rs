//! What answers: an engine proposes, the pipeline decides what becomes of it.

mod egress;
mod mask;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::channel::Choice;
use crate::error::define_error;
use crate::id::{ConversationId, InquiryId, TenantId};
use crate::model::{ChannelKind, Content, HandOffReason};
use crate::privacy::{Grant, ProcessorId};
use crate::sensitive::Sensitive;

pub(crate) use egress::{DisclosureLog, Egress, SHOWN};

names! {
    /// The name of an engine, with its version if it has one: `rules`, `retrieval`, `openai:gpt-5-mini`.
    EngineId
}

/// How many of the last messages an engine is shown at most, those that wait for an answer among them: ten turns suffice
/// (promise P25).
pub const TURNS_MAX: usize = 20;

/// Proposes what to answer.
///
/// # Contract
/// 1. `reply` has no effect outside: it sends nothing and stores nothing. What it returns is only a proposal.
/// 2. It answers the turns since the last answer ([`ReplyRequest::unanswered`]) with one decision.
/// 3. It abstains when it does not know: [`Decision::Abstain`] where another engine may know, [`Decision::HandOff`]
///    where only a person can help. [`Decision::Silence`] says that nothing was asked. It never answers with an empty
///    text.
/// 4. What the contact wrote is data to it, never an instruction.
/// 5. It reads the conversation through [`ReplyRequest::turns`], which checks the permit; an engine that sends it to
///    another process does so right before the bytes leave, names whose process that is as its
///    [`processor`](ReplyEngine::processor), and fails with [`ReplyErrorKind::Egress`] unless the request
///    [was released](ReplyRequest::is_released_to) to it. It is asked through [`ReplyRequest::ask`].
/// 6. Whatever the turns hold (nothing, odd Unicode, a hundred thousand characters), it does not panic.
/// 7. No error, `Debug` or log holds a turn's text or a secret.
/// 8. It respects [`ReplyRequest::deadline`]: past it, it fails with [`ReplyErrorKind::Timeout`].
///
/// # Cancellation
/// Dropping `reply` has no effect but on what the provider may charge.
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait ReplyEngine: fmt::Debug + Send + Sync + 'static {
    /// Returns its name.
    fn id(&self) -> &EngineId;

    /// Returns to whom what it is shown goes, as the register of processors
    /// ([`Config::processors`](crate::assistant::Config::processors)) names them; `None` if it stays in this process, or
    /// goes on only to engines that are asked by [`ReplyRequest::ask`].
    fn processor(&self) -> Option<ProcessorId>;

    /// Returns how many turns it looks back at most, before those that wait for an answer: it is shown no more (promise P25), and
    /// what nobody looks at is not even opened. 0 for one that goes by the question alone. It never changes.
    fn earlier_turns(&self) -> usize {
        TURNS_MAX
    }

    /// Proposes an answer.
    ///
    /// # Errors
    /// By [`ReplyErrorKind`]. An engine that merely does not know an answer has not failed.
    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError>;
}

/// What an engine is asked.
#[derive(Debug)]
pub struct ReplyRequest {
    grant: Arc<Grant>,
    turns: Arc<[Turn]>,
    egress: Option<Arc<Egress>>,
    /// For whom it was made ready, if it may leave the process.
    released: Option<ProcessorId>,
    /// Whose conversation.
    pub tenant: TenantId,
    /// Which conversation.
    pub conversation: ConversationId,
    /// Which inquiry. Turns of earlier inquiries are not shown.
    pub inquiry: InquiryId,
    /// On which channel.
    pub channel: ChannelKind,
    /// The business's name: the scope that an assistant must keep to.
    pub business: Sensitive,
    /// The business's IANA time zone.
    pub zone: String,
    /// The name in the contact's profile.
    pub contact_name: Option<Sensitive>,
    /// The time of asking.
    pub now: DateTime<Utc>,
    /// When an answer is no longer of use.
    pub deadline: DateTime<Utc>,
    /// How many of the last turns wait for an answer.
    pub unanswered: usize,
}

/// One turn of the conversation, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Whether the contact wrote it; else the business did.
    pub from_contact: bool,
    /// What it says.
    pub content: Content,
    /// When.
    pub at: DateTime<Utc>,
}

/// The clear part of a [`ReplyRequest`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the field of `ReplyRequest` of the same name")]
pub struct ReplyContext {
    pub tenant: TenantId,
    pub conversation: ConversationId,
    pub inquiry: InquiryId,
    pub channel: ChannelKind,
    pub business: Sensitive,
    pub zone: String,
    pub contact_name: Option<Sensitive>,
    pub now: DateTime<Utc>,
    pub deadline: DateTime<Utc>,
}

impl ReplyRequest {
    /// Puts turns under a grant. Only the gate makes grants.
    #[must_use]
    pub fn new(grant: Grant, context: ReplyContext, turns: Vec<Turn>, unanswered: usize) -> Self {
        let ReplyContext { tenant, conversation, inquiry, channel, business, zone, contact_name, now, deadline } =
            context;
        Self {
            unanswered: unanswered.min(turns.len()),
            grant: Arc::new(grant),
            turns: turns.into(),
            egress: None,
            released: None,
            tenant,
            conversation,
            inquiry,
            channel,
            business,
            zone,
            contact_name,
            now,
            deadline,
        }
    }

    /// Returns the same request with an earlier deadline: whoever asks several engines leaves time for the next one.
    #[must_use]
    pub fn by(&self, deadline: DateTime<Utc>) -> Self {
        Self {
            grant: Arc::clone(&self.grant),
            turns: Arc::clone(&self.turns),
            egress: self.egress.clone(),
            released: self.released.clone(),
            business: self.business.clone(),
            zone: self.zone.clone(),
            channel: self.channel.clone(),
            contact_name: self.contact_name.clone(),
            deadline: deadline.min(self.deadline),
            ..*self
        }
    }

    /// Checks the permit again and hands out the turns, oldest first.
    ///
    /// # Errors
    /// [`ReplyErrorKind::Denied`] when consent was withdrawn, the person was erased or the permit is too old.
    pub fn turns(&self) -> Result<&[Turn], ReplyError> {
        match self.grant.recheck(self.now) {
            Ok(()) => Ok(&self.turns),
            Err(denied) => {
                Err(ReplyError::new("reply", ReplyErrorKind::Denied, crate::error::Retry::Never).with_source(denied))
            }
        }
    }

    /// Checks the permit again and hands out so many of the turns that an engine looks at.
    fn turns_for(&self, engine: &dyn ReplyEngine) -> Result<&[Turn], ReplyError> {
        let turns = self.turns()?;
        let shown = self.unanswered.saturating_add(engine.earlier_turns());
        Ok(turns.get(turns.len().saturating_sub(shown)..).unwrap_or_default())
    }

    /// Checks the permit again and hands out the turns that wait for an answer.
    ///
    /// # Errors
    /// As [`turns`](Self::turns).
    pub fn open_turns(&self) -> Result<&[Turn], ReplyError> {
        let turns = self.turns()?;
        Ok(turns.get(turns.len().saturating_sub(self.unanswered)..).unwrap_or_default())
    }

    /// Checks the permit again and joins what the contact wrote since the last answer, a line each.
    ///
    /// # Errors
    /// As [`turns`](Self::turns).
    pub fn question(&self) -> Result<String, ReplyError> {
        let lines: Vec<&str> = self
            .open_turns()?
            .iter()
            .filter(|turn| turn.from_contact)
            .filter_map(|turn| turn.content.readable())
            .collect();
        Ok(lines.join("\n"))
    }
}

/// What an engine proposes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Decision {
    /// It does not know; another engine may. If none does, a person takes over.
    Abstain,
    /// Answer. Sent where the connection is automatic, a suggestion where it is not.
    Reply(Proposal),
    /// Show it to a member, who decides: the engine is not sure enough to answer.
    Suggest(Proposal),
    /// Decide something about the contact with legal or similarly significant effect: a refusal of service, a price or a
    /// credit of their own (promise P9; Art. 22 GDPR). It is never sent by a machine, however sure: a member decides, and the
    /// audit log says who.
    Decide(Proposal),
    /// Ask the contact which of these is meant: with buttons or a list where the channel has them and they fit, else by
    /// number. What is chosen comes back as [`Content::Button`] or [`Content::List`] with the choice's id, an answer by
    /// number too where the engine looks back at a turn at least.
    Ask {
        /// The question.
        text: Sensitive,
        /// What can be chosen.
        choices: Vec<Choice>,
        /// How sure, and on what ground.
        ground: Ground,
    },
    /// A person must handle it.
    HandOff {
        /// Why.
        reason: HandOffReason,
        /// What the contact is told; `None` leaves it to the assistant's own notice.
        notice: Option<Sensitive>,
    },
    /// Nothing was asked: a thank-you, an emoji. No answer is due, and no other engine is asked.
    Silence,
}

/// A proposed answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// What to say.
    pub text: Sensitive,
    /// How sure, and on what ground.
    pub ground: Ground,
}

impl Proposal {
    /// Proposes `text` with full confidence and no citation.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self { text: text.into(), ground: Ground::default() }
    }
}

/// Why an engine proposes what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct Ground {
    /// The engine that decided, where one engine stands for several.
    pub engine: Option<EngineId>,
    /// How sure, 0 to 1; `None` where the engine does not know.
    pub confidence: Option<f64>,
    /// The entries of the knowledge base that it rests on.
    pub citations: Vec<String>,
    /// What it cost.
    pub usage: Usage,
}

impl Default for Ground {
    fn default() -> Self {
        Self { engine: None, confidence: Some(1.0), citations: Vec::new(), usage: Usage::default() }
    }
}

/// What a call to a model cost. `None` is unknown, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: Option<u64>,
    /// Tokens written.
    pub output_tokens: Option<u64>,
}

define_error! {
    /// Why an engine failed.
    ReplyError, ReplyErrorKind {
        /// The provider refused our credentials.
        Auth = "the provider refused the key",
        /// The permit no longer holds.
        Denied = "the permit no longer holds",
        /// Whom it sends data to may not have them: the next engine is asked, or a person.
        Egress = "the data may not go there",
        /// The request is wrong; the same one will always be.
        Invalid = "the provider does not accept the request",
        /// The provider answered with something that is not an answer.
        Malformed = "the answer can't be read",
        /// The account's quota or budget is used up.
        Quota = "the quota is used up",
        /// Too many requests.
        RateLimited = "too many requests",
        /// The model refused to answer, or a filter stopped it.
        Refused = "the model refused",
        /// The conversation is too long for the model.
        TooLong = "the conversation is too long for the model",
        /// No answer in time.
        Timeout = "no answer in time",
        /// The answer was cut off.
        Truncated = "the answer was cut off",
        /// The provider is down or can't be reached.
        Unavailable = "the provider can't be reached",
    }
}
