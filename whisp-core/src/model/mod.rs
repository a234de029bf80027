//! What the assistant talks about: people, connected accounts, conversations, inquiries, messages.

mod connection;
mod content;
mod conversation;
mod delivery;
mod letter;
mod media;
mod message;
mod party;
mod tenant;

pub use connection::{AutomationMode, Connection, ConnectionState};
pub use content::{
    Content, ContentKind, FlowReply, Location, Media, MediaKind, OrderItem, Share, ShareKind, SharedContact, StoryRef,
};
pub use conversation::{Conversation, HandOffReason, Handling, Inquiry, Resolution};
pub use delivery::{Attempt, AttemptEnd, Delivery, DeliveryStep, FailureCode};
pub use letter::{DeadLetter, DiscardReason, LetterState, Waiting};
pub use media::{MediaFile, MediaLoss, MediaState};
pub use message::{Author, Message, Provenance, Suggestion, SuggestionState};
pub use party::{AccountId, ChannelKind, Contact, Handle, HandleKind, PlatformMessageId};
pub use tenant::{Closing, Containment, Member, SensitivePolicy, Tenant, TenantRetention};
