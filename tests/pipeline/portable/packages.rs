//! A package is what its manifest says, wherever it is cut short, and leads nowhere but into its folder.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use whisp::assistant::{AssistantError, Config, EXPORT_SCHEMA_JSON, PACKAGE_SCHEMA_JSON, PackagePart};
use whisp::channel::OutboundBody;
use whisp::model::{AutomationMode, Content, Media, MediaKind};
use whisp::privacy::{Act, Controller, Proof, ProofStrength, RequestEvent, RequestKind, RestrictionGround, Statement};
use whisp::stores::{MemoryStore, ObjectMedia};
use whisp::testing::{Yielding, cancel_after};

use super::kit::{Files, contact, counts, keeps_to, line_schema, manifest_schema, says};
use crate::media::kit::{Next, Platform, picture};
use crate::world::{DANA, World, parrot};

/// Somebody has written, sent files with hostile names, and got an answer of a member.
async fn world(store: Arc<dyn whisp::store::Store>) -> (World, Arc<Platform>) {
    let platform = Arc::new(Platform::default());
    let source = Arc::clone(&platform);
    let world = World::equipped(store, parrot(), AutomationMode::Suggest, |builder| {
        let mut config = Config::default();
        config.controller = Some(Controller::new("Coffee & Co", "1 Abay Avenue, Almaty", "privacy@coffee.example"));
        builder.config(config).media(Arc::new(ObjectMedia::in_memory())).media_source(source)
    })
    .await;
    says(&world, "m1", Content::text("Do you have cake?")).await;
    world.settle().await;
    let items = ["../../menu.pdf", "=cmd().xlsx"].into_iter().enumerate().map(|(n, name)| Media {
        id: Some(format!("file-{n}").as_str().into()),
        filename: Some(name.into()),
        ..Media::new(MediaKind::Document)
    });
    let content = Content::Media { items: items.collect(), caption: Some("Look".into()) };
    says(&world, "m2", content).await;
    platform.then(Next::File(picture(200_000)));
    platform.then(Next::File(picture(10)));
    world.assistant.fetch(&whisp::assistant::Budget::default()).await.unwrap();
    world.settle().await;
    let (desk, conversation) = (world.assistant.desk(world.tenant), world.conversation().await);
    desk.by(DANA).send(conversation, OutboundBody::text("Yes, we do")).await.unwrap();
    desk.declare(contact(&world).await, Statement::given(whisp::privacy::Purpose::Improvement, None), Act::Host)
        .await
        .unwrap();
    world.settle().await;
    (world, platform)
}

#[tokio::test]
async fn p51_a_package_is_what_its_manifest_says() {
    let (world, _) = world(Arc::new(MemoryStore::new())).await;
    let contact = contact(&world).await;
    // It works under restriction too.
    let restriction = Statement::Restriction { ground: RestrictionGround::Claim, stands: true };
    world.assistant.desk(world.tenant).declare(contact, restriction, Act::Host).await.unwrap();
    let files = Files::of(world.assistant.package(world.tenant, contact, PackagePart::Whole)).await;
    let manifest = files.manifest();
    keeps_to(&manifest_schema(), &serde_json::from_slice(files.get("manifest.json")).unwrap());
    let lines = files.lines();
    lines.iter().for_each(|line| keeps_to(&line_schema(), line));
    assert_eq!((manifest.schema.as_str(), manifest.lines.as_str()), ("whisp-package/1", "whisp-export/1"));
    assert_eq!(
        (manifest.about.as_str(), manifest.part, manifest.made_at),
        ("contact", PackagePart::Whole, world.now())
    );
    assert_eq!(manifest.controller.unwrap().name, "Coffee & Co");
    assert_eq!(manifest.counts, counts(&lines));
    assert_eq!(manifest.counts["message"], 3);
    assert_eq!(manifest.conversations, BTreeSet::from([world.conversation().await]));
    let named: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    let (manifest_file, others) = files.0.split_last().unwrap();
    assert_eq!(manifest_file.0, "manifest.json", "it comes last");
    assert_eq!(named, others.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
    for file in &manifest.files {
        let bytes = files.get(&file.name);
        let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((file.bytes, &file.sha256), (bytes.len() as u64, &sha256), "{}", file.name);
    }
    assert_eq!(files.get("line.schema.json"), EXPORT_SCHEMA_JSON.as_bytes());
    assert_eq!(files.get("manifest.schema.json"), PACKAGE_SCHEMA_JSON.as_bytes());
    let sent: Vec<_> = manifest.files.iter().filter(|file| file.of.is_some()).collect();
    assert_eq!(sent.iter().map(|file| file.bytes).collect::<Vec<_>>(), [200_000, 10]);
    for (file, name) in sent.iter().zip(["menu.pdf", "cmd__.xlsx"]) {
        let of = file.of.unwrap();
        assert_eq!(file.name, format!("files/{of}-{name}"), "i38: no name leads anywhere");
        assert!(lines.iter().any(|line| line["kind"] == "file" && line["id"] == of.to_string()));
    }
    assert_eq!(files.get(&sent[0].name), picture(200_000));
}

#[tokio::test]
async fn p51_what_is_taken_elsewhere_is_what_the_person_gave() {
    let (world, _) = world(Arc::new(MemoryStore::new())).await;
    let files = Files::of(world.assistant.package(world.tenant, contact(&world).await, PackagePart::Portable)).await;
    let kinds: Vec<String> = counts(&files.lines()).into_keys().collect();
    assert_eq!(kinds, ["contact", "file", "message", "statement"]);
    assert!(files.lines().iter().all(|line| line["kind"] != "message" || line["author"] == "contact"));
    assert_eq!(files.manifest().part, PackagePart::Portable);
    assert_eq!(files.manifest().files.iter().filter(|file| file.of.is_some()).count(), 2);
}

#[tokio::test]
async fn a_request_gives_the_package_that_was_asked_for_and_none_before_it_is_granted() {
    for (kind, part) in [(RequestKind::Access, PackagePart::Whole), (RequestKind::Portability, PackagePart::Portable)] {
        let (world, _) = world(Arc::new(MemoryStore::new())).await;
        let requests = world.assistant.desk(world.tenant).requests();
        let request = requests.take_in(contact(&world).await, kind).await.unwrap().id();
        assert!(matches!(requests.package(request).await, Err(AssistantError::Request(_))));
        let proof = Proof { strength: ProofStrength::Confirmed, at: world.now() };
        for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
            requests.apply(request, event).await.unwrap();
        }
        // What runs out while they wait is in it all the same.
        world.later(400 * 24 * 3_600);
        let files = Files::of(requests.package(request).await.unwrap()).await;
        assert_eq!(files.manifest().part, part);
        assert!(files.lines().iter().any(|line| line["content"]["text"] == "Do you have cake?"));
        assert_eq!(files.manifest().files.iter().filter(|file| file.of.is_some()).count(), 2);
        requests.answer(request, 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_piece_that_was_dropped_is_read_again() {
    let (world, _) = world(Arc::new(Yielding(Arc::new(MemoryStore::new())))).await;
    let contact = contact(&world).await;
    let begin = || world.assistant.package(world.tenant, contact, PackagePart::Whole);
    let whole = Files::of(begin()).await;
    let (mut files, mut package, mut dropped) = (Vec::<(String, Vec<u8>)>::new(), begin(), 0);
    loop {
        let mut polls = 1;
        let piece = loop {
            match cancel_after(polls, package.next()).await {
                Some(piece) => break piece.unwrap(),
                None => polls += 1,
            }
            dropped += 1;
        };
        match piece {
            Some(whisp::assistant::PackagePiece::File { name }) => files.push((name, Vec::new())),
            Some(whisp::assistant::PackagePiece::Bytes(bytes)) => files.last_mut().unwrap().1.extend_from_slice(&bytes),
            Some(other) => panic!("{other:?}"),
            None => break,
        }
    }
    assert!(dropped > 20, "{dropped}");
    assert_eq!(files, whole.0);
}

#[tokio::test]
async fn who_is_erased_while_a_package_is_written_is_in_no_more_of_it() {
    let (world, _) = world(Arc::new(MemoryStore::new())).await;
    let contact = contact(&world).await;
    let mut package = world.assistant.package(world.tenant, contact, PackagePart::Whole);
    while let Some(piece) = package.next().await.unwrap() {
        if matches!(&piece, whisp::assistant::PackagePiece::File { name } if name.starts_with("files/")) {
            break;
        }
    }
    world.assistant.erase(world.tenant, contact).await.unwrap();
    let after = package.next().await;
    assert!(matches!(after, Err(AssistantError::Vault(_) | AssistantError::Store(_))), "{after:?}");
}
