//! The three channels keep the contracts of `MediaSource`.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

use whisp_core::media::{MediaRequest, MediaSource};
use whisp_core::model::{ChannelKind, Connection, MediaKind};
use whisp_core::testing::source_conformance::{Calls, FileFailure, SourceHarness, check_all};
use whisp_meta::FILE_LIMITS;
use whisp_meta::simulator::{FileFault, Upload};

use crate::world::{CHANNELS, World};

/// The simulator, and a server that nobody should call.
struct Harness {
    world: World,
    elsewhere: TcpListener,
    strayed: Mutex<Vec<String>>,
}

impl Harness {
    async fn open(kind: &ChannelKind) -> Self {
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        Self { world: World::open(kind).await, elsewhere, strayed: Mutex::default() }
    }

    fn sends(&self, bytes: Vec<u8>) -> MediaRequest {
        self.world.sends(Upload::new(MediaKind::Image, "image/jpeg", bytes))
    }
}

impl SourceHarness for Harness {
    fn source(&self) -> &dyn MediaSource {
        &*self.world.source
    }

    fn connection(&self) -> &Connection {
        &self.world.connection
    }

    fn sent(&self, bytes: Vec<u8>) -> MediaRequest {
        self.sends(bytes)
    }

    fn sent_too_large(&self) -> MediaRequest {
        let channel = self.world.connection.channel.as_str();
        let mut limits = FILE_LIMITS.iter();
        let limit = limits.find(|limit| limit.channel == channel && limit.kind == MediaKind::Image).unwrap();
        self.sends(vec![0; usize::try_from(limit.bytes).unwrap() + 1])
    }

    fn fail_next(&self, failure: FileFailure) {
        let fault = match failure {
            FileFailure::Expired => FileFault::Refuse { status: 404 },
            FileFailure::Cut => FileFault::Truncated,
            FileFailure::Damaged => FileFault::WrongBytes,
            FileFailure::Endless => FileFault::Endless,
            FileFailure::Elsewhere => FileFault::Redirect { to: self.elsewhere() },
        };
        self.world.simulator.fail_next_file(1, fault);
    }

    fn calls(&self) -> Calls {
        let paths = self.world.authorized();
        let downloads = paths.iter().filter(|(path, _)| path.ends_with('/')).count();
        Calls { downloads, questions: paths.len() - downloads }
    }

    fn elsewhere(&self) -> String {
        format!("http://{}/file", self.elsewhere.local_addr().unwrap())
    }

    fn strayed(&self) -> Vec<String> {
        let mut strayed = self.strayed.lock().unwrap();
        while let Ok((mut stream, _)) = self.elsewhere.accept() {
            stream.set_nonblocking(false).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let mut request = Vec::new();
            // What came until it was given up is what is wanted, however it ended.
            drop(stream.read_to_end(&mut request));
            strayed.push(String::from_utf8_lossy(&request).into_owned());
        }
        strayed.clone()
    }
}

#[tokio::test]
async fn the_three_channels_pass_the_suite() {
    for kind in CHANNELS {
        let harness = Harness::open(&kind).await;
        check_all(&harness).await.unwrap_or_else(|violation| panic!("{kind}: {violation}"));
    }
}
