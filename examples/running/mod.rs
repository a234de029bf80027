//! Running the example `server` as a process of its own, for the tests.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// A server process, killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    listens: Receiver<String>,
}

impl Server {
    /// Starts the example that cargo built beside this test. Its accounts' tokens are `whatsapp-token` and the like.
    pub(crate) fn start(config: &Path, url: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(Path::parent).unwrap().join("examples").join("server");
        assert!(program.exists(), "build it first: cargo build -p whisp-examples --example server");
        let mut child = Command::new(program)
            .args(["--json", "--config"])
            .arg(config)
            .envs([("META_APP_SECRET", "app-secret"), ("META_VERIFY_TOKEN", "verify")])
            .envs(["whatsapp", "instagram", "messenger"].map(|channel| (channel, format!("{channel}-token"))))
            .envs([("WHISP_DATABASE_URL", url), ("WHISP_KEYS_DATABASE_URL", url)])
            .env("VAULT_TOKEN", "hvs.simulated-token")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (listening, listens) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // Everything that it prints is read, so that it never blocks on it.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if let Some(address) = line.get("address").and_then(Value::as_str) {
                    // Whoever started it may be gone.
                    drop(listening.send(format!("http://{address}/webhooks/meta")));
                }
            }
        });
        Self { child, listens }
    }

    /// Waits until it listens; returns where to post webhooks to, and `None` if it ends before.
    pub(crate) fn webhooks(&self) -> Option<String> {
        self.listens.recv().ok()
    }

    /// The same, waiting so long at most.
    pub(crate) fn webhooks_within(&self, time: Duration) -> Option<String> {
        self.listens.recv_timeout(time).ok()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success(), "it runs until it is asked to end");
        assert!(self.child.wait().unwrap().success(), "it ends well");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The beginning of a configuration: where to listen, the platform, the knowledge, the store.
pub(crate) fn config(graph: &str, store: &str, behaviour: &str, accounts: &[(&str, &str, &str)]) -> String {
    let knowledge = concat!(env!("CARGO_MANIFEST_DIR"), "/quickstart/knowledge.yaml");
    let accounts: String = accounts
        .iter()
        .map(|(channel, id, scope)| {
            format!(
                "[[account]]\nchannel = \"{channel}\"\nid = \"{id}\"\ntoken = \"{channel}\"\n\
                 scopes = [\"{scope}\"]\nmode = \"automatic\"\n"
            )
        })
        .collect();
    format!(
        r#"
        listen = "127.0.0.1:0"
        graph = "{graph}"
        knowledge = "{knowledge}"
        store = {{ {store}, root_key = "root.key", cells = "cells" }}
        behaviour = {{ {behaviour} }}
        controller = {{ name = "Coffee", address = "Almaty", contact = "privacy@coffee.example" }}
        [tenant]
        id = "0c0ffee0-0000-4000-8000-000000000001"
        name = "Coffee on the Corner"
        zone = "Asia/Almaty"
        automation = true
        buckets = 8
        {accounts}
        "#
    )
}

/// Writes a configuration into a folder.
pub(crate) fn write(folder: &Path, config: &str) -> PathBuf {
    let file = folder.join("whisp.toml");
    std::fs::write(&file, config).unwrap();
    file
}
