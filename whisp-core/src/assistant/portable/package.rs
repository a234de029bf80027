//! A copy as files, piece by piece.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{EXPORT_SCHEMA_JSON, PACKAGE_SCHEMA, PACKAGE_SCHEMA_JSON, name};
use crate::assistant::media::KeptFile;
use crate::assistant::{Assistant, AssistantError, EXPORT_SCHEMA, Exported, ExportedData, Requests};
use crate::entity::{to_clear, write_json};
use crate::id::{ConversationId, MediaId, MemberId, RecordId, RequestId, TenantId};
use crate::privacy::{About, Controller};
use crate::store::SubjectCursor;

/// What the files of a package are called.
const LINES: &str = "data.jsonl";
/// How long a line is, with room to spare: a message of usual length has some 400 bytes.
const LINE_BYTES: usize = 1_024;
const LINE_SCHEMA: &str = "line.schema.json";
const MANIFEST: &str = "manifest.json";
const MANIFEST_SCHEMA: &str = "manifest.schema.json";

/// How much of what is kept is in a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PackagePart {
    /// What the person gave, to be taken elsewhere (Art. 20 GDPR): see [`Exported::is_portable`].
    Portable,
    /// Everything (Art. 15 GDPR).
    Whole,
}

/// What a package is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PackageManifest {
    /// The form of this: [`PACKAGE_SCHEMA`].
    pub schema: String,
    /// The form of the lines: [`EXPORT_SCHEMA`].
    pub lines: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Who is responsible for the data, if the host has said it ([`Config::controller`](crate::assistant::Config::controller)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
    /// Who the person is to them: `contact`, `member`, `account_holder`.
    pub about: String,
    /// How much it is.
    pub part: PackagePart,
    /// How many lines there are of each kind.
    pub counts: BTreeMap<String, u64>,
    /// The conversations that lines name.
    pub conversations: BTreeSet<ConversationId>,
    /// Every other file.
    pub files: Vec<PackagedFile>,
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PackagedFile {
    /// Where it is, with `/` between folders. It can't lead out of the package, whatever the person called the file.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// The line that it is the file of, for one that came with a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<RecordId>,
}

/// The next piece of a package.
#[derive(Debug)]
#[non_exhaustive]
pub enum PackagePiece {
    /// Here a file begins; what comes is in it, until another one begins.
    File {
        /// Where it is in the package, with `/` between folders.
        name: String,
    },
    /// The next bytes of the file. Personal data in clear: for the person alone.
    Bytes(Zeroizing<Vec<u8>>),
}

/// A package on its way out. A page of the copy, or a chunk of a file, is in memory at a time, and the name of each file.
///
/// # Examples
/// Into a folder that is not there yet:
/// ```no_run
/// use std::{fs, io::Write, path::Path};
/// use whisp_core::assistant::{Package, PackagePiece};
///
/// async fn write(mut package: Package, folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
///     fs::create_dir_all(folder.join("files"))?;
///     let mut file = None;
///     while let Some(piece) = package.next().await? {
///         match (piece, &mut file) {
///             (PackagePiece::File { name }, file) => *file = Some(fs::File::create_new(folder.join(name))?),
///             (PackagePiece::Bytes(bytes), Some(file)) => file.write_all(&bytes)?,
///             _ => {}
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Package {
    assistant: Assistant,
    tenant: TenantId,
    about: About,
    /// When what is in it must still have been kept, where somebody asked before now.
    as_of: Option<DateTime<Utc>>,
    /// Who makes it, if it is not the host.
    member: Option<MemberId>,
    manifest: PackageManifest,
    next: Next,
    open: Option<Open>,
    files: VecDeque<(RecordId, String)>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    /// The copy, after this record.
    Lines(Option<SubjectCursor>),
    /// A schema, and then what comes after it.
    Schemas(&'static [(&'static str, &'static str)]),
    /// The files that came with messages.
    Files,
    Manifest,
    Nothing,
}

/// The file that is written.
struct Open {
    name: String,
    of: Option<RecordId>,
    bytes: u64,
    hash: Sha256,
    /// Where it is read, if it came with a message.
    kept: Option<KeptFile>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

const SCHEMAS: &[(&str, &str)] = &[(LINE_SCHEMA, EXPORT_SCHEMA_JSON), (MANIFEST_SCHEMA, PACKAGE_SCHEMA_JSON)];

impl Assistant {
    /// Begins a package of what is kept about somebody: all of it, or what they may take elsewhere. It works under
    /// restriction too.
    ///
    /// Verify first who asks, as for [`export`](Self::export). [`Requests::package`] sees to that.
    #[must_use]
    pub fn package(&self, tenant: TenantId, about: impl Into<About>, part: PackagePart) -> Package {
        Package::new(self, tenant, about.into(), part, (None, None))
    }
}

impl Requests {
    /// Begins the package of the copy that somebody asked for, as [`copy`](Self::copy) does: for a request for portability of
    /// what they gave, else of everything.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    ///
    /// # Cancellation
    /// As [`copy`](Self::copy).
    pub async fn package(&self, id: RequestId) -> Result<Package, AssistantError> {
        let (about, as_of, portable) = self.begin_copy(id).await?;
        let part = if portable { PackagePart::Portable } else { PackagePart::Whole };
        Ok(Package::new(&self.desk.assistant, self.desk.tenant, about, part, (Some(as_of), self.desk.member)))
    }
}

impl Package {
    fn new(
        assistant: &Assistant,
        tenant: TenantId,
        about: About,
        part: PackagePart,
        (as_of, member): (Option<DateTime<Utc>>, Option<MemberId>),
    ) -> Self {
        let manifest = PackageManifest {
            schema: PACKAGE_SCHEMA.to_owned(),
            lines: EXPORT_SCHEMA.to_owned(),
            made_at: assistant.now(),
            controller: assistant.inner.config.controller.clone(),
            about: about.kind.as_str().to_owned(),
            part,
            counts: BTreeMap::new(),
            conversations: BTreeSet::new(),
            files: Vec::new(),
        };
        let next = Next::Lines(None);
        Self {
            assistant: assistant.clone(),
            tenant,
            about,
            as_of,
            member,
            manifest,
            next,
            open: None,
            files: VecDeque::new(),
        }
    }

    /// Returns the next piece, `None` at the end. Each is read under a permit of its own: who is slow gets nothing more once
    /// the person is erased. A package without its `manifest.json`, which comes last, is not whole.
    ///
    /// # Errors
    /// As [`Assistant::export`] and [`OpenFile::next`](crate::assistant::OpenFile::next).
    ///
    /// # Cancellation
    /// The piece is read again by the next call.
    pub async fn next(&mut self) -> Result<Option<PackagePiece>, AssistantError> {
        loop {
            if let Some(piece) = match self.next {
                Next::Lines(after) => self.lines(after).await?,
                Next::Schemas(schemas) => self.schema(schemas),
                Next::Files => self.file().await?,
                Next::Manifest => self.last()?,
                Next::Nothing => return Ok(None),
            } {
                return Ok(Some(piece));
            }
        }
    }

    async fn lines(&mut self, after: Option<SubjectCursor>) -> Result<Option<PackagePiece>, AssistantError> {
        if self.open.is_none() {
            return Ok(Some(self.begin(LINES.to_owned(), None, None)));
        }
        let inner = &self.assistant.inner;
        let permit = inner.permit_rights(self.tenant, &self.about, self.as_of, self.member).await?;
        let mut page = inner.export(permit.grant(), self.tenant, after).await?;
        if self.manifest.part == PackagePart::Portable {
            page.entries.retain(Exported::is_portable);
        }
        // With room for all, mostly: a buffer that grows leaves a copy behind, which nobody wipes.
        let mut lines = Zeroizing::new(Vec::with_capacity(page.entries.len() * LINE_BYTES));
        for entry in &page.entries {
            write_json(&mut lines, entry)?;
            lines.push(b'\n');
        }
        page.entries.iter().for_each(|entry| self.note(entry));
        let piece = self.write(lines);
        match page.next {
            Some(next) => self.next = Next::Lines(Some(next)),
            None => {
                self.end();
                self.next = Next::Schemas(SCHEMAS);
            }
        }
        Ok(piece)
    }

    /// Counts an entry, and remembers the file that it is about.
    fn note(&mut self, entry: &Exported) {
        let kind = entry.data.kind();
        match self.manifest.counts.get_mut(kind) {
            Some(count) => *count += 1,
            None => drop(self.manifest.counts.insert(kind.to_owned(), 1)),
        }
        self.manifest.conversations.extend(match &entry.data {
            ExportedData::Conversation { .. } => Some(ConversationId::from_uuid(entry.id.as_uuid())),
            ExportedData::Inquiry { conversation, .. }
            | ExportedData::Message { conversation, .. }
            | ExportedData::Suggestion { conversation, .. } => Some(*conversation),
            _ => None,
        });
        if let ExportedData::File { filename, size: Some(_), .. } = &entry.data
            && self.assistant.inner.media.is_some()
        {
            let filename = filename.as_ref().map(|name| name.expose().as_str());
            self.files.push_back((entry.id, name::in_package(entry.id, filename)));
        }
    }

    fn schema(&mut self, schemas: &'static [(&'static str, &'static str)]) -> Option<PackagePiece> {
        let Some(((name, text), rest)) = schemas.split_first() else {
            self.next = Next::Files;
            return None;
        };
        if self.open.is_none() {
            return Some(self.begin((*name).to_owned(), None, None));
        }
        let piece = self.write(Zeroizing::new(text.as_bytes().to_vec()));
        self.end();
        self.next = Next::Schemas(rest);
        piece
    }

    async fn file(&mut self) -> Result<Option<PackagePiece>, AssistantError> {
        let assistant = self.assistant.clone();
        let inner = &assistant.inner;
        if let Some(Open { kept: Some(kept), .. }) = &mut self.open {
            let permit = inner.permit_rights(self.tenant, &self.about, self.as_of, self.member).await?;
            match kept.next(inner, permit.grant()).await? {
                Some(chunk) => return Ok(self.write(chunk)),
                None => self.end(),
            }
        }
        let Some((of, name)) = self.files.front() else {
            self.next = Next::Manifest;
            return Ok(None);
        };
        let (of, name) = (*of, name.clone());
        let permit = inner.permit_rights(self.tenant, &self.about, self.as_of, self.member).await?;
        let opened = inner.kept_file(permit.grant(), self.tenant, MediaId::from_uuid(of.as_uuid())).await;
        self.files.pop_front();
        match opened {
            Ok(kept) => Ok(Some(self.begin(name, Some(of), Some(kept)))),
            // It has gone meanwhile, with its age: the line says that there was one.
            Err(AssistantError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn last(&mut self) -> Result<Option<PackagePiece>, AssistantError> {
        if self.open.is_none() {
            return Ok(Some(self.begin(MANIFEST.to_owned(), None, None)));
        }
        let bytes = to_clear(&self.manifest)?.0.into_bytes();
        self.next = Next::Nothing;
        Ok(Some(PackagePiece::Bytes(Zeroizing::new(bytes))))
    }

    fn begin(&mut self, name: String, of: Option<RecordId>, kept: Option<KeptFile>) -> PackagePiece {
        self.open = Some(Open { name: name.clone(), of, bytes: 0, hash: Sha256::new(), kept });
        PackagePiece::File { name }
    }

    /// Counts the next bytes of the file that is open. Nothing is no piece.
    fn write(&mut self, bytes: Zeroizing<Vec<u8>>) -> Option<PackagePiece> {
        if let Some(open) = &mut self.open {
            open.bytes += bytes.len() as u64;
            open.hash.update(bytes.as_slice());
        }
        (!bytes.is_empty()).then_some(PackagePiece::Bytes(bytes))
    }

    fn end(&mut self) {
        if let Some(Open { name, of, bytes, hash, .. }) = self.open.take() {
            let sha256 = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            self.manifest.files.push(PackagedFile { name, bytes, sha256, of });
        }
    }
}
