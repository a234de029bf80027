//! Proving who asks (promises P43, P56): a one-time code over the channel that holds the data, and nowhere else.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::id::{ConversationId, RequestId};
use crate::vault::Digest;

/// How sure it is that the one who asks is the one whose data it is. Each is stronger than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofStrength {
    /// They asked over the channel that holds the data.
    Channel,
    /// They confirmed it where only they can: a one-time code that was sent over that channel came back over it, or the
    /// platform signed that its user asks.
    Confirmed,
    /// That, and a member looked: at a phone number that may have a new owner, at who speaks for somebody else.
    Reviewed,
}

/// That somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// How sure it is.
    pub strength: ProofStrength,
    /// When.
    pub at: DateTime<Utc>,
}

const DIGITS: usize = 8;

/// A one-time code: eight digits, which a person can type into a chat. Wiped when dropped, never printed.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Makes a code out of random bytes of a cryptographic source. (Of 2^64 numbers, cut to eight digits, none comes up
    /// more often than another by more than one in 10^11.)
    #[must_use]
    pub fn from_random(bytes: Zeroizing<[u8; 8]>) -> Self {
        let number = u64::from_be_bytes(*bytes) % 10_u64.pow(DIGITS as u32);
        Self(Zeroizing::new(format!("{number:0DIGITS$}")))
    }

    /// Reads a code from what a person wrote: eight digits, with spaces and hyphens anywhere. `None` if it is anything
    /// else, which is no attempt.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::privacy::Code;
    /// assert_eq!(Code::parse(" 1234-5678").unwrap().expose(), "12345678");
    /// assert!(Code::parse("When are you open on 12345678?").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // Room for all of them at once: a string that grows leaves copies behind.
        let mut digits = Zeroizing::new(String::with_capacity(DIGITS));
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            if !c.is_ascii_digit() || digits.len() == DIGITS {
                return None;
            }
            digits.push(c);
        }
        (digits.len() == DIGITS).then_some(Self(digits))
    }

    /// Reads it, to send it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the bytes to take a keyed digest of, with [`Vault::index`](crate::vault::Vault::index): the code together
    /// with the request and the conversation for which alone it counts.
    ///
    /// The digest has to be *keyed*: a hash of eight digits, salted or not, is undone in a second by whoever reads it.
    #[must_use]
    pub fn bound_to(&self, request: RequestId, conversation: ConversationId) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 + 16 + DIGITS));
        bytes.extend_from_slice(&request.into_bytes());
        bytes.extend_from_slice(&conversation.into_bytes());
        bytes.extend_from_slice(self.0.as_bytes());
        bytes
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// What is kept of a code that was sent: enough to check one that comes back, not to tell what it was.
///
/// # Use
/// [`attempt`](Self::attempt) is pure: it returns what to keep from now on, and the verdict. **Commit the first, with the
/// version of the record that was read as a precondition, before acting on the second.** If somebody else was faster,
/// read again and attempt again. So at most [`ATTEMPTS_MAX`](Self::ATTEMPTS_MAX) codes are ever compared, and one proof
/// comes of it, however many try at once (invariant I-31).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    request: RequestId,
    conversation: ConversationId,
    #[serde(with = "digest")]
    digest: [u8; 32],
    expires_at: DateTime<Utc>,
    attempts: u8,
    used: bool,
}

impl Challenge {
    /// How many codes are compared with it at most.
    pub const ATTEMPTS_MAX: u8 = 5;
    /// For how long it counts.
    pub const LIFE: TimeDelta = TimeDelta::minutes(15);

    /// Keeps the digest of a [`Code`] that is bound to this request and this conversation.
    #[must_use]
    pub fn new(request: RequestId, conversation: ConversationId, digest: Digest, now: DateTime<Utc>) -> Self {
        Self { request, conversation, digest: digest.0, expires_at: now + Self::LIFE, attempts: 0, used: false }
    }

    /// Returns for which request it is.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        self.request
    }

    /// Returns over which conversation it was sent: the only one over which it may come back.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Returns when it ends.
    #[must_use]
    pub const fn expires_at(&self) -> DateTime<Utc> {
        self.expires_at
    }

    /// Returns whether a code can still prove something.
    #[must_use]
    pub fn is_open(&self, now: DateTime<Utc>) -> bool {
        !self.used && self.attempts < Self::ATTEMPTS_MAX && now < self.expires_at
    }

    /// Compares the digest of a code that came over `conversation` about `request`. See *Use* above.
    ///
    /// What came from elsewhere is not compared and takes no attempt away: else a stranger could use them up.
    pub fn attempt(
        &self,
        request: RequestId,
        conversation: ConversationId,
        digest: Digest,
        now: DateTime<Utc>,
    ) -> (Self, Verdict) {
        let mut next = self.clone();
        if request != self.request || conversation != self.conversation {
            return (next, Verdict::Elsewhere);
        }
        if !self.is_open(now) {
            return (next, Verdict::Closed);
        }
        next.attempts += 1;
        // Every byte is looked at, wherever the first difference is.
        if self.digest.ct_eq(&digest.0).into() {
            next.used = true;
            return (next, Verdict::Proven(Proof { strength: ProofStrength::Confirmed, at: now }));
        }
        let left = Self::ATTEMPTS_MAX - next.attempts;
        (next, if left == 0 { Verdict::Closed } else { Verdict::Wrong { left } })
    }
}

/// Without the digest: it is keyed, and still nobody's business.
impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenge")
            .field("request", &self.request)
            .field("expires_at", &self.expires_at)
            .field("attempts", &self.attempts)
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// What came of an attempt. Tell the person no more than whether it was right: why not is for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "nobody is proven to be anybody until this says so"]
pub enum Verdict {
    /// It was right.
    Proven(Proof),
    /// It was wrong, and so many more may be tried.
    Wrong {
        /// At least one.
        left: u8,
    },
    /// It has been used, has run out, or was tried too often: a new one is needed.
    Closed,
    /// It is about another request, or came over another conversation.
    Elsewhere,
}

/// Thirty-two bytes in base64.
mod digest {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        let bytes = STANDARD.decode(String::deserialize(deserializer)?).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| D::Error::custom("not the base64 of 32 bytes"))
    }
}

#[cfg(test)]
mod tests;
