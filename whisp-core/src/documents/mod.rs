//! What a business shows to authorities and to people, written by the program that does it: the record of processing, the
//! privacy notice, what has become stale, the answer to a request, what is told of a breach.
//!
//! # What holds
//! 1. A document says nothing that was typed twice: purposes, grounds, kinds of data, periods, recipients and the horizon of
//!    erasures are read from the very values by which the gate, the sweep and the egress decide ([`Source`]).
//! 2. It is a pure function of them and of a date. The same configuration makes the same notice, whose version is a digest of
//!    what it says; another configuration makes another version.
//! 3. Without a complete controller there is none ([`NoController`]).
//! 4. Each is a struct that serializes to JSON, and renders to Markdown in which what the host has written can't become
//!    markup. Texts are data, a file a language.
//!
//! It is engineering, not advice: somebody who knows the law reads a notice before people do.

mod answer;
mod breach;
mod kept;
mod markdown;
mod measure;
mod notice;
mod policy;
mod receiver;
mod render;
mod ropa;
mod stale;
mod summary;
mod wording;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::assistant::{LocalText, Retention, Unbounded};
use crate::model::ChannelKind;
use crate::privacy::{Controller, JurisdictionProfile, Law, Processors, ProfileId, Register};

pub use answer::Answer;
pub use breach::BreachNotice;
pub use kept::{Keep, Kept, KeptData};
pub use measure::Measure;
pub use notice::{AnswerTime, Automation, LawAuthority, NoticeFacts, PrivacyNotice, Use};
pub use policy::{PolicyChange, PolicyVersion};
pub use receiver::{Receiver, ReceiverRole, Transfer};
pub use ropa::{Ropa, RopaEntry};
pub use stale::{Finding, SOON, Stale};
pub use wording::Language;

pub(crate) use summary::{Person, summary_text};

/// What documents are made of: the values by which a running assistant decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Source<'a> {
    /// Who is responsible.
    pub controller: Option<&'a Controller>,
    /// For whom the controller runs the assistant, if for others.
    pub served: &'a [Controller],
    /// What the gate goes by.
    pub register: &'a Register,
    /// What the sweep goes by.
    pub retention: &'a Retention,
    /// What the egress goes by.
    pub processors: &'a Processors,
    /// What laws ask for.
    pub law: &'a Law,
    /// Which of them apply.
    pub profiles: &'a [ProfileId],
    /// How long after an erasure a copy of the key table from before it opens what was erased.
    pub horizon: Result<TimeDelta, Unbounded>,
    /// On which channels messages come in and go out.
    pub channels: BTreeSet<ChannelKind>,
    /// What people are told before an automatic answer, if that is done here.
    pub disclosure: Option<&'a LocalText>,
    /// What protects the data.
    pub measures: BTreeSet<Measure>,
    /// Now.
    pub at: DateTime<Utc>,
}

impl<'a> Source<'a> {
    /// Returns the laws that apply, in the order in which they were given.
    fn laws(&self) -> impl Iterator<Item = &'a JurisdictionProfile> {
        let law = self.law;
        self.profiles.iter().filter_map(|id| law.profile(id).ok())
    }

    /// Returns who is responsible.
    fn responsible(&self) -> Result<&'a Controller, NoController> {
        self.controller.filter(|controller| controller.is_complete()).ok_or(NoController)
    }
}

/// Nobody says who is responsible for the data, so there is nothing to show to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the configuration does not say who is responsible for the data: give `Config::controller` a name, an address and a contact"
)]
pub struct NoController;

/// The digest of what serializes: SHA-256, in hexadecimal digits.
fn digest(value: &impl Serialize) -> String {
    use sha2::{Digest as _, Sha256};
    #[expect(clippy::expect_used, reason = "structs of strings, numbers and lists, whose maps have names as keys")]
    let json = serde_json::to_vec(value).expect("a document serializes");
    Sha256::digest(json).iter().fold(String::with_capacity(64), |all, byte| all + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests;
