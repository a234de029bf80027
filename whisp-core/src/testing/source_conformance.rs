//! Proves that a source of files keeps the contracts of [`MediaSource`]. Run it against your own.
//!
//! A harness has files sent and makes the platform go wrong; each function here checks the contract of its number, as far as
//! it shows, [`CASES`] lists them and [`check_all`] runs all. Cases may be added in a minor release: pin the version.

use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;

use crate::error::ErrorChain;
use crate::media::{MediaBody, MediaError, MediaErrorKind, MediaPart, MediaRequest, MediaSource, PIECE_BYTES_MAX};
use crate::model::{Connection, Media, MediaKind};
use crate::testing::case::{Case, Violation, cases, ensure};

/// A source with the platform that it fetches from, and with a server that is not the platform's.
pub trait SourceHarness: Send + Sync {
    /// Returns the source.
    fn source(&self) -> &dyn MediaSource;

    /// Returns a connection through which it can fetch. Its token must be a word of its own, so that a leak is found.
    fn connection(&self) -> &Connection;

    /// Has somebody send an image of these bytes; returns what is then asked for.
    fn sent(&self, bytes: Vec<u8>) -> MediaRequest;

    /// Has somebody send an image that is said to be larger than the channel's limit; returns what is then asked for.
    fn sent_too_large(&self) -> MediaRequest;

    /// Makes the platform answer the next request of a file so.
    fn fail_next(&self, failure: FileFailure);

    /// Returns what has come to the platform so far.
    fn calls(&self) -> Calls;

    /// Returns the address of a file on a server that is not the platform's.
    fn elsewhere(&self) -> String;

    /// Returns what has come to that server so far: each request, or what there is of one, as it came.
    fn strayed(&self) -> Vec<String>;
}

/// How the platform fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFailure {
    /// The address has expired. Asked for another, it tells one.
    Expired,
    /// The connection breaks in the middle of the body.
    Cut,
    /// The bytes are others, as many.
    Damaged,
    /// The body tells no size and never ends.
    Endless,
    /// It redirects to [`SourceHarness::elsewhere`].
    Elsewhere,
}

/// What has come to a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// Requests of a file.
    pub downloads: usize,
    /// Questions for the address of one.
    pub questions: usize,
}

/// Runs a case.
pub type Run = for<'a> fn(&'a dyn SourceHarness) -> BoxFuture<'a, Result<(), Violation>>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![async
    1 one_download_a_call,
    2 the_token_stays_with_the_platform,
    3 nobody_else_is_called,
    4 no_file_is_too_large,
    5 a_body_ends_where_it_is_whole,
    6 no_piece_is_too_large,
    7 nothing_is_printed,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn check_all(harness: &dyn SourceHarness) -> Result<(), Violation> {
    for case in CASES {
        (case.run)(harness).await?;
    }
    Ok(())
}

/// Contract 1: one download, whether it comes whole or breaks off; where the address has expired one question and one more
/// download, of the same file and not of another.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn one_download_a_call(harness: &dyn SourceHarness) -> Result<(), Violation> {
    use FileFailure::{Cut, Expired};
    let sent = picture(70_000);
    for (failures, downloads_max, comes) in
        [(&[][..], 1, true), (&[Cut][..], 1, false), (&[Expired][..], 2, true), (&[Expired; 2][..], 2, false)]
    {
        // Another file each time, so that what is known of the one before helps nobody.
        let (request, before) = (harness.sent(sent.clone()), harness.calls());
        failures.iter().for_each(|failure| harness.fail_next(*failure));
        let fetched = fetch(harness, &request).await;
        let after = harness.calls();
        let (downloads, questions) = (after.downloads - before.downloads, after.questions - before.questions);
        let right = (1..=downloads_max).contains(&downloads) && questions <= 1;
        ensure(1, right, || format!("with {failures:?} it made {downloads} downloads and {questions} questions"))?;
        let right = fetched.as_ref().map_or(!comes, |bytes| !comes || *bytes == sent);
        ensure(1, right, || format!("with {failures:?} it gave {:?}", fetched.map(|bytes| bytes.len())))?;
    }
    let other = MediaRequest { part: MediaPart::File(1), ..harness.sent(sent.clone()) };
    harness.fail_next(Expired);
    let fetched = fetch(harness, &other).await;
    let right = match &fetched {
        Ok(bytes) => *bytes == sent,
        Err(error) => error.kind() == MediaErrorKind::Gone,
    };
    ensure(1, right, || format!("of a message without a second file it gave {:?}", fetched.map(|bytes| bytes.len())))
}

/// Contract 2: neither a redirect nor an address that was sent gets the token to anybody else.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn the_token_stays_with_the_platform(harness: &dyn SourceHarness) -> Result<(), Violation> {
    let token = harness.connection().token.expose_secret();
    for (what, request) in astray(harness) {
        drop(fetch(harness, &request).await);
        let is_told = harness.strayed().iter().any(|request| request.contains(token));
        ensure(2, !is_told, || format!("{what} took the token along"))?;
    }
    Ok(())
}

/// Contract 3: what is not the platform's is refused, and called by nobody.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn nobody_else_is_called(harness: &dyn SourceHarness) -> Result<(), Violation> {
    let link = |address| alone(Media::link(MediaKind::Image, address));
    let links =
        ["http://169.254.169.254/latest/meta-data/", "https://example.test/file", "file:///etc/passwd", "", "\0"];
    let links = links.map(|address| ("an address of nobody's", link(address)));
    let nothing = ("no address", alone(Media::new(MediaKind::Image)));
    for (what, request) in links.into_iter().chain([nothing]).chain(astray(harness)) {
        let kind = fetch(harness, &request).await.err().map(|error| error.kind());
        ensure(3, kind == Some(MediaErrorKind::Refused), || format!("{what} gave {kind:?}"))?;
        ensure(3, harness.strayed().is_empty(), || format!("{what} was followed"))?;
    }
    Ok(())
}

/// Contract 4: a file that is said to be too large is not opened, and one that turns out to be is left.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn no_file_is_too_large(harness: &dyn SourceHarness) -> Result<(), Violation> {
    let said = open(harness, &harness.sent_too_large()).await.err().map(|error| error.kind());
    ensure(4, said == Some(MediaErrorKind::TooLarge), || format!("one that is said to be too large gave {said:?}"))?;
    let request = harness.sent(picture(1_000));
    harness.fail_next(FileFailure::Endless);
    let kind = fetch(harness, &request).await.err().map(|error| error.kind());
    ensure(4, kind == Some(MediaErrorKind::TooLarge), || format!("one that never ends gave {kind:?}"))
}

/// Contract 5: what broke off does not end, and what is not what was told neither.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn a_body_ends_where_it_is_whole(harness: &dyn SourceHarness) -> Result<(), Violation> {
    let request = harness.sent(picture(300_000));
    harness.fail_next(FileFailure::Cut);
    ensure(5, fetch(harness, &request).await.is_err(), || "a body that broke off came to its end".to_owned())?;
    harness.fail_next(FileFailure::Damaged);
    let kind = fetch(harness, &request).await.err().map(|error| error.kind());
    // Where the platform tells no hash nobody can know.
    let right = kind == Some(MediaErrorKind::Damaged) || request.media.sha256.is_none() && kind.is_none();
    ensure(5, right, || format!("other bytes than were told gave {kind:?}"))?;
    let whole = fetch(harness, &request).await.is_ok_and(|bytes| bytes == picture(300_000));
    ensure(5, whole, || "what is whole did not come".to_owned())
}

/// Contract 6: a file that is larger than a piece may be comes in several, in their order.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn no_piece_is_too_large(harness: &dyn SourceHarness) -> Result<(), Violation> {
    let failed = |error| Violation::new(6, format!("it failed: {error}"));
    let sent = picture(2 * PIECE_BYTES_MAX + 1);
    let mut body = open(harness, &harness.sent(sent.clone())).await.map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await.map_err(failed)? {
        ensure(6, piece.len() <= PIECE_BYTES_MAX, || format!("a piece has {} bytes", piece.len()))?;
        bytes.extend(piece);
    }
    ensure(6, bytes == sent, || "other bytes came than were sent".to_owned())
}

/// Contract 7: no error and no `Debug` holds the token, an address, an id or what is in the file.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it fetches no more.
pub async fn nothing_is_printed(harness: &dyn SourceHarness) -> Result<(), Violation> {
    use FileFailure::{Cut, Damaged, Elsewhere, Expired};
    const WORD: &str = "conformance-canary-bytes";
    let request = harness.sent(WORD.as_bytes().to_vec());
    let mut printed = format!("{:?}", harness.source());
    let mut body = open(harness, &request).await.map_err(|error| Violation::new(7, format!("it failed: {error}")))?;
    printed += &format!("{body:?}");
    let piece = body.next().await.map_err(|error| Violation::new(7, format!("it failed: {error}")))?;
    ensure(7, piece.is_some_and(|piece| piece.starts_with(b"conformance")), || "no bytes came".to_owned())?;
    printed += &format!("{body:?}");
    for failures in [&[Cut][..], &[Damaged], &[Elsewhere], &[Expired; 2]] {
        failures.iter().for_each(|failure| harness.fail_next(*failure));
        if let Err(error) = fetch(harness, &request).await {
            printed += &format!("{error} {error:?} {}", ErrorChain(&error));
        }
    }
    let exposed = |id: Option<&str>| id.map(str::to_owned);
    let media = &request.media;
    let secrets = [
        ("the token", exposed(Some(harness.connection().token.expose_secret()))),
        ("the file", exposed(Some(WORD))),
        ("the address", media.url.as_ref().map(|url| url.expose().to_string())),
        ("the file's id", media.id.as_ref().map(|id| id.expose().to_string())),
        ("the message's id", exposed(request.message.as_ref().map(|id| id.expose()))),
        ("another address", exposed(Some(&harness.elsewhere()))),
    ];
    for (what, secret) in secrets {
        let is_told = secret.is_some_and(|secret| printed.contains(&secret));
        ensure(7, !is_told, || format!("{what} is printed"))?;
    }
    Ok(())
}

async fn open(harness: &dyn SourceHarness, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
    harness.source().open(harness.connection(), request).await
}

/// Fetches a file to its end.
async fn fetch(harness: &dyn SourceHarness, request: &MediaRequest) -> Result<Vec<u8>, MediaError> {
    let mut body = open(harness, request).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        bytes.extend(piece);
    }
    Ok(bytes)
}

/// What leads elsewhere: an address that was sent, and one of the platform's that redirects. To be fetched one by one.
fn astray(harness: &dyn SourceHarness) -> impl Iterator<Item = (&'static str, MediaRequest)> {
    let sent = ("an address elsewhere", alone(Media::link(MediaKind::Image, &harness.elsewhere())));
    let redirected = || {
        let request = harness.sent(picture(1_000));
        harness.fail_next(FileFailure::Elsewhere);
        ("a redirect elsewhere", request)
    };
    std::iter::once(sent).chain(std::iter::once_with(redirected))
}

/// Asks for a file of which nothing but this is known.
const fn alone(media: Media) -> MediaRequest {
    MediaRequest { media, message: None, part: MediaPart::File(0) }
}

/// Bytes of which no two places look alike.
fn picture(bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).map(|[.., byte, _]| byte).collect()
}

#[cfg(test)]
mod tests;
