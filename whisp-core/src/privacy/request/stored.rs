//! How a request is kept: plain JSON with a version in front, which is read back only if it keeps what the states promise.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Extension, RefusalReason, RequestKind, RequestOutcome, RequestState, RequestStep, SubjectRequest};
use crate::id::{RequestId, SubjectId};
use crate::privacy::{ProfileId, Proof, ProofStrength};

/// The version of the fields below. A field more, or another meaning, is a version more.
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    v: Version,
    id: RequestId,
    subject: SubjectId,
    kind: RequestKind,
    received_at: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<DateTime<Utc>>,
    profiles: Vec<ProfileId>,
    proof_needed: ProofStrength,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proof: Option<Proof>,
    challenges: u8,
    stopped_seconds: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    extension: Option<Extension>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    steps: Vec<RequestStep>,
    state: RequestState,
    changed_at: DateTime<Utc>,
    #[serde(flatten)]
    nothing_else: NothingElse,
}

impl Serialize for SubjectRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            id,
            subject,
            kind,
            received_at,
            acknowledged_at,
            profiles,
            proof_needed,
            proof,
            challenges,
            stopped_seconds,
            extension,
            steps,
            state,
            changed_at,
        } = self.clone();
        Stored {
            v: Version,
            id,
            subject,
            kind,
            received_at,
            acknowledged_at,
            profiles,
            proof_needed,
            proof,
            challenges,
            stopped_seconds,
            extension,
            steps,
            state,
            changed_at,
            nothing_else: NothingElse {},
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SubjectRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let request = Self {
            id: stored.id,
            subject: stored.subject,
            kind: stored.kind,
            received_at: stored.received_at,
            acknowledged_at: stored.acknowledged_at,
            profiles: stored.profiles,
            proof_needed: stored.proof_needed,
            proof: stored.proof,
            challenges: stored.challenges,
            stopped_seconds: stored.stopped_seconds,
            extension: stored.extension,
            steps: stored.steps,
            state: stored.state,
            changed_at: stored.changed_at,
        };
        request.check().map_err(D::Error::custom)?;
        Ok(request)
    }
}

impl SubjectRequest {
    /// What [`apply`](Self::apply) never breaks, and a store's contents must not either.
    fn check(&self) -> Result<(), &'static str> {
        use RequestState as S;

        let proven = self.proof.is_some_and(|proof| proof.strength >= self.proof_needed);
        let needs_proof = match &self.state {
            S::Received | S::AwaitingProof { .. } | S::ProofFailed | S::WithdrawnBySubject => false,
            S::Refused { reason } => *reason != RefusalReason::IdentityFailure,
            S::Answered { outcome } | S::Closed { outcome } => {
                !matches!(outcome, RequestOutcome::Refused { reason: RefusalReason::IdentityFailure })
            }
            _ => true,
        };
        let needs_steps = match &self.state {
            S::Executing { .. } | S::AwaitingProcessors { .. } => true,
            S::Answered { outcome } | S::Closed { outcome } => !matches!(outcome, RequestOutcome::Refused { .. }),
            _ => false,
        };
        let settled = matches!(self.state, S::Executing { .. }) || self.steps_left().next().is_none();
        if self.profiles.is_empty() {
            Err("a request without a profile")
        } else if self.proof_needed < self.kind.proof_needed() || (needs_proof && !proven) {
            Err("a request that got this far without a proof")
        } else if needs_steps == self.steps.is_empty() || !settled {
            Err("a request whose steps do not fit its state")
        } else {
            Ok(())
        }
    }
}

struct Version;

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u16(VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            VERSION => Ok(Self),
            0 => Err(D::Error::custom("there is no version 0 of a request")),
            newer => Err(D::Error::custom(format_args!(
                "written by a newer version of this library: version {newer} of a request, {VERSION} is known here"
            ))),
        }
    }
}

/// Takes what no other field took: nothing may be left.
#[derive(Serialize)]
struct NothingElse {}

impl<'de> Deserialize<'de> for NothingElse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nothing;

        impl<'de> Visitor<'de> for Nothing {
            type Value = NothingElse;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no more fields")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NothingElse, A::Error> {
                match map.next_entry::<String, IgnoredAny>()? {
                    None => Ok(NothingElse {}),
                    Some((field, _)) => Err(A::Error::custom(format_args!(
                        "written by a newer version of this library: `{field}` of a request is not known here"
                    ))),
                }
            }
        }

        deserializer.deserialize_map(Nothing)
    }
}
