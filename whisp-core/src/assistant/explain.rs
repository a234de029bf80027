//! What goes with a copy: why the data are kept and what for, who else has them, who hears complaints.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::assistant::{Assistant, EXPORT_SCHEMA, Inner};
use crate::privacy::{
    Authority, Categories, Controller, DataCategory, ProcessingActivity, Processor, ProcessorRole, Purpose, Region,
    Register, Right, SubjectKind,
};

/// Why the data are kept and what for: what goes with a copy of them (Art. 15(1) GDPR).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The form of the entries.
    pub schema: &'static str,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Who is responsible; absent if the host has not said it ([`Config::controller`](super::Config::controller)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
    /// To whom the person may complain, by each law that applies.
    pub authorities: Vec<Authority>,
    /// What is done with the data.
    pub activities: Vec<ExplainedActivity>,
    /// Who else may be given them. Who was given those of one person, [`Assistant::recipients`] tells.
    pub processors: Vec<ExplainedProcessor>,
}

/// Who else may be given data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedProcessor {
    /// The firm.
    pub name: String,
    /// What it does.
    pub role: ProcessorRole,
    /// For what it may be given data.
    pub purposes: BTreeSet<Purpose>,
    /// Which kinds of data.
    pub categories: Categories,
    /// Where it processes them.
    pub regions: BTreeSet<Region>,
    /// For how many days it keeps them.
    pub retention_days: u16,
    /// Whom it takes in itself.
    pub sub_processors: Vec<String>,
}

impl From<&Processor> for ExplainedProcessor {
    fn from(processor: &Processor) -> Self {
        let Processor { name, role, purposes, categories, regions, retention_days, sub_processors, .. } = processor;
        Self {
            name: name.clone(),
            role: *role,
            purposes: purposes.clone(),
            categories: *categories,
            regions: regions.clone(),
            retention_days: *retention_days,
            sub_processors: sub_processors.clone(),
        }
    }
}

/// One use of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ExplainedActivity {
    /// For what.
    pub purpose: Purpose,
    /// On what ground.
    pub basis: String,
    /// Which kinds of data.
    pub categories: Vec<DataCategory>,
    /// Which rights follow from the ground, beside the one to complain.
    pub rights: Vec<Right>,
}

impl Assistant {
    /// Explains what is done with the data of people of a kind, by the register, and who else may be given data.
    #[must_use]
    pub fn explain(&self, about: SubjectKind) -> Explanation {
        let made_at = self.inner.clock.now();
        Explanation {
            schema: EXPORT_SCHEMA,
            made_at,
            controller: self.inner.config.controller.clone(),
            authorities: self.inner.authorities(),
            activities: explained(self.inner.gate.register(), about),
            processors: self.inner.processors.list().iter().map(ExplainedProcessor::from).collect(),
        }
    }
}

fn explained(register: &Register, about: SubjectKind) -> Vec<ExplainedActivity> {
    let of_them = register.activities().iter().filter(|activity| activity.about == about);
    let explain = |activity: &ProcessingActivity| ExplainedActivity {
        purpose: activity.purpose,
        basis: activity.basis.to_string(),
        categories: activity.categories.iter().collect(),
        rights: activity.basis.rights().to_vec(),
    };
    of_them.map(explain).collect()
}

impl Inner {
    /// Lists to whom people may complain, by each law that applies.
    pub(super) fn authorities(&self) -> Vec<Authority> {
        let applying = self.config.profiles.iter().filter_map(|id| self.config.law.profile(id).ok());
        applying.filter_map(|profile| profile.authority.as_ref()).map(|cited| cited.value.clone()).collect()
    }
}
