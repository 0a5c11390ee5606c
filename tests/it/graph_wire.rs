//! What the simulator sends, byte for byte: the heads that captures show, and redirects.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use reelhook::simulator::payload::Seed;
use reelhook::simulator::scenario::{Channels, HANDSHAKE, Play, Scenario, play};
use reelhook::simulator::script::Script;
use reelhook::simulator::{DEMO_APP_ID, DEMO_TENANT, Graph};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A request as it came: its first line, its headers in their order, its body.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    heads: Vec<(String, String)>,
    body: String,
}

impl Request {
    fn head(&self, name: &str) -> &str {
        self.heads.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// Takes a connection for each answer, and gives these answers.
async fn receiver(answers: Vec<String>) -> (SocketAddr, JoinSet<Vec<Request>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut task = JoinSet::new();
    task.spawn(async move {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
            loop {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let (line, heads) = head.split_once("\r\n").unwrap();
                    let heads = heads.lines().map(|line| line.split_once(": ").unwrap());
                    let heads = heads.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                    let request = Request { line: line.into(), heads, body: body.into() };
                    if request.body.len() >= request.head("content-length").parse().unwrap_or(0) {
                        requests.push(request);
                        break;
                    }
                }
                let n = stream.read(&mut piece).await.unwrap();
                assert!(n > 0, "a whole request");
                bytes.extend_from_slice(&piece[..n]);
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        requests
    });
    (address, task)
}

fn accepted(n: usize) -> Vec<String> {
    vec!["HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(); n]
}

/// Graph without the means for changes.
fn graph(address: SocketAddr) -> Graph {
    Graph { client_state: None, certificate: None, ..crate::simulator::graph(address) }
}

/// The requests of a script, and whether each was answered as expected.
async fn sent(script: &str, answers: Vec<String>) -> (Vec<Request>, bool) {
    let (address, mut task) = receiver(answers).await;
    let scenarios = [Scenario::Script(Script::read("s", "s.toml", script).unwrap())];
    let channels = Channels { calls: true, subscriptions: true };
    let all_well = play(&graph(address), Play { scenarios: &scenarios, channels, seed: 3 }, |_| {}).await.unwrap();
    (task.join_next().await.unwrap().unwrap(), all_well)
}

#[tokio::test]
async fn a_handshake_has_no_body_and_says_so() {
    let (address, mut task) = receiver(accepted(1)).await;
    let graph = graph(address);
    graph.send(graph.handshake("/graph/notifications", HANDSHAKE.0)).await.unwrap();
    let requests = task.join_next().await.unwrap().unwrap();
    let expected = [("content-length", "0"), ("accept", "text/plain"), ("content-type", "text/plain; charset=utf-8")];
    for (name, value) in expected {
        assert_eq!(requests[0].head(name), value, "{requests:?}");
    }
    assert_eq!(requests[0].line, format!("POST /graph/notifications?validationToken={} HTTP/1.1", HANDSHAKE.0));
}

#[tokio::test]
async fn the_posts_of_a_call_have_the_heads_that_captures_show() {
    let steps = ["incoming", "establishing", "established", "hold", "established", "terminating", "terminated"];
    let script: String = steps.iter().map(|step| format!("[[steps]]\nsend = \"{step}\"\n")).collect();
    let script = format!("{script}[[steps]]\nrepeat = true\n[[steps]]\nrepeat = true\n");
    let (requests, all_well) = sent(&script, accepted(9)).await;
    assert!(all_well);
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in requests.iter().flat_map(|request| &request.heads) {
        let values = values.entry(name).or_default();
        if !values.contains(&value.as_str()) {
            values.push(value);
        }
    }
    let one_for_the_call = [
        "x-microsoft-skype-chain-id",
        "scenario-id",
        "ms-teams-ring",
        "ms-teams-partition",
        "ms-teams-region",
        "x-microsoft-skype-caller-region",
        "connection",
        "accept",
        "user-agent",
    ];
    for name in one_for_the_call {
        assert_eq!(values[name].len(), 1, "{name}: {values:#?}");
    }
    assert_eq!((values["connection"][0], values["accept"][0]), ("close", "application/json"));
    assert_eq!(values["x-microsoft-skype-message-id"].len(), 9, "each POST has its own");
    let mut types = values["content-type"].clone();
    types.sort_unstable();
    assert_eq!(types, ["application/json", "application/json; charset=utf-8"], "this seed has both");
    // A repeat has the bytes of the POST before it, and names its message.
    let [.., ended, again, once_more] = &requests[..] else { panic!() };
    assert!(ended.head("x-microsoft-skype-original-message-id").is_empty());
    for repeat in [again, once_more] {
        assert_eq!(repeat.body, ended.body);
        let original = repeat.head("x-microsoft-skype-original-message-id");
        assert_eq!(original, ended.head("x-microsoft-skype-message-id"));
    }
    // One call: its chain is in the head and in the body, its id is spelled in one way.
    let chain = values["x-microsoft-skype-chain-id"][0];
    let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    let call = &body["value"][0]["resourceData"];
    assert_eq!(call["callChainId"], chain);
    let id = call["id"].as_str().unwrap();
    for request in &requests {
        assert!(request.body.contains(&format!(r#""resource":"/app/calls/{id}""#)), "{}", request.body);
        assert!(request.body.contains(&format!(r#""resourceUrl":"/communications/calls/{id}""#)), "{}", request.body);
    }
}

#[tokio::test]
async fn an_incoming_call_has_what_captures_show() {
    let script = "[calls.a]\nphone = '+4512345678'\nmeeting = 'organizer'\n[[steps]]\nsend = 'incoming'\n\
                  [[steps]]\nsend = 'tone'\ntone = '#'\n";
    let (requests, _) = sent(script, accepted(2)).await;
    let read = |request: &Request| -> serde_json::Value { serde_json::from_str(&request.body).unwrap() };
    let body = read(&requests[0]);
    let (item, call) = (&body["value"][0], &body["value"][0]["resourceData"]);
    assert_eq!((&item["changeType"], &call["state"]), (&"created".into(), &"incoming".into()));
    assert_eq!((&call["direction"], &call["tenantId"]), (&"incoming".into(), &DEMO_TENANT.into()));
    assert_eq!(call["source"]["identity"]["phone"]["id"], "+4512345678");
    assert_eq!(call["targets"][0]["identity"]["application"]["id"], DEMO_APP_ID);
    assert_eq!(call["requestedModalities"], serde_json::json!(["audio"]));
    assert_eq!(call["meetingInfo"]["@odata.type"], "#microsoft.graph.organizerMeetingInfo");
    assert!(call["callbackUri"].is_string() && call["chatInfo"]["threadId"].is_string());
    let tone = read(&requests[1]);
    let tone = &tone["value"][0]["resourceData"]["toneInfo"];
    assert_eq!((&tone["sequenceId"], &tone["tone"]), (&1.into(), &"pound".into()));
}

#[tokio::test]
async fn a_redirected_post_goes_there_once_and_unchanged() {
    let (there, mut theirs) = receiver(accepted(2)).await;
    let moved = |status: &str| {
        format!("HTTP/1.1 {status}\r\nlocation: http://{there}/emea?shift=2\r\ncontent-length: 0\r\n\r\n")
    };
    let script = "[[steps]]\nsend = 'incoming'\n[[steps]]\nsend = 'terminated'\n";
    let (ours, all_well) = sent(script, vec![moved("302 Found"), moved("307 Temporary Redirect")]).await;
    assert!(all_well, "what counts is the answer of the other receiver");
    let theirs = theirs.join_next().await.unwrap().unwrap();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(theirs.line, "POST /emea?shift=2 HTTP/1.1");
        assert_eq!(theirs.body, ours.body);
        let but_host = |request: &Request| -> Vec<(String, String)> {
            request.heads.iter().filter(|(name, _)| name != "host").cloned().collect()
        };
        assert_eq!(but_host(theirs), but_host(ours));
    }
}

#[tokio::test]
async fn a_second_redirect_is_not_followed() {
    let around = "HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n".to_owned();
    let script = "[[steps]]\nsend = 'incoming'\n";
    let (requests, all_well) = sent(script, vec![around.clone(), around]).await;
    assert!(!all_well, "302 is no 2xx");
    assert_eq!(requests[1].line, "POST /again HTTP/1.1");
}

#[tokio::test]
async fn an_answer_that_the_script_expects_is_as_expected() {
    let refused = || "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n".to_owned();
    let script = "[[steps]]\nsend = 'incoming'\nexpect = [202, 503]\n";
    assert!(sent(script, vec![refused()]).await.1);
    let script = "[[steps]]\nsend = 'incoming'\nexpect = [202]\n";
    assert!(!sent(script, vec![refused()]).await.1);
    assert!(!sent("[[steps]]\nsend = 'incoming'\n", vec![refused()]).await.1);
}

#[test]
fn load_has_the_head_and_the_bodies_that_figures_were_made_with() {
    let head = graph("127.0.0.1:1".parse().unwrap()).load_head("token");
    let mut names: Vec<&str> = head.headers.keys().map(hyper::header::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "content-type", "user-agent", "x-microsoft-skype-message-id"]);
    let body = reelhook::simulator::load::Bodies::recordings(&mut Seed::new(1)).get(7);
    assert_eq!(String::from_utf8_lossy(&body), include_str!("load_body.json").trim_end());
}
