//! What the Graph API tells about messages of Instagram and Messenger: the files and the stories that hang on them, under
//! addresses of this moment (<https://developers.facebook.com/docs/graph-api/reference/message>).

use std::collections::VecDeque;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use whisp_core::model::{AccountId, ChannelKind};

use super::Core;
use super::config::Account;
use super::fault::Scissors;
use super::file::{self, FileFault, Files};
use super::graph::{bearer, cut, refused};
use super::refusal::Refusal;
use super::say::Say;
use crate::json::set;

/// Of how many messages of a conversation Meta tells anything; older ones are answered as if they were deleted
/// (<https://developers.facebook.com/docs/messenger-platform/conversations>, which was not read for this).
const TOLD_MAX: usize = 20;

/// A message of a conversation.
struct Told {
    mid: String,
    hangs: Hangs,
}

/// What hangs on a message: ids of files.
enum Hangs {
    Files(Vec<String>),
    Story { id: String, mention: bool },
}

/// The last messages of one conversation, oldest first.
#[derive(Default)]
pub(super) struct Thread(VecDeque<Told>);

impl Files {
    /// Notes a message of a contact, or that they took one back: what hung on it is gone.
    pub(super) fn said(&mut self, account: &AccountId, person: &str, mid: &str, say: &Say) {
        let hangs = match say {
            Say::File { file, .. } => Hangs::Files(vec![file.id().to_owned()]),
            Say::Files(files) => Hangs::Files(files.iter().map(|file| file.id().to_owned()).collect()),
            Say::StoryMention { story } => Hangs::Story { id: story.id().to_owned(), mention: true },
            Say::StoryReply { story, .. } => Hangs::Story { id: story.id().to_owned(), mention: false },
            Say::Unsend { target } => return self.take_back(account, person, target.expose()),
            Say::Reaction { .. } | Say::Edit { .. } => return,
            _ => Hangs::Files(Vec::new()),
        };
        self.note(account, person, Told { mid: mid.to_owned(), hangs });
    }

    /// Notes a message of the business.
    pub(super) fn sent(&mut self, account: &AccountId, person: &str, mid: &str) {
        self.note(account, person, Told { mid: mid.to_owned(), hangs: Hangs::Files(Vec::new()) });
    }

    fn note(&mut self, account: &AccountId, person: &str, told: Told) {
        let Thread(thread) = self.threads.entry((account.clone(), person.to_owned())).or_default();
        thread.push_back(told);
        if thread.len() > TOLD_MAX {
            thread.pop_front();
        }
    }

    fn take_back(&mut self, account: &AccountId, person: &str, mid: &str) {
        let Some(Thread(thread)) = self.threads.get_mut(&(account.clone(), person.to_owned())) else { return };
        let Some(place) = thread.iter().position(|told| told.mid == mid) else { return };
        if let Some(Told { hangs: Hangs::Files(files), .. }) = thread.remove(place) {
            files.iter().for_each(|id| self.remove(id));
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    fields: String,
}

/// Answers about an object: a file of WhatsApp, a message of the others.
pub(super) async fn node(
    Shared(core): Shared<Arc<Core>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((version, id)): Path<(String, String)>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    if core.is_closed() {
        return cut(&scissors);
    }
    match core.note(&format!("/{version}/{id}"), &headers) {
        None => {}
        Some(FileFault::Refuse { status }) => return refused(&Refusal::new(status, 2, "(simulated)"), "A0"),
        Some(FileFault::NoPermission) => return refused(&Refusal::permission("pages_read_engagement"), "A0"),
        Some(FileFault::NoAnswer) => return std::future::pending().await,
        // What goes wrong with a body waits for the next one.
        Some(fault @ (FileFault::WrongBytes | FileFault::Short | FileFault::Endless | FileFault::Slow(_))) => {
            core.world().files.put_back(fault);
        }
        Some(FileFault::Truncated | FileFault::Redirect { .. }) => return cut(&scissors),
    }
    let Some(account) = bearer(&headers).and_then(|token| core.account_of(token)) else {
        return refused(&Refusal::token(bearer(&headers).is_some()), "A0");
    };
    let told = match account.channel {
        ChannelKind::WhatsApp => file::told(&core, &id),
        _ => message(&core, account, &id, &asked.fields),
    };
    told.map_or_else(|| refused(&Refusal::no_such_object(), "A0"), |told| Json(told).into_response())
}

/// What is told of a message: of the fields that were asked for those that have data.
fn message(core: &Core, account: &Account, mid: &str, fields: &str) -> Option<Value> {
    let world = core.world();
    let own = world.files.threads.iter().filter(|((of, _), _)| *of == account.id);
    let told = own.flat_map(|(_, Thread(thread))| thread).find(|told| told.mid == mid)?;
    let mut node = json!({ "id": mid });
    match &told.hangs {
        Hangs::Files(files) if fields.starts_with("attachments") => {
            let list: Vec<Value> = files.iter().filter_map(|id| file::attachment(core, &world.files, id)).collect();
            if !list.is_empty() {
                set(&mut node, "attachments", json!({ "data": list }));
            }
        }
        Hangs::Story { id, mention } if fields.starts_with("story") => {
            if let Some(link) = file::address(core, &world.files, id) {
                let key = if *mention { "mention" } else { "reply_to" };
                set(&mut node, "story", json!({ key: { "link": link, "id": id } }));
            }
        }
        Hangs::Files(_) | Hangs::Story { .. } => {}
    }
    Some(node)
}
