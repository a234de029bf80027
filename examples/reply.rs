//! Any engine over a file of questions: what it decides, how sure it is, what it cites.
//!
//! ```sh
//! cargo run -p whisp-examples --example reply -- --knowledge examples/knowledge.yaml
//! echo '{"text":"When are you open?","label":"hours"}' | \
//!   cargo run -p whisp-examples --example reply -- --knowledge examples/knowledge.yaml --questions - --evaluate
//! ```
//!
//! `--questions` is a file with one JSON object a line (`-` is standard input): `text`, and for `--evaluate` the `label`:
//! the id of the entry that answers it, or `null` where none does. Without it a few questions of the sample are asked.
//!
//! `--engine` is `faq` (retrieval over `--knowledge`), `rules` (over `--rules`), or `openai:URL` with `--model` and the key
//! in the file `--key-file` (plain HTTP for this machine only). `--json` prints one object a line, with these fields:
//! - a question: `text`, `decision` (`reply`, `suggest`, `decide`, `ask`, `hand_off`, `abstain`, `silence` or `error`), `answer` (or `null`),
//!   `confidence` (0 to 1, or `null`), `citations` (ids), and `error` (where there was one);
//! - with `--evaluate`, at the end: `questions`, `accuracy` (right of all: the label is cited in a reply or suggestion,
//!   or nothing is said where the label is `null`), `answered` (replies of all), `abstained` (neither reply nor suggestion),
//!   `wrong_answers` (replies that don't cite the label, of all).
//!
//! Exits with 0 when all questions were asked, 1 when a file can't be used, 2 on a wrong flag.

use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use indicatif::ProgressBar;
use serde::Deserialize;
use serde_json::json;
use whisp::ai::{Knowledge, KnowledgeIndex, OpenAiConfig, OpenAiEngine, RetrievalEngine, RuleEngine};
use whisp::clock::Clock;
use whisp::error::{BoxError, ErrorChain};
use whisp::reply::{Decision, ReplyEngine, ReplyError, ReplyRequest};
use whisp::system::{RandomIds, SystemClock};
use whisp::testing::ask;

/// What is asked where no file is given.
const SAMPLE: &str = r#"{"text":"When do you open?","label":"hours"}
{"text":"Скажите, сколько стоит доставка","label":"delivery-price"}
{"text":"Жумыс уакыты кандай?","label":"hours"}
{"text":"Is there any gluten free bread?","label":"gluten"}
{"text":"Who won the match yesterday?","label":null}
"#;

#[derive(Parser)]
#[command(about = "Asks an engine a file of questions")]
struct Args {
    /// The knowledge base, YAML or TOML.
    #[arg(long)]
    knowledge: Option<PathBuf>,
    /// The rules, YAML or TOML, for `--engine rules`.
    #[arg(long)]
    rules: Option<PathBuf>,
    /// The questions, a JSON object a line; `-` for standard input.
    #[arg(long)]
    questions: Option<PathBuf>,
    /// faq, rules or openai:URL.
    #[arg(long, default_value = "faq")]
    engine: String,
    /// The model, for `--engine openai:URL`.
    #[arg(long, default_value = "gpt-5-mini")]
    model: String,
    /// A file that holds the key, for `--engine openai:URL`.
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// Compares the decisions with the labels.
    #[arg(long)]
    evaluate: bool,
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Question {
    text: String,
    #[serde(default)]
    label: Option<String>,
}

#[derive(Default)]
struct Score {
    questions: u32,
    right: u32,
    answered: u32,
    abstained: u32,
    wrong: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("reply: {}", ErrorChain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), BoxError> {
    let engine = engine(args)?;
    let questions = questions(args)?;
    let mut score = Score::default();
    // Drawn on standard error, and only where somebody looks at it and standard output goes elsewhere.
    let hidden = std::io::stdout().is_terminal();
    let progress = if hidden { ProgressBar::hidden() } else { ProgressBar::new(questions.len() as u64) };
    for question in &questions {
        // The questions are yours, not a client's: the provider may see them as they are.
        let outcome = engine.reply(&asked(&question.text).released_for_tests(&*engine)).await;
        score.count(question, &outcome);
        say(&show(args.json, &question.text, &outcome));
        progress.inc(1);
    }
    progress.finish_and_clear();
    if args.evaluate {
        say(&score.show(args.json));
    }
    Ok(())
}

fn engine(args: &Args) -> Result<Arc<dyn ReplyEngine>, BoxError> {
    let index = match &args.knowledge {
        Some(path) => Some(Arc::new(KnowledgeIndex::new(Knowledge::load(path)?))),
        None => None,
    };
    match args.engine.as_str() {
        "faq" => Ok(Arc::new(RetrievalEngine::new(index.ok_or("--engine faq needs --knowledge FILE")?))),
        "rules" => Ok(Arc::new(RuleEngine::load(args.rules.as_ref().ok_or("--engine rules needs --rules FILE")?)?)),
        other => {
            let url = other.strip_prefix("openai:").ok_or("--engine is faq, rules or openai:URL")?;
            let mut config = OpenAiConfig::new(url, &args.model);
            config.knowledge = index;
            config.danger_allow_http_loopback = true;
            if let Some(path) = &args.key_file {
                config.key = Some(std::fs::read_to_string(path)?.trim().to_owned().into());
            }
            Ok(Arc::new(OpenAiEngine::new(config, Arc::new(SystemClock), Arc::new(RandomIds::default()))?))
        }
    }
}

fn questions(args: &Args) -> Result<Vec<Question>, BoxError> {
    let reader: Box<dyn BufRead> = match &args.questions {
        None => Box::new(SAMPLE.as_bytes()),
        Some(path) if path.as_os_str() == "-" => Box::new(BufReader::new(std::io::stdin())),
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
            Box::new(BufReader::new(file))
        }
    };
    let mut questions = Vec::new();
    for (number, line) in reader.lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            let question = serde_json::from_str(&line)
                .map_err(|error| format!("line {} of the questions is not {{\"text\": ...}}: {error}", number + 1))?;
            questions.push(question);
        }
    }
    Ok(questions)
}

/// What the pipeline asks an engine of a business in Almaty. Only its gate makes grants; this one is for tests.
fn asked(text: &str) -> ReplyRequest {
    let mut request = ask(text, SystemClock.now());
    request.zone = "Asia/Almaty".to_owned();
    request
}

/// Name, answer, confidence and citations of what was decided.
fn parts(outcome: &Result<Decision, ReplyError>) -> (&'static str, Option<&str>, Option<f64>, &[String]) {
    let (name, text, ground) = match outcome {
        Ok(Decision::Reply(p)) => ("reply", Some(&p.text), Some(&p.ground)),
        Ok(Decision::Suggest(p)) => ("suggest", Some(&p.text), Some(&p.ground)),
        Ok(Decision::Decide(p)) => ("decide", Some(&p.text), Some(&p.ground)),
        Ok(Decision::Ask { text, ground, .. }) => ("ask", Some(text), Some(ground)),
        Ok(Decision::HandOff { notice, .. }) => ("hand_off", notice.as_ref(), None),
        Ok(Decision::Abstain) => ("abstain", None, None),
        Ok(_) => ("silence", None, None),
        Err(_) => ("error", None, None),
    };
    let citations = ground.map_or(&[][..], |ground| &ground.citations);
    (name, text.map(|text| text.expose().as_str()), ground.and_then(|ground| ground.confidence), citations)
}

fn show(json: bool, text: &str, outcome: &Result<Decision, ReplyError>) -> String {
    let (decision, answer, confidence, citations) = parts(outcome);
    let error = outcome.as_ref().err().map(|error| ErrorChain(error).to_string());
    if json {
        let mut line = json!({"text": text, "decision": decision, "answer": answer, "confidence": confidence,
            "citations": citations});
        if let (Some(error), Some(line)) = (error, line.as_object_mut()) {
            line.insert("error".to_owned(), error.into());
        }
        return line.to_string();
    }
    let sure = confidence.map(|confidence| format!(" {confidence:.2}")).unwrap_or_default();
    let said = error.as_deref().or(answer).unwrap_or("-");
    format!("{text}\n    {decision}{sure} [{}] {said}", citations.join(", "))
}

impl Score {
    fn count(&mut self, question: &Question, outcome: &Result<Decision, ReplyError>) {
        let (decision, _, _, citations) = parts(outcome);
        let said = matches!(decision, "reply" | "suggest");
        let right = match &question.label {
            Some(label) => said && citations.contains(label),
            None => !said && decision != "error",
        };
        self.questions += 1;
        self.right += u32::from(right);
        self.answered += u32::from(decision == "reply");
        self.abstained += u32::from(!said);
        self.wrong += u32::from(decision == "reply" && !right);
    }

    fn show(&self, json: bool) -> String {
        let share = |count: u32| f64::from(count) / f64::from(self.questions.max(1));
        if json {
            return json!({"questions": self.questions, "accuracy": share(self.right), "answered": share(self.answered),
                "abstained": share(self.abstained), "wrong_answers": share(self.wrong)})
            .to_string();
        }
        format!(
            "\n{} questions: {:.1}% right, {:.1}% answered, {:.1}% abstained, {:.1}% answered wrongly",
            self.questions,
            100.0 * share(self.right),
            100.0 * share(self.answered),
            100.0 * share(self.abstained),
            100.0 * share(self.wrong)
        )
    }
}

#[expect(clippy::print_stdout, reason = "the program's output")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the program's errors")]
fn complain(text: &str) {
    eprintln!("{text}");
}
