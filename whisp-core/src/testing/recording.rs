//! A channel that records what it would send.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt, TextLimit,
};
use crate::clock::Clock;
use crate::error::Retry;
use crate::model::{Author, ChannelKind, Connection, Handle, HandleKind, PlatformMessageId};

/// What a [`RecordingChannel`] sent.
#[derive(Debug, Clone, PartialEq)]
pub struct SentMessage {
    /// To whom.
    pub to: Handle,
    /// Who wrote it.
    pub author: Author,
    /// What.
    pub body: OutboundBody,
    /// Under which tag.
    pub tag: String,
    /// The id that the channel gave it.
    pub id: PlatformMessageId,
    /// The message that it quotes.
    pub reply_to: Option<PlatformMessageId>,
    /// Whether it went outside the messaging window.
    pub outside_window: bool,
}

/// A channel that sends nothing, records what it would have sent, and fails as the script says.
#[derive(Debug)]
pub struct RecordingChannel {
    kind: ChannelKind,
    capabilities: Capabilities,
    clock: Arc<dyn Clock>,
    failures: Mutex<VecDeque<ChannelError>>,
    sent: Mutex<Vec<SentMessage>>,
    forgotten: Mutex<Vec<Handle>>,
}

impl RecordingChannel {
    /// Makes a channel with a messaging window of 24 hours (7 days for members), texts of 1,000 characters, three buttons
    /// and quotes.
    #[must_use]
    pub fn new(kind: ChannelKind, clock: Arc<dyn Clock>) -> Self {
        let mut capabilities = Capabilities::text_only(TextLimit::Chars(1_000));
        capabilities.window = Some(chrono::TimeDelta::hours(24));
        capabilities.human_window = Some(chrono::TimeDelta::days(7));
        capabilities.buttons_max = 3;
        capabilities.button_title_max = 20;
        capabilities.replies = true;
        Self {
            kind,
            capabilities,
            clock,
            failures: Mutex::default(),
            sent: Mutex::default(),
            forgotten: Mutex::default(),
        }
    }

    /// Has lists of so many rows, with titles of 24 characters and descriptions of 72.
    #[must_use]
    pub const fn with_lists(mut self, rows_max: usize) -> Self {
        self.capabilities.rows_max = rows_max;
        self.capabilities.row_title_max = 24;
        self.capabilities.row_description_max = 72;
        self
    }

    /// Keeps a contact book, from which such handles are deleted.
    #[must_use]
    pub const fn with_contact_book(mut self, by: HandleKind) -> Self {
        self.capabilities.contact_book = Some(by);
        self
    }

    /// Fails the next call with this; several fail one after another. A message whose outcome is unknown was sent all
    /// the same: the answer is what got lost.
    pub fn fail_next(&self, error: ChannelError) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back(error);
    }

    /// Returns what was sent so far.
    #[must_use]
    pub fn sent(&self) -> Vec<SentMessage> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns who was deleted from the contact book so far, once for each time.
    #[must_use]
    pub fn forgotten(&self) -> Vec<Handle> {
        self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the texts of what was sent so far.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.sent().iter().filter_map(|sent| sent.body.content().readable().map(str::to_owned)).collect()
    }
}

#[async_trait]
impl Channel for RecordingChannel {
    fn kind(&self) -> ChannelKind {
        self.kind.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn send(&self, _connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let failure = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(error) = failure.as_ref().filter(|error| error.retry() != Retry::OutcomeUnknown) {
            let kind = error.kind();
            return Err(failure.unwrap_or_else(|| ChannelError::new("send", kind, Retry::Never)));
        }
        let body = message
            .release(self.clock.now())
            .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))?;
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let id = PlatformMessageId::new(&format!("{}.{}", self.kind, sent.len() + 1));
        sent.push(SentMessage {
            to: message.to.clone(),
            author: message.author.clone(),
            body: body.clone(),
            tag: message.tag.clone(),
            id: id.clone(),
            reply_to: message.reply_to.clone(),
            outside_window: message.outside_window,
        });
        match failure {
            Some(error) => Err(error),
            None => Ok(SendReceipt::new(Some(id))),
        }
    }

    async fn forget(&self, _connection: &Connection, handle: &Handle) -> Result<(), ChannelError> {
        if self.capabilities.contact_book != Some(handle.kind) {
            return Err(ChannelError::new("forget", ChannelErrorKind::Unsupported, Retry::Never));
        }
        let failure = self.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if failure.as_ref().is_none_or(|error| error.retry() == Retry::OutcomeUnknown) {
            self.forgotten.lock().unwrap_or_else(PoisonError::into_inner).push(handle.clone());
        }
        failure.map_or(Ok(()), Err)
    }
}
