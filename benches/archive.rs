//! People who have written much, over SQLite files: for what is done with everything about one of them.

#![expect(clippy::expect_used, reason = "a bench stops if its ground is missing")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use whisp::assistant::{Assistant, Budget};
use whisp::clock::Clock;
use whisp::id::ContactId;
use whisp::model::{AutomationMode, ChannelKind, Provenance};
use whisp::privacy::{Act, Notice, Purpose, Statement};
use whisp::stores::{SqliteKeyTable, SqliteStore};
use whisp::system::SystemClock;
use whisp::testing::RecordingChannel;
use whisp::webhook::{Delivery, Event, Item};

use crate::watched::Watched;
use crate::watched_keys::WatchedKeys;
use crate::world::{TENANT, assistant, item};

/// How many messages of the time before one webhook brings: as many as one commit takes in.
const ITEMS: usize = 96;

/// How many of those webhooks are taken in at a time.
const AT_A_TIME: usize = 8;

/// How many of a person's messages, the last ones, come as they are written: for each an engine suggests an answer.
const LIVE: usize = 50;

/// How many milliseconds the log may take to be empty.
const SETTLING_MAX: u32 = 60_000;

/// An assistant over SQLite files, and people who have written to it.
#[derive(Debug)]
pub struct Archive {
    /// The assistant.
    pub assistant: Assistant,
    /// Who has written.
    pub contacts: Vec<ContactId>,
    /// What the assistant asks of the file with the data.
    pub store: Arc<Watched>,
    /// What it asks of the one with the keys.
    pub keys: Arc<WatchedKeys>,
    file: Arc<SqliteStore>,
    path: PathBuf,
}

impl Archive {
    /// Makes files in this folder with so many people, each of whom has so many messages, and all of whom have written by
    /// turns. Every second message is the business's; to the last ones there are suggestions, and everybody has said three
    /// times what may be done with their data.
    ///
    /// # Panics
    /// If anything fails.
    pub async fn fill(folder: &Path, people: usize, messages: usize) -> Self {
        let path = folder.join("data.db");
        let file = Arc::new(SqliteStore::open(&path).expect("a new file opens"));
        let store = Arc::new(Watched::new(Arc::clone(&file) as _));
        let table = SqliteKeyTable::open(folder.join("keys.db")).expect("a new file opens");
        let keys = Arc::new(WatchedKeys::new(table, Arc::clone(&store)));
        let channel = Arc::new(RecordingChannel::new(ChannelKind::WhatsApp, Arc::new(SystemClock)));
        let (over, beside) = (Arc::clone(&store) as _, Arc::clone(&keys) as _);
        let assistant = assistant(over, beside, channel, AutomationMode::Suggest).await;
        let mut archive = Self { assistant, contacts: Vec::new(), store, keys, file, path };
        archive.write(people, messages).await;
        archive.speak().await;
        // With it the log is emptied.
        archive.file.compact().await.expect("the file is as small as it can be");
        archive.store.take();
        archive
    }

    /// Returns where the file with the data is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the file with the data.
    ///
    /// # Panics
    /// If that fails.
    pub async fn copy(&self, to: &Path) {
        self.file.backup(to).await.expect("the file is copied");
    }

    /// Waits until what was deleted is gone from the write-ahead log too, which the writer sees to after it has answered.
    ///
    /// # Panics
    /// If that takes longer than a minute.
    pub async fn settle(&self) {
        let log = self.path.with_extension("db-wal");
        let is_empty = || std::fs::metadata(&log).expect("the log is there").len() == 0;
        let mut waited = 0;
        while !is_empty() {
            assert!(waited < SETTLING_MAX, "what was deleted stays in the log");
            waited += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn write(&mut self, people: usize, messages: usize) {
        let (live, all) = (LIVE.min(messages), people * messages);
        let now = SystemClock.now();
        let earlier = |number: usize| {
            let minutes = i64::try_from((all - number) / people).expect("not so many");
            let mut item = item(number, number % people, Provenance::History, now - TimeDelta::minutes(minutes));
            if let Event::Message(message) = &mut item.event {
                message.outgoing = number / people % 2 == 1;
            }
            item
        };
        let before = all - live * people;
        let webhooks = (0..before).step_by(ITEMS).map(|first| first..before.min(first + ITEMS));
        let taking_in = stream::iter(webhooks)
            .map(|numbers| self.take_in(numbers.map(earlier).collect()))
            .buffer_unordered(AT_A_TIME);
        taking_in.collect::<()>().await;
        for first in (before..all).step_by(people) {
            let written = (first..first + people).map(|number| item(number, number % people, Provenance::Live, now));
            self.take_in(written.collect()).await;
            let done = self.assistant.step(&Budget::default()).await.expect("the store works");
            assert_eq!(done.suggested, people, "{:?}", done.errors);
        }
    }

    async fn take_in(&self, items: Vec<Item>) {
        let (all, received_at) = (items.len(), SystemClock.now());
        let ingested = self.assistant.ingest(&Delivery { received_at, items }).await.expect("it is taken in");
        assert_eq!(ingested.stored, all);
    }

    /// Has everybody say what may be done with their data.
    async fn speak(&mut self) {
        let desk = self.assistant.desk(TENANT);
        let mut after = None;
        loop {
            let page = desk.inbox(after, 100).await.expect("the host may look");
            self.contacts.extend(page.conversations.iter().map(|conversation| conversation.contact));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for contact in &self.contacts {
            let notice = Notice { version: "1".to_owned(), language: "kk".to_owned(), evidence: None };
            let statements = [
                Statement::given(Purpose::AutomatedReplies, Some(notice)),
                Statement::Objection { purpose: Purpose::Improvement, stands: true },
                Statement::Objection { purpose: Purpose::Analytics, stands: true },
            ];
            for statement in statements {
                desk.declare(*contact, statement, Act::Host).await.expect("they may say so");
            }
        }
    }
}
