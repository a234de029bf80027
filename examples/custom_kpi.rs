//! A KPI of one's own: of the inquiries that began, how many an engine answered and no person had to.
//!
//! Run it: `cargo run -p whisp-examples --example custom_kpi`. It first proves the KPI against the contract of `Kpi`, then
//! measures four inquiries of a morning. With `--json` it prints one JSON object on standard output, with the fields `kpi`,
//! `version`, `part` and `whole`. Exits with 0 when all went well, 1 when the KPI breaks its contract, 2 on a wrong flag.
//!
//! In a program `Assistant::measure` folds it over the facts of a business, and `AssistantBuilder::kpis` keeps its figures
//! when the facts go.

use std::collections::BTreeMap;
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use whisp::id::{ConnectionId, ConversationId, FactId, InquiryId};
use whisp::kpi::{Actor, Fact, FactKind, Kpi, KpiFold, KpiValue, KpiWindow};
use whisp::testing::kpi_conformance::{CASES, check_all};

#[derive(Parser)]
#[command(about = "Plugs a KPI of one's own in: what was answered without a person, proved against the contract")]
struct Args {
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

/// Answered by an engine, and by no person.
#[derive(Debug)]
struct AnsweredAlone;

impl Kpi for AnsweredAlone {
    fn id(&self) -> &str {
        "answered_alone"
    }

    fn version(&self) -> u32 {
        1
    }

    fn start(&self, window: &KpiWindow) -> Box<dyn KpiFold> {
        Box::new(Folding { window: *window, began: BTreeMap::new() })
    }
}

/// Who answered the inquiries that began in the window.
#[derive(Debug)]
struct Folding {
    window: KpiWindow,
    began: BTreeMap<InquiryId, Answered>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Answered {
    by_engine: bool,
    by_person: bool,
}

impl KpiFold for Folding {
    fn push(&mut self, fact: &Fact) {
        let Some(inquiry) = fact.inquiry else { return };
        if fact.kind == FactKind::InquiryOpened && self.window.holds(fact.at) {
            self.began.entry(inquiry).or_default();
        }
        // What happened to inquiries that began before is somebody else's window.
        let Some(answered) = self.began.get_mut(&inquiry) else { return };
        match (fact.kind, fact.actor) {
            (FactKind::MessageOut, Actor::Engine) => answered.by_engine = true,
            (FactKind::MessageOut, Actor::Member(_)) | (FactKind::HandedOff, _) => answered.by_person = true,
            _ => {}
        }
    }

    fn finish(self: Box<Self>) -> KpiValue {
        let alone = self.began.values().filter(|answered| answered.by_engine && !answered.by_person);
        KpiValue::Rate { part: alone.count() as u64, whole: self.began.len() as u64 }
    }
}

/// Four inquiries of a morning: answered by the engine, by the engine and then by a person, handed over, by nobody yet.
fn morning(from: DateTime<Utc>) -> Vec<Fact> {
    use FactKind::{HandedOff, InquiryOpened, MessageOut};
    let events: [&[(FactKind, Actor)]; 4] = [
        &[(InquiryOpened, Actor::Contact), (MessageOut, Actor::Engine)],
        &[(InquiryOpened, Actor::Contact), (MessageOut, Actor::Engine), (MessageOut, Actor::Member(None))],
        &[(InquiryOpened, Actor::Contact), (HandedOff, Actor::System)],
        &[(InquiryOpened, Actor::Contact)],
    ];
    let all = (1..).zip(events).flat_map(|(n, events)| events.iter().map(move |event| (n, *event)));
    let fact = |(minute, (n, (kind, actor))): (i64, (u8, _))| Fact {
        id: FactId::from_bytes([minute.to_le_bytes()[0]; 16]),
        at: from + TimeDelta::minutes(minute),
        kind,
        actor,
        connection: ConnectionId::from_bytes([9; 16]),
        conversation: ConversationId::from_bytes([n; 16]),
        inquiry: Some(InquiryId::from_bytes([n; 16])),
    };
    (0..).zip(all).map(fact).collect()
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(violation) = check_all(&AnsweredAlone) {
        complain(&violation.to_string());
        return ExitCode::FAILURE;
    }
    let from = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let until = from + TimeDelta::days(1);
    let mut fold = AnsweredAlone.start(&KpiWindow { from, until, as_of: until });
    morning(from).iter().for_each(|fact| fold.push(fact));
    let KpiValue::Rate { part, whole } = fold.finish() else { return ExitCode::FAILURE };
    let (kpi, version) = (AnsweredAlone.id(), AnsweredAlone.version());
    if args.json {
        say(&serde_json::json!({"kpi": kpi, "version": version, "part": part, "whole": whole}).to_string());
    } else {
        say(&format!("The KPI keeps the contract ({} cases).\n", CASES.len()));
        say(&format!("{kpi} {version}: {part} of {whole} inquiries were answered without a person"));
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stdout, reason = "the program's output")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the program's errors")]
fn complain(text: &str) {
    eprintln!("custom_kpi: {text}");
}
