//! What every [`MediaStore`] must do: a case for each number of its contract.
//!
//! Cases may be added in minor versions.
//!
//! # Examples
//! ```
//! use std::sync::Arc;
//! use whisp_core::media::MediaStore;
//! use whisp_store::ObjectMedia;
//! use whisp_store::keys::conformance::Open;
//!
//! struct Mine(Arc<ObjectMedia>);
//!
//! #[async_trait::async_trait]
//! impl Open<dyn MediaStore> for Mine {
//!     async fn open(&self) -> Arc<dyn MediaStore> {
//!         Arc::<ObjectMedia>::clone(&self.0)
//!     }
//! }
//!
//! // In a module of its own, under `tests/`:
//! whisp_store::media_conformance! { test: tokio::test, open: Mine(Arc::new(ObjectMedia::in_memory())) }
//! # fn main() {}
//! ```

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a case fails by a panic that says why")]

use futures_util::future::join_all;
use whisp_core::id::{MediaId, TenantId};
use whisp_core::media::{CHUNK_BYTES, MediaStore, MediaWriter};
use whisp_core::store::Sealed;

use crate::keys::conformance::Open;

/// The cases, each with the number of the contract.
pub const CASES: &[(u32, &str)] = &[
    (1, "a_file_is_there_when_its_writer_has_finished"),
    (1, "what_was_finished_is_there_after_a_restart"),
    (1, "an_abandoned_writer_leaves_what_was_there"),
    (2, "a_file_is_its_chunks_in_their_order"),
    (2, "a_later_writer_replaces_the_whole_file"),
    (2, "concurrent_writers_leave_the_file_of_one_of_them"),
    (3, "a_part_is_read_as_far_as_there_is_one"),
    (4, "a_deleted_file_is_gone"),
    (5, "a_list_is_in_order_and_in_pages"),
    (6, "files_of_tenants_never_meet"),
];

/// Makes a test of each case. `test` is the attribute of an async test, `open` makes an
/// [`Open`](crate::keys::conformance::Open) of a fresh media store.
#[macro_export]
macro_rules! media_conformance {
    (test: $test:meta, open: $open:expr $(,)?) => {
        use $crate::media::conformance as media_suite;
        $crate::conformance_tests! { $test, $open, media_suite, CASES:
            a_file_is_there_when_its_writer_has_finished
            what_was_finished_is_there_after_a_restart
            an_abandoned_writer_leaves_what_was_there
            a_file_is_its_chunks_in_their_order
            a_later_writer_replaces_the_whole_file
            concurrent_writers_leave_the_file_of_one_of_them
            a_part_is_read_as_far_as_there_is_one
            a_deleted_file_is_gone
            a_list_is_in_order_and_in_pages
            files_of_tenants_never_meet
        }
    };
}

/// Nothing can be read before (contract 1).
pub async fn a_file_is_there_when_its_writer_has_finished(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    for (n, chunks) in [(1, 1), (2, MANY)] {
        let mut writer = begin(&*media, tenant(1), file(n)).await;
        for number in 0..chunks {
            writer.append(chunk(number)).await.expect("appends");
        }
        assert_eq!(media.read(tenant(1), file(n), 0, 1).await.expect("reads"), None);
        assert!(!media.list(tenant(1), None, 10).await.expect("lists").contains(&file(n)));
        writer.finish().await.expect("finishes");
        assert_eq!(all(&*media, tenant(1), file(n)).await, Some(joined(chunks)));
    }
    let empty = begin(&*media, tenant(1), file(3)).await;
    empty.finish().await.expect("finishes");
    assert_eq!(all(&*media, tenant(1), file(3)).await, Some(Vec::new()), "an empty file is a file");
}

/// A file that was finished is durable (contract 1).
pub async fn what_was_finished_is_there_after_a_restart(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    put(&*media, tenant(1), file(1), 1).await;
    put(&*media, tenant(1), file(2), MANY).await;
    drop(media);
    let media = open.open().await;
    assert_eq!(all(&*media, tenant(1), file(1)).await, Some(joined(1)));
    assert_eq!(all(&*media, tenant(1), file(2)).await, Some(joined(MANY)));
}

/// Neither abandoning nor dropping a writer changes anything (contract 1).
pub async fn an_abandoned_writer_leaves_what_was_there(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    put(&*media, tenant(1), file(1), 1).await;
    for id in [file(1), file(2)] {
        for abandon in [true, false] {
            let mut writer = begin(&*media, tenant(1), id).await;
            for number in 0..MANY {
                writer.append(chunk(number + 7)).await.expect("appends");
            }
            if abandon {
                writer.abandon().await;
            } else {
                drop(writer);
            }
        }
    }
    assert_eq!(all(&*media, tenant(1), file(1)).await, Some(joined(1)));
    assert_eq!(all(&*media, tenant(1), file(2)).await, None);
    assert_eq!(media.list(tenant(1), None, 10).await.expect("lists"), [file(1)]);
}

/// Byte for byte (contract 2).
pub async fn a_file_is_its_chunks_in_their_order(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    let mut writer = begin(&*media, tenant(1), file(1)).await;
    let mut expected = Vec::new();
    for bytes in [&b"one"[..], b"", b"two", &[0; 3], &[255; CHUNK_BYTES]] {
        writer.append(Sealed(bytes.to_vec())).await.expect("appends");
        expected.extend_from_slice(bytes);
    }
    writer.finish().await.expect("finishes");
    assert_eq!(all(&*media, tenant(1), file(1)).await, Some(expected));
}

/// A shorter file leaves nothing of the longer one before it (contract 2).
pub async fn a_later_writer_replaces_the_whole_file(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    for chunks in [2, MANY, 1] {
        put(&*media, tenant(1), file(1), chunks).await;
        assert_eq!(all(&*media, tenant(1), file(1)).await, Some(joined(chunks)));
    }
}

/// Two that write the same file do not mix (contract 2).
pub async fn concurrent_writers_leave_the_file_of_one_of_them(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    join_all((1..=6).map(|chunks| put(&*media, tenant(1), file(1), chunks * 3))).await;
    let left = all(&*media, tenant(1), file(1)).await.expect("one is there");
    assert!((1..=6).any(|chunks| joined(chunks * 3) == left), "{} bytes", left.len());
}

/// From any place, up to the end and not beyond (contract 3).
pub async fn a_part_is_read_as_far_as_there_is_one(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    put(&*media, tenant(1), file(1), 3).await;
    let whole = joined(3);
    let size = whole.len();
    for (offset, len) in [
        (0, size),
        (0, size + 1),
        (1, 10),
        (size - 1, 1),
        (size - 1, 99),
        (size, 1),
        (size + 9, 9),
        (CHUNK_BYTES - 1, 2),
    ] {
        let read = media.read(tenant(1), file(1), offset as u64, len).await.expect("reads");
        let expected: Vec<u8> = whole.iter().skip(offset).take(len).copied().collect();
        assert_eq!(read, Some(expected), "{len} bytes from {offset}");
    }
    assert_eq!(media.read(tenant(1), file(9), 0, 1).await.expect("reads"), None);
}

/// And can be deleted again, and written again (contract 4).
pub async fn a_deleted_file_is_gone(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    put(&*media, tenant(1), file(1), 1).await;
    put(&*media, tenant(1), file(2), 1).await;
    for _ in 0..2 {
        media.delete(tenant(1), file(1)).await.expect("deletes");
        assert_eq!(all(&*media, tenant(1), file(1)).await, None);
        assert_eq!(media.list(tenant(1), None, 10).await.expect("lists"), [file(2)]);
    }
    put(&*media, tenant(1), file(1), 2).await;
    assert_eq!(all(&*media, tenant(1), file(1)).await, Some(joined(2)));
}

/// Pages that follow one another neither skip nor repeat a file (contract 5).
pub async fn a_list_is_in_order_and_in_pages(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    assert_eq!(media.list(tenant(1), None, 10).await.expect("lists"), []);
    for n in [5, 1, 4, 2, 3] {
        put(&*media, tenant(1), file(n), 1).await;
    }
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = media.list(tenant(1), after, 2).await.expect("lists");
        assert!(page.len() <= 2);
        after = page.last().copied();
        if page.is_empty() {
            break;
        }
        pages.extend(page);
    }
    assert_eq!(pages, [1, 2, 3, 4, 5].map(file));
}

/// Equal ids of two tenants are two files (contract 6).
pub async fn files_of_tenants_never_meet(open: &dyn Open<dyn MediaStore>) {
    let media = open.open().await;
    put(&*media, tenant(1), file(1), 1).await;
    assert_eq!(all(&*media, tenant(2), file(1)).await, None);
    assert_eq!(media.list(tenant(2), None, 10).await.expect("lists"), []);
    put(&*media, tenant(2), file(1), 2).await;
    media.delete(tenant(1), file(1)).await.expect("deletes");
    assert_eq!(all(&*media, tenant(2), file(1)).await, Some(joined(2)));
    assert_eq!(media.list(tenant(2), None, 10).await.expect("lists"), [file(1)]);
}

/// Enough chunks for several parts of a folder's file.
const MANY: u8 = 9;

async fn begin(media: &dyn MediaStore, tenant: TenantId, id: MediaId) -> Box<dyn MediaWriter> {
    media.write(tenant, id).await.expect("begins")
}

async fn put(media: &dyn MediaStore, tenant: TenantId, id: MediaId, chunks: u8) {
    let mut writer = begin(media, tenant, id).await;
    for number in 0..chunks {
        writer.append(chunk(number)).await.expect("appends");
    }
    writer.finish().await.expect("finishes");
}

async fn all(media: &dyn MediaStore, tenant: TenantId, id: MediaId) -> Option<Vec<u8>> {
    media.read(tenant, id, 0, 64 * CHUNK_BYTES).await.expect("reads")
}

/// A chunk of a length of its own, so that no two places look alike.
fn chunk(number: u8) -> Sealed {
    Sealed(vec![number; CHUNK_BYTES + 80 - usize::from(number)])
}

fn joined(chunks: u8) -> Vec<u8> {
    (0..chunks).flat_map(|number| chunk(number).0).collect()
}

const fn tenant(n: u8) -> TenantId {
    TenantId::from_bytes([n; 16])
}

const fn file(n: u8) -> MediaId {
    MediaId::from_bytes([n; 16])
}
