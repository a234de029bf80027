//! Who of the team may do what (promise P22): roles, and the policy that decides.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{MemberId, TenantId};
use crate::model::Handling;

/// What somebody of the team is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Answers for the business: everything.
    Owner,
    /// Runs it from day to day: everything but closing it, passing it on and making owners.
    Admin,
    /// Talks to contacts.
    Member,
    /// Checks that everything was done as it should be: the audit log, and nobody's data.
    Auditor,
    /// A program of the host's that writes to contacts and reads nothing.
    Integration,
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum AccessAction {
    /// Write to a contact, use or reject a suggestion, take down that a contact wants something no longer.
    Answer,
    /// Read the audit log.
    Audit,
    /// Take breaches down, contain them, say who was told. To read the register of them is to [audit](Self::Audit).
    Breaches,
    /// Look, for a while and for a reason, at a conversation that is not theirs.
    BreakGlass,
    /// Close the business's account.
    Close,
    /// Take a conversation over, hand it back, resolve it.
    Handle,
    /// Place, review, read and release holds.
    Holds,
    /// Ask for, decide on, and take out what is handed to authorities.
    LegalDisclosures,
    /// Add and remove members, and say what they are there for.
    Members,
    /// Look at the queue and the dead letters, try again, discard.
    Queue,
    /// See that a conversation is there, read it, look at its contact.
    Read,
    /// Serve the rights of contacts: their requests, their statements.
    Rights,
    /// Change settings and connections.
    Settings,
    /// Pass the business to a new owner.
    Transfer,
}

impl AccessAction {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Answer,
        Self::Audit,
        Self::Breaches,
        Self::BreakGlass,
        Self::Close,
        Self::Handle,
        Self::Holds,
        Self::LegalDisclosures,
        Self::Members,
        Self::Queue,
        Self::Read,
        Self::Rights,
        Self::Settings,
        Self::Transfer,
    ];
}

impl fmt::Display for AccessAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer => "answer",
            Self::Audit => "read the audit log",
            Self::Breaches => "work on breaches",
            Self::BreakGlass => "look at what is not theirs",
            Self::Close => "close the account",
            Self::Handle => "take over or hand back",
            Self::Holds => "use holds",
            Self::LegalDisclosures => "hand data to an authority",
            Self::Members => "change the team",
            Self::Queue => "work on the queue",
            Self::Read => "read",
            Self::Rights => "serve rights",
            Self::Settings => "change settings",
            Self::Transfer => "pass the business on",
        })
    }
}

/// What a conversation is to somebody of the team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Relation {
    /// It is theirs.
    Assigned,
    /// Somebody else of the team has it.
    Colleague,
    /// Engines have it.
    Engine,
    /// It waits for anybody of the team.
    Waiting,
}

impl Relation {
    /// Returns what a conversation that is handled like this is to a member.
    #[must_use]
    pub fn of(handling: &Handling, member: MemberId) -> Self {
        match handling {
            Handling::Engine => Self::Engine,
            Handling::Member { member: None, .. } => Self::Waiting,
            Handling::Member { member: Some(who), .. } if *who == member => Self::Assigned,
            Handling::Member { member: Some(_), .. } => Self::Colleague,
        }
    }
}

/// What is to be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessRequest {
    /// In which business.
    pub tenant: TenantId,
    /// Who.
    pub member: MemberId,
    /// What they are there for.
    pub role: Role,
    /// What they want to do.
    pub action: AccessAction,
    /// What the conversation is to them that it is about; `None` where it is about none, or where that is not known.
    pub relation: Option<Relation>,
    /// Whether they said why they look at this conversation though it is not theirs, and the time for it is not over.
    pub glass_broken: bool,
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

/// Decides who of the team may do what.
///
/// The host's own policy engine goes in here. Look out for engines that pass over a rule that they could not evaluate
/// (Cedar does, and lets through what a broken `forbid` should have stopped): return an error where the engine reports any.
/// It must not block: it is called in async code, before each thing that a member does.
///
/// # Contract
/// 1. The same request is decided the same way: what it goes by is in the request, or in the policy.
/// 2. Where it can't decide it returns an error. That denies. It never panics, whatever is asked, of a conversation or of
///    none.
///
/// [`testing::access_conformance`](crate::testing::access_conformance) proves one.
pub trait AccessPolicy: fmt::Debug + Send + Sync + 'static {
    /// Decides.
    ///
    /// # Errors
    /// [`AccessPolicyError`] where it can't.
    fn decide(&self, request: &AccessRequest) -> Result<Access, AccessPolicyError>;
}

/// A policy could not decide.
#[derive(Debug, thiserror::Error)]
#[error("the access policy could not decide")]
pub struct AccessPolicyError(#[source] Box<dyn Error + Send + Sync>);

impl AccessPolicyError {
    /// Says why. It must name nobody.
    #[must_use]
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// The policy by roles.
///
/// | | owner | admin | member | auditor | integration |
/// |---|---|---|---|---|---|
/// | read, answer, handle | all | all | their own, and what waits for anybody | none | answer all |
/// | look at what is not theirs | needs not | needs not | with a reason, for a while, and it is logged | no | no |
/// | queue, rights, holds, breaches, authorities, settings | yes | yes | no | no | no |
/// | members | yes | all but owners | no | no | no |
/// | audit log | yes | yes | no | yes | no |
/// | close the account, pass the business on | yes | no | no | no | no |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RolePolicy {
    shared: bool,
}

impl RolePolicy {
    /// Lets members read and answer all conversations, for a small team in which everybody does everything.
    #[must_use]
    pub const fn shared_inbox(mut self) -> Self {
        self.shared = true;
        self
    }

    const fn member(self, request: &AccessRequest) -> bool {
        let theirs = self.shared || matches!(request.relation, Some(Relation::Assigned | Relation::Waiting));
        match request.action {
            AccessAction::Read => theirs || request.glass_broken,
            AccessAction::Answer | AccessAction::Handle => theirs,
            AccessAction::BreakGlass => true,
            _ => false,
        }
    }
}

impl AccessPolicy for RolePolicy {
    fn decide(&self, request: &AccessRequest) -> Result<Access, AccessPolicyError> {
        let may = match request.role {
            Role::Owner => true,
            Role::Admin => !matches!(request.action, AccessAction::Close | AccessAction::Transfer),
            Role::Member => self.member(request),
            Role::Auditor => request.action == AccessAction::Audit,
            Role::Integration => request.action == AccessAction::Answer,
        };
        Ok(if may { Access::Allow } else { Access::Deny })
    }
}

/// Somebody of the team may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("whoever sits at the desk may not {action}: {reason}")]
pub struct Forbidden {
    /// What they wanted to do.
    pub action: AccessAction,
    /// Why not.
    pub reason: ForbiddenReason,
}

/// Why somebody may not do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ForbiddenReason {
    /// The policy says no.
    Policy,
    /// The policy could not decide.
    PolicyFailed,
    /// They are not of the team, or no longer.
    Stranger,
}

impl fmt::Display for ForbiddenReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "the access policy says no",
            Self::PolicyFailed => "the access policy could not decide",
            Self::Stranger => "they are not of the team",
        })
    }
}

/// Why somebody looks at a conversation that is not theirs. No free text: it would say something about a person sooner or
/// later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GlassReason {
    /// The contact complained, or asked for somebody else.
    Complaint,
    /// Whoever has the conversation is away, and it can't wait.
    Cover,
    /// Something may have gone wrong: a leak, a threat, a fraud.
    Incident,
    /// To see how well the team or the engines answer.
    Review,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(role: Role, action: AccessAction, relation: Option<Relation>, glass_broken: bool) -> AccessRequest {
        let (tenant, member) = (TenantId::from_bytes([1; 16]), MemberId(crate::id::SubjectId::from_bytes([2; 16])));
        AccessRequest { tenant, member, role, action, relation, glass_broken }
    }

    fn allowed(policy: RolePolicy, request: &AccessRequest) -> bool {
        policy.decide(request).unwrap() == Access::Allow
    }

    #[test]
    fn each_role_may_what_the_table_says() {
        use AccessAction::{Answer, Audit, BreakGlass, Close, Handle, Read, Transfer};
        let policy = RolePolicy::default();
        for action in AccessAction::ALL {
            let may = |role| allowed(policy, &asks(role, action, None, false));
            assert!(may(Role::Owner), "{action}");
            assert_eq!(may(Role::Admin), action != Close && action != Transfer, "{action}");
            assert_eq!(may(Role::Member), action == BreakGlass, "{action}");
            assert_eq!(may(Role::Auditor), action == Audit, "{action}");
            assert_eq!(may(Role::Integration), action == Answer, "{action}");
        }
        for action in [Read, Answer, Handle] {
            let may = |relation, broken| allowed(policy, &asks(Role::Member, action, Some(relation), broken));
            assert!(may(Relation::Assigned, false) && may(Relation::Waiting, false), "{action}");
            assert!(!may(Relation::Colleague, false) && !may(Relation::Engine, false), "{action}");
            assert_eq!(may(Relation::Colleague, true), action == Read, "{action}: a broken glass is to look through");
            let shared = RolePolicy::default().shared_inbox();
            assert!(allowed(shared, &asks(Role::Member, action, Some(Relation::Engine), false)), "{action}");
        }
    }
}
