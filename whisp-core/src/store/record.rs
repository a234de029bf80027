//! Records and the paths on which they are found.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{RecordId, SubjectId, TenantId};

/// A kind of record: its name, and the paths on which records of it are found, so that a store builds only the indexes
/// that are needed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    name: &'static str,
    paths: Paths,
}

/// On which paths records of a kind are found, besides their key. A store may keep an index only for these; a record
/// of a kind without a path leaves the path's field empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Paths {
    /// Under a parent, in order: [`Records::list`](super::Records::list).
    pub listed: bool,
    /// By a keyed index: [`Records::find`](super::Records::find).
    pub found: bool,
    /// By a person: [`Records::of_subject`](super::Records::of_subject).
    pub owned: bool,
    /// By age: [`Records::expired`](super::Records::expired).
    pub expires: bool,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $konst:ident = $name:literal: $($path:ident)*;)*) => {
        impl Kind {
            $($(#[$doc])* pub const $konst: Self = Self::new($name, {
                #[allow(unused_mut, reason = "a kind may have no path")]
                let mut paths = Paths { listed: false, found: false, owned: false, expires: false };
                $(paths.$path = true;)*
                paths
            });)*

            /// Every kind of this version. A store makes room for all of them when it is opened.
            pub const ALL: &'static [Self] = &[$(Self::$konst),*];
        }
    };
}

kinds! {
    /// From a person's keyed handle (the id of the record) to contact and conversation.
    ALIAS = "alias": owned;
    /// An event of the audit log: under the tenant, at its place in the log; before that under the nil id, by time. It
    /// names nobody, and stays.
    AUDIT = "audit": listed;
    /// What more is known of an event of the audit log, sealed; the id is the event's.
    AUDIT_DETAIL = "audit_detail": owned expires;
    /// How large the audit log is, and its root; the id is the tenant's.
    AUDIT_HEAD = "audit_head":;
    /// Up to 256 hashes of the audit log's tree, one after another. They are in the sealed field as they are: hashes of
    /// what names nobody are no secret.
    AUDIT_TILE = "audit_tile":;
    /// A breach of personal data, under its tenant; under the nil id once nothing is left to do. It names nobody.
    BREACH = "breach": listed expires;
    /// That a member looks, for a while, at a conversation that is not theirs (the id is the keyed index of the two).
    BROKEN_GLASS = "broken_glass": owned expires;
    /// What is kept of a code that a person was sent to prove that a request is theirs; found by the conversation over
    /// which it was sent. The id is the request's.
    CHALLENGE = "challenge": found owned expires;
    /// In the directory: what time it was when somebody swept last.
    CLOCK = "clock":;
    /// In the directory: that an account was closed, or how far it is. Names nobody, and stays; the id is the tenant's.
    CLOSED = "closed": listed;
    /// A connected account.
    CONNECTION = "connection": listed owned;
    /// One entry of a person's consent log, under the person.
    CONSENT = "consent": listed owned;
    /// A client.
    CONTACT = "contact": owned;
    /// A conversation, under its tenant, ordered by its last activity.
    CONVERSATION = "conversation": listed owned;
    /// By which rules what people wrote is dated, and how far; the id is the tenant's.
    DATED = "dated":;
    /// What could not be done and waits for somebody to look, under its tenant.
    DEAD_LETTER = "dead_letter": listed owned expires;
    /// In the directory: what came of a platform's word that somebody wants their data deleted (the id is the keyed index of
    /// the code that they were given).
    DELETION = "deletion": expires;
    /// That data of a person went to somebody else, under the person. What they are is not in it.
    DISCLOSURE = "disclosure": listed owned expires;
    /// An epoch of the tenant's key that has taken the place of the one before, under its tenant.
    EPOCH = "epoch": listed;
    /// An erasure under way, under its tenant. Its id is the person's, and it says nothing else about them, but for the handles by
    /// which the platform is to delete them from its contact book: sealed under the account holder's key, and gone with its end.
    ERASURE = "erasure": listed;
    /// What facts came to before they were removed, under its tenant by the beginning of its period. It names nobody, and
    /// stays.
    FIGURES = "figures": listed;
    /// From a handle that a person gave up (the id is that of the alias) to the person, for what comes late.
    FORMER_ALIAS = "former_alias": owned expires;
    /// In the directory: who let us use a connected account, found by the keyed index of their id. The id is the
    /// connection's.
    GRANTOR = "grantor": found;
    /// The key by which the handles of a connection are found, sealed under a key of its own whose id is the record's.
    HANDLE_KEY = "handle_key":;
    /// What a hold keeps of somebody who was erased, sealed under the hold's own key, under the hold.
    HELD = "held": listed owned;
    /// That something of a person's data must be kept: under its tenant by when somebody has to look at it, under the nil id
    /// once it is released; found by the person, whom it names by their random id alone.
    HOLD = "hold": listed found expires;
    /// An inquiry, under its conversation.
    INQUIRY = "inquiry": listed owned;
    /// That data of a person are handed to an authority: under its tenant, under the nil id once nothing is left to do; found by
    /// the person, whom it names by their random id alone.
    LEGAL_DISCLOSURE = "legal_disclosure": listed found expires;
    /// A file that came with a message, under the message. Its bytes are in a [`MediaStore`](crate::media::MediaStore).
    MEDIA = "media": listed owned expires;
    /// A member of the team, under the tenant.
    MEMBER = "member": listed owned;
    /// A message, under its conversation, ordered by the platform's time; found by the platform's id.
    MESSAGE = "message": listed found owned expires;
    /// In the directory: a notice that was published, under its number. It names nobody, and stays.
    POLICY = "policy": listed;
    /// What a webhook held that we could not read, sealed, for a short time.
    RAW = "raw": listed owned expires;
    /// The receipt of an erasure, under the tenant. Names nobody.
    RECEIPT = "receipt": listed;
    /// A request of a person about their data, under its tenant by when it is due, and under the nil id once it has ended;
    /// found by the person. It names them by their random id alone, so it outlives the erasure that it asked for.
    REQUEST = "request": listed found expires;
    /// In the directory: from a platform's account (the id of the record is its keyed index) to tenant and connection.
    ROUTE = "route":;
    /// That a contact, under whom it is, is another one too: somebody whose change of number was told late. Of both.
    SAME_PERSON = "same_person": listed owned;
    /// A suggestion, under its conversation.
    SUGGESTION = "suggestion": listed owned expires;
    /// What somebody gave when they asked for help, under the person.
    SUPPORT = "support": listed owned expires;
    /// In the directory: a tenant.
    TENANT = "tenant": listed owned;
    /// That control of the business passes to a new owner, under its tenant.
    TRANSFER = "transfer": listed owned;
    /// In the directory: that nobody knows yet whom a platform's word about a deletion means, by its time. The id is that of the
    /// [`DELETION`](Self::DELETION).
    UNMATCHED = "unmatched": listed expires;
    /// That somebody used something of the host's product, under the person.
    USAGE = "usage": listed owned expires;
    /// In the directory: a worker that holds buckets, until its leases end.
    WORKER = "worker": listed expires;
}

impl Kind {
    /// Makes a kind of the host's own. The name is lower-case letters and underscores, and stays for ever.
    #[must_use]
    pub const fn new(name: &'static str, paths: Paths) -> Self {
        Self { name, paths }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Returns the paths.
    #[must_use]
    pub const fn paths(self) -> Paths {
        self.paths
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The version of a record: 1 when it is first put, one more at each put.
pub type Version = u64;

/// Sixteen bytes of a keyed hash: finds a record by a value without storing the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindIndex(pub [u8; 16]);

/// The few fields of a record that are not personal, as a JSON object. A store keeps them as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Clear(pub String);

/// Sealed bytes: unreadable without the subject's key and a permit. Empty where a record has nothing to seal.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Sealed(pub Vec<u8>);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// What a store keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What kind.
    pub kind: Kind,
    /// Which. With tenant and kind the key.
    pub id: RecordId,
    /// Which version.
    pub version: Version,
    /// Under what it is listed, if its kind is.
    pub parent: Option<RecordId>,
    /// Where under the parent.
    pub position: i64,
    /// By what it is found, if its kind is.
    pub lookups: Vec<BlindIndex>,
    /// To whom it belongs: with whom it is exported and erased. The first one's key seals it.
    pub subjects: Vec<SubjectId>,
    /// When it has to go.
    pub expires_at: Option<DateTime<Utc>>,
    /// What is not personal.
    pub clear: Clear,
    /// The rest.
    pub sealed: Sealed,
}

impl Record {
    /// Makes a first version with nothing but a key.
    #[must_use]
    pub fn new(kind: Kind, id: RecordId) -> Self {
        Self {
            kind,
            id,
            version: 1,
            parent: None,
            position: 0,
            lookups: Vec::new(),
            subjects: Vec::new(),
            expires_at: None,
            clear: Clear::default(),
            sealed: Sealed::default(),
        }
    }

    /// Returns whether it has to be gone at this time. From then on nobody reads it, swept or not.
    #[must_use]
    pub fn is_past(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Returns the place of the record in its list.
    #[must_use]
    pub const fn cursor(&self) -> Cursor {
        Cursor { position: self.position, id: self.id }
    }
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cursor {
    /// The position of the last record seen.
    pub position: i64,
    /// Its id.
    pub id: RecordId,
}

/// Which way to go through a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListOrder {
    /// Lowest position first.
    #[default]
    Ascending,
    /// Highest position first.
    Descending,
}

/// Asks for the records under a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Whose.
    pub tenant: TenantId,
    /// What kind.
    pub kind: Kind,
    /// Under what.
    pub parent: RecordId,
    /// Which way.
    pub order: ListOrder,
    /// After which record; `None` from the beginning.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// Records, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The records.
    pub records: Vec<Record>,
    /// After what to go on; `None` at the end.
    pub next: Option<Cursor>,
}

/// Asks for records by a keyed index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindQuery {
    /// Whose.
    pub tenant: TenantId,
    /// What kind.
    pub kind: Kind,
    /// By what.
    pub lookup: BlindIndex,
    /// At most so many.
    pub limit: usize,
}

/// Asks for everything that belongs to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectQuery {
    /// Of which tenant.
    pub tenant: TenantId,
    /// Whose.
    pub subject: SubjectId,
    /// After which record; `None` from the beginning.
    pub after: Option<SubjectCursor>,
    /// At most so many.
    pub limit: usize,
}

/// A place among a person's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubjectCursor {
    /// The kind of the last record seen.
    pub kind: Kind,
    /// Its id.
    pub id: RecordId,
}

/// A person's records, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubjectPage {
    /// The records.
    pub records: Vec<Record>,
    /// After what to go on; `None` at the end.
    pub next: Option<SubjectCursor>,
}

/// Asks for what is past its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiredQuery {
    /// Whose.
    pub tenant: TenantId,
    /// At what time.
    pub at: DateTime<Utc>,
    /// Not what belongs to one of these people, of whom there are at most [`WITHOUT_MAX`](Self::WITHOUT_MAX): somebody waits
    /// for a copy of it, or must keep it.
    pub without: Vec<SubjectId>,
    /// At most so many.
    pub limit: usize,
}

impl ExpiredQuery {
    /// How many people are left out at most.
    pub const WITHOUT_MAX: usize = 10_000;

    /// Returns whether a record that is past its time is asked for: whether it belongs to none of those who are left out.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        !record.subjects.iter().any(|subject| self.without.contains(subject))
    }
}
