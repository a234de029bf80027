//! The audit log: what was done with people's data, by whom and when, so that nobody can change it afterwards unseen.
//!
//! # How it works
//! 1. A change and its event are **one commit**: an event that can't be written keeps the change from happening, and no
//!    change is without its event. The destruction of a key, which is no commit of the store, has its event before it.
//! 2. The event waits in a list of its own, so that no two commits meet in a common counter. A sequencer, which
//!    [`Assistant::sweep`](crate::assistant::Assistant::sweep) calls, puts what waits into the tree, in the order of time;
//!    what was committed late comes later. An event has no proof, and no protection, before that: once a minute with
//!    `Runner`.
//! 3. The tree is that of [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1), one for each tenant. Its hashes
//!    are kept in tiles of 256.
//! 4. A [`CheckpointSigner`] signs how large the log is and what its root is; a [`CheckpointSink`] keeps that where whoever
//!    can change the store can't. Without a sink, who holds store and signing key can write the log anew: somebody outside
//!    must keep a checkpoint.
//! 5. Anybody who has an event's leaf, its [`LogProof`] and the [`VerifierKey`] can check without us that it was logged
//!    (`whisp_store::audit`).
//!
//! # What an event says
//! No name, number, text or platform id, and no id of ours of a person: actors, subjects and objects are keyed digests of
//! random ids ([`Tag`]). What more is known of an event ([`AuditDetail`]) is in a record of the person whom it is about,
//! sealed under their key. It goes with them, or when its time is over
//! ([`Retention::audit_details`](crate::assistant::Retention::audit_details)). The log has the SHA-256 of a random salt and
//! the detail: so an erasure takes the detail, and the log verifies as before.
//!
//! # What is logged one by one
//! | event | in the commit of |
//! |---|---|
//! | a business is taken on, automation on and off | the tenant's record. It stands in the directory, so the event does too until the next sweep |
//! | an account is connected, disconnected, its mode set | the connection |
//! | what is said about the use of somebody's data: consent and its end (stop words too), objection, restriction, age | the entry in the person's log |
//! | a conversation goes to the team, a member takes it over, it goes back | the conversation |
//! | somebody at the desk looks at what a person wrote, or who they are | a commit before the first read: one event for each member and contact in [`VIEW`] |
//! | an erasure begins, and ends | the record that it is under way, before the key is destroyed; its receipt |
//!
//! Messages that come in, automatic replies and deliveries are **not** logged one by one: each is a record and a fact
//! already, and on the way of a message a second record would cost what it tells nobody. Nor is what the engines read for
//! an answer, because every answer is kept with the engine's name. So a message that is answered automatically writes
//! nothing more than without this log.
//!
//! # What it does not do
//! It shows what was changed; it keeps nobody from it. Whoever holds the store can drop an event that still waits, and can
//! from now on log nothing more: neither shows. Nobody watches that two who verify are shown the same log: a sink that both
//! can read does. The log is not pruned: an event takes about 400 bytes, for ever.

mod anchor;
mod event;
mod note;
mod proof;
pub(crate) mod tile;
pub(crate) mod tree;

use chrono::TimeDelta;

pub use anchor::{AnchorError, AnchorErrorKind, CheckpointSigner, CheckpointSink};
pub(crate) use event::SaltedDetail;
pub use event::{Actor, AuditAction, AuditDetail, AuditEvent, Object, Outcome, Tag};
pub use note::{Checkpoint, NOTE_MAX, NoteSignature, SignedNote, VerifierKey};
pub use proof::{LogProof, ProofError};
pub use tree::{InvalidHash, TreeHash, goes_on, includes};

/// For how long what a member reads of a contact counts as one view.
pub const VIEW: TimeDelta = TimeDelta::minutes(15);
