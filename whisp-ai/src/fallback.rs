//! Several engines, one after the other.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use whisp_core::clock::Clock;
use whisp_core::model::HandOffReason;
use whisp_core::privacy::ProcessorId;
use whisp_core::reply::{Decision, EngineId, Ground, ReplyEngine, ReplyError, ReplyErrorKind, ReplyRequest};

use crate::engine;

/// Asks engines in order until one knows.
///
/// A reply, a question back, a hand-off and silence are final. Where an engine abstains or fails the next engine is asked; a
/// suggestion is kept, and returned if no later engine does better. Each is given an equal part of the time that is left for
/// it and those behind it, so that one that hangs costs the next ones some of theirs and not all. Where none knew, a
/// person must help
/// ([`HandOffReason::NoAnswer`], or [`HandOffReason::EngineFailed`] when every engine failed). [`Ground::engine`] names
/// the engine that decided.
///
/// An engine whose data would go to a processor that may not have them counts as one that failed: the next is asked.
/// When the permit no longer holds, or the deadline has passed, no further engine is asked.
#[derive(Clone)]
pub struct Fallback {
    id: EngineId,
    engines: Vec<Arc<dyn ReplyEngine>>,
    clock: Arc<dyn Clock>,
    on_error: Arc<OnError>,
}

type OnError = dyn Fn(&EngineId, &ReplyError) + Send + Sync;

impl fmt::Debug for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fallback").field("engines", &self.engines).finish_non_exhaustive()
    }
}

impl Fallback {
    /// Makes an engine named `fallback` of engines, the most trusted or cheapest first. The clock tells whether there is
    /// time left for the next one.
    #[must_use]
    pub fn new(engines: Vec<Arc<dyn ReplyEngine>>, clock: Arc<dyn Clock>) -> Self {
        Self { id: EngineId::new("fallback"), engines, clock, on_error: Arc::new(|_, _| {}) }
    }

    /// Hands every engine's error to the host's log: a key that a provider refuses would else only be seen in that the
    /// next engine answers. The error holds nothing personal.
    #[must_use]
    pub fn on_error(mut self, log: impl Fn(&EngineId, &ReplyError) + Send + Sync + 'static) -> Self {
        self.on_error = Arc::new(log);
        self
    }
}

#[async_trait]
impl ReplyEngine for Fallback {
    fn id(&self) -> &EngineId {
        &self.id
    }

    /// Each engine's data go where that engine says, and it is asked by itself.
    fn processor(&self) -> Option<ProcessorId> {
        None
    }

    /// As many as the engine that looks back furthest; one elsewhere is given its own number alone.
    fn earlier_turns(&self) -> usize {
        self.engines.iter().map(|engine| engine.earlier_turns()).max().unwrap_or(0)
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        engine::in_time(request, "ask the engines")?;
        if request.open_turns()?.is_empty() {
            return Ok(Decision::Silence);
        }
        let mut suggestion = None;
        let mut failures = 0;
        for (place, engine) in self.engines.iter().enumerate() {
            let now = self.clock.now();
            if now >= request.deadline {
                return suggestion.ok_or_else(|| engine::late("ask the engines"));
            }
            let behind = i32::try_from(self.engines.len() - place).unwrap_or(i32::MAX);
            let part = request.by(now + (request.deadline - now) / behind);
            match part.ask(&**engine).await {
                Ok(Decision::Abstain) => {}
                Ok(decision @ Decision::Suggest(_)) => {
                    suggestion = suggestion.or_else(|| Some(named(decision, engine.id())));
                }
                Ok(decision) => return Ok(named(decision, engine.id())),
                Err(error) if error.kind() == ReplyErrorKind::Denied => return Err(error),
                Err(error) => {
                    (self.on_error)(engine.id(), &error);
                    failures += 1;
                }
            }
        }
        let all_failed = failures > 0 && failures == self.engines.len();
        let reason = if all_failed { HandOffReason::EngineFailed } else { HandOffReason::NoAnswer };
        Ok(suggestion.unwrap_or(Decision::HandOff { reason, notice: None }))
    }
}

/// Names the engine that decided, unless it named one itself.
fn named(mut decision: Decision, id: &EngineId) -> Decision {
    let name = |ground: &mut Ground| {
        ground.engine.get_or_insert_with(|| id.clone());
    };
    match &mut decision {
        Decision::Reply(proposal) | Decision::Suggest(proposal) | Decision::Decide(proposal) => {
            name(&mut proposal.ground);
        }
        Decision::Ask { ground, .. } => name(ground),
        _ => {}
    }
    decision
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use chrono::TimeDelta;
    use whisp_core::error::Retry;
    use whisp_core::reply::Proposal;
    use whisp_core::testing::ManualClock;

    use super::*;
    use crate::test_kit;

    /// Takes all the time that it is given, and so much more.
    #[derive(Debug)]
    struct Hangs(EngineId, Arc<ManualClock>, TimeDelta);

    #[async_trait]
    impl ReplyEngine for Hangs {
        fn id(&self) -> &EngineId {
            &self.0
        }

        fn processor(&self) -> Option<ProcessorId> {
            None
        }

        async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
            self.1.set(request.deadline + self.2);
            Err(engine::late("hang"))
        }
    }

    #[tokio::test]
    async fn an_engine_that_hangs_leaves_time_for_the_next_and_costs_no_suggestion() {
        let request = test_kit::ask("Hello?");
        let clock = Arc::new(ManualClock::at(request.now));
        let hangs =
            |more: TimeDelta| Arc::new(Hangs(EngineId::new("hangs"), Arc::clone(&clock), more)) as Arc<dyn ReplyEngine>;
        let says = |decision: Decision| Arc::new(Says(EngineId::new("says"), Ok(decision))) as Arc<dyn ReplyEngine>;
        let reply = Decision::Reply(Proposal::new("Yes."));
        let fallback = Fallback::new(vec![hangs(TimeDelta::zero()), says(reply)], Arc::clone(&clock) as _);
        assert!(matches!(fallback.reply(&request).await, Ok(Decision::Reply(_))));
        assert_eq!(clock.now(), request.now + (request.deadline - request.now) / 2, "half of the time for each of two");
        let doubt = says(Decision::Suggest(Proposal::new("Perhaps.")));
        let engines = vec![doubt, hangs(TimeDelta::hours(1)), says(Decision::Abstain)];
        let fallback = Fallback::new(engines, Arc::clone(&clock) as _);
        clock.set(request.now);
        assert!(matches!(fallback.reply(&request).await, Ok(Decision::Suggest(_))));
    }

    #[derive(Debug)]
    struct Says(EngineId, Result<Decision, ReplyErrorKind>);

    #[async_trait]
    impl ReplyEngine for Says {
        fn id(&self) -> &EngineId {
            &self.0
        }

        fn processor(&self) -> Option<ProcessorId> {
            None
        }

        async fn reply(&self, _: &ReplyRequest) -> Result<Decision, ReplyError> {
            self.1.clone().map_err(|kind| ReplyError::new("say", kind, Retry::Never))
        }
    }

    async fn ask(answers: &[Result<Decision, ReplyErrorKind>]) -> Result<Decision, ReplyErrorKind> {
        let engine = |(place, answer): (usize, &Result<Decision, ReplyErrorKind>)| {
            Arc::new(Says(EngineId::new(&format!("e{place}")), answer.clone())) as Arc<dyn ReplyEngine>
        };
        let engines = answers.iter().enumerate().map(engine).collect();
        let failed = answers.iter().filter(|answer| matches!(answer, Err(ReplyErrorKind::Unavailable))).count();
        let told = Arc::new(AtomicUsize::new(0));
        let log = Arc::clone(&told);
        let fallback = Fallback::new(engines, Arc::new(ManualClock::default())).on_error(move |_, _| {
            log.fetch_add(1, Ordering::Relaxed);
        });
        let decision = fallback.reply(&test_kit::ask("Hello?")).await.map_err(|error| error.kind());
        assert_eq!(told.load(Ordering::Relaxed), failed, "each failure is told");
        decision
    }

    fn by(decision: &Decision) -> &str {
        match decision {
            Decision::Reply(p) | Decision::Suggest(p) | Decision::Decide(p) => {
                p.ground.engine.as_ref().map_or("", EngineId::as_str)
            }
            _ => "",
        }
    }

    #[tokio::test]
    async fn the_next_engine_is_asked_on_abstention_failure_and_doubt() {
        let reply = Decision::Reply(Proposal::new("Yes."));
        let doubt = Decision::Suggest(Proposal::new("Perhaps."));
        let failed = ReplyErrorKind::Unavailable;
        let hand_off = |reason| Ok(Decision::HandOff { reason, notice: None });
        let decision = ask(&[Ok(Decision::Abstain), Err(failed), Ok(doubt.clone()), Ok(reply.clone())]).await.unwrap();
        assert_eq!(by(&decision), "e3");
        let decision = ask(&[Ok(doubt.clone()), Ok(doubt), Err(failed)]).await.unwrap();
        assert!(matches!(decision, Decision::Suggest(_)) && by(&decision) == "e0");
        assert_eq!(ask(&[Ok(Decision::Abstain), Err(failed)]).await, hand_off(HandOffReason::NoAnswer));
        assert_eq!(ask(&[Err(failed), Err(failed)]).await, hand_off(HandOffReason::EngineFailed));
        let decides = Decision::Decide(Proposal::new("No credit."));
        let decision = ask(&[Ok(Decision::Abstain), Ok(decides)]).await.unwrap();
        assert!(matches!(decision, Decision::Decide(_)) && by(&decision) == "e1");
        assert_eq!(ask(&[]).await, hand_off(HandOffReason::NoAnswer));
        assert_eq!(ask(&[Err(ReplyErrorKind::Denied), Ok(reply)]).await, Err(ReplyErrorKind::Denied));
    }
}
