//! The privacy desk over what a quickstart left: the lines of `--json` are public, and what they tell is so.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(program.exists(), "build it first: cargo build -p whisp-examples --examples");
    program
}

fn desk(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("privacy_desk")).arg("--dir").arg(folder).arg("--json").args(arguments).output().unwrap()
}

/// Runs the desk and reads its lines.
fn lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = desk(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_person_is_shown_heard_given_a_copy_and_erased() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("shop");
    let quickstart = Command::new(program("quickstart")).arg("--keep").arg(&kept).arg("--json").output().unwrap();
    assert!(quickstart.status.success(), "{}", String::from_utf8_lossy(&quickstart.stderr));

    let people = lines(&kept, &["people"]);
    assert!(people.len() >= 2, "{people:?}");
    assert_eq!(fields(&people[0]), ["active_at", "channel", "name", "person"]);
    let person = people[0]["person"].as_str().unwrap();

    let said = lines(&kept, &["withdraw", person]);
    assert_eq!(fields(&said[0]), ["at", "said"]);
    assert_eq!(said[0]["said"], serde_json::json!({"purpose": "automated_replies", "state": "withdrawn"}));
    lines(&kept, &["object", person, "improvement"]);
    lines(&kept, &["restrict", person]);
    let shown = lines(&kept, &["show", &person[..8]]);
    assert_eq!(fields(&shown[0]), ["minor", "objects_to", "person", "refused", "restricted"]);
    assert_eq!(shown[0]["refused"], serde_json::json!(["automated_replies"]));
    assert_eq!(shown[0]["objects_to"], serde_json::json!(["improvement"]));
    assert_eq!(shown[0]["restricted"], serde_json::json!(["accuracy_contested"]));
    assert!(shown.len() >= 4, "the log follows: {shown:?}");

    // Whose data is restricted is still given a copy of it.
    let copy = folder.path().join("copy.jsonl");
    assert!(lines(&kept, &["export", person, "--out", copy.to_str().unwrap()]).is_empty());
    let copied = std::fs::read_to_string(&copy).unwrap();
    assert!(copied.lines().any(|line| line.contains(r#""kind":"message""#)), "{copied}");
    assert!(!desk(&kept, &["export", person, "--out", copy.to_str().unwrap()]).status.success(), "it is there already");
    let (copy, summary) = (folder.path().join("second.jsonl"), folder.path().join("second.md"));
    let (copy, summary) = (copy.to_str().unwrap(), summary.to_str().unwrap());
    assert!(lines(&kept, &["export", person, "--out", copy, "--summary", summary, "--language", "ru"]).is_empty());
    let told = std::fs::read_to_string(summary).unwrap();
    assert!(told.starts_with("# Ваши данные, кратко\n") && told.contains("privacy@coffee.example"), "{told}");
    let package = folder.path().join("package");
    let argument = package.to_str().unwrap();
    assert!(lines(&kept, &["export", person, "--portable", "--package", argument]).is_empty());
    let read = |name: &str| std::fs::read_to_string(package.join(name)).unwrap();
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    assert_eq!((&manifest["schema"], &manifest["part"]), (&"whisp-package/1".into(), &"portable".into()));
    let theirs = read("data.jsonl");
    assert!(theirs.lines().count() > 1 && !theirs.contains(r#""author":"engine""#), "{theirs}");
    assert_eq!(manifest["files"][0]["bytes"], theirs.len());
    assert!(read("line.schema.json").contains("json-schema.org/draft/2020-12"));
    assert!(!desk(&kept, &["export", person, "--package", argument]).status.success(), "it is there already");
    let would: u64 =
        lines(&kept, &["erase", person, "--dry-run"]).iter().map(|line| line["records"].as_u64().unwrap()).sum();
    assert_eq!(would, u64::try_from(copied.lines().count()).unwrap());

    let year: i32 = people[0]["active_at"].as_str().unwrap()[..4].parse().unwrap();
    let review = chrono::NaiveDate::from_ymd_opt(year + 1, 1, 1).unwrap().to_string();
    let hold = lines(&kept, &["hold", person, "--authority", "a court, 2-1/26", "--review-by", &review]).remove(0);
    assert_eq!(fields(&hold), ["authority", "hold", "person", "released_at", "review_by"]);
    assert_eq!(lines(&kept, &["holds"]), std::slice::from_ref(&hold));
    let plan = lines(&kept, &["retention"]).remove(0);
    assert_eq!(fields(&plan), ["days", "kept", "more", "past", "silent"]);
    assert_eq!(plan["kept"], serde_json::json!([person]));
    assert_eq!((&plan["days"]["messages"], &plan["days"]["files"]), (&365.into(), &365.into()));
    let shorter = lines(&kept, &["retention", "--messages", "90"]).remove(0);
    assert_eq!((&shorter["days"]["messages"], &shorter["days"]["files"]), (&90.into(), &90.into()));
    let waiting = lines(&kept, &["requests"]);
    assert!(waiting.iter().all(|each| fields(each) == ["due", "kind", "person", "request", "state"]), "{waiting:?}");

    let receipts = lines(&kept, &["receipts"]).len();
    let receipt = lines(&kept, &["erase", person]).remove(0);
    assert_eq!(
        fields(&receipt),
        [
            "book_entry_deleted_at",
            "completed_at",
            "deleted",
            "horizon",
            "key_destroyed_at",
            "processors",
            "receipt",
            "remaining",
            "withheld"
        ]
    );
    assert!(receipt["withheld"].as_array().is_some_and(|withheld| !withheld.is_empty()), "{receipt}");
    assert!(receipt["horizon"]["until"].is_string(), "{receipt}");
    let gone: u64 = receipt["deleted"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(gone, would, "{receipt}");
    let after = lines(&kept, &["receipts"]);
    assert_eq!((after.len(), &after[0]), (receipts + 1, &receipt));
    let released = lines(&kept, &["release", hold["hold"].as_str().unwrap()]).remove(0);
    assert!(released["released_at"].is_string(), "{released}");
    assert!(lines(&kept, &["holds"]).is_empty());
    assert_eq!(lines(&kept, &["receipts"]).len(), receipts + 2, "what was held is erased with a receipt of its own");
    let output = desk(&kept, &["show", person]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`people` lists them"));
}

#[test]
fn the_documents_are_of_the_running_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("shop");
    let quickstart = Command::new(program("quickstart")).arg("--keep").arg(&kept).arg("--json").output().unwrap();
    assert!(quickstart.status.success(), "{}", String::from_utf8_lossy(&quickstart.stderr));

    let [notice] = &lines(&kept, &["notice", "--effective", "2026-12-01"])[..] else { panic!("one document") };
    assert_eq!(fields(notice), ["effective", "facts", "version"]);
    assert_eq!(
        fields(&notice["facts"]),
        [
            "answers",
            "authorities",
            "automation",
            "channels",
            "controller",
            "horizon_hours",
            "items",
            "kept",
            "kept_in",
            "min_age",
            "receivers",
            "served",
            "uses"
        ]
    );
    assert_eq!(notice["effective"], "2026-12-01");
    let later = lines(&kept, &["notice", "--effective", "2027-01-01"]).remove(0);
    assert_eq!(later["version"], notice["version"], "a version is of what is said");
    let [ropa] = &lines(&kept, &["ropa"])[..] else { panic!("one document") };
    assert_eq!(fields(ropa), ["activities", "controller", "horizon_hours", "made_at", "measures"]);
    assert_eq!(ropa["controller"]["name"], "Coffee on the Corner");
    let [stale] = &lines(&kept, &["stale"])[..] else { panic!("one document") };
    assert_eq!(fields(stale), ["at", "findings"]);
    assert!(stale["findings"].as_array().is_some_and(|found| !found.is_empty()), "{stale}");

    let markdown = |arguments: &[&str]| {
        let output = Command::new(program("privacy_desk")).arg("--dir").arg(&kept).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(markdown(&["notice"]).starts_with("# Privacy notice\n"));
    assert!(markdown(&["notice", "--language", "kk"]).starts_with("# Құпиялылық туралы хабарлама\n"));
    assert!(markdown(&["ropa"]).starts_with("# Record of processing activities\n"));
    assert!(markdown(&["stale"]).starts_with("# What has become stale\n"));
    assert_eq!(desk(&kept, &["notice", "--language", "xx"]).status.code(), Some(2));
}

#[test]
fn a_name_is_corrected_a_notice_published_and_a_breach_contained() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("shop");
    let quickstart = Command::new(program("quickstart")).arg("--keep").arg(&kept).arg("--json").output().unwrap();
    assert!(quickstart.status.success(), "{}", String::from_utf8_lossy(&quickstart.stderr));
    let people = lines(&kept, &["people"]);
    let person = people[0]["person"].as_str().unwrap();

    let corrected = lines(&kept, &["rectify", person, "Somebody Else"]).remove(0);
    assert_eq!((fields(&corrected), &corrected["state"]), (vec!["request", "state"], &"answered".into()));
    assert!(lines(&kept, &["people"]).iter().any(|each| each["name"] == "Somebody Else"));

    assert!(lines(&kept, &["untold"]).is_empty(), "nothing was published");
    let policy = lines(&kept, &["publish", "first", "--effective", "2099-01-01"]).remove(0);
    assert_eq!(fields(&policy), ["changes", "effective", "label", "number", "significant", "version"]);
    assert_eq!(lines(&kept, &["policies"]), std::slice::from_ref(&policy));
    assert!(!desk(&kept, &["publish", "again", "--effective", "2099-01-01"]).status.success(), "nothing has changed");
    let untold = lines(&kept, &["untold"]);
    assert_eq!(fields(&untold[0]), ["about", "person"]);
    let about = |untold: &[Value]| untold.iter().any(|each| each["person"] == person);
    assert!(about(&untold), "{untold:?}");
    let told = lines(&kept, &["tell", person, "--language", "kk"]).remove(0);
    assert_eq!(told["said"]["notice"]["version"], policy["version"]);
    assert!(!about(&lines(&kept, &["untold"])));

    let breach = lines(&kept, &["suspect", "--from", "2026-01-01"]).remove(0);
    assert_eq!(fields(&breach), ["breach", "contained", "from", "nature", "state"]);
    assert_eq!(lines(&kept, &["breaches"]), std::slice::from_ref(&breach));
    let id = breach["breach"].as_str().unwrap();
    assert_eq!(lines(&kept, &["contain", id]).remove(0)["contained"], true);
    let output = desk(&kept, &["export", person]);
    assert_eq!(output.status.code(), Some(1), "nothing leaves");
    assert!(output.stdout.is_empty());
    assert_eq!(lines(&kept, &["resume", id]).remove(0)["contained"], false);
    assert!(!lines(&kept, &["export", person]).is_empty());

    let log = lines(&kept, &["verify"]).remove(0);
    assert_eq!(fields(&log), ["events", "faults", "root"]);
    assert_eq!(log["faults"], serde_json::json!([]));
    assert!(log["events"].as_u64().is_some_and(|events| events > 10), "{log}");
}

#[test]
fn what_is_done_with_the_data_is_told_and_a_wrong_call_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = desk(folder.path(), &["people"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("run quickstart with --keep first"));
    assert_eq!(desk(folder.path(), &["no-such-thing"]).status.code(), Some(2));
}

#[test]
fn a_copy_of_before_an_erasure_is_made_safe_after_it_was_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("shop");
    let quickstart = Command::new(program("quickstart")).arg("--keep").arg(&kept).arg("--json").output().unwrap();
    assert!(quickstart.status.success(), "{}", String::from_utf8_lossy(&quickstart.stderr));
    let copy = folder.path().join("copy.db");
    let made = lines(&kept, &["backup", copy.to_str().unwrap()]).remove(0);
    assert_eq!(fields(&made), ["bytes", "copy", "faults"]);
    assert!(made["bytes"].as_u64().unwrap() > 0 && made["faults"] == serde_json::json!([]), "{made}");
    assert!(!desk(&kept, &["backup", copy.to_str().unwrap()]).status.success(), "it is there already");

    let person = lines(&kept, &["people"])[0]["person"].as_str().unwrap().to_owned();
    let renewed = lines(&kept, &["renew", &person]).remove(0);
    assert_eq!(fields(&renewed), ["person", "resealed", "version"]);
    assert!(renewed["version"] == 2 && renewed["resealed"].as_u64().unwrap() > 2, "{renewed}");
    let handles = lines(&kept, &["renew"]).remove(0);
    assert_eq!(fields(&handles), ["left", "moved", "renewed"]);
    assert!(handles["renewed"] == 3 && handles["moved"].as_u64().unwrap() >= 3, "{handles}");
    assert_eq!(lines(&kept, &["renew"]).remove(0), serde_json::json!({"left": 3, "moved": 0, "renewed": 0}));
    lines(&kept, &["erase", &person]);
    for beside in ["whisp.db-wal", "whisp.db-shm"] {
        assert!(!kept.join(beside).exists(), "closed, it is one file");
    }
    std::fs::copy(&copy, kept.join("whisp.db")).unwrap();
    let done = lines(&kept, &["recover"]);
    assert_eq!(done.iter().filter(|line| line.get("receipt").is_some()).count(), 1, "{done:?}");
    assert_eq!(done.last().unwrap(), &serde_json::json!({"stopped": 0}));
    let people = lines(&kept, &["people"]);
    assert!(!people.is_empty() && people.iter().all(|there| there["person"] != person.as_str()), "{people:?}");
}
