//! Every secret there is, a canary each, through the real binary with everything logged: none comes out anywhere
//! (threat 53).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reelhook::simulator::client::Post;
use reelhook::simulator::{Certificate, Graph};
use sha2::{Digest, Sha256};

use crate::process::site::Site;
use crate::process::{Server, eventually, wait_until};
use crate::test_app::{APP_ID, CERTIFICATE_ID, CLIENT_STATE};

const ADMIN_TOKEN: &str = "canary-admin-token-90ba";
const FOREIGN_STATE: &str = "canary-foreign-client-state-4d11";
const ENCRYPTION_KEY: [u8; 32] = *b"canary-encryption-key-of-32-byte";
const SIGNING_KEY: [u8; 32] = *b"canary-signing-key-with-32-bytes";
const FAILED: &str = "HTTP/1.1 500 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const GONE: &str = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

fn whsec() -> String {
    format!("whsec_{}", STANDARD.encode(SIGNING_KEY))
}

/// A config with every secret and every sink; more lines for the sink `hook`.
fn write_config(site: &Site, hook: &str) {
    let folder = site.folder.path().display();
    let (calls, changes) = (site.provider.calls_configuration(), site.provider.subscriptions_configuration());
    let sha256: String = Sha256::digest(ADMIN_TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[[admin.tokens]]
name = "ops"
sha256 = "{sha256}"
scopes = ["read", "write"]
[store]
path = "{folder}/reelhook.db"
disk_reserve = "1MiB"
encryption_key = {{ env = "TEST_ENCRYPTION_KEY" }}
[log]
filter = "trace"
[calls]
app_ids = ["{APP_ID}"]
openid_configuration = "{calls}"
[subscriptions]
app_ids = ["{APP_ID}"]
openid_configuration = "{changes}"
client_states = [{{ env = "TEST_CLIENT_STATE" }}]
[[subscriptions.certificates]]
id = "{CERTIFICATE_ID}"
private_key = {{ file = "{folder}/key.pem" }}
[dispatch]
retry = ["0s", "0s"]
[sinks.hook]
kind = "http"
{table}secret = {{ env = "TEST_WHSEC" }}
{hook}
[sinks.lines]
kind = "file"
path = "{folder}/events.jsonl"
[sinks.out]
kind = "stdout"
[[routes]]
name = "all"
sinks = ["hook", "lines", "out"]
"#,
        table = site.hook.table(),
    );
    std::fs::write(site.config(), text).unwrap();
    Certificate::in_file(CERTIFICATE_ID, &site.folder.path().join("key.pem")).unwrap();
}

/// The binary, with every secret that the config names.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = site.command(arguments);
    command.env("TEST_ENCRYPTION_KEY", STANDARD.encode(ENCRYPTION_KEY)).env("TEST_WHSEC", whsec());
    command.env("REELHOOK_TOKEN", ADMIN_TOKEN);
    command
}

fn serve(site: &Site) -> Server {
    let out = File::options().append(true).create(true).open(site.folder.path().join("stdout")).unwrap();
    Server::start_with(command(site, &["serve"]).stdout(out))
}

/// Every byte that came out, each with where it did.
#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    /// Runs a command to its end and keeps what it said.
    fn run(&mut self, site: &Site, arguments: &[&str]) -> String {
        let output = command(site, arguments).output().unwrap();
        self.add(format!("{arguments:?} on standard output"), output.stdout.clone());
        self.add(format!("{arguments:?} on standard error"), output.stderr);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends, and keeps the answer.
    async fn send(&mut self, graph: &Graph, post: Post) -> u16 {
        let answer = graph.send(post).await.unwrap();
        self.add("an answer to Graph", format!("{:?}", answer.headers));
        self.add("an answer to Graph", answer.body.to_vec());
        answer.status
    }

    /// Keeps every file of the folder but those that hold secrets by their purpose.
    fn add_files(&mut self, folder: &Path) {
        let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in files.iter().filter(|path| path.is_file() && !path.ends_with("key.pem")) {
            self.add(path.display().to_string(), std::fs::read(path).unwrap());
        }
    }

    fn holds(&self, canary: &[u8]) -> Vec<&str> {
        let hits = self.0.iter().filter(|(_, bytes)| bytes.windows(canary.len()).any(|window| window == canary));
        hits.map(|(place, _)| place.as_str()).collect()
    }
}

/// Posts what is good, what is not proven, and what is refused; returns the secrets that were in it.
async fn post_everything(site: &mut Site, server: &Server, seen: &mut Seen) -> Vec<(&'static str, String)> {
    let graph = site.graph(server);
    let recording = site.recording("canaried");
    let bearer = graph.calls_token().unwrap();
    let body = graph.calls(&[recording.completed()]).unwrap().body;
    let good = graph.calls_with(&format!("Bearer {bearer}"), body.clone());
    assert_eq!(seen.send(&graph, good).await, 202);
    let stranger = graph.identity.stranger().unwrap().calls_token(APP_ID, &graph.tenant).sign().unwrap();
    assert_eq!(seen.send(&graph, graph.calls_with(&format!("Bearer {stranger}"), body.clone())).await, 401);
    assert_eq!(seen.send(&graph, graph.calls_with(&format!("Basic {bearer}"), body.clone())).await, 401);
    assert_eq!(
        seen.send(&graph, graph.calls_with(&format!("Bearer {bearer}"), body.slice(..body.len() - 9))).await,
        400
    );

    let rich = graph.change(&mut site.seed).rich(graph.certificate.as_ref().unwrap()).unwrap();
    let validation = graph.identity.validation_token_v2(&graph.app_id, &graph.tenant).sign().unwrap();
    let with = |items: &[String], token: &str| {
        graph.notifications_with(reelhook::simulator::payload::changes(items, &[token.to_owned()]))
    };
    assert_eq!(seen.send(&graph, with(std::slice::from_ref(&rich), &validation)).await, 202);
    assert_eq!(seen.send(&graph, with(&[rich], &stranger)).await, 202);
    let basic = graph.change(&mut site.seed).basic();
    let foreign = basic.replace(CLIENT_STATE, FOREIGN_STATE);
    assert_eq!(seen.send(&graph, with(&[basic, foreign], &validation)).await, 202);
    let part = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    vec![
        ("the recording's token", recording.access_token.clone()),
        ("the bearer", part(&bearer)),
        ("a stranger's bearer", part(&stranger)),
        ("the validation token", part(&validation)),
    ]
}

/// What the admin listener answers, with its token, with a wrong one, and with none.
async fn ask_admin(server: &Server, seen: &mut Seen) {
    let client = reqwest::Client::new();
    for path in ["/metrics", "/readyz", "/livez", "/"] {
        for token in [Some(ADMIN_TOKEN.to_owned()), Some(format!("{ADMIN_TOKEN}x")), None] {
            let request = client.get(server.admin_url(path));
            let request = if let Some(token) = token { request.bearer_auth(token) } else { request };
            let answer = request.send().await.unwrap();
            seen.add(format!("{path} of the admin listener"), format!("{:?}", answer.headers()));
            seen.add(format!("{path} of the admin listener"), answer.bytes().await.unwrap().to_vec());
        }
    }
}

fn first_words(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split(' ').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_53_no_secret_comes_out_anywhere() {
    let mut site = Site::new();
    write_config(&site, "");
    site.hook.answer(FAILED);
    let mut server = serve(&site);
    let mut seen = Seen::default();
    let mut canaries = post_everything(&mut site, &server, &mut seen).await;
    wait_until("there are dead letters", || first_words(&seen.run(&site, &["deadletters", "list"])).len() >= 3);
    site.hook.answer(GONE);
    let dead = seen.run(&site, &["deadletters", "list"]);
    for id in first_words(&dead) {
        seen.run(&site, &["deadletters", "show", id]);
    }
    seen.run(&site, &["deadletters", "replay", "--all"]);
    eventually("it was sent again", async || site.hook.requests().len() >= 7).await;
    let entries = seen.run(&site, &["quarantine", "list"]);
    assert!(first_words(&entries).len() >= 3, "{entries}");
    for arguments in [&["unmatched", "list"][..], &["check"], &["check", "--probe"], &["explain", "nothing"]] {
        seen.run(&site, arguments);
    }
    ask_admin(&server, &mut seen).await;
    // Once while it runs, with the log of the store as it is then, and once after its end.
    seen.add_files(site.folder.path());
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    seen.add_files(site.folder.path());
    for request in site.hook.requests() {
        seen.add("a request to the sink", request.head);
        seen.add("a request to the sink", request.body);
    }
    let log: String = server.log.iter().map(|line| line + "\n").collect();
    assert!(log.contains("\"TRACE\""), "everything was logged");
    seen.add("the log", log);

    let pem = std::fs::read_to_string(site.folder.path().join("key.pem")).unwrap();
    canaries.extend([
        ("clientState", CLIENT_STATE.to_owned()),
        ("a foreign clientState", FOREIGN_STATE.to_owned()),
        ("the private key", pem.lines().nth(3).unwrap().to_owned()),
        ("the signing secret", whsec()[6..].to_owned()),
        ("the admin token", ADMIN_TOKEN.to_owned()),
        ("the encryption key", STANDARD.encode(ENCRYPTION_KEY)),
    ]);
    for bytes in [&ENCRYPTION_KEY, &SIGNING_KEY] {
        assert_eq!(seen.holds(bytes), Vec::<&str>::new(), "a key's bytes");
    }
    for (name, canary) in &canaries {
        assert!(canary.len() >= 16, "{name}");
        assert_eq!(seen.holds(canary.as_bytes()), Vec::<&str>::new(), "{name}");
    }
    // The search finds what is there.
    let found = seen.holds(b"canaried");
    for place in ["a request to the sink", "events.jsonl", "stdout", "deadletters"] {
        assert!(found.iter().any(|it| it.contains(place)), "{place}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_53_a_recordings_token_goes_to_a_sink_that_asked_for_it_and_nowhere_else() {
    let mut site = Site::new();
    write_config(&site, "include_access_token = true");
    // It repeats what it gets: what operators are shown of its answers is searched too.
    site.hook.echo(|head, body| format!("{head}\n{body}"));
    let mut server = serve(&site);
    let mut seen = Seen::default();
    let canaries = post_everything(&mut site, &server, &mut seen).await;
    let (_, token) = &canaries[0];
    let is_with_it = |body: &[u8]| String::from_utf8_lossy(body).contains(token.as_str());
    wait_until("it arrived", || site.hook.requests().iter().any(|request| is_with_it(&request.body)));
    wait_until("there are dead letters", || first_words(&seen.run(&site, &["deadletters", "list"])).len() >= 3);
    let dead = seen.run(&site, &["deadletters", "list"]);
    for id in first_words(&dead) {
        let shown = seen.run(&site, &["deliveries", "show", id]);
        assert!(shown.contains("> webhook-signature: ***") && shown.contains("< HTTP/1.1 400"), "{shown}");
    }
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    seen.add_files(site.folder.path());
    seen.add("the log", server.log.iter().collect::<Vec<_>>().join("\n"));
    assert_eq!(seen.holds(token.as_bytes()), Vec::<&str>::new());
    assert!(!seen.holds(b"canaried").is_empty());
}
