//! What somebody is told who asked for something about their data (promise P57).

use chrono::{DateTime, Utc};

use super::Language;
use crate::privacy::{
    Authority, Controller, RefusalReason, RequestKind, RequestOutcome, RequestState, StepOutcome, SubjectRequest,
    Withheld,
};

/// What somebody is told who asked for something about their data: what came of it, what is withheld and why, whom to ask,
/// and where to complain. It is plain text, for the conversation or a letter.
///
/// # Examples
/// ```
/// use whisp_core::documents::{Answer, Language};
/// use whisp_core::privacy::{Authority, Controller, RefusalReason, RequestKind, RequestOutcome};
///
/// let controller = Controller::new("Coffee & Co", "1 Abay Avenue, Almaty", "privacy@coffee.example");
/// let authority = Authority { name: "the authority".into(), contact: "https://authority.example".into(), general: false };
/// let answer = Answer {
///     kind: RequestKind::Erasure,
///     outcome: RequestOutcome::Refused { reason: RefusalReason::LegallyRequired },
///     others_done_by: None,
/// };
/// let text = answer.to_text(Language::English, &controller, &[authority]);
/// assert!(text.contains("a law requires that it is kept") && text.contains("https://authority.example"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What they asked for.
    pub kind: RequestKind,
    /// What came of it.
    pub outcome: RequestOutcome,
    /// When the last of those who were given the data has done it too.
    pub others_done_by: Option<DateTime<Utc>>,
}

impl Answer {
    /// Returns what there is to tell of a request; `None` before it is decided.
    #[must_use]
    pub fn of(request: &SubjectRequest) -> Option<Self> {
        let mut others_done_by = None;
        let outcome = match request.state() {
            RequestState::Approved => RequestOutcome::Approved,
            RequestState::Partial { withheld } => RequestOutcome::Partial { withheld: withheld.clone() },
            RequestState::Refused { reason } => RequestOutcome::Refused { reason: *reason },
            // What is withheld by decision, and what the steps have withheld so far.
            RequestState::Executing { withheld } => {
                let by_steps = request.steps().iter().filter_map(|step| match &step.outcome {
                    StepOutcome::Withheld { withheld } => Some(withheld.clone()),
                    _ => None,
                });
                let all = withheld.clone().into_iter().chain(by_steps);
                match all.reduce(|all: Withheld, more| all.with(&more)) {
                    Some(withheld) => RequestOutcome::Partial { withheld },
                    None => RequestOutcome::Approved,
                }
            }
            RequestState::AwaitingProcessors { outcome, until } => {
                others_done_by = Some(*until);
                outcome.clone()
            }
            RequestState::Answered { outcome } | RequestState::Closed { outcome } => outcome.clone(),
            RequestState::Received
            | RequestState::AwaitingProof { .. }
            | RequestState::ProofFailed
            | RequestState::Verified
            | RequestState::Assessing
            | RequestState::WithdrawnBySubject
            | RequestState::Merged { .. } => return None,
        };
        Some(Self { kind: request.kind(), outcome, others_done_by })
    }

    /// Writes it.
    #[must_use]
    pub fn to_text(&self, language: Language, controller: &Controller, authorities: &[Authority]) -> String {
        let w = language.wording();
        let mut lines = vec![w.fill("answer", "asked", &[("request", w.say("request", self.kind.as_str()))])];
        let reason = |reason: RefusalReason| w.say("reason", reason.as_str());
        match &self.outcome {
            RequestOutcome::Approved => lines.push(w.say("done", self.kind.as_str()).to_owned()),
            RequestOutcome::Partial { withheld } => {
                lines.push(format!("{} {}", w.say("done", self.kind.as_str()), w.say("answer", "partial")));
                lines.extend(withheld.groups().iter().map(|group| {
                    let what = w.say("category", group.what.as_str());
                    w.fill("answer", "withheld", &[("what", what), ("reason", reason(group.reason))])
                }));
            }
            RequestOutcome::Refused { reason: why } => {
                lines.push(w.fill("answer", "refused", &[("reason", reason(*why))]));
            }
        }
        if let Some(until) = self.others_done_by {
            lines.push(w.fill("answer", "processors", &[("until", &until.format("%F").to_string())]));
        }
        lines.push(w.fill("answer", "contact", &[("name", &controller.name), ("contact", &controller.contact)]));
        if !authorities.is_empty() {
            lines.push(w.say("answer", "complain").to_owned());
        }
        lines.extend(authorities.iter().map(|authority| format!("- {}, {}", authority.name, authority.contact)));
        lines.join("\n")
    }
}
