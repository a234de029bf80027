//! Packages in memory, and schemas.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::Value;
use whisp::assistant::{EXPORT_SCHEMA_JSON, PACKAGE_SCHEMA_JSON, Package, PackageManifest, PackagePiece, PortableCopy};
use whisp::id::ContactId;
use whisp::model::{Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::world::World;

/// The files of a package, in their order.
pub(super) struct Files(pub(super) Vec<(String, Vec<u8>)>);

impl Files {
    pub(super) async fn of(mut package: Package) -> Self {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        while let Some(piece) = package.next().await.unwrap() {
            match piece {
                PackagePiece::File { name } => files.push((name, Vec::new())),
                PackagePiece::Bytes(bytes) => files.last_mut().unwrap().1.extend_from_slice(&bytes),
                other => panic!("{other:?}"),
            }
        }
        Self(files)
    }

    pub(super) fn get(&self, name: &str) -> &[u8] {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, bytes)| bytes.as_slice()).unwrap_or_else(|| panic!("no {name}"))
    }

    pub(super) fn manifest(&self) -> PackageManifest {
        serde_json::from_slice(self.get("manifest.json")).unwrap()
    }

    pub(super) fn lines(&self) -> Vec<Value> {
        let text = std::str::from_utf8(self.get("data.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(super) fn copy(&self) -> PortableCopy {
        PortableCopy::read(self.get("data.jsonl")).unwrap()
    }
}

pub(super) fn line_schema() -> Validator {
    validator(EXPORT_SCHEMA_JSON)
}

pub(super) fn manifest_schema() -> Validator {
    validator(PACKAGE_SCHEMA_JSON)
}

fn validator(schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::options().should_validate_formats(true).build(&schema).unwrap()
}

/// Fails with what is wrong in a line, and with the line.
#[track_caller]
pub(super) fn keeps_to(schema: &Validator, value: &Value) {
    let errors: Vec<String> = schema.iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}\n{value}");
}

pub(super) fn aigerim() -> ContactRef {
    let handles = vec![Handle::new(HandleKind::Bsuid, "KZ.1"), Handle::new(HandleKind::Phone, crate::world::PHONE)];
    ContactRef { handles, name: Some("Aigerim".into()) }
}

/// They write something.
pub(super) async fn says(world: &World, id: &str, content: whisp::model::Content) {
    let message = MessageEvent::new(Some(PlatformMessageId::new(id)), aigerim(), content);
    world.ingest(vec![world.event(id, Provenance::Live, Event::Message(message))]).await;
}

pub(super) async fn contact(world: &World) -> ContactId {
    world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact
}

/// Counts the lines of each kind.
pub(super) fn counts(lines: &[Value]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    lines.iter().for_each(|line| *counts.entry(line["kind"].as_str().unwrap().to_owned()).or_default() += 1);
    counts
}
