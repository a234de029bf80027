//! An engine that answers with the numbers of what it was asked, or does something else, by the number.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use whisp::channel::Choice;
use whisp::error::Retry;
use whisp::model::HandOffReason;
use whisp::privacy::ProcessorId;
use whisp::reply::{Decision, EngineId, Proposal, ReplyEngine, ReplyError, ReplyErrorKind, ReplyRequest};

use crate::invariants::asking;
use crate::model::numbers;
use crate::sim::Sim;

#[derive(Debug)]
pub(crate) struct Oracle {
    id: EngineId,
    sim: Arc<Sim>,
}

impl Oracle {
    pub(crate) fn new(sim: &Arc<Sim>) -> Self {
        Self { id: EngineId::new("oracle"), sim: Arc::clone(sim) }
    }
}

#[async_trait]
impl ReplyEngine for Oracle {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn processor(&self) -> Option<ProcessorId> {
        None
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        let sim = &self.sim;
        asking::all(sim, request);
        let question = request.question()?;
        let numbers = numbers(&question);
        let words: Vec<String> = numbers.iter().map(|number| format!("q{number}")).collect();
        let answer = format!("re {}", words.join(" "));
        let last = numbers.last().copied().unwrap_or(0);
        sim.count("questions to the engine");
        sim.note(|| format!("asked {words:?}"));
        sim.delay(if last % 5 == 0 { 40 } else { 4 }).await;
        if sim.fault(15, "engine: unavailable") {
            let again = Retry::After(sim.dice(|dice| dice.one_in(2)).then(|| Duration::from_secs(20)));
            return Err(ReplyError::new("reply", ReplyErrorKind::Unavailable, again));
        }
        if sim.fault(40, "engine: refused") {
            return Err(ReplyError::new("reply", ReplyErrorKind::Refused, Retry::Never));
        }
        Ok(match last % 16 {
            0 => Decision::HandOff { reason: HandOffReason::NoAnswer, notice: None },
            1 => Decision::Reply(Proposal::new(&format!("{answer} {}", "and so on ".repeat(250)))),
            2 => Decision::Abstain,
            3 => Decision::Suggest(Proposal::new(&answer)),
            4 => Decision::Ask {
                text: answer.as_str().into(),
                choices: vec![
                    Choice { id: "a".into(), title: "Yes".into(), description: None },
                    Choice { id: "b".into(), title: "No".into(), description: None },
                ],
                ground: whisp::reply::Ground::default(),
            },
            5 => Decision::Silence,
            _ => Decision::Reply(Proposal::new(&answer)),
        })
    }
}
