//! Copies of what is kept about somebody.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::Value;
use whisp::assistant::{Assistant, PackagePart, PackagePiece};
use whisp::id::ContactId;

use crate::TENANT;

/// Writes a copy, page by page; returns how many lines it has.
pub(crate) async fn export(
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
pub(crate) async fn pack(
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
pub(crate) async fn count(assistant: &Assistant, person: ContactId) -> Result<BTreeMap<String, usize>, Box<dyn Error>> {
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
