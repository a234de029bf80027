//! Something between a store and its server that can fall silent: it keeps every connection and forwards nothing more.

use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// What it lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lets {
    All,
    /// Nothing more than the next `COMMIT`, to which no answer comes.
    Commit,
    Nothing,
}

/// Listens on the loopback until the test's runtime ends.
pub(crate) struct Proxy {
    lets: Arc<watch::Sender<Lets>>,
    port: u16,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Proxy {
    /// Stands before the server of a URL.
    pub(crate) async fn before(url: &str) -> Self {
        let server: Config = url.parse().expect("the URL is one");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a loopback");
        let port = listener.local_addr().expect("it is bound").port();
        let lets = Arc::new(watch::Sender::new(Lets::All));
        let handle = Arc::clone(&lets);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (server, lets) = (connect(&server).await, Arc::clone(&handle));
                let (client, server) = (tokio::io::split(client), tokio::io::split(server));
                tokio::spawn(forward(client.0, server.1, Arc::clone(&lets), true));
                tokio::spawn(forward(server.0, client.1, lets, false));
            }
        });
        Self { lets, port }
    }

    /// The same URL, by way of it.
    pub(crate) fn url(&self, url: &str) -> String {
        let server: Config = url.parse().expect("the URL is one");
        let name = |name: Option<&str>| name.expect("the URL names it").to_owned();
        let (user, database) = (name(server.get_user()), name(server.get_dbname()));
        let password = server.get_password().map(|word| format!(" password='{}'", String::from_utf8_lossy(word)));
        let password = password.unwrap_or_default();
        let port = self.port;
        format!("host=127.0.0.1 port={port} user={user} dbname={database} sslmode=disable connect_timeout=1{password}")
    }

    pub(crate) fn let_through(&self, lets: Lets) {
        self.lets.send_replace(lets);
    }
}

async fn connect(server: &Config) -> Box<dyn Stream> {
    let port = server.get_ports().first().copied().unwrap_or(5432);
    match server.get_hosts().first().expect("the URL names a host") {
        Host::Tcp(name) => Box::new(TcpStream::connect((name.as_str(), port)).await.expect("the server answers")),
        Host::Unix(folder) => {
            let socket = Path::new(folder).join(format!(".s.PGSQL.{port}"));
            Box::new(UnixStream::connect(socket).await.expect("the server answers"))
        }
    }
}

/// Forwards one direction while it may, and keeps both ends to the end.
async fn forward(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    lets: Arc<watch::Sender<Lets>>,
    to_server: bool,
) {
    let (mut heard, mut bytes) = (lets.subscribe(), vec![0; 65_536]);
    loop {
        let count = tokio::select! {
            biased;
            _ = heard.wait_for(|lets| *lets == Lets::Nothing) => break,
            read = from.read(&mut bytes) => match read {
                Ok(count) if count > 0 => count,
                // Whoever ended it wants no more.
                _ => return,
            },
        };
        let read = bytes.get(..count).unwrap_or_default();
        if *heard.borrow() == Lets::Commit && to_server && read.windows(7).any(|word| word == b"COMMIT\0") {
            lets.send_replace(Lets::Nothing);
        } else if *heard.borrow() == Lets::Nothing {
            break;
        }
        if to.write_all(read).await.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}
