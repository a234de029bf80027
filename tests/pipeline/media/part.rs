//! A part of a file is read without what is before and after it.

use whisp::id::MediaId;
use whisp::media::CHUNK_BYTES;
use whisp::store::Sealed;
use whisp::stores::vault::OVERHEAD;

use super::kit::{Album, Next, picture};

const SIZE: usize = 3 * CHUNK_BYTES + 99;

async fn album() -> (Album, MediaId) {
    let album = Album::new().await;
    album.platform.then(Next::File(picture(SIZE)));
    album.sends("m1", 1).await;
    assert_eq!(album.fetch().await.fetched, 1);
    let id = album.kept().await[0];
    (album, id)
}

async fn read(album: &Album, id: MediaId, bytes: std::ops::Range<usize>) -> Vec<u8> {
    let file = album.world.assistant.desk(album.world.tenant).open_media(id).await.unwrap();
    let mut file = file.part(bytes.start as u64..bytes.end as u64);
    let mut read = Vec::new();
    while let Some(chunk) = file.next().await.unwrap() {
        assert!(!chunk.is_empty() && chunk.len() <= CHUNK_BYTES);
        read.extend_from_slice(&chunk);
    }
    read
}

#[tokio::test]
async fn the_bytes_are_those_of_the_whole_file() {
    let (album, id) = album().await;
    let whole = picture(SIZE);
    let edges = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, SIZE - 99, SIZE - 1, SIZE];
    for from in edges {
        for to in edges.into_iter().chain([SIZE + 1, usize::MAX]) {
            let expected = if from < to { &whole[from..to.min(SIZE)] } else { &[] };
            assert_eq!(read(&album, id, from..to).await, expected, "{from}..{to}");
        }
    }
    for beyond in [SIZE + 1..SIZE + 2, usize::MAX - 1..usize::MAX] {
        assert!(read(&album, id, beyond).await.is_empty());
    }
}

#[tokio::test]
async fn a_part_begins_anew_and_another_one_may_follow() {
    let (album, id) = album().await;
    let mut file = album.world.assistant.desk(album.world.tenant).open_media(id).await.unwrap();
    assert_eq!(file.next().await.unwrap().unwrap().len(), CHUNK_BYTES);
    let mut file = file.part(5..7);
    assert_eq!(**file.next().await.unwrap().unwrap(), picture(SIZE)[5..7]);
    assert!(file.next().await.unwrap().is_none());
    let last = (SIZE - 2) as u64..SIZE as u64;
    assert_eq!(**file.part(last).next().await.unwrap().unwrap(), picture(SIZE)[SIZE - 2..]);
}

#[tokio::test]
async fn chunks_that_are_not_asked_for_are_not_opened() {
    let (album, id) = album().await;
    let stride = CHUNK_BYTES + OVERHEAD;
    let mut sealed = album.sealed(id).await.unwrap();
    // Whatever stands where the first two chunks were, and the end cut off.
    sealed[..2 * stride].fill(0);
    sealed.truncate(3 * stride);
    let mut writer = album.media.write(album.world.tenant, id).await.unwrap();
    writer.append(Sealed(sealed)).await.unwrap();
    writer.finish().await.unwrap();
    let third = 2 * CHUNK_BYTES..3 * CHUNK_BYTES;
    assert_eq!(read(&album, id, third.clone()).await, picture(SIZE)[third]);
    assert!(album.read(id).await.is_err(), "the whole does not open");
}
