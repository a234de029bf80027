//! Purposes, grounds, consent, and the gate: no permit, no plaintext; no permit, no egress.

mod access;
mod basis;
mod breach;
mod category;
mod controller;
mod disclosure;
mod gate;
mod hold;
mod law;
mod legal;
mod permit;
mod processor;
mod proof;
mod published;
mod purpose;
mod register;
mod request;
mod standing;
mod statement;
mod transfer;
mod usage;

pub use access::{
    Access, AccessAction, AccessPolicy, AccessPolicyError, AccessRequest, Forbidden, ForbiddenReason, GlassReason,
    Relation, Role, RolePolicy,
};
pub use basis::{Assessment, Ground, LawfulBasis, Right};
pub use breach::{
    Audience, Breach, BreachAssessment, BreachDuty, BreachError, BreachEvent, BreachNature, BreachOrigin, BreachRisk,
    BreachState, Exposure, NewBreach,
};
pub use category::{Categories, DataCategory};
pub use controller::{Authority, Controller, NoticeItem};
pub use disclosure::{Disclosure, DisclosureGround, Recipient};
pub use gate::{Gate, POLICY_LIFE, STANDING_LIFE, STANDINGS_MAX};
pub use hold::{Hold, HoldGround, HoldScope, NewHold};
pub use law::{
    AiDisclosure, Calendar, CalendarId, Citation, Cited, Deadline, Duty, JurisdictionProfile, Law, LawError, Period,
    ProfileId, TimeLimit, Timing, Urgency,
};
pub use legal::{LegalDisclosure, LegalError, LegalScope, LegalState, NewLegalDisclosure};
pub use permit::{Denied, DeniedReason, Grant, PERMIT_LIFE, Permit};
pub use processor::{Deletion, EgressRefusal, Processor, ProcessorId, ProcessorRole, Processors, Region};
pub use proof::{Challenge, Code, Proof, ProofStrength, Verdict};
pub use purpose::{
    Analytics, AutomatedReplies, IdentityVerification, Improvement, LegalCompliance, Purpose, PurposeKind, Rights,
    Security, ServiceProvision, Storage, Support,
};
pub use register::{About, ProcessingActivity, Register, RegisterError, SubjectKind};
pub use request::{
    DelayReason, Extension, RefusalReason, RequestError, RequestEvent, RequestKind, RequestOutcome, RequestState,
    RequestStep, StepOutcome, SubjectRequest, Withheld, WithheldGroup,
};
pub use standing::Standing;
pub use statement::{Act, AgeSignal, ConsentState, Notice, PolicyAnswer, RestrictionGround, Statement, StatementEvent};
pub use transfer::{ControlTransfer, KeysMoved};
pub use usage::{Device, Network, global_privacy_control};
