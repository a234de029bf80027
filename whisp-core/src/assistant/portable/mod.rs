//! Portability (promises P51 and P52): a copy as a package of files that people and programs read, and back in.
//!
//! A package is:
//!
//! | file | what is in it |
//! |---|---|
//! | `manifest.json` | a [`PackageManifest`]: what the package is, and each other file with its size and SHA-256 |
//! | `data.jsonl` | the copy, one [`Exported`](super::Exported) a line, in UTF-8 |
//! | `line.schema.json`, `manifest.schema.json` | JSON Schemas (draft 2020-12) of a line and of the manifest |
//! | `files/...` | the files that came with messages, if there is a media store |
//!
//! [`Package`] hands it out piece by piece, so the host writes it where it likes: into a folder, an archive, the body of an
//! answer. There is no trait for that: nothing in here would call it. CSV is not made anywhere.
//!
//! [`PortableCopy`] reads `data.jsonl`, checks every line, and [`Desk::import`](super::Desk::import) takes it in.

mod import;
mod name;
mod package;
mod read;

pub use import::Imported;
pub use package::{Package, PackageManifest, PackagePart, PackagePiece, PackagedFile};
pub use read::{CopyError, CopyFault, PortableCopy};

/// The JSON Schema (draft 2020-12) of one line of a copy in the form [`EXPORT_SCHEMA`](super::EXPORT_SCHEMA).
pub const EXPORT_SCHEMA_JSON: &str = include_str!("line.schema.json");

/// The name and version of the form of [`PackageManifest`].
pub const PACKAGE_SCHEMA: &str = "whisp-package/1";

/// The JSON Schema (draft 2020-12) of a [`PackageManifest`] in the form [`PACKAGE_SCHEMA`].
pub const PACKAGE_SCHEMA_JSON: &str = include_str!("manifest.schema.json");
