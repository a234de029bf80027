//! Says what is in recorded webhook bodies of WhatsApp, Instagram and Messenger.
//!
//! ```text
//! cargo run --example replay -- --bodies recorded/                    every *.json of a folder
//! cargo run --example replay -- --bodies body.json --json             one JSON object a line
//! cargo run --example replay -- --bodies body.json \
//!     --app-secret-file secret.txt --signature-header sha256=54ed...  check the signature too
//! ```
//!
//! It prints ids of messages, which are personal data: a `wamid` holds a phone number. It prints no text, no name and
//! no number.
//!
//! With `--json` each line on standard output is an object; one for each item, with these fields:
//!
//! | field | what it is |
//! |---|---|
//! | `file` | the path of the body |
//! | `index` | the position of the item in the body, from 0 |
//! | `channel` | `whatsapp`, `instagram`, `messenger`, or `meta:` and another object of Meta's |
//! | `account` | the platform's id of the business account, `null` where it does not say |
//! | `provenance` | `live`, `echo`, `history` or `standby` |
//! | `event` | `message`, `edited`, `unsent`, `receipt`, `referral`, `identity_changed`, `preference`, `thread`, `comment`, `history_progress`, `address_book`, `failure`, `notice` or `unknown` |
//! | `content` | the kind of the content of a `message` or an `edited`, else `null` |
//! | `detail` | the step of a `receipt`, the topic of a `notice`, the platform's name of an `unknown` or `unsupported`, the code of a `failure`, else `null` |
//! | `outgoing` | whether the business wrote the `message`, `null` for other events |
//! | `message` | the platform's id of the message that it is or is about, `null` if there is none |
//! | `at` | when it happened, RFC 3339 |
//!
//! and at the end one with the single field `summary`: an object of `bodies`, `refused`, `items` and `unknown`:
//! how many were not understood, messages of which only the content was not among them.
//!
//! The exit status is 0 if every body was decoded, 1 if one was refused (it says which and why, and goes on), 2 if the
//! arguments are wrong.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::Parser;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use whisp::clock::Clock;
use whisp::error::ErrorChain;
use whisp::meta::webhook::MetaDecoder;
use whisp::model::{Content, DeliveryStep, PlatformMessageId, Provenance};
use whisp::system::SystemClock;
use whisp::webhook::{Delivery, Event, Item, ReceiptTarget, WebhookDecoder, WebhookRequest};

/// From this time on a progress bar is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// Says what is in recorded webhook bodies of WhatsApp, Instagram and Messenger.
#[derive(Debug, Parser)]
struct Arguments {
    /// A file with one body, or a folder of which every *.json file is one.
    #[arg(long, value_name = "DIR-or-FILE")]
    bodies: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Check the signature with the app secret in this file. For a single body.
    #[arg(long, value_name = "F", requires = "signature_header")]
    app_secret_file: Option<PathBuf>,
    /// The value of the header X-Hub-Signature-256 that came with the body.
    #[arg(long, value_name = "H", requires = "app_secret_file")]
    signature_header: Option<String>,
}

/// What is said of one item.
#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a str,
    index: usize,
    channel: &'a str,
    account: Option<&'a str>,
    provenance: Provenance,
    event: &'static str,
    content: Option<&'static str>,
    detail: Option<String>,
    outgoing: Option<bool>,
    message: Option<&'a str>,
    at: DateTime<Utc>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Summary {
    bodies: usize,
    refused: usize,
    items: usize,
    unknown: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match replay(&arguments, SystemClock.now(), &mut io::stdout().lock(), &mut io::stderr()) {
        Ok(summary) if summary.refused == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            say(&mut io::stderr(), &format!("replay: {error}"));
            ExitCode::from(2)
        }
    }
}

fn replay(
    arguments: &Arguments,
    received_at: DateTime<Utc>,
    out: &mut impl Write,
    complaints: &mut impl Write,
) -> Result<Summary, Box<dyn Error>> {
    let files = files(&arguments.bodies)?;
    let signed = signature(arguments, &files)?;
    let mut summary = Summary::default();
    let started = Instant::now();
    let progress = ProgressBar::hidden();
    progress.set_length(files.len() as u64);
    for file in &files {
        let name = file.display().to_string();
        let body = fs::read(file).map_err(|error| format!("{name}: {error}"))?;
        summary.bodies += 1;
        let delivery = match &signed {
            Some((decoder, header)) => {
                decoder.decode(&WebhookRequest { signature: Some(header.clone()), body, received_at })
            }
            None => MetaDecoder::decode_verified(&body, received_at),
        };
        match delivery {
            Ok(delivery) => progress.suspend(|| print(&name, &delivery, arguments.json, out, &mut summary))?,
            Err(error) => {
                summary.refused += 1;
                progress.suspend(|| say(complaints, &format!("replay: {name}: {}", ErrorChain(&error))));
            }
        }
        progress.inc(1);
        if progress.is_hidden() && !arguments.json && started.elapsed() > PATIENCE {
            progress.set_draw_target(ProgressDrawTarget::stderr());
        }
    }
    progress.finish_and_clear();
    if arguments.json {
        writeln!(out, "{}", serde_json::json!({ "summary": summary }))?;
    } else {
        let Summary { bodies, refused, items, unknown } = &summary;
        writeln!(out, "{bodies} bodies, {refused} refused, {items} items, {unknown} unknown")?;
    }
    Ok(summary)
}

/// The bodies, in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, String> {
    let explain = |error: io::Error| format!("{}: {error}", path.display());
    if !fs::metadata(path).map_err(explain)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(explain)? {
        let file = entry.map_err(explain)?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: there is no *.json file in this folder", path.display()));
    }
    Ok(files)
}

/// The decoder and the header to check, if the caller wants that.
fn signature(arguments: &Arguments, files: &[PathBuf]) -> Result<Option<(MetaDecoder, String)>, String> {
    let (Some(file), Some(header)) = (&arguments.app_secret_file, &arguments.signature_header) else {
        return Ok(None);
    };
    if files.len() != 1 {
        return Err("--signature-header is of one body: name that file with --bodies".to_owned());
    }
    let secret = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(Some((MetaDecoder::new(&[secret.trim().into()]), header.clone())))
}

fn print(file: &str, delivery: &Delivery, json: bool, out: &mut impl Write, summary: &mut Summary) -> io::Result<()> {
    if !json {
        writeln!(out, "{file}")?;
    }
    for (index, item) in delivery.items.iter().enumerate() {
        summary.items += 1;
        summary.unknown += usize::from(item.event.is_unknown());
        let line = line(file, index, item);
        if json {
            serde_json::to_writer(&mut *out, &line)?;
            writeln!(out)?;
        } else {
            let what = [Some(line.event), line.content, line.detail.as_deref()];
            let what: Vec<&str> = what.into_iter().flatten().collect();
            let account = line.account.unwrap_or("-");
            let provenance = format!("{:?}", line.provenance).to_lowercase();
            let message = line.message.unwrap_or("-");
            let at = line.at.format("%Y-%m-%d %H:%M:%S");
            writeln!(out, "  {} {account} {provenance:7} {at} {:34} {message}", line.channel, what.join(" "))?;
        }
    }
    Ok(())
}

fn line<'a>(file: &'a str, index: usize, item: &'a Item) -> Line<'a> {
    let (event, message) = event(&item.event);
    let content = match &item.event {
        Event::Message(message) => Some(message.content.kind().as_str()),
        Event::Edited { content, .. } => content.as_ref().map(|content| content.kind().as_str()),
        _ => None,
    };
    let outgoing = match &item.event {
        Event::Message(message) => Some(message.outgoing),
        _ => None,
    };
    Line {
        file,
        index,
        channel: item.channel.as_str(),
        account: item.account.as_ref().map(|account| account.as_str()),
        provenance: item.provenance,
        event,
        content,
        detail: detail(&item.event),
        outgoing,
        message: message.map(PlatformMessageId::expose),
        at: item.at,
    }
}

/// The name of an event, and the message that it is or is about.
fn event(event: &Event) -> (&'static str, Option<&PlatformMessageId>) {
    match event {
        Event::Message(message) => ("message", message.id.as_ref()),
        Event::Edited { target, .. } => ("edited", Some(target)),
        Event::Unsent { target, .. } => ("unsent", Some(target)),
        Event::Receipt(receipt) => match &receipt.target {
            ReceiptTarget::Messages(messages) => ("receipt", messages.first()),
            ReceiptTarget::UpTo(_) => ("receipt", None),
        },
        Event::Referral { .. } => ("referral", None),
        Event::IdentityChanged { .. } => ("identity_changed", None),
        Event::Preference { .. } => ("preference", None),
        Event::Thread { .. } => ("thread", None),
        Event::Comment(comment) => ("comment", comment.id.as_ref()),
        Event::HistoryProgress { .. } => ("history_progress", None),
        Event::AddressBook { .. } => ("address_book", None),
        Event::Failure { .. } => ("failure", None),
        Event::Notice { .. } => ("notice", None),
        _ => ("unknown", None),
    }
}

fn detail(event: &Event) -> Option<String> {
    match event {
        Event::Receipt(receipt) => Some(step(receipt.step).to_owned()),
        Event::Notice { topic, .. } => Some(topic.clone()),
        Event::Unknown { kind, .. } => kind.clone(),
        Event::Message(message) => match &message.content {
            Content::Unsupported { kind, .. } => kind.clone(),
            _ => None,
        },
        Event::Failure { code } => Some(code.0.to_string()),
        _ => None,
    }
}

const fn step(step: DeliveryStep) -> &'static str {
    match step {
        DeliveryStep::Sent => "sent",
        DeliveryStep::Delivered => "delivered",
        DeliveryStep::Read => "read",
        DeliveryStep::Played => "played",
        DeliveryStep::Failed => "failed",
        _ => "other",
    }
}

fn say(to: &mut impl Write, line: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(to, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
        "metadata":{"display_phone_number":"15550001111","phone_number_id":"2"},
        "messages":[{"id":"wamid.A","from":"77010000000","timestamp":"1750000000","type":"text","text":{"body":"canary"}}],
        "statuses":[{"id":"wamid.B","status":"read","timestamp":"1750000001","recipient_id":"77010000000"}]}},
        {"field":"flows","value":{"event":"FLOW_STATUS_CHANGE"}},{"field":"novelty","value":{}},
        {"field":"messages","value":{"metadata":{"display_phone_number":"15550001111","phone_number_id":"2"},
        "messages":[{"id":"wamid.C","from":"77010000000","timestamp":"1750000003","type":"hologram"}]}}],"time":1750000002}]}"#;
    // HMAC-SHA256 of `BODY` under the key `secret`, computed with another program.
    const SIGNATURE: &str = "sha256=1e3a28c3a66f9653a65ff82990f0ae58677a6ad5c876d1d8cd049ae314e90469";

    fn run(folder: &Path, flags: &[&str]) -> (Result<Summary, String>, String, String) {
        let bodies = folder.display().to_string();
        let arguments = Arguments::parse_from([&["replay", "--bodies", bodies.as_str()], flags].concat());
        let (mut out, mut complaints) = (Vec::new(), Vec::new());
        let received_at = DateTime::from_timestamp(1_750_000_010, 0).unwrap();
        let summary = replay(&arguments, received_at, &mut out, &mut complaints).map_err(|error| error.to_string());
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&format!("{bodies}/"), "");
        (summary, text(out), text(complaints))
    }

    fn folder(bodies: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, body) in bodies {
            fs::write(folder.path().join(name), body).unwrap();
        }
        folder
    }

    #[test]
    fn the_names_of_the_fields_are_kept() {
        let folder = folder(&[("a.json", BODY)]);
        let (summary, out, _) = run(folder.path(), &["--json"]);
        assert_eq!(summary, Ok(Summary { bodies: 1, refused: 0, items: 5, unknown: 2 }));
        assert_eq!(
            out,
            r#"{"file":"a.json","index":0,"channel":"whatsapp","account":"2","provenance":"live","event":"message","content":"text","detail":null,"outgoing":false,"message":"wamid.A","at":"2025-06-15T15:06:40Z"}
{"file":"a.json","index":1,"channel":"whatsapp","account":"2","provenance":"live","event":"receipt","content":null,"detail":"read","outgoing":null,"message":"wamid.B","at":"2025-06-15T15:06:41Z"}
{"file":"a.json","index":2,"channel":"whatsapp","account":"1","provenance":"live","event":"notice","content":null,"detail":"flows","outgoing":null,"message":null,"at":"2025-06-15T15:06:42Z"}
{"file":"a.json","index":3,"channel":"whatsapp","account":"1","provenance":"live","event":"unknown","content":null,"detail":"novelty","outgoing":null,"message":null,"at":"2025-06-15T15:06:42Z"}
{"file":"a.json","index":4,"channel":"whatsapp","account":"2","provenance":"live","event":"message","content":"unsupported","detail":"hologram","outgoing":false,"message":"wamid.C","at":"2025-06-15T15:06:43Z"}
{"summary":{"bodies":1,"items":5,"refused":0,"unknown":2}}
"#
        );
    }

    #[test]
    fn the_transcript_tells_what_each_item_is_and_no_text() {
        let folder = folder(&[("a.json", BODY)]);
        let (_, out, _) = run(folder.path(), &[]);
        assert!(out.contains("whatsapp 2 live    2025-06-15 15:06:40 message text"), "{out}");
        assert!(out.ends_with("1 bodies, 0 refused, 5 items, 2 unknown\n"), "{out}");
        assert!(!out.contains("canary"));
    }

    #[test]
    fn a_bad_body_is_named_and_the_others_are_decoded() {
        let folder = folder(&[("a.json", "{"), ("b.json", BODY), ("c.txt", "not a body")]);
        let (summary, out, complaints) = run(folder.path(), &["--json"]);
        assert_eq!(summary, Ok(Summary { bodies: 2, refused: 1, items: 5, unknown: 2 }));
        assert!(out.contains("b.json"));
        assert!(complaints.starts_with("replay: a.json: decode: "), "{complaints}");
    }

    #[test]
    fn a_place_without_bodies_is_an_error() {
        let folder = folder(&[]);
        assert!(run(folder.path(), &[]).0.unwrap_err().contains("no *.json file"));
        assert!(run(&folder.path().join("missing"), &[]).0.is_err());
    }

    #[test]
    fn the_signature_is_checked_if_asked() {
        let folder = folder(&[("a.json", BODY), ("secret.txt", "secret\n"), ("other.txt", "other\n")]);
        let check = |secret: &str| {
            let secret = folder.path().join(secret).display().to_string();
            run(&folder.path().join("a.json"), &["--app-secret-file", &secret, "--signature-header", SIGNATURE])
        };
        assert_eq!(check("secret.txt").0.map(|summary| summary.refused), Ok(0));
        assert_eq!(check("other.txt").0.map(|summary| summary.refused), Ok(1));
    }
}
