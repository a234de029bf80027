//! What an authority and people are told of a breach (promise P27; Art. 33(3) and 34(2) GDPR).

use chrono::{DateTime, Utc};

use super::Language;
use super::wording::Wording;
use crate::privacy::{Authority, Breach, BreachOrigin, BreachRisk, Controller};

/// What an authority, and the people whose data they are, are told of a breach. It has counts and kinds of data and names
/// nobody, so it can be sent before everything is known: what is not says so. Plain text, to be read by somebody before it is
/// sent, who adds what was done for the people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreachNotice<'a> {
    breach: &'a Breach,
    aware_at: DateTime<Utc>,
}

impl<'a> BreachNotice<'a> {
    /// Returns what there is to tell of a breach; `None` before it is confirmed.
    #[must_use]
    pub fn of(breach: &'a Breach) -> Option<Self> {
        breach.aware_at.map(|aware_at| Self { breach, aware_at })
    }

    /// Writes what the authority is told.
    #[must_use]
    pub fn to_authority(&self, language: Language, controller: &Controller) -> String {
        let w = language.wording();
        let breach = self.breach;
        let mut lines = vec![w.say("breach", "to_authority").to_owned()];
        lines.extend(self.what(w));
        lines.push(w.fill("breach", "aware", &[("at", &time(self.aware_at))]));
        if let BreachOrigin::Processor(processor) = &breach.origin {
            lines.push(w.fill("breach", "processor", &[("processor", processor.as_str())]));
        }
        match &breach.assessment {
            Some(assessment) => {
                let (people, records) = (assessment.people.to_string(), assessment.records.to_string());
                lines.push(w.fill("breach", "counts", &[("people", &people), ("records", &records)]));
                lines.push(w.say("breach_exposure", assessment.exposure.as_str()).to_owned());
                lines.push(w.say("breach_risk", assessment.risk.as_str()).to_owned());
                if let BreachRisk::Unlikely { reason } = &assessment.risk {
                    lines.push(w.fill("breach", "because", &[("reason", reason)]));
                }
            }
            None => lines.push(w.say("breach", "not_assessed").to_owned()),
        }
        lines.extend(self.contained(w));
        let contact =
            [("name", controller.name.as_str()), ("address", &controller.address), ("contact", &controller.contact)];
        lines.push(w.fill("breach", "controller", &contact));
        lines.join("\n")
    }

    /// Writes what people are told.
    #[must_use]
    pub fn to_people(&self, language: Language, controller: &Controller, authorities: &[Authority]) -> String {
        let w = language.wording();
        let mut lines = vec![w.fill("breach", "to_people", &[("name", &controller.name)])];
        lines.extend(self.what(w));
        match &self.breach.assessment {
            Some(assessment) => lines.push(w.say("breach_exposure", assessment.exposure.as_str()).to_owned()),
            None => lines.push(w.say("breach", "not_assessed").to_owned()),
        }
        lines.extend(self.contained(w));
        lines.push(w.say("breach", "beware").to_owned());
        let contact = [("name", controller.name.as_str()), ("contact", controller.contact.as_str())];
        lines.push(w.fill("answer", "contact", &contact));
        if !authorities.is_empty() {
            lines.push(w.say("breach", "complain").to_owned());
        }
        lines.extend(authorities.iter().map(|authority| format!("- {}, {}", authority.name, authority.contact)));
        lines.join("\n")
    }

    /// What happened, when, and to which data.
    fn what(&self, w: &Wording) -> Vec<String> {
        let breach = self.breach;
        let mut lines = vec![w.say("breach_nature", breach.nature.as_str()).to_owned()];
        let from = time(breach.from);
        lines.push(match breach.until {
            Some(until) => w.fill("breach", "window", &[("from", &from), ("until", &time(until))]),
            None => w.fill("breach", "since", &[("from", &from)]),
        });
        if let Some(assessment) = &breach.assessment {
            let categories = w.join("category", assessment.categories.iter().map(|each| each.as_str()));
            lines.push(w.fill("breach", "categories", &[("categories", &categories)]));
        }
        lines
    }

    fn contained(&self, w: &Wording) -> Option<String> {
        Some(w.fill("breach", "contained", &[("at", &time(self.breach.contained_at?))]))
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%F %R UTC").to_string()
}
