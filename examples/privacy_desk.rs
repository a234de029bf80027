//! What people may ask of the business, over a store that `quickstart --keep DIR` left: see where they stand, take down what
//! they say about the use of their data, give them a copy, erase them.
//!
//! ```text
//! cargo run --example quickstart -- --keep shop                            a store with some people in it
//! cargo run --example privacy_desk -- --dir shop people                    who there is
//! cargo run --example privacy_desk -- --dir shop show 0197                 where somebody stands, and what they said
//! cargo run --example privacy_desk -- --dir shop withdraw 0197             no automatic answers any more
//! cargo run --example privacy_desk -- --dir shop object 0197 improvement   no to another purpose
//! cargo run --example privacy_desk -- --dir shop restrict 0197             keep the data, use it no more; `lift` ends it
//! cargo run --example privacy_desk -- --dir shop export 0197 --out me.jsonl
//! cargo run --example privacy_desk -- --dir shop export 0197 --portable --package me   to take elsewhere, with its schemas
//! cargo run --example privacy_desk -- --dir shop erase 0197 --dry-run      what would go
//! cargo run --example privacy_desk -- --dir shop erase 0197
//! cargo run --example privacy_desk -- --dir shop receipts                  what was erased
//! cargo run --example privacy_desk -- --dir shop requests                  who waits for an answer, and until when
//! cargo run --example privacy_desk -- --dir shop hold 0197 --authority 'court, 2-1/26' --review-by 2027-06-01
//! cargo run --example privacy_desk -- --dir shop holds                     what must be kept, and who looks when
//! cargo run --example privacy_desk -- --dir shop release 0197              and what no longer
//! cargo run --example privacy_desk -- --dir shop retention                 what the next sweep would delete, and why
//! cargo run --example privacy_desk -- --dir shop explain                   what is done with whose data, and why
//! cargo run --example privacy_desk -- --dir shop notice --language kk      the privacy notice, by the running configuration
//! cargo run --example privacy_desk -- --dir shop ropa                      the record of processing activities
//! cargo run --example privacy_desk -- --dir shop stale                     what of all this has become stale, or is missing
//! ```
//! A person is named by the id that `people` prints, or by the beginning of it. Who asks must be verified first: this is
//! the desk of somebody who has done that.
//!
//! With `--json` each line on standard output is one object; its fields are stable:
//! `people` `{"person","name","channel","active_at"}`; `show` `{"person","restricted","objects_to","refused","minor"}` and one
//! `{"said","at"}` for each entry of the log; `withdraw`, `give`, `object`, `restrict`, `lift` `{"said","at"}`; `export` the
//! lines of the copy; `erase --dry-run` `{"kind","records"}`; `erase` and `receipts`
//! `{"receipt","key_destroyed_at","horizon","deleted","withheld","completed_at","remaining"}`; `requests`
//! `{"request","person","kind","state","due"}`; `hold`, `holds`, `release` `{"hold","person","authority","review_by","released_at"}`;
//! `retention` `{"past","silent","kept","more"}`; `explain` `{"about","purpose","basis","categories","rights"}`;
//! `notice`, `ropa` and `stale` the whole document as one object; without `--json` they are Markdown.
//!
//! The exit status is 0 if it was done, 1 if it could not be (it says why), 2 if the arguments are wrong.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use whisp::assistant::{Assistant, Config, Desk, ErasureHorizon, ErasureReceipt, PackagePart, PackagePiece};
use whisp::documents::Language;
use whisp::error::ErrorChain;
use whisp::id::{ContactId, TenantId};
use whisp::model::Conversation;
use whisp::privacy::{
    Act, Categories, Controller, DataCategory, Hold, HoldGround, HoldScope, Law, LawfulBasis, NewHold,
    ProcessingActivity, Purpose, RestrictionGround, Statement, StatementEvent, SubjectKind,
};
use whisp::stores::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, SqliteKeyTable, SqliteStore};

/// The tenant of the quickstart.
const TENANT: TenantId = TenantId::from_uuid(uuid::Uuid::from_u128(0x0c0f_fee0));

/// How many conversations are asked for at once.
const PAGE: usize = 100;

/// What people may ask of the business, over a store that `quickstart --keep DIR` left.
#[derive(Debug, Parser)]
#[command(name = "privacy_desk")]
struct Options {
    /// The folder that `quickstart --keep` left.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Prints one JSON object a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Lists the people whom the business knows.
    People,
    /// Shows where somebody stands, and what was said about the use of their data.
    Show { person: String },
    /// Takes down that somebody withdraws.
    Withdraw {
        person: String,
        #[arg(default_value = "automated_replies")]
        purpose: String,
    },
    /// Takes down that somebody agrees.
    Give {
        person: String,
        #[arg(default_value = "automated_replies")]
        purpose: String,
    },
    /// Takes down that somebody objects.
    Object {
        person: String,
        #[arg(default_value = "automated_replies")]
        purpose: String,
    },
    /// Restricts the use of somebody's data: it is kept, and used for nothing but their rights.
    Restrict { person: String },
    /// Ends a restriction.
    Lift { person: String },
    /// Writes a copy of everything that is kept about somebody, as JSON Lines.
    Export {
        person: String,
        /// Into this file, which must not be there yet; to standard output unless told.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Only what the person gave, to take it elsewhere.
        #[arg(long)]
        portable: bool,
        /// As a package instead: the lines, what describes them, a manifest and the files, into this folder, which must not be
        /// there yet.
        #[arg(long, value_name = "DIR", conflicts_with = "out")]
        package: Option<PathBuf>,
        /// Writes what explains the copy to the person into this file, which must not be there yet, as Markdown.
        #[arg(long, value_name = "FILE")]
        summary: Option<PathBuf>,
        /// In which language: `en`, `kk` or `ru`.
        #[arg(long, default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Erases somebody, for good.
    Erase {
        person: String,
        /// Says what would go, and changes nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Lists the receipts of erasures.
    Receipts,
    /// Lists the requests that wait for an answer, those that are due first first.
    Requests,
    /// Keeps what somebody wrote for a claim or a law, though they are erased.
    Hold {
        person: String,
        /// Who asks for it, and under which number. No person's name.
        #[arg(long)]
        authority: String,
        /// The day on which somebody looks whether it is still needed, within a year.
        #[arg(long, value_name = "YYYY-MM-DD")]
        review_by: NaiveDate,
    },
    /// Lists the holds that hold.
    Holds,
    /// Ends a hold, by its id or the beginning of it.
    Release { hold: String },
    /// Says what the next sweep would delete.
    Retention,
    /// Says what is done with whose data, on what ground.
    Explain,
    /// Writes the privacy notice, by the running configuration.
    Notice {
        /// From which day on it holds; from today unless told.
        #[arg(long, value_name = "YYYY-MM-DD")]
        effective: Option<NaiveDate>,
        /// In which language: `en`, `kk` or `ru`.
        #[arg(long, default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Writes the record of processing activities (GDPR Art. 30), by the running configuration.
    Ropa {
        /// In which language: `en`, `kk` or `ru`.
        #[arg(long, default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Lists what of the configuration has become stale, or is missing, and the holds that nobody looked at.
    Stale,
}

/// Reads a language by its tag.
fn language(tag: &str) -> Result<Language, String> {
    let known = Language::ALL.into_iter().find(|language| language.tag() == tag);
    known.ok_or_else(|| "one of en, kk, ru".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) => {
            ExitCode::SUCCESS
        }
        Err(error) => fail(&ErrorChain(&*error).to_string()),
    }
}

#[expect(clippy::print_stderr, reason = "a program's error goes to standard error")]
fn fail(error: &str) -> ExitCode {
    eprintln!("privacy_desk: {error}");
    ExitCode::FAILURE
}

#[expect(clippy::future_not_send, reason = "`main` waits for it where it is")]
async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let assistant = open(&options.dir).await?;
    let desk = assistant.desk(TENANT);
    let print = |value: Value, text: &dyn Fn() -> String| print(options, &value, text);
    let say = async |person: &str, statement: Statement| -> Result<(), Box<dyn Error>> {
        let event = desk.declare(find(&desk, person).await?, statement, Act::Host).await?;
        print(said(&event)?, &|| line(&event))
    };
    match &options.task {
        Task::People => {
            for conversation in conversations(&desk).await? {
                let contact = desk.contact(conversation.contact).await?;
                let name = contact.name.as_ref().map_or("", |name| name.expose());
                let (person, channel) = (conversation.contact.0, &conversation.channel);
                let at = conversation.active_at;
                let day = at.format("%Y-%m-%d %H:%M");
                print(json!({"person": person, "name": name, "channel": channel, "active_at": at}), &|| {
                    format!("{person}  {channel:<10} {day}  {name}")
                })?;
            }
        }
        Task::Show { person } => show(options, &desk, find(&desk, person).await?).await?,
        Task::Withdraw { person, purpose } => say(person, Statement::withdrawn(named(purpose)?)).await?,
        Task::Give { person, purpose } => say(person, Statement::given(named(purpose)?, None)).await?,
        Task::Object { person, purpose } => {
            say(person, Statement::Objection { purpose: named(purpose)?, stands: true }).await?;
        }
        Task::Restrict { person } => say(person, restriction(true)).await?,
        Task::Lift { person } => say(person, restriction(false)).await?,
        Task::Export { person, out, portable, package, summary, language } => {
            let person = find(&desk, person).await?;
            if let Some(file) = summary {
                let text = assistant.summary(TENANT, person, *language).await?;
                File::create_new(file)?.write_all(text.as_bytes())?;
            }
            let lines = match (package, out) {
                (Some(folder), _) => pack(&assistant, person, *portable, folder).await?,
                (None, Some(file)) => export(&assistant, person, *portable, File::create_new(file)?).await?,
                (None, None) => export(&assistant, person, *portable, stdout()).await?,
            };
            if let (Some(place), false) = (package.as_ref().or(out.as_ref()), options.json) {
                writeln!(stdout(), "{lines} entries in {}: they are {}'s alone", place.display(), person.0)?;
            }
        }
        Task::Erase { person, dry_run: true } => {
            for (kind, records) in count(&assistant, find(&desk, person).await?).await? {
                print(json!({"kind": kind, "records": records}), &|| format!("{records:>6} {kind}"))?;
            }
        }
        Task::Erase { person, dry_run: false } => {
            let done = assistant.erase(TENANT, find(&desk, person).await?).await?;
            print(receipt(&done), &|| told(&done))?;
        }
        Task::Receipts => {
            for done in assistant.receipts(TENANT).await? {
                print(receipt(&done), &|| told(&done))?;
            }
        }
        Task::Requests => requests(options, &desk).await?,
        Task::Hold { person, authority, review_by } => {
            let new = NewHold {
                scope: HoldScope::default(),
                ground: HoldGround::LegalClaim,
                authority: authority.clone(),
                review_by: review_by.and_time(NaiveTime::MIN).and_utc(),
            };
            let hold = desk.holds().place(find(&desk, person).await?, new).await?;
            print(hold_json(&hold), &|| hold_line(&hold))?;
        }
        Task::Holds => {
            for hold in desk.holds().open(None, PAGE).await?.0 {
                print(hold_json(&hold), &|| hold_line(&hold))?;
            }
        }
        Task::Release { hold } => release(options, (&assistant, &desk), hold).await?,
        Task::Retention => {
            let plan = assistant.retention_plan(TENANT).await?;
            let value = json!({"past": plan.past, "silent": plan.silent, "kept": plan.kept, "more": plan.more});
            print(value, &|| {
                let past =
                    plan.past.iter().fold(String::new(), |all, (kind, records)| format!("{all}\n{records:>6} {kind}"));
                format!(
                    "past its time:{}\nsilent for too long: {} people\nkept, though old: of {} people",
                    if past.is_empty() { " nothing" } else { &past },
                    plan.silent.len(),
                    plan.kept.len()
                )
            })?;
        }
        Task::Explain => explain(options, &assistant)?,
        Task::Notice { effective, language } => {
            let notice = assistant.notice(effective.unwrap_or_else(|| assistant.now().date_naive()))?;
            print(serde_json::to_value(&notice)?, &|| notice.to_markdown(*language))?;
        }
        Task::Ropa { language } => {
            let ropa = assistant.ropa()?;
            print(serde_json::to_value(&ropa)?, &|| ropa.to_markdown(*language))?;
        }
        Task::Stale => {
            let stale = assistant.stale_in(TENANT).await?;
            print(serde_json::to_value(&stale)?, &|| stale.to_markdown())?;
        }
    }
    Ok(())
}

fn print(options: &Options, value: &Value, text: &dyn Fn() -> String) -> Result<(), Box<dyn Error>> {
    let mut out = stdout().lock();
    if options.json {
        writeln!(out, "{value}")?;
    } else {
        writeln!(out, "{}", text())?;
    }
    Ok(())
}

async fn open(folder: &Path) -> Result<Assistant, Box<dyn Error>> {
    let (database, keys) = (folder.join("whisp.db"), folder.join("keys.db"));
    if !database.exists() {
        return Err(format!("{}: there is no whisp.db; run quickstart with --keep first", folder.display()).into());
    }
    let root_key = Arc::new(LocalKeyProvider::open(folder.join("root.key"))?);
    let provider = CellKeyProvider::new(root_key, Arc::new(FolderCells::open(folder.join("cells"))?));
    let vault = EnvelopeVault::open(Arc::new(provider), Arc::new(SqliteKeyTable::open(keys)?)).await?;
    let store = Arc::new(SqliteStore::open(database)?);
    let mut config = Config::default();
    config.controller =
        Some(Controller::new("Coffee on the Corner", "1 Abay Avenue, Almaty, Kazakhstan", "privacy@coffee.example"));
    // Without a ground nothing may be held. This one is for claims, whatever they are about.
    config.register = config.register.with(ProcessingActivity::new(
        Purpose::LegalCompliance,
        SubjectKind::Contact,
        LawfulBasis::LegalObligation { law: "GDPR, Art. 17(3)(e)".to_owned() },
        Categories::of(&[DataCategory::Identity, DataCategory::Media, DataCategory::MessageContent]),
    ))?;
    Ok(Assistant::builder().store(store).vault(Arc::new(vault)).config(config).system().build()?)
}

async fn requests(options: &Options, desk: &Desk) -> Result<(), Box<dyn Error>> {
    let law = Law::built_in();
    for request in desk.requests().open(None, PAGE).await?.requests {
        let due = request.due(&law, request.received_at())?.at;
        let (id, person, kind, state) = (request.id(), request.subject(), request.kind(), request.state().as_str());
        let value = json!({"request": id, "person": person, "kind": kind, "state": state, "due": due});
        print(options, &value, &|| format!("{id}  {:<14} {state:<16} due {}", kind.as_str(), due.format("%F %T")))?;
    }
    Ok(())
}

/// Finds the hold whose id begins like this, and ends it.
async fn release(options: &Options, (assistant, desk): (&Assistant, &Desk), hold: &str) -> Result<(), Box<dyn Error>> {
    let (open, _) = desk.holds().open(None, PAGE).await?;
    let mut found = open.into_iter().filter(|each| each.id.to_string().starts_with(hold));
    let (Some(one), None) = (found.next(), found.next()) else {
        return Err(format!("no hold, or more than one, begins with {hold}: `holds` lists them").into());
    };
    let erased = desk.holds().release(one.id).await?;
    let mut value = hold_json(&one);
    if let Some(value) = value.as_object_mut() {
        value.insert("released_at".to_owned(), json!(assistant.now()));
    }
    print(options, &value, &|| format!("released {}\n{}", hold_line(&one), told(&erased)))
}

fn hold_json(hold: &Hold) -> Value {
    json!({
        "hold": hold.id,
        "person": hold.subject,
        "authority": hold.authority,
        "review_by": hold.review_by,
        "released_at": hold.released_at,
    })
}

fn hold_line(hold: &Hold) -> String {
    format!(
        "{}  person {}  {}, to be looked at by {}",
        hold.id,
        hold.subject,
        hold.authority,
        hold.review_by.format("%F")
    )
}

async fn conversations(desk: &Desk) -> Result<Vec<Conversation>, Box<dyn Error>> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = desk.inbox(after, PAGE).await?;
        all.extend(page.conversations);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(all),
        }
    }
}

/// Finds the person whose id begins like this.
async fn find(desk: &Desk, person: &str) -> Result<ContactId, Box<dyn Error>> {
    let mut found: Vec<ContactId> = conversations(desk).await?.into_iter().map(|each| each.contact).collect();
    found.retain(|contact| contact.0.to_string().starts_with(person));
    found.sort_unstable();
    found.dedup();
    match found[..] {
        [contact] => Ok(contact),
        [] => Err(format!("nobody's id begins with {person}: `people` lists them").into()),
        _ => Err(format!("{} people's ids begin with {person}: give more of it", found.len()).into()),
    }
}

/// Reads the name of a purpose.
fn named(purpose: &str) -> Result<Purpose, Box<dyn Error>> {
    serde_json::from_value(json!(purpose)).map_err(|_| format!("{purpose} is no purpose: `explain` lists some").into())
}

const fn restriction(stands: bool) -> Statement {
    Statement::Restriction { ground: RestrictionGround::AccuracyContested, stands }
}

async fn show(options: &Options, desk: &Desk, person: ContactId) -> Result<(), Box<dyn Error>> {
    let standing = desk.standing(person).await?;
    let (restricted, minor): (Vec<_>, _) = (standing.restrictions().collect(), standing.is_minor());
    let (objects_to, refused): (Vec<_>, Vec<_>) = (standing.objections().collect(), standing.refused().collect());
    let names = |purposes: &[Purpose]| match purposes {
        [] => "nothing".to_owned(),
        some => some.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let value = json!({
        "person": person, "restricted": restricted, "objects_to": objects_to, "refused": refused, "minor": minor
    });
    print(options, &value, &|| {
        let is = |yes: bool, then: &'static str, or: &'static str| if yes { then } else { or };
        format!(
            "{}\n  refused      {}\n  objects to   {}\n  restricted   {}\n  minor        {}",
            person.0,
            names(&refused),
            names(&objects_to),
            is(restricted.is_empty(), "no", "yes: kept, and not used"),
            is(minor, "perhaps", "no sign of it"),
        )
    })?;
    for event in desk.statements(person).await? {
        print(options, &said(&event)?, &|| format!("  {}", line(&event)))?;
    }
    Ok(())
}

fn said(event: &StatementEvent) -> Result<Value, Box<dyn Error>> {
    Ok(json!({"said": serde_json::to_value(&event.statement)?, "at": event.at}))
}

fn line(event: &StatementEvent) -> String {
    let said = match &event.statement {
        Statement::Consent { purpose, state, .. } => format!("{purpose}: {state:?}").to_lowercase(),
        Statement::Objection { purpose, stands: true } => format!("{purpose}: objected"),
        Statement::Objection { purpose, stands: false } => format!("{purpose}: objects no more"),
        Statement::Restriction { stands: true, .. } => "restricted".to_owned(),
        Statement::Restriction { stands: false, .. } => "restricted no more".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{}  {said}", event.at.format("%Y-%m-%d %H:%M:%S"))
}

/// Writes a copy, page by page; returns how many lines it has.
async fn export(
    assistant: &Assistant,
    person: ContactId,
    portable: bool,
    out: impl Write,
) -> Result<usize, Box<dyn Error>> {
    let (mut out, mut lines, mut after) = (BufWriter::new(out), 0, None);
    loop {
        let page = assistant.export(TENANT, person, after).await?;
        for entry in page.entries.iter().filter(|entry| !portable || entry.is_portable()) {
            writeln!(out, "{}", serde_json::to_string(entry)?)?;
            lines += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    out.flush()?;
    Ok(lines)
}

/// Writes a package into a new folder; returns how many lines it has.
async fn pack(
    assistant: &Assistant,
    person: ContactId,
    portable: bool,
    folder: &Path,
) -> Result<usize, Box<dyn Error>> {
    let part = if portable { PackagePart::Portable } else { PackagePart::Whole };
    let (mut package, mut file, mut lines) = (assistant.package(TENANT, person, part), None, 0);
    std::fs::create_dir(folder)?;
    std::fs::create_dir(folder.join("files"))?;
    while let Some(piece) = package.next().await? {
        match (piece, &mut file) {
            (PackagePiece::File { name }, file) => {
                let lined = name.ends_with(".jsonl");
                *file = Some((BufWriter::new(File::create_new(folder.join(name))?), lined));
            }
            (PackagePiece::Bytes(bytes), Some((file, lined))) => {
                lines += if *lined { bytes.iter().filter(|byte| **byte == b'\n').count() } else { 0 };
                file.write_all(&bytes)?;
                file.flush()?;
            }
            (piece, _) => return Err(format!("an unknown piece of a package: {piece:?}").into()),
        }
    }
    Ok(lines)
}

/// Counts what an erasure would delete.
async fn count(assistant: &Assistant, person: ContactId) -> Result<BTreeMap<String, usize>, Box<dyn Error>> {
    let (mut counts, mut after) = (BTreeMap::new(), None);
    loop {
        let page = assistant.export(TENANT, person, after).await?;
        for entry in &page.entries {
            let value = serde_json::to_value(&entry.data)?;
            *counts.entry(value.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned()).or_default() += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(counts),
        }
    }
}

fn receipt(done: &ErasureReceipt) -> Value {
    json!({
        "receipt": done.id,
        "key_destroyed_at": done.key_destroyed_at,
        "horizon": done.horizon,
        "deleted": done.deleted.iter().cloned().collect::<BTreeMap<_, _>>(),
        "withheld": done.withheld,
        "completed_at": done.completed_at,
        "remaining": done.remaining,
    })
}

fn told(done: &ErasureReceipt) -> String {
    let records: u64 = done.deleted.iter().map(|(_, records)| records).sum();
    let key = done
        .key_destroyed_at
        .map_or_else(|| "there was no key".to_owned(), |at| format!("key destroyed {}", at.format("%F %T")));
    let horizon = done.horizon.map_or_else(String::new, |horizon| match horizon {
        ErasureHorizon::Until(at) => format!(", final for copies of the keys {}", at.format("%F %T")),
        ErasureHorizon::Since(at) => format!(", final for copies of the keys since {}", at.format("%F %T")),
        ErasureHorizon::Unbounded(why) => format!("\n  {why}"),
        _ => String::new(),
    });
    let left = done.remaining.iter().fold(String::new(), |all, left| all + "\n  not in our hands: " + left);
    let kept: u64 = done.withheld.iter().map(|each| each.records).sum();
    let kept = if kept == 0 { String::new() } else { format!("\n  {kept} records are kept under a hold") };
    format!(
        "{}  {records} records gone, {key}, done {}{horizon}{kept}{left}",
        done.id,
        done.completed_at.format("%F %T")
    )
}

fn explain(options: &Options, assistant: &Assistant) -> Result<(), Box<dyn Error>> {
    for about in [SubjectKind::AccountHolder, SubjectKind::Contact, SubjectKind::Member, SubjectKind::Mentioned] {
        let about_text = about.to_string();
        for activity in assistant.explain(about).activities {
            let value = json!({
                "about": about_text, "purpose": activity.purpose, "basis": activity.basis,
                "categories": activity.categories, "rights": activity.rights
            });
            print(options, &value, &|| {
                let categories: Vec<&str> = activity.categories.iter().map(|category| category.as_str()).collect();
                let purpose = activity.purpose.as_str();
                format!("{about_text:<18} {purpose:<22} {} ({})", categories.join(", "), activity.basis)
            })?;
        }
    }
    Ok(())
}
