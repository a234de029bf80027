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
//! cargo run --example privacy_desk -- --dir shop rectify 0197 Aigerim      corrects a name
//! cargo run --example privacy_desk -- --dir shop renew 0197                a new key, under which what is kept is sealed anew
//! cargo run --example privacy_desk -- --dir shop renew                     new keys by which people are found by their numbers
//! cargo run --example privacy_desk -- --dir shop hold 0197 --authority 'court, 2-1/26' --review-by 2027-06-01
//! cargo run --example privacy_desk -- --dir shop holds                     what must be kept, and who looks when
//! cargo run --example privacy_desk -- --dir shop release 0197              and what no longer
//! cargo run --example privacy_desk -- --dir shop retention                 what the next sweep would delete, and why
//! cargo run --example privacy_desk -- --dir shop retention --messages 90   keep messages for less time
//! cargo run --example privacy_desk -- --dir shop explain                   what is done with whose data, and why
//! cargo run --example privacy_desk -- --dir shop notice --language kk      the privacy notice, by the running configuration
//! cargo run --example privacy_desk -- --dir shop ropa                      the record of processing activities
//! cargo run --example privacy_desk -- --dir shop publish 2026-12 --effective 2027-01-01
//! cargo run --example privacy_desk -- --dir shop policies                  what was published, and what changed
//! cargo run --example privacy_desk -- --dir shop untold                    whom nobody has told; `tell 0197` notes that somebody has
//! cargo run --example privacy_desk -- --dir shop stale                     what of all this has become stale, or is missing
//! cargo run --example privacy_desk -- --dir shop verify                    whether the audit log is whole
//! cargo run --example privacy_desk -- --dir shop backup shop.copy         a copy of the data; `recover` after it was put back
//! cargo run --example privacy_desk -- --dir shop suspect --from 2026-11-20 takes a breach down; `breaches`, `contain`, `resume`
//! ```
//! A person is named by the id that `people` prints, or by the beginning of it. Who asks must be verified first: this is
//! the desk of somebody who has done that.
//!
//! With `--json` each line on standard output is one object; its fields are stable:
//! `people` `{"person","name","channel","active_at"}`; `show` `{"person","restricted","objects_to","refused","minor"}` and one
//! `{"said","at"}` for each entry of the log; `withdraw`, `give`, `object`, `restrict`, `lift` `{"said","at"}`; `export` the
//! lines of the copy; `erase --dry-run` `{"kind","records"}`; `erase` and `receipts`
//! `{"receipt","key_destroyed_at","horizon","deleted","withheld","processors","completed_at","book_entry_deleted_at","remaining"}`;
//! `requests`
//! `{"request","person","kind","state","due"}`; `hold`, `holds`, `release` `{"hold","person","authority","review_by","released_at"}`;
//! `retention` `{"days","past","silent","kept","more"}`; `explain` `{"about","purpose","basis","categories","rights"}`;
//! `notice`, `ropa` and `stale` the whole document as one object; without `--json` they are Markdown;
//! `rectify` `{"request","state"}`; `verify` `{"events","root","faults"}`; `publish`, `policies`
//! `{"number","label","version","effective","significant","changes"}`; `untold` `{"person","about"}`; `tell` `{"said","at"}`;
//! `renew` `{"person","version","resealed"}`, of nobody `{"renewed","left","moved"}`; `backup` `{"copy","bytes","faults"}`;
//! `recover` the receipts of whom the copy had brought back, and `{"stopped"}`;
//! `suspect`, `breaches`, `contain`, `resume` `{"breach","state","nature","from","contained"}`.
//!
//! The exit status is 0 if it was done, 1 if it could not be (it says why), 2 if the arguments are wrong.

mod business;
mod copies;
mod erasures;
mod people;
mod upkeep;

use std::error::Error;
use std::fs::File;
use std::io::{self, Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveTime};
use clap::{Parser, Subcommand};
use serde_json::{Value, json};
use whisp::assistant::{Assistant, Config};
use whisp::documents::Language;
use whisp::error::ErrorChain;
use whisp::id::TenantId;
use whisp::privacy::{
    Act, Categories, Controller, DataCategory, HoldGround, HoldScope, LawfulBasis, NewHold, ProcessingActivity,
    Purpose, Statement, SubjectKind,
};
use whisp::stores::{CellKeyProvider, EnvelopeVault, FolderCells, LocalKeyProvider, SqliteKeyTable, SqliteStore};

use crate::copies::{count, export, pack};
use crate::erasures::{hold_json, hold_line, receipt, release, retention, told};
use crate::people::{conversations, find, line, named, requests, restriction, said, show};

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
    /// Corrects somebody's name, as they asked.
    Rectify { person: String, name: String },
    /// Lists the holds that hold.
    Holds,
    /// Ends a hold, by its id or the beginning of it.
    Release { hold: String },
    /// Says what the next sweep would delete, and sets how long the business keeps things, where that is shorter.
    Retention {
        /// Keeps messages for so many days.
        #[arg(long, value_name = "DAYS")]
        messages: Option<u16>,
        /// Keeps the files that came with them for so many days.
        #[arg(long, value_name = "DAYS")]
        files: Option<u16>,
    },
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
    /// Publishes the notice of the running configuration, for good.
    Publish {
        /// What people know it by.
        label: String,
        /// From which day on it holds.
        #[arg(long, value_name = "YYYY-MM-DD")]
        effective: NaiveDate,
        /// Has people told, though nothing changes to their disadvantage.
        #[arg(long)]
        significant: bool,
    },
    /// Lists what was published, and what changed.
    Policies,
    /// Lists who has not been told of the last significant notice.
    Untold,
    /// Takes down that somebody was told of the last notice.
    Tell {
        person: String,
        /// In which language: `en`, `kk` or `ru`.
        #[arg(long, default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Checks the audit log; the exit status is 1 if it is not whole.
    Verify,
    /// Gives somebody a new key, and seals what is kept of them under it. Of nobody: gives each account a new key by which
    /// people are found.
    Renew { person: Option<String> },
    /// Copies the data into a file, which must not be there yet, and checks the copy.
    Backup { file: PathBuf },
    /// Makes an older copy that was put back safe to work with: erases once more, stops what waits to be sent.
    Recover,
    /// Takes down that data may have been seen by somebody who may not.
    Suspect {
        /// Since when.
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: NaiveDate,
    },
    /// Lists the breaches that have not ended.
    Breaches,
    /// Contains a breach, by its id or the beginning of it: nothing leaves.
    Contain { breach: String },
    /// Ends that: things leave again.
    Resume { breach: String },
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
    if let Task::Backup { file } = &options.task {
        return upkeep::backup(options, file).await;
    }
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
        Task::Rectify { person, name } => {
            people::rectify(options, (&assistant, &desk), find(&desk, person).await?, name).await?;
        }
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
        Task::Retention { messages, files } => {
            retention(options, &assistant, (*messages, *files)).await?;
        }
        Task::Explain => business::explain(options, &assistant)?,
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
        Task::Publish { label, effective, significant } => {
            business::publish(options, &assistant, (label, *effective, *significant)).await?;
        }
        Task::Policies => business::policies(options, &assistant).await?,
        Task::Untold => business::untold(options, &desk).await?,
        Task::Tell { person, language } => {
            business::tell(options, (&assistant, &desk), person, language.tag()).await?;
        }
        Task::Verify => {
            if !business::verify(options, &assistant).await? {
                return Err("the audit log is not whole".into());
            }
        }
        Task::Renew { person: Some(person) } => {
            upkeep::renew(options, &assistant, find(&desk, person).await?).await?;
        }
        Task::Renew { person: None } => upkeep::renew_handle_keys(options, &assistant).await?,
        Task::Backup { .. } => {}
        Task::Recover => upkeep::recover(options, &assistant).await?,
        Task::Suspect { from } => {
            business::suspect(options, &desk, from.and_time(NaiveTime::MIN).and_utc()).await?;
        }
        Task::Breaches => business::breaches(options, &desk).await?,
        Task::Contain { breach } => business::contain(options, &desk, breach, true).await?,
        Task::Resume { breach } => business::contain(options, &desk, breach, false).await?,
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

fn database(folder: &Path) -> Result<PathBuf, String> {
    let database = folder.join("whisp.db");
    if database.exists() {
        return Ok(database);
    }
    Err(format!("{}: there is no whisp.db; run quickstart with --keep first", folder.display()))
}

async fn open(folder: &Path) -> Result<Assistant, Box<dyn Error>> {
    let (database, keys) = (database(folder)?, folder.join("keys.db"));
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
