//! New keys, for somebody, or to find people by; a copy of the data, and what is to be done after it was put back.

use std::error::Error;
use std::path::Path;

use serde_json::json;
use whisp::assistant::Assistant;
use whisp::id::ContactId;
use whisp::stores::SqliteStore;

use crate::erasures::{receipt, told};
use crate::{Options, PAGE, TENANT, print};

/// Gives somebody a new key.
pub(crate) async fn renew(options: &Options, assistant: &Assistant, person: ContactId) -> Result<(), Box<dyn Error>> {
    let done = assistant.renew_key(TENANT, person).await?;
    let value = json!({"person": person, "version": done.version, "resealed": done.resealed});
    print(options, &value, &|| format!("{} records are under key {} of {}", done.resealed, done.version, person.0))
}

/// Gives every account a new key by which people are found.
pub(crate) async fn renew_handle_keys(options: &Options, assistant: &Assistant) -> Result<(), Box<dyn Error>> {
    let done = assistant.renew_handle_keys(TENANT).await?;
    let value = json!({"renewed": done.renewed, "left": done.left, "moved": done.moved});
    print(options, &value, &|| {
        let left = if done.left == 0 { String::new() } else { format!("; {} have a key that is new", done.left) };
        format!("{} accounts have a new key, by which {} numbers and ids are found{left}", done.renewed, done.moved)
    })
}

/// Copies the data while everything goes on, and looks whether the copy is whole.
pub(crate) async fn backup(options: &Options, file: &Path) -> Result<(), Box<dyn Error>> {
    SqliteStore::open(crate::database(&options.dir)?)?.backup(file).await?;
    let bytes = file.metadata()?.len();
    let faults = SqliteStore::open(file)?.check().await?;
    print(options, &json!({"copy": file, "bytes": bytes, "faults": faults}), &|| {
        format!("{bytes} bytes in {}. The keys are not in it: keep them elsewhere.", file.display())
    })?;
    if faults.is_empty() { Ok(()) } else { Err(format!("the copy is damaged: {}", faults.join("; ")).into()) }
}

/// After an older copy was put back in the place of the data.
pub(crate) async fn recover(options: &Options, assistant: &Assistant) -> Result<(), Box<dyn Error>> {
    let (mut stopped, mut after) = (0, None);
    loop {
        let part = assistant.recover(TENANT, after, PAGE).await?;
        for done in &part.erased {
            print(options, &receipt(done), &|| told(done))?;
        }
        stopped += part.stopped;
        match part.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    print(options, &json!({"stopped": stopped}), &|| {
        format!("{stopped} messages were stopped; automation is off until you turn it on again")
    })
}
