//! How a request is kept: plain JSON with a version in front, which is read back only if it keeps what the states promise.

use std::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{RefusalReason, RequestOutcome, RequestState, SubjectRequest};

/// The version of the fields below. A field more, or another meaning, is a version more.
const VERSION: u16 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    v: Version,
    #[serde(flatten, with = "SubjectRequest")]
    request: SubjectRequest,
    #[serde(flatten)]
    nothing_else: NothingElse,
}

impl Serialize for SubjectRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored { v: Version, request: self.clone(), nothing_else: NothingElse {} }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SubjectRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { request, .. } = Stored::deserialize(deserializer)?;
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
