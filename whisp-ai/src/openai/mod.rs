//! A language model behind an API that is compatible with OpenAI's, with bounds on what it can lead to.

mod guard;
mod http;
mod prompt;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Url};
use secrecy::SecretString;
use whisp_core::clock::Clock;
use whisp_core::error::Retry;
use whisp_core::id::IdSource;
use whisp_core::model::HandOffReason;
use whisp_core::privacy::ProcessorId;
use whisp_core::reply::{
    Decision, EngineId, Ground, Proposal, ReplyEngine, ReplyError, ReplyErrorKind, ReplyRequest, Usage,
};

use crate::engine;
use crate::knowledge::Entry;
use crate::retrieval::KnowledgeIndex;
use prompt::Prompt;
use wire::{Action, Answer};

pub use http::{CONNECT_TIME_MAX, RESPONSE_BYTES_MAX};
pub use prompt::TURN_CHARS_MAX;
pub use wire::OUTPUT_TOKENS_MAX;

/// A call is made at most so often, all within the request's deadline.
pub const ATTEMPTS_MAX: u32 = 3;
/// The first wait between attempts is up to this long, each further one up to twice as long.
pub const BACKOFF_BASE: Duration = Duration::from_millis(250);
/// No wait between attempts is longer, but for one that the server asks for.
pub const BACKOFF_MAX: Duration = Duration::from_secs(20);
/// The model sees so many entries of the knowledge base: those likest to the question.
pub const ENTRIES_SHOWN_MAX: usize = 6;

/// Why an engine can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenAiConfigError {
    /// The base URL is not one, or holds a name, a password, a query or a fragment.
    #[error("the base URL is not usable; give it like `https://api.openai.com/v1`")]
    BadUrl,
    /// The base URL is plain HTTP.
    #[error("the base URL is not HTTPS; plain HTTP is for this machine only, and behind `danger_allow_http_loopback`")]
    NotHttps,
    /// The TLS library can't be set up.
    #[error("the HTTPS client can't be set up on this machine")]
    NoTls,
}

/// Settings of an [`OpenAiEngine`].
#[derive(Debug, Clone)]
pub struct OpenAiConfig {
    /// What the paths follow: `https://api.openai.com/v1`.
    pub base_url: String,
    /// The model, as the server names it.
    pub model: String,
    /// The key, sent as a bearer token. Servers of one's own may need none.
    pub key: Option<SecretString>,
    /// Whose server that is, as the register of processors
    /// ([`Config::processors`](whisp_core::assistant::Config::processors)) names them. Unless told it is the host of the base
    /// URL, `api.openai.com`, and nobody's where that is this machine.
    pub processor: Option<ProcessorId>,
    /// What the business wants said about tone and house rules. It is shown to the model, and its numbers and links may
    /// be repeated; it must hold nothing secret.
    pub instructions: String,
    /// Where answers come from. Without it every reply must do without facts.
    pub knowledge: Option<Arc<KnowledgeIndex>>,
    /// Sends the limit of tokens as `max_tokens`, for servers that do not know `max_completion_tokens` yet.
    pub legacy_max_tokens: bool,
    /// Lets the base URL be plain HTTP where its host is this machine: a local model, a test.
    pub danger_allow_http_loopback: bool,
}

impl OpenAiConfig {
    /// Names a server and a model, with nothing else set.
    #[must_use]
    pub fn new(base_url: &str, model: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            model: model.to_owned(),
            key: None,
            processor: None,
            instructions: String::new(),
            knowledge: None,
            legacy_max_tokens: false,
            danger_allow_http_loopback: false,
        }
    }
}

/// Asks a language model over `POST {base}/chat/completions`: OpenAI, or any server compatible with it (vLLM,
/// llama.cpp, Ollama, a gateway).
///
/// What leaves the process: the business's name, its instructions, up to [`ENTRIES_SHOWN_MAX`] entries of its knowledge,
/// and the last [`TURNS_MAX`](whisp_core::reply::TURNS_MAX) turns as they were [made ready](ReplyRequest::ask) for the
/// processor, numbers and addresses of people replaced by marks; not the contact's name or any id. It needs a request that was released to
/// [the processor](OpenAiConfig::processor), and checks the permit again right before each attempt. The attempts, up to
/// [`ATTEMPTS_MAX`] and one more where the server knows no JSON Schemas, send the same, and are one disclosure in the
/// person's records. `store: false` asks the provider not to keep it.
///
/// What comes back is only a proposal, and bounded whatever the model was talked into:
/// - A **reply** needs a citation of an entry that was shown (where there is a knowledge base), and each number, price,
///   link, address and phone number in it, or the mark of one, must stand in what the business wrote; a plain number and a
///   name may come from the contact. Else it becomes a **suggestion**.
/// - A message that repeats the prompt is blocked: a **hand-off**.
/// - No other text of the model reaches a contact: a hand-off's notice is the assistant's own.
///
/// A rate limit and a server's failure are tried again, up to [`ATTEMPTS_MAX`] times within the deadline. Needs a tokio
/// runtime with time and I/O.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use whisp_ai::{OpenAiConfig, OpenAiEngine};
/// use whisp_core::system::{RandomIds, SystemClock};
/// let mut config = OpenAiConfig::new("https://api.openai.com/v1", "gpt-5-mini");
/// config.key = Some("sk-...".to_owned().into());
/// let engine = OpenAiEngine::new(config, Arc::new(SystemClock), Arc::new(RandomIds::default()))?;
/// # Ok::<(), whisp_ai::OpenAiConfigError>(())
/// ```
pub struct OpenAiEngine {
    id: EngineId,
    processor: Option<ProcessorId>,
    client: Client,
    url: Url,
    config: OpenAiConfig,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl fmt::Debug for OpenAiEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the key nor the URL, in which gateways put keys.
        f.debug_struct("OpenAiEngine").field("id", &self.id).finish_non_exhaustive()
    }
}

impl OpenAiEngine {
    /// Makes an engine named `openai:` and the model.
    ///
    /// # Errors
    /// [`OpenAiConfigError`], when the base URL can't be used or there is no TLS.
    pub fn new(config: OpenAiConfig, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Result<Self, OpenAiConfigError> {
        let url = endpoint(&config)?;
        let client = http::client(url.scheme() == "https").map_err(|_| OpenAiConfigError::NoTls)?;
        let id = EngineId::new(&format!("openai:{}", config.model));
        let host = || url.host_str().filter(|_| !is_loopback(&url)).map(ProcessorId::new);
        let processor = config.processor.clone().or_else(host);
        Ok(Self { id, processor, client, url, config, clock, ids })
    }

    async fn attempts(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        let mut structured = true;
        let mut attempt = 1;
        loop {
            match self.attempt(request, structured).await {
                Ok(Attempt::Decided(decision)) => return Ok(decision),
                Ok(Attempt::Unstructured) => structured = false,
                Err(Failed { error, last }) => {
                    let Some(wait) = self.wait(&error, attempt).filter(|_| !last && attempt < ATTEMPTS_MAX) else {
                        return Err(error);
                    };
                    let now = self.clock.now();
                    if chrono::TimeDelta::from_std(wait).map_or(true, |wait| now + wait >= request.deadline) {
                        return Err(error);
                    }
                    attempt += 1;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// One call. The turns are read, and with them the permit, right before the bytes leave.
    async fn attempt(&self, request: &ReplyRequest, structured: bool) -> Result<Attempt, Failed> {
        let question = request.question()?;
        let day = engine::local_day(request)?;
        let entries = self.config.knowledge.as_ref();
        let entries = entries.map(|index| index.search(&question, day, ENTRIES_SHOWN_MAX)).unwrap_or_default();
        let mut random = [0; 24];
        self.ids.fill(&mut random);
        let prompt = prompt::assemble(request, request.turns()?, &self.config.instructions, &entries, random);
        let legacy = self.config.legacy_max_tokens;
        let body = wire::request(&self.config.model, &prompt.system, &prompt.user, structured, legacy);
        let response = http::post(&self.client, &self.url, self.config.key.as_ref(), &body, self.clock.now()).await?;
        if response.status != 200 {
            if structured && wire::lacks_response_format(response.status, &response.body) {
                return Ok(Attempt::Unstructured);
            }
            let error = wire::failure(response.status, &response.body, response.after);
            return Err(Failed { error, last: response.final_no });
        }
        let (answer, usage) = wire::answer(&response.body)?;
        Ok(Attempt::Decided(self.judge(request, &prompt, &entries, answer, usage)?))
    }

    fn judge(
        &self,
        request: &ReplyRequest,
        prompt: &Prompt,
        shown: &[&Entry],
        answer: Answer,
        usage: Usage,
    ) -> Result<Decision, ReplyError> {
        if guard::leaks(&answer.message, prompt) {
            return Ok(Decision::HandOff { reason: HandOffReason::Blocked, notice: None });
        }
        let asked = answer.reason == "asked_for_person";
        match answer.action {
            Action::Abstain => return Ok(Decision::Abstain),
            Action::Silence => return Ok(Decision::Silence),
            Action::HandOff => {
                let reason = if asked { HandOffReason::Asked } else { HandOffReason::NoAnswer };
                return Ok(Decision::HandOff { reason, notice: None });
            }
            Action::Reply | Action::Unstructured => {}
        }
        let cited: Vec<&&Entry> = shown.iter().filter(|entry| answer.citations.contains(&entry.id)).collect();
        let all_known = cited.len() == answer.citations.len();
        let texts = |from_contact: bool| {
            let turns = request.turns()?.iter().filter(move |turn| turn.from_contact == from_contact);
            Ok::<Vec<&str>, ReplyError>(turns.filter_map(|turn| turn.content.readable()).collect())
        };
        let (mut ours, theirs) = (texts(false)?, texts(true)?);
        ours.extend(cited.iter().flat_map(|entry| entry.answers.values()).map(String::as_str));
        ours.extend([self.config.instructions.as_str(), request.business.expose().as_str()]);
        let sure = answer.action == Action::Reply
            && all_known
            && (self.config.knowledge.is_none() || !cited.is_empty())
            && cited.iter().all(|entry| !entry.suggest_only)
            && guard::is_grounded(&answer.message, &ours, &theirs);
        let citations = cited.iter().map(|entry| entry.id.clone()).collect();
        let ground = Ground { engine: None, confidence: None, citations, usage };
        let proposal = Proposal { text: answer.message.into(), ground };
        Ok(if sure { Decision::Reply(proposal) } else { Decision::Suggest(proposal) })
    }

    /// How long to wait before the next attempt; `None` where another one is of no use.
    fn wait(&self, error: &ReplyError, attempt: u32) -> Option<Duration> {
        let (ReplyErrorKind::RateLimited | ReplyErrorKind::Unavailable, Retry::After(asked)) =
            (error.kind(), error.retry())
        else {
            return None;
        };
        let most = BACKOFF_BASE.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(BACKOFF_MAX);
        let mut random = [0; 4];
        self.ids.fill(&mut random);
        // Full jitter: anything from nothing to the most, so that clients do not come back together.
        let jitter = most.mul_f64(f64::from(u32::from_le_bytes(random)) / f64::from(u32::MAX));
        Some(asked.map_or(jitter, |asked| asked + jitter.min(BACKOFF_BASE)))
    }
}

enum Attempt {
    Decided(Decision),
    /// The server can't force the shape of an answer: ask it without.
    Unstructured,
}

struct Failed {
    error: ReplyError,
    /// The server said not to try again.
    last: bool,
}

impl From<ReplyError> for Failed {
    fn from(error: ReplyError) -> Self {
        Self { error, last: false }
    }
}

#[async_trait]
impl ReplyEngine for OpenAiEngine {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn processor(&self) -> Option<ProcessorId> {
        self.processor.clone()
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        if self.processor.as_ref().is_some_and(|processor| !request.is_released_to(processor)) {
            return Err(ReplyError::new("ask the model", ReplyErrorKind::Egress, Retry::Never)
                .with_advice("ask this engine by `ReplyRequest::ask`"));
        }
        engine::in_time(request, "ask the model")?;
        let Ok(left) = (request.deadline - self.clock.now()).to_std() else {
            return Err(engine::late("ask the model"));
        };
        if left.is_zero() {
            return Err(engine::late("ask the model"));
        }
        if request.open_turns()?.is_empty() || request.question()?.trim().is_empty() {
            return Ok(Decision::Silence);
        }
        tokio::time::timeout(left, self.attempts(request)).await.map_err(|_| engine::late("ask the model"))?
    }
}

/// Checks the base URL and adds the path.
fn endpoint(config: &OpenAiConfig) -> Result<Url, OpenAiConfigError> {
    let base = config.base_url.trim_end_matches('/');
    let url = Url::parse(&format!("{base}/chat/completions")).map_err(|_| OpenAiConfigError::BadUrl)?;
    let odd = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
        || url.host_str().is_none();
    match url.scheme() {
        _ if odd => Err(OpenAiConfigError::BadUrl),
        "https" => Ok(url),
        "http" if config.danger_allow_http_loopback && is_loopback(&url) => Ok(url),
        _ => Err(OpenAiConfigError::NotHttps),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
