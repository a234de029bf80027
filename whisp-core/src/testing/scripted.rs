//! An engine that answers as a test says.

use std::fmt;

use async_trait::async_trait;

use crate::privacy::ProcessorId;
use crate::reply::{Decision, EngineId, Proposal, ReplyEngine, ReplyError, ReplyRequest, TURNS_MAX};

type Script = dyn Fn(&ReplyRequest) -> Result<Decision, ReplyError> + Send + Sync;

/// An engine that answers by a function.
///
/// # Examples
/// ```
/// use whisp_core::reply::ReplyEngine;
/// use whisp_core::testing::ScriptedEngine;
/// let parrot = ScriptedEngine::replying(|question| format!("You said: {question}"));
/// assert_eq!(parrot.id().as_str(), "scripted");
/// ```
pub struct ScriptedEngine {
    id: EngineId,
    processor: Option<ProcessorId>,
    earlier_turns: usize,
    script: Box<Script>,
}

impl ScriptedEngine {
    /// Makes an engine that decides by `script`.
    pub fn new(script: impl Fn(&ReplyRequest) -> Result<Decision, ReplyError> + Send + Sync + 'static) -> Self {
        Self { id: EngineId::new("scripted"), processor: None, earlier_turns: TURNS_MAX, script: Box::new(script) }
    }

    /// Makes an engine that always replies, by a function of the question.
    pub fn replying(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::new(move |request| Ok(Decision::Reply(Proposal::new(&answer(&request.question()?))))).looking_back(0)
    }

    /// Makes it look at so many turns before the question.
    #[must_use]
    pub const fn looking_back(mut self, turns: usize) -> Self {
        self.earlier_turns = turns;
        self
    }

    /// Makes it one whose data go to a processor.
    #[must_use]
    pub fn at(mut self, processor: &str) -> Self {
        self.processor = Some(ProcessorId::new(processor));
        self
    }
}

impl fmt::Debug for ScriptedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedEngine")
    }
}

#[async_trait]
impl ReplyEngine for ScriptedEngine {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn processor(&self) -> Option<ProcessorId> {
        self.processor.clone()
    }

    fn earlier_turns(&self) -> usize {
        self.earlier_turns
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        (self.script)(request)
    }
}
