//! The suite finds each broken contract.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;

use super::*;
use crate::error::Retry;
use crate::model::{ChannelKind, PlatformMessageId};
use crate::testing::case::assert_complete;
use crate::testing::channel_conformance::connection;

/// The largest file.
const LIMIT: usize = 2_000_000;
const ELSEWHERE: &str = "elsewhere/file";

/// What a source does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    TriesAgain,
    AsksAgainAndAgain,
    TakesAnyFileOfTheMessage,
    TakesTheTokenAlong,
    FollowsAnything,
    CallsItGone,
    OpensTheLarge,
    NeverStops,
    EndsWhereItIsCut,
    ChecksNoHash,
    HandsOverTheWhole,
    PrintsTheAddress,
    PrintsTheBytes,
}

/// A platform in memory: a file is at `platform/` and its number, and where it was asked for at `platform/new/` and that.
struct Platform {
    fault: Fault,
    connection: Connection,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    failures: Mutex<VecDeque<FileFailure>>,
    calls: Mutex<Calls>,
    strayed: Mutex<Vec<String>>,
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Platform")
    }
}

struct Body {
    fault: Fault,
    left: VecDeque<Vec<u8>>,
    failure: Option<FileFailure>,
    read: usize,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.left.iter().flatten().copied().collect();
        let bytes = String::from_utf8(bytes).unwrap_or_default();
        f.write_str(if self.fault == Fault::PrintsTheBytes { &bytes } else { "Body" })
    }
}

fn failed(kind: MediaErrorKind) -> MediaError {
    MediaError::new("fetch", kind, Retry::Never)
}

#[async_trait]
impl MediaBody for Body {
    fn mime(&self) -> Option<String> {
        None
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, MediaError> {
        if self.failure == Some(FileFailure::Endless) {
            self.read += PIECE_BYTES_MAX;
            // One that never stops would never come back: a day's worth is enough to tell.
            return match self.fault {
                Fault::NeverStops if self.read > 10 * LIMIT => Ok(None),
                Fault::NeverStops => Ok(Some(vec![0; PIECE_BYTES_MAX])),
                _ if self.read > LIMIT => Err(failed(MediaErrorKind::TooLarge)),
                _ => Ok(Some(vec![0; PIECE_BYTES_MAX])),
            };
        }
        match (self.left.pop_front(), self.failure) {
            (Some(piece), _) => Ok(Some(piece)),
            (None, Some(FileFailure::Cut)) if self.fault != Fault::EndsWhereItIsCut => {
                Err(failed(MediaErrorKind::Unavailable))
            }
            (None, Some(FileFailure::Damaged)) if self.fault != Fault::ChecksNoHash => {
                Err(failed(MediaErrorKind::Damaged))
            }
            (None, _) => Ok(None),
        }
    }
}

impl Platform {
    /// One download.
    fn download(&self, address: &str) -> Result<Body, MediaError> {
        self.calls.lock().unwrap().downloads += 1;
        let failure = self.failures.lock().unwrap().pop_front();
        match failure {
            Some(FileFailure::Expired) => return Err(failed(MediaErrorKind::Gone)),
            Some(FileFailure::Elsewhere) => return self.astray(),
            _ => {}
        }
        let number = address.rsplit('/').next().unwrap_or_default();
        let mut bytes = self.files.lock().unwrap()[number].clone();
        match failure {
            Some(FileFailure::Cut) => bytes.truncate(bytes.len() / 2),
            Some(FileFailure::Damaged) => bytes.reverse(),
            _ => {}
        }
        if bytes.len() > LIMIT && self.fault != Fault::OpensTheLarge {
            return Err(failed(MediaErrorKind::TooLarge));
        }
        let piece = if self.fault == Fault::HandsOverTheWhole { LIMIT } else { PIECE_BYTES_MAX };
        let left = bytes.chunks(piece).map(<[u8]>::to_vec).collect();
        Ok(Body { fault: self.fault, left, failure, read: 0 })
    }

    /// Led away from the platform.
    fn astray(&self) -> Result<Body, MediaError> {
        match self.fault {
            Fault::TakesTheTokenAlong => {
                let token = self.connection.token.expose_secret();
                self.strayed.lock().unwrap().push(format!("GET /file with {token}"));
            }
            Fault::FollowsAnything => self.strayed.lock().unwrap().push("GET /file".to_owned()),
            Fault::CallsItGone => return Err(failed(MediaErrorKind::Gone)),
            _ => {}
        }
        Err(failed(MediaErrorKind::Refused))
    }
}

#[async_trait]
impl MediaSource for Platform {
    fn kind(&self) -> ChannelKind {
        ChannelKind::custom("platform")
    }

    fn keeps_for(&self, _: MediaPart) -> TimeDelta {
        TimeDelta::days(1)
    }

    async fn open(&self, _: &Connection, request: &MediaRequest) -> Result<Box<dyn MediaBody>, MediaError> {
        let Some(address) = request.media.url.as_ref().map(|url| url.expose().to_string()) else {
            return Err(failed(MediaErrorKind::Refused));
        };
        let told = |error: MediaError| match self.fault {
            Fault::PrintsTheAddress => error.with_advice(address.clone()),
            _ => error,
        };
        if !address.starts_with("platform/") {
            return match address.as_str() {
                ELSEWHERE => self.astray().map(|body| Box::new(body) as _),
                _ => Err(failed(MediaErrorKind::Refused)),
            };
        }
        let mut opened = self.download(&address);
        let mut questions = if self.fault == Fault::AsksAgainAndAgain { 9 } else { 1 };
        while questions > 0 && opened.as_ref().is_err_and(|error| error.kind() == MediaErrorKind::Gone) {
            questions -= 1;
            self.calls.lock().unwrap().questions += 1;
            if self.fault != Fault::TakesAnyFileOfTheMessage && request.part != MediaPart::File(0) {
                break;
            }
            opened = match self.fault {
                // The first one that it finds.
                Fault::TakesAnyFileOfTheMessage => self.download("platform/new/0"),
                _ => self.download(&address.replace("platform/", "platform/new/")),
            };
        }
        if self.fault == Fault::TriesAgain && opened.as_ref().is_ok_and(|body| body.failure == Some(FileFailure::Cut)) {
            opened = self.download(&address);
        }
        opened.map(|body| Box::new(body) as _).map_err(told)
    }
}

struct Harness(Arc<Platform>);

impl SourceHarness for Harness {
    fn source(&self) -> &dyn MediaSource {
        &*self.0
    }

    fn connection(&self) -> &Connection {
        &self.0.connection
    }

    fn sent(&self, bytes: Vec<u8>) -> MediaRequest {
        let mut files = self.0.files.lock().unwrap();
        let number = files.len().to_string();
        let link = Media::link(MediaKind::Image, &format!("platform/{number}"));
        files.insert(number.clone(), bytes);
        let media = Media { id: Some(format!("file-{number}").into()), sha256: Some("told".to_owned()), ..link };
        let message = Some(PlatformMessageId::new(&format!("message-{number}")));
        MediaRequest { media, message, part: MediaPart::File(0) }
    }

    fn sent_too_large(&self) -> MediaRequest {
        self.sent(vec![0; LIMIT + 1])
    }

    fn fail_next(&self, failure: FileFailure) {
        self.0.failures.lock().unwrap().push_back(failure);
    }

    fn calls(&self) -> Calls {
        *self.0.calls.lock().unwrap()
    }

    fn elsewhere(&self) -> String {
        ELSEWHERE.to_owned()
    }

    fn strayed(&self) -> Vec<String> {
        self.0.strayed.lock().unwrap().clone()
    }
}

async fn check(fault: Fault) -> Result<(), Violation> {
    let platform = Platform {
        fault,
        connection: connection(ChannelKind::custom("platform"), "secret-token".to_owned().into()),
        files: Mutex::default(),
        failures: Mutex::default(),
        calls: Mutex::default(),
        strayed: Mutex::default(),
    };
    let harness = Harness(Arc::new(platform));
    // A file of somebody else's.
    harness.sent(b"other".to_vec());
    check_all(&harness).await
}

#[tokio::test]
async fn a_source_that_keeps_all_contracts_passes() {
    check(Fault::Nothing).await.unwrap();
}

#[tokio::test]
async fn each_broken_contract_is_found() {
    let faults = [
        (Fault::TriesAgain, 1),
        (Fault::AsksAgainAndAgain, 1),
        (Fault::TakesAnyFileOfTheMessage, 1),
        (Fault::TakesTheTokenAlong, 2),
        (Fault::FollowsAnything, 3),
        (Fault::CallsItGone, 3),
        (Fault::OpensTheLarge, 4),
        (Fault::NeverStops, 4),
        (Fault::EndsWhereItIsCut, 5),
        (Fault::ChecksNoHash, 5),
        (Fault::HandsOverTheWhole, 6),
        (Fault::PrintsTheAddress, 7),
        (Fault::PrintsTheBytes, 7),
    ];
    for (fault, contract) in faults {
        assert_eq!(check(fault).await.unwrap_err().contract, contract, "{fault:?}");
    }
    let found = faults.map(|(_, contract)| contract);
    assert_complete(CASES, include_str!("../../media.rs"), "MediaSource", &found);
}
