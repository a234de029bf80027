//! What a piece of work asks for. Written into the store's work, so nothing personal: ids and keyed indexes only.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::AssistantError;
use crate::assistant::pick::Phase;
use crate::entity::to_clear;
use crate::error::Retry;
use crate::id::{ConnectionId, ConversationId, InquiryId, MediaId, MessageId, RecordId, WorkId};
use crate::model::{Conversation, DeliveryStep, FailureCode};
use crate::store::{Bucket, StoreError, StoreErrorKind, WorkItem, WorkKey};

/// What a piece of work asks for. An index is written as the id that it makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub(crate) enum Task {
    /// A contact's message waits for an answer.
    Turn { message: MessageId },
    /// The platform repeated what the business sent: ours, or a member's on the phone.
    Echo { message: MessageId, mid: Option<RecordId>, tag: Option<RecordId> },
    /// A message was edited, when by the platform's clock; its new content is kept raw.
    Edit {
        target: RecordId,
        raw: Option<RecordId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<DateTime<Utc>>,
    },
    /// A message was taken back.
    Unsend { target: RecordId },
    /// What became of messages that we sent.
    Receipt {
        targets: Vec<RecordId>,
        up_to: Option<DateTime<Utc>>,
        tag: Option<RecordId>,
        step: DeliveryStep,
        at: DateTime<Utc>,
        failure: Option<FailureCode>,
    },
    /// Another app took the thread, or gave it back, when by the platform's clock. Work of older versions does not tell.
    Thread {
        ours: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<DateTime<Utc>>,
    },
    /// The conversation's outbox has something to send, through this connection. Work of older versions does not tell.
    Send {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<ConnectionId>,
    },
    /// A message in doubt has waited long enough.
    Settle { message: MessageId },
    /// A file that came with a message is to be fetched.
    Fetch { media: MediaId },
    /// An inquiry may have gone idle.
    Idle { inquiry: InquiryId },
}

impl Task {
    /// Something waits in the outbox of a conversation.
    pub(crate) const fn send(conversation: &Conversation) -> Self {
        Self::Send { connection: Some(conversation.connection) }
    }

    /// Returns who does this.
    pub(crate) const fn phase(&self) -> Phase {
        match self {
            Self::Send { .. } => Phase::Deliver,
            Self::Fetch { .. } => Phase::Fetch,
            _ => Phase::Step,
        }
    }

    /// Returns whether the outbox does this.
    pub(crate) const fn is_send(&self) -> bool {
        matches!(self, Self::Send { .. })
    }

    /// Returns what it is, as people are shown it: the word under which it is kept.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Turn { .. } => "turn",
            Self::Echo { .. } => "echo",
            Self::Edit { .. } => "edit",
            Self::Unsend { .. } => "unsend",
            Self::Receipt { .. } => "receipt",
            Self::Thread { .. } => "thread",
            Self::Send { .. } => "send",
            Self::Settle { .. } => "settle",
            Self::Fetch { .. } => "fetch",
            Self::Idle { .. } => "idle",
        }
    }

    /// Returns the message that it names, if it names one.
    pub(crate) const fn message(&self) -> Option<MessageId> {
        match self {
            Self::Turn { message } | Self::Echo { message, .. } | Self::Settle { message } => Some(*message),
            _ => None,
        }
    }

    /// Makes a piece of work of it.
    pub(crate) fn item(
        &self,
        bucket: Bucket,
        lane: ConversationId,
        due: DateTime<Utc>,
        id: WorkId,
        attempts: u32,
    ) -> Result<WorkItem, StoreError> {
        Ok(WorkItem { key: WorkKey { bucket, due, id }, lane: lane.into(), attempts, payload: to_clear(self)? })
    }

    /// Reads it out of a piece of work.
    pub(crate) fn read(item: &WorkItem) -> Result<Self, AssistantError> {
        serde_json::from_str(&item.payload.0).map_err(|error| {
            StoreError::new("read work", StoreErrorKind::Corrupt, Retry::Never)
                .with_advice("the work was written by a newer version, or by something else")
                .with_source(error)
                .into()
        })
    }
}

/// Returns the bucket of a conversation: by the last bytes of its id, which are random.
pub(crate) const fn bucket_of(conversation: ConversationId, buckets: u16) -> Bucket {
    let bytes = conversation.into_bytes();
    let tail = u16::from_be_bytes([bytes[14], bytes[15]]);
    Bucket(if buckets == 0 { 0 } else { tail % buckets })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work waits in a store while versions come and go: each literal is read, and printed back as it was.
    #[test]
    fn each_task_is_kept_like_this() {
        const ID: &str = "00000000-0000-0000-0000-000000000001";
        for literal in [
            r#"{"task":"turn","message":"ID"}"#,
            r#"{"task":"echo","message":"ID","mid":"ID","tag":null}"#,
            r#"{"task":"echo","message":"ID","mid":null,"tag":"ID"}"#,
            r#"{"task":"edit","target":"ID","raw":"ID"}"#,
            r#"{"task":"edit","target":"ID","raw":null}"#,
            r#"{"task":"edit","target":"ID","raw":"ID","at":"2026-11-22T09:00:00Z"}"#,
            r#"{"task":"unsend","target":"ID"}"#,
            r#"{"task":"receipt","targets":["ID"],"up_to":null,"tag":"ID","step":"failed","at":"2026-11-22T09:00:00Z","failure":131047}"#,
            r#"{"task":"receipt","targets":[],"up_to":"2026-11-22T08:59:59.000001Z","tag":null,"step":"read","at":"2026-11-22T09:00:00Z","failure":null}"#,
            r#"{"task":"thread","ours":false}"#,
            r#"{"task":"thread","ours":true,"at":"2026-11-22T09:00:00Z"}"#,
            r#"{"task":"send"}"#,
            r#"{"task":"send","connection":"ID"}"#,
            r#"{"task":"settle","message":"ID"}"#,
            r#"{"task":"fetch","media":"ID"}"#,
            r#"{"task":"idle","inquiry":"ID"}"#,
        ] {
            let literal = literal.replace("ID", ID);
            let task: Task = serde_json::from_str(&literal).unwrap_or_else(|error| panic!("{literal}: {error}"));
            assert_eq!(serde_json::to_string(&task).unwrap(), literal);
            assert!(literal.starts_with(&format!("{{\"task\":\"{}\"", task.word())), "{literal}");
        }
    }

    #[test]
    fn work_of_a_newer_version_is_refused_with_what_to_do() {
        let conversation = ConversationId::from_bytes([1; 16]);
        let id = WorkId::from_bytes([2; 16]);
        let send = Task::Send { connection: None };
        let mut item = send.item(Bucket(0), conversation, DateTime::UNIX_EPOCH, id, 0).unwrap();
        assert_eq!(Task::read(&item).unwrap(), send);
        item.payload.0 = r#"{"task":"telepathy"}"#.to_owned();
        let error = Task::read(&item).unwrap_err();
        assert!(error.to_string().contains("written by a newer version"), "{error}");
    }

    #[test]
    fn a_conversation_stays_in_its_bucket() {
        let mut bytes = [0; 16];
        bytes[14..].copy_from_slice(&1_027_u16.to_be_bytes());
        let conversation = ConversationId::from_bytes(bytes);
        assert_eq!([0, 1, 4, 1_024].map(|buckets| bucket_of(conversation, buckets).0), [0, 0, 3, 3]);
    }
}
