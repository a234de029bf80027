//! The register of processing activities: what is used for what, about whom, on what ground. What is not in it is denied.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{ContactId, MemberId, SubjectId};
use crate::model::{ChannelKind, Tenant};
use crate::privacy::{Categories, DataCategory, DeniedReason, LawfulBasis, Purpose};

/// Who somebody is to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubjectKind {
    /// The business that signed up.
    AccountHolder,
    /// The client who writes.
    Contact,
    /// A person of the team.
    Member,
    /// Somebody whom others wrote about.
    Mentioned,
}

impl SubjectKind {
    /// Returns the name, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccountHolder => "account_holder",
            Self::Contact => "contact",
            Self::Member => "member",
            Self::Mentioned => "mentioned",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AccountHolder => "account holder",
            Self::Contact => "contact",
            Self::Member => "member",
            Self::Mentioned => "mentioned person",
        })
    }
}

/// About whom a permit is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Who.
    pub subject: SubjectId,
    /// Who that is to the business.
    pub kind: SubjectKind,
    /// Over which channel the data came, where that matters: an activity that keeps to some channels is denied without it.
    pub channel: Option<ChannelKind>,
}

impl About {
    /// The account holder of a tenant.
    #[must_use]
    pub const fn holder(tenant: &Tenant) -> Self {
        Self { subject: tenant.account_holder, kind: SubjectKind::AccountHolder, channel: None }
    }

    /// Says over which channel the data came.
    #[must_use]
    pub fn over(mut self, channel: ChannelKind) -> Self {
        self.channel = Some(channel);
        self
    }
}

impl From<ContactId> for About {
    fn from(contact: ContactId) -> Self {
        Self { subject: contact.0, kind: SubjectKind::Contact, channel: None }
    }
}

impl From<MemberId> for About {
    fn from(member: MemberId) -> Self {
        Self { subject: member.0, kind: SubjectKind::Member, channel: None }
    }
}

/// One entry of the register: the record of Art. 30 GDPR, and what the gate goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessingActivity {
    /// For what.
    pub purpose: Purpose,
    /// About whom.
    pub about: SubjectKind,
    /// On what ground.
    pub basis: LawfulBasis,
    /// Which data.
    pub categories: Categories,
    /// Which channels the data may have come over; `None` where it does not matter.
    pub channels: Option<Vec<ChannelKind>>,
    /// When somebody looked last whether all of this is so; `None` if nobody has.
    pub reviewed_at: Option<NaiveDate>,
}

impl ProcessingActivity {
    /// An activity over every channel.
    #[must_use]
    pub const fn new(purpose: Purpose, about: SubjectKind, basis: LawfulBasis, categories: Categories) -> Self {
        Self { purpose, about, basis, categories, channels: None, reviewed_at: None }
    }
}

/// The register.
///
/// # Examples
/// Consent first, where the business wants it so:
/// ```
/// use whisp_core::privacy::{Categories, DataCategory, LawfulBasis, ProcessingActivity, Purpose, Register, SubjectKind};
/// let register = Register::standard()
///     .without(Purpose::AutomatedReplies, SubjectKind::Contact)
///     .with(ProcessingActivity::new(
///         Purpose::AutomatedReplies,
///         SubjectKind::Contact,
///         LawfulBasis::Consent,
///         Categories::of(&[DataCategory::Identity, DataCategory::MessageContent]),
///     ))?;
/// # Ok::<(), whisp_core::privacy::RegisterError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register(Vec<ProcessingActivity>);

impl Register {
    /// What Whisp itself does: it keeps and shows messages, answers where the business turned that on, and serves the
    /// rights of all. Reports and improvement are not in it: facts name nobody, and a host that wants more says on what
    /// ground.
    #[must_use]
    pub fn standard() -> Self {
        use DataCategory::{Audit, Credential, Identity, Media, MessageContent, Raw};
        use SubjectKind::{AccountHolder, Contact, Member, Mentioned};
        let people = [AccountHolder, Contact, Member, Mentioned];
        let activity = |purpose, about, basis: &LawfulBasis, categories: &[DataCategory]| {
            ProcessingActivity::new(purpose, about, basis.clone(), Categories::of(categories))
        };
        let contract = LawfulBasis::Contract;
        let rights = LawfulBasis::LegalObligation { law: "GDPR, Art. 12 to 22".to_owned() };
        let mut all = vec![
            activity(Purpose::AutomatedReplies, Contact, &contract, &[Identity, MessageContent]),
            activity(Purpose::ServiceProvision, AccountHolder, &contract, &[Credential, Identity]),
            activity(Purpose::ServiceProvision, Contact, &contract, &[Identity, Media, MessageContent, Raw]),
            activity(Purpose::ServiceProvision, Member, &contract, &[Identity]),
            activity(Purpose::Storage, AccountHolder, &contract, &[Audit, Credential, Identity, Raw]),
            activity(Purpose::Storage, Contact, &contract, &[Audit, Identity, Media, MessageContent, Raw]),
            activity(Purpose::Storage, Member, &contract, &[Identity]),
        ];
        // By a code over their own conversation.
        all.push(activity(Purpose::IdentityVerification, Contact, &rights, &[Identity, MessageContent]));
        for about in people {
            all.push(activity(Purpose::Rights, about, &rights, &[Audit, Identity, Media, MessageContent, Raw]));
        }
        Self(all)
    }

    /// Adds an activity. What it uses is in the copies of whom it is about from then on.
    ///
    /// # Errors
    /// [`RegisterError`], with the rule that it breaks.
    pub fn with(mut self, activity: ProcessingActivity) -> Result<Self, RegisterError> {
        let ProcessingActivity { purpose, about, basis, categories, channels, .. } = &activity;
        if *purpose == Purpose::DirectMarketing {
            return Err(RegisterError::Marketing);
        }
        let of_its_own = matches!(basis, LawfulBasis::Consent | LawfulBasis::LegalObligation { .. });
        if matches!(purpose, Purpose::Custom(_)) && !of_its_own {
            return Err(RegisterError::NoBasis);
        }
        if categories.is_empty() {
            return Err(RegisterError::NoData);
        }
        if categories.contains(DataCategory::Credential) && *about != SubjectKind::AccountHolder {
            return Err(RegisterError::Credential);
        }
        let content = [DataCategory::MessageContent, DataCategory::Media, DataCategory::Raw];
        if *purpose == Purpose::Security && content.iter().any(|each| categories.contains(*each)) {
            return Err(RegisterError::SecurityContent);
        }
        let whatsapp = channels.as_ref().is_none_or(|channels| channels.contains(&ChannelKind::WhatsApp));
        if *purpose == Purpose::Improvement && whatsapp {
            return Err(RegisterError::WhatsAppImprovement);
        }
        if self.find(*purpose, *about).is_some() {
            return Err(RegisterError::Twice);
        }
        let (about, categories) = (*about, *categories);
        self.0.push(activity);
        // Whoever's data are used for something may have a copy of them; of a secret nobody may.
        let copied: Vec<DataCategory> = categories.iter().filter(|each| *each != DataCategory::Credential).collect();
        let rights = |each: &&mut ProcessingActivity| each.purpose == Purpose::Rights && each.about == about;
        if let Some(rights) = self.0.iter_mut().find(rights) {
            rights.categories = rights.categories.and(Categories::of(&copied));
        }
        Ok(self)
    }

    /// Takes an activity out: from then on it is denied.
    #[must_use]
    pub fn without(mut self, purpose: Purpose, about: SubjectKind) -> Self {
        self.0.retain(|activity| (activity.purpose, activity.about) != (purpose, about));
        self
    }

    /// Notes that somebody has looked at every activity, and that all of it is so.
    #[must_use]
    pub fn reviewed(mut self, on: NaiveDate) -> Self {
        for activity in &mut self.0 {
            activity.reviewed_at = Some(on);
        }
        self
    }

    /// Lists the activities.
    #[must_use]
    pub fn activities(&self) -> &[ProcessingActivity] {
        &self.0
    }

    fn find(&self, purpose: Purpose, about: SubjectKind) -> Option<&ProcessingActivity> {
        self.0.iter().find(|activity| (activity.purpose, activity.about) == (purpose, about))
    }

    /// Finds the activity under which a purpose may be used about somebody, before it is looked at where they stand.
    ///
    /// # Errors
    /// The reason why there is none.
    pub(super) fn activity(
        &self,
        purpose: Purpose,
        about: &About,
        now: DateTime<Utc>,
    ) -> Result<&ProcessingActivity, DeniedReason> {
        let activity = self.find(purpose, about.kind).ok_or(DeniedReason::Unregistered)?;
        if let Some(channels) = &activity.channels
            && about.channel.as_ref().is_none_or(|channel| !channels.contains(channel))
        {
            return Err(DeniedReason::Unregistered);
        }
        match &activity.basis {
            LawfulBasis::LegitimateInterest(assessment) if now >= assessment.expires_at => {
                Err(DeniedReason::AssessmentExpired)
            }
            _ => Ok(activity),
        }
    }
}

impl Default for Register {
    fn default() -> Self {
        Self::standard()
    }
}

/// Why an activity can't be in the register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// Tokens are read to serve their account holder only.
    #[error("only about an account holder credentials may be used")]
    Credential,
    /// Promise P8.
    #[error("there is no ground for marketing")]
    Marketing,
    /// Promise P7.
    #[error("a purpose of your own needs consent or a law")]
    NoBasis,
    /// It would permit nothing.
    #[error("say which data the activity uses")]
    NoData,
    /// Promise P11: whoever looks into an incident breaks the glass of the conversations that it is about
    /// ([`Desk::break_glass`](crate::assistant::Desk::break_glass)), which needs a reason, ends by itself and is logged.
    #[error(
        "security looks at how the product is used, not at what people write: break the glass of a conversation to do that"
    )]
    SecurityContent,
    /// Promise P12.
    #[error("the register has this purpose about them already: take it out first")]
    Twice,
    /// WhatsApp's Business Solution Terms from 15 January 2026 forbid to improve models with its data, also in aggregate
    /// or anonymous form (<https://www.whatsapp.com/legal/business-solution-terms>).
    #[error("data that came over WhatsApp must not improve anything: name the channels, without it")]
    WhatsAppImprovement,
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::privacy::Assessment;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn about(kind: SubjectKind) -> About {
        About { subject: SubjectId::from_bytes([1; 16]), kind, channel: None }
    }

    #[test]
    fn what_is_not_in_the_register_is_denied() {
        use SubjectKind::{AccountHolder, Contact, Member, Mentioned};
        let register = Register::standard();
        let unknown = [
            Purpose::Analytics,
            Purpose::DirectMarketing,
            Purpose::Improvement,
            Purpose::LegalCompliance,
            Purpose::Security,
            Purpose::Support,
        ];
        for kind in [AccountHolder, Contact, Member, Mentioned] {
            for purpose in unknown {
                assert_eq!(register.activity(purpose, &about(kind), NOW), Err(DeniedReason::Unregistered), "{purpose}");
            }
            assert!(register.activity(Purpose::Rights, &about(kind), NOW).is_ok(), "everybody has rights");
        }
        for kind in [AccountHolder, Member, Mentioned] {
            let denied = register.activity(Purpose::AutomatedReplies, &about(kind), NOW);
            assert_eq!(denied, Err(DeniedReason::Unregistered), "engines talk to contacts only");
        }
    }

    #[test]
    fn an_activity_that_keeps_to_some_channels_is_denied_on_others_and_where_nobody_says_which() {
        let mut activity = ProcessingActivity::new(
            Purpose::Improvement,
            SubjectKind::Contact,
            LawfulBasis::Consent,
            Categories::of(&[DataCategory::Identity]),
        );
        activity.channels = Some(vec![ChannelKind::Instagram]);
        let register = Register::standard().with(activity).unwrap();
        let over = |channel| register.activity(Purpose::Improvement, &about(SubjectKind::Contact).over(channel), NOW);
        assert!(over(ChannelKind::Instagram).is_ok());
        assert_eq!(over(ChannelKind::WhatsApp), Err(DeniedReason::Unregistered));
        let nobody_says = register.activity(Purpose::Improvement, &about(SubjectKind::Contact), NOW);
        assert_eq!(nobody_says, Err(DeniedReason::Unregistered));
    }

    #[test]
    fn an_interest_that_was_not_weighed_again_counts_no_more() {
        let expires_at = NOW + TimeDelta::days(365);
        let assessment = Assessment {
            interest: "to see which answers help".into(),
            necessity: "nothing else tells".into(),
            balance: "nobody is named".into(),
            safeguards: "counts only".into(),
            reviewed_at: NOW,
            expires_at,
        };
        let register = Register::standard()
            .with(ProcessingActivity::new(
                Purpose::Analytics,
                SubjectKind::Member,
                LawfulBasis::LegitimateInterest(assessment),
                Categories::of(&[DataCategory::Identity]),
            ))
            .unwrap();
        let at = |now| register.activity(Purpose::Analytics, &about(SubjectKind::Member), now).map(drop);
        assert_eq!(at(expires_at - TimeDelta::microseconds(1)), Ok(()));
        assert_eq!(at(expires_at), Err(DeniedReason::AssessmentExpired));
    }
}
