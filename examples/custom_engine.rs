//! An engine of one's own: it answers "where is my order 1042?" from a table, where a real one would ask a shop system.
//!
//! Run it: `cargo run -p whisp-examples --example custom_engine`. It first proves the engine against the contract of
//! `ReplyEngine`, then prints a small dialogue. With `--json` each turn is one JSON object a line on standard output,
//! with the fields `text` (what was asked), `decision` (`reply`, `hand_off`, `abstain` or `silence`) and `answer` (or `null`).
//! Exits with 0 when all went well, 1 when the engine failed, 2 on a wrong flag; a broken contract panics.

use std::collections::BTreeMap;
use std::process::ExitCode;

use async_trait::async_trait;
use clap::Parser;
use whisp::ai::conformance::{self, Subject};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::model::HandOffReason;
use whisp::privacy::ProcessorId;
use whisp::reply::{Decision, EngineId, Ground, Proposal, ReplyEngine, ReplyError, ReplyErrorKind, ReplyRequest};
use whisp::testing::{ManualClock, ask};

#[derive(Parser)]
#[command(about = "Plugs an engine of one's own in: order status from a table, proved against the contract")]
struct Args {
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Answers about orders.
#[derive(Debug)]
struct OrderStatus {
    id: EngineId,
    orders: BTreeMap<u32, &'static str>,
}

#[async_trait]
impl ReplyEngine for OrderStatus {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn processor(&self) -> Option<ProcessorId> {
        // The table is in this process. One that asks a shop system elsewhere names it here, and `Config::processors` has it.
        None
    }

    fn earlier_turns(&self) -> usize {
        0
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        if request.now >= request.deadline {
            return Err(ReplyError::new("look the order up", ReplyErrorKind::Timeout, Retry::After(None)));
        }
        // Reads through the permit: where consent was withdrawn, this fails and nothing is read.
        let question = request.question()?.to_lowercase();
        if !question.contains("order") {
            return Ok(Decision::Abstain); // another engine may know
        }
        let mut numbers = question.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
        let Some(number) = numbers.next() else {
            return Ok(Decision::Reply(Proposal::new("What is the number of your order?")));
        };
        Ok(match self.orders.get(&number) {
            Some(status) => Decision::Reply(Proposal {
                text: format!("Order {number}: {status}.").into(),
                ground: Ground { citations: vec![format!("order-{number}")], ..Ground::default() },
            }),
            // Only a person can help with an order that is not there.
            None => Decision::HandOff { reason: HandOffReason::NoAnswer, notice: None },
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let engine = || OrderStatus {
        id: EngineId::new("order-status"),
        orders: [(1042, "baked, leaves at 15:00"), (1043, "delivered")].into(),
    };
    conformance::run_all(&Subject::new(engine(), "Where is my order 1042?")).await;
    if !args.json {
        say(&format!("The engine keeps the contract ({} cases).\n", conformance::CASES.len()));
    }
    for text in ["Hi! Where is my order?", "Order 1042, sorry", "And order 7?", "Do you have rye bread?"] {
        match engine().reply(&ask(text, ManualClock::default().now())).await {
            Ok(decision) => say(&line(args.json, text, &decision)),
            Err(error) => {
                complain(&error.to_string());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn line(json: bool, text: &str, decision: &Decision) -> String {
    let (name, answer) = match decision {
        Decision::Reply(proposal) => ("reply", Some(proposal.text.expose().as_str())),
        Decision::HandOff { .. } => ("hand_off", None),
        Decision::Abstain => ("abstain", None),
        _ => ("silence", None),
    };
    if json {
        return serde_json::json!({"text": text, "decision": name, "answer": answer}).to_string();
    }
    format!("contact: {text}\n{name:>8}: {}", answer.unwrap_or("-"))
}

#[expect(clippy::print_stdout, reason = "the program's output")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the program's errors")]
fn complain(text: &str) {
    eprintln!("custom_engine: {text}");
}
