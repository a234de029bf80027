//! What was done to the sealed bytes of a file is noticed, whatever it was.

use std::sync::Arc;

use whisp::assistant::AssistantError;
use whisp::id::MediaId;
use whisp::media::{CHUNK_BYTES, MediaStore};
use whisp::store::Sealed;
use whisp::stores::vault::OVERHEAD;
use whisp::vault::VaultErrorKind;

use super::kit::{Album, Next, picture};

const STRIDE: usize = CHUNK_BYTES + OVERHEAD;

/// Two files of three whole chunks and a bit.
async fn two() -> (Album, [MediaId; 2]) {
    let album = Album::new().await;
    for id in ["m1", "m2"] {
        album.platform.then(Next::File(picture(3 * CHUNK_BYTES + 99)));
        album.sends(id, 1).await;
        assert_eq!(album.fetch().await.fetched, 1);
    }
    let kept = album.kept().await;
    (album, [kept[0], kept[1]])
}

async fn overwrite(media: &Arc<dyn MediaStore>, album: &Album, id: MediaId, bytes: &[u8]) {
    let mut writer = media.write(album.world.tenant, id).await.unwrap();
    writer.append(Sealed(bytes.to_vec())).await.unwrap();
    writer.finish().await.unwrap();
}

fn chunks(sealed: &[u8]) -> Vec<Vec<u8>> {
    sealed.chunks(STRIDE).map(<[u8]>::to_vec).collect()
}

#[tokio::test]
async fn a_file_that_was_cut_put_together_or_changed_does_not_open() {
    let (album, [one, other]) = two().await;
    let whole = album.sealed(one).await.unwrap();
    assert_eq!(whole.len(), 3 * STRIDE + 99 + OVERHEAD);
    let (mine, theirs) = (chunks(&whole), chunks(&album.sealed(other).await.unwrap()));
    let flipped = |at: usize| whole.iter().enumerate().map(|(n, byte)| byte ^ u8::from(n == at)).collect::<Vec<u8>>();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("the last chunk is missing", mine[..3].concat()),
        ("the first chunk is missing", mine[1..].concat()),
        ("a whole chunk ends the file", [mine[0].clone(), mine[1].clone()].concat()),
        ("the end is cut off", whole[..whole.len() - 1].to_vec()),
        ("a byte was added", [whole.as_slice(), &[0]].concat()),
        ("a chunk was added", [whole.as_slice(), &mine[0]].concat()),
        ("two chunks changed places", [&mine[1], &mine[0], &mine[2], &mine[3]].map(Clone::clone).concat()),
        ("a chunk comes twice", [&mine[0], &mine[0], &mine[2], &mine[3]].map(Clone::clone).concat()),
        ("a chunk is another file's", [&mine[0], &theirs[1], &mine[2], &mine[3]].map(Clone::clone).concat()),
        ("the last chunk is another file's", [&mine[0], &mine[1], &mine[2], &theirs[3]].map(Clone::clone).concat()),
        ("the file is another one", theirs.concat()),
        ("a bit of the first chunk", flipped(70)),
        ("a bit of the last tag", flipped(whole.len() - 1)),
        ("nothing is left", Vec::new()),
    ];
    for (what, bytes) in cases {
        overwrite(&album.media, &album, one, &bytes).await;
        match album.read(one).await {
            Err(AssistantError::Vault(error)) => assert_eq!(error.kind(), VaultErrorKind::Corrupt, "{what}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    overwrite(&album.media, &album, one, &whole).await;
    assert_eq!(album.read(one).await.unwrap(), picture(3 * CHUNK_BYTES + 99));
    assert_eq!(album.read(other).await.unwrap(), picture(3 * CHUNK_BYTES + 99));
    album.media.delete(album.world.tenant, one).await.unwrap();
    assert!(matches!(album.read(one).await, Err(AssistantError::Store(_))), "a file that is lost is told");
}
