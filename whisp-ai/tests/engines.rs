//! The conformance suite on the engines that need no network.
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may panic")]

use std::sync::Arc;

use whisp_ai::conformance::Subject;
use whisp_ai::{Fallback, Format, Knowledge, KnowledgeIndex, RetrievalEngine, RuleEngine, RuleSet};
use whisp_core::testing::ManualClock;

fn rules() -> RuleEngine {
    let rules = "rules: [{id: open, phrases: {en: [are you open]}, reply: {en: 'Yes, {{contact_name|friend}}.'}}]";
    RuleEngine::new(&RuleSet::parse(rules, Format::Yaml, "rules.yaml").unwrap()).unwrap()
}

fn retrieval() -> RetrievalEngine {
    let knowledge = "entries: [{id: hours, questions: {en: [When are you open?]}, answers: {en: From 9 to 18.}}]";
    let knowledge = Knowledge::parse(knowledge, Format::Yaml, "faq.yaml").unwrap();
    RetrievalEngine::new(Arc::new(KnowledgeIndex::new(knowledge)))
}

mod rule_engine {
    use super::*;
    whisp_ai::conformance! { test: tokio::test, subject: Subject::new(rules(), "Are you open?") }
}

mod retrieval_engine {
    use super::*;
    whisp_ai::conformance! { test: tokio::test, subject: Subject::new(retrieval(), "When are you open?") }
}

mod fallback {
    use super::*;
    whisp_ai::conformance! {
        test: tokio::test,
        subject: Subject::new(
            Fallback::new(vec![Arc::new(rules()), Arc::new(retrieval())], Arc::new(ManualClock::default())),
            "When are you open?",
        ),
    }
}
