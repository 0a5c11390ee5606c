//! What an operator does about what went wrong: dead letters, quarantine, unmatched events, the story of an operation.
//! Beside the running server, and while it is stopped.

use std::process::Stdio;

use super::site::{Said, Site};
use super::{Server, eventually, wait_until};
use crate::test_app::CLIENT_STATE;

const GONE: &str = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const OK: &str = crate::sinks::answering::OK;
const SUPPORT_ONLY: &str =
    "[[routes]]\nname = \"support\"\nclient_context = { prefix = \"support-\" }\nsinks = [\"hook\"]\n";

/// The first word of each line.
fn ids(said: &Said) -> Vec<String> {
    said.out.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

/// Waits until a list has so many lines; returns their ids.
fn listed(site: &Site, list: &[&str], n: usize) -> Vec<String> {
    let mut found = Vec::new();
    wait_until(&format!("{list:?} has {n}"), || {
        let said = site.run(list);
        assert_eq!(said.code, Some(0), "{said:?}");
        found = ids(&said);
        found.len() == n
    });
    found
}

async fn with_dead_letters(site: &mut Site) -> (Server, Vec<String>) {
    site.hook.answer(GONE);
    let server = site.serve();
    for context in ["dead-1", "dead-2"] {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    let dead = listed(site, &["deadletters", "list"], 2);
    (server, dead)
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_and_replayed_beside_the_running_server() {
    let mut site = Site::new();
    let (_server, dead) = with_dead_letters(&mut site).await;
    let list = site.run(&["deadletters", "list", "--sink", "hook"]);
    assert!(list.out.lines().all(|line| line.contains("  hook  1 attempt  ") && line.contains("410")), "{list:?}");
    assert_eq!(list.err, "2 dead letters\n");

    let show = site.run(&["deadletters", "show", &dead[0]]);
    assert!(show.out.contains(&format!("to hook by route \"all\" (delivery {})", dead[0])), "{show:?}");
    assert!(show.out.contains("attempt 1 at ") && show.out.contains("dead letter since "), "{show:?}");
    assert!(show.out.contains("recordOperation.completed") && show.out.contains("\"clientContext\""), "{show:?}");
    assert!(!show.out.contains("recording-token"), "{show:?}");

    // Refused again: the attempts are numbered through, although the schedule began again.
    assert_eq!(site.run(&["deadletters", "replay", &dead[0]]).code, Some(0));
    wait_until("the second attempt failed", || {
        let shown = site.run(&["deadletters", "show", &dead[0]]).out;
        shown.contains("  replayed: the retry schedule began again\n  attempt 2 at ")
            && shown.contains("after 2 attempts, 1 of them since the replay")
    });

    site.hook.answer(OK);
    let one = site.run(&["deadletters", "replay", &dead[0]]);
    assert_eq!((one.code, one.out.starts_with("1 dead letter is due again")), (Some(0), true), "{one:?}");
    assert_eq!(listed(&site, &["deadletters", "list"], 1), dead[1..]);
    let rest = site.run(&["deadletters", "replay", "--all", "--sink", "hook"]);
    assert_eq!(rest.code, Some(0), "{rest:?}");
    wait_until("both were sent again", || site.arrived().values().map(Vec::len).sum::<usize>() == 5);
    assert!(site.arrived().values().all(|events| events.iter().all(|it| *it == events[0])), "under the old ids");

    // A delivery that is no dead letter any more is still shown, as what it is.
    wait_until("it is shown as delivered", || {
        site.run(&["deadletters", "show", &dead[0]]).out.contains("delivered at ")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_replayed_while_the_server_is_stopped() {
    let mut site = Site::new();
    let (mut server, _) = with_dead_letters(&mut site).await;
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let all = site.run(&["deadletters", "replay", "--all", "--offline"]);
    assert_eq!((all.code, all.out.starts_with("2 dead letters are due again")), (Some(0), true), "{all:?}");
    site.hook.answer(OK);
    let _server = site.serve();
    wait_until("both were sent again", || site.arrived().values().all(|events| events.len() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_with_exit_code_1() {
    let site = Site::new();
    let nobody = site.run(&["deadletters", "list"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("no answer from http://127.83.") && nobody.err.contains("--offline"), "{nobody:?}");
    let none = site.run(&["deadletters", "list", "--offline"]);
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.err.contains("found no store here, expected the server's"), "{none:?}");
    let _server = site.serve();
    let id = "0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f";
    for (arguments, told) in [
        (&["deadletters", "show", id][..], "no delivery 0199d3a0"),
        (&["deadletters", "replay", id], "no dead letter 0199d3a0"),
        (&["deadletters", "replay", "--all"], "no dead letters: nothing to replay"),
        (&["quarantine", "show", "7"], "no quarantine entry 7"),
        (&["quarantine", "replay", "7"], "no quarantine entry 7"),
        (&["unmatched", "show", id], "no event 0199d3a0"),
        (&["unmatched", "replay", id], "no event 0199d3a0"),
        (&["explain", "a\u{1b}[31m"], "operation a\\u{1b}[31m is not known"),
    ] {
        let said = site.run(arguments);
        assert_eq!(said.code, Some(1), "{arguments:?}: {said:?}");
        assert!(said.err.contains(told) && said.out.is_empty(), "{arguments:?}: {said:?}");
    }
    let typo = site.run(&["deadletters", "list", "--sink", "hok"]);
    assert_eq!((typo.code, &*typo.err), (Some(0), "note: the config has no sink hok\nno dead letters\n"), "{typo:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantined_item_is_shown_byte_for_byte_and_replayed_after_the_config_was_mended() {
    let mut site = Site::new();
    let mut server = Server::start_with(site.command(&["serve"]).env("TEST_CLIENT_STATE", "another"));
    let graph = site.graph(&server);
    let item = graph.change(&mut site.seed).basic();
    let post = graph.notifications(std::slice::from_ref(&item), false).unwrap();
    assert_eq!(graph.send(post).await.unwrap().status, 202);
    let entries = listed(&site, &["quarantine", "list"], 1);
    let list = site.run(&["quarantine", "list"]);
    assert!(list.out.contains(&format!("  subscriptions  client_state  {} bytes", item.len())), "{list:?}");
    let show = site.run(&["quarantine", "show", &entries[0]]);
    assert!(show.err.contains("the secrets in the body are hidden"), "{show:?}");
    assert!(show.out.contains("(hidden)") && !show.out.contains(CLIENT_STATE), "{show:?}");

    // By the config that the running server has it is refused again, and stays.
    assert_eq!(site.run(&["quarantine", "replay", &entries[0]]).code, Some(0));
    server.said("a quarantined item was verified again");
    assert_eq!(listed(&site, &["quarantine", "list"], 1), entries);
    assert_eq!(site.hook.requests().len(), 0);

    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(site.run(&["quarantine", "show", &entries[0], "--offline"]).out, item, "byte for byte");
    let asked = site.run(&["quarantine", "replay", &entries[0], "--offline"]);
    assert_eq!((asked.code, asked.out.contains("again when it starts.")), (Some(0), true), "{asked:?}");
    let _server = site.serve();
    listed(&site, &["quarantine", "list"], 0);
    wait_until("it arrived", || site.hook.requests().len() == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_whose_token_is_gone_needs_the_operators_word() {
    let mut site = Site::new();
    let key = site.folder.path().join("key.pem");
    let certificates = format!(
        "[[subscriptions.certificates]]\nid = \"{}\"\nprivate_key = {{ file = \"{}\" }}\n\
         [[routes]]\nname = \"all\"\nsinks = [\"hook\"]\n",
        crate::test_app::CERTIFICATE_ID,
        key.display()
    );
    reelhook::simulator::Certificate::in_file(crate::test_app::CERTIFICATE_ID, &key).unwrap();
    site.write(("", ""), &certificates);
    let server = site.serve();
    let graph = site.graph(&server);
    let change = graph.change(&mut site.seed);
    let rich = change.rich(graph.certificate.as_ref().unwrap()).unwrap();
    assert_eq!(graph.send(graph.notifications(&[rich], false).unwrap()).await.unwrap().status, 202);
    let entries = listed(&site, &["quarantine", "list"], 1);
    assert_eq!(site.run(&["quarantine", "replay", &entries[0]]).code, Some(0));
    server.said("a quarantined item was verified again");
    assert!(site.run(&["quarantine", "list"]).out.contains("  jwt_missing  "));
    assert_eq!(site.run(&["quarantine", "replay", &entries[0], "--vouch"]).code, Some(0));
    listed(&site, &["quarantine", "list"], 0);
    wait_until("it arrived", || site.hook.requests().len() == 1);
    assert!(String::from_utf8_lossy(&site.hook.requests()[0].body).contains("Hello World"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matched_is_routed_by_the_config_as_it_is_now() {
    let mut site = Site::new();
    site.write(("", ""), SUPPORT_ONLY);
    let mut server = site.serve();
    for context in ["support-1", "sales-1", "sales-2"] {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    let events = listed(&site, &["unmatched", "list"], 2);
    let show = site.run(&["unmatched", "show", &events[0]]);
    assert!(show.out.contains("sales-2") && !show.out.contains("recording-token"), "{show:?}");
    let not_yet = site.run(&["unmatched", "replay", "--all"]);
    assert_eq!((not_yet.code, &*not_yet.out), (Some(1), "0 of 2 events matched now: no deliveries due\n"));

    site.write_for_all("", "");
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let _server = site.serve();
    let one = site.run(&["unmatched", "replay", &events[0]]);
    assert_eq!((one.code, &*one.out), (Some(0), "1 of 1 event matched now: 1 delivery due\n"), "{one:?}");
    assert_eq!(site.run(&["unmatched", "replay", "--all"]).out, "1 of 1 event matched now: 1 delivery due\n");
    site.wait_for(&["support-1", "sales-1", "sales-2"]);
    assert_eq!(site.run(&["unmatched", "list"]).err, "no unmatched events\n");
    assert!(site.arrived().values().all(|events| events.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_matched_nothing_is_routed_page_by_page_in_the_order_of_its_arrival() {
    const PAIRS: usize = 510;
    let mut site = Site::new();
    site.write(("", ""), SUPPORT_ONLY);
    let mut server = site.serve();
    let graph = site.graph(&server);
    let told = site.recording("sales-told");
    let mut items = vec![told.running(), told.completed()];
    for _ in 1..PAIRS {
        items.extend([site.recording("sales-1").completed(), site.recording("other-1").completed()]);
    }
    for some in items.chunks(300) {
        assert_eq!(graph.send(graph.calls(some).unwrap()).await.unwrap().status, 202);
    }
    let sales = "[[routes]]\nname = \"sales\"\nclient_context = { prefix = \"sales-\" }\nsinks = [\"hook\"]\n";
    site.write(("", ""), sales);
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let _server = site.serve();
    let all = site.run(&["unmatched", "replay", "--all"]);
    let done = format!("{} of {} events matched now: {} deliveries due\n", PAIRS + 1, 2 * PAIRS, PAIRS + 1);
    assert_eq!((all.code, &*all.out), (Some(0), &*done), "{all:?}");
    let err = all.err.replace("waiting for the server to answer\n", "");
    assert_eq!(err, "500 events so far, 251 matched\n1000 events so far, 501 matched\n");
    wait_until("both arrived", || site.arrived().get("sales-told").is_some_and(|events| events.len() == 2));
    let requests = site.hook.requests().into_iter();
    let bodies: Vec<String> = requests.map(|it| String::from_utf8_lossy(&it.body).into_owned()).collect();
    let at = |kind: &str| bodies.iter().position(|it| it.contains("sales-told") && it.contains(kind)).unwrap();
    assert!(at("recordOperation.running") < at("recordOperation.completed"));
    let rest = site.run(&["unmatched", "replay", "--all"]);
    assert_eq!((rest.code, &*rest.out), (Some(1), "0 of 509 events matched now: no deliveries due\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_story_of_an_operation_is_told_in_words() {
    let mut site = Site::new();
    site.write_for_all("", "retry = [\"0s\", \"0s\"]");
    site.hook.answer("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let server = site.serve();
    let graph = site.graph(&server);
    let it = site.recording("story-1");
    for item in [it.failed(), it.running(), it.completed()] {
        let mut post = graph.calls(&[item]).unwrap();
        post.headers.remove("x-microsoft-skype-chain-id");
        let post = post.header("x-microsoft-skype-chain-id", "9a7d-chain");
        assert_eq!(graph.send(post).await.unwrap().status, 202);
    }
    listed(&site, &["deadletters", "list"], 3);
    let dashed = it.operation.to_string();
    let said = site.run(&["explain", &dashed]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out, site.run(&["explain", &dashed.replace('-', "").to_uppercase()]).out);
    let event = said.out.split("(event ").nth(1).and_then(|rest| rest.split(')').next()).unwrap();
    for other in ["story-1", event] {
        assert_eq!(site.run(&["explain", other]).out, said.out, "{other}");
    }
    for told in [
        &*format!("operation      {dashed}\n"),
        "clientContext  story-1\nstatus         failed\n",
        "from Graph on calls: resourceType recordOperation, changeType deleted, tenantId ",
        "chainId 9a7d-chain, messageId ",
        "the first notification of the operation",
        "result 400, subcode 8508: the operation was cancelled. Graph's message: \"",
        "completionReason operationCanceled",
        "this notification has an earlier status than the operation, so the status was not changed",
        "this notification reported another end than the stored one: the stored end stays",
        "subcode 8515: the maximum recording length was reached. Graph's message: \"",
        "it has a recordingLocation",
        "to hook by route \"all\" (delivery ",
        "attempt 1 at ",
        "attempt 2 at ",
        "dead letter since ",
        "`reelhook deadletters replay ",
        "` shows what was sent and answered, while it is kept\n",
    ] {
        assert!(said.out.contains(told), "{told:?} in {}", said.out);
    }
    assert!(!said.out.contains(&it.access_token));

    site.hook.answer(OK);
    assert_eq!(site.run(&["deadletters", "replay", "--all"]).code, Some(0));
    eventually("it is told that they were delivered", async || {
        site.run(&["explain", &dashed]).out.matches("delivered at ").count() == 3
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_has_enough_ends_a_list_quietly() {
    let mut site = Site::new();
    site.write(("", ""), SUPPORT_ONLY);
    let server = site.serve();
    assert_eq!(site.post(&server, "other").await.status, 202);
    listed(&site, &["unmatched", "list"], 1);
    for arguments in [&["unmatched", "list"][..], &["--help"], &["deadletters", "--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let said = Said::from(site.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap());
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        assert!(!said.err.contains("panicked"), "{arguments:?}: {said:?}");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let said = Said::from(site.command(&["unmatched", "list"]).stdout(full).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("reelhook: cannot write to standard output: "), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_opens_only_a_store_that_no_server_has() {
    let mut site = Site::new();
    let (mut server, dead) = with_dead_letters(&mut site).await;
    for arguments in [&["deadletters", "list", "--offline"][..], &["deadletters", "replay", "--all", "--offline"]] {
        let served = site.run(arguments);
        assert_eq!((served.code, &*served.out), (Some(1), ""), "{served:?}");
        assert!(served.err.contains("found a server that uses the store"), "{served:?}");
    }
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(ids(&site.run(&["deadletters", "list", "--offline"])), dead);
    let show = site.run(&["deadletters", "show", &dead[0], "--offline"]);
    assert!(show.out.contains("dead letter since "), "{show:?}");
    assert_eq!(site.run(&["explain", "dead-1", "--offline"]).code, Some(0));
    // It was closed in order: the next server finds nothing to check.
    let server = site.serve();
    assert!(!server.before.iter().any(|line| line.contains("did not stop in order")), "{:#?}", server.before);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_use_the_token_of_a_file_and_are_refused_without_one() {
    let mut site = Site::new();
    let made = site.run(&["token", "new", "--name", "ops", "--scopes", "read"]);
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), config + &made.err).unwrap();
    let file = site.folder.path().join("token");
    std::fs::write(&file, &made.out).unwrap();
    let with_token = ["--token-file", file.to_str().unwrap()];
    let server = site.serve();
    assert_eq!(site.post(&server, "a").await.status, 202);
    let without = site.run(&["unmatched", "list"]);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.err.contains("401") && without.err.contains("--token-file"), "{without:?}");
    let right = site.run(&[&["explain", "a"][..], &with_token].concat());
    assert_eq!(right.code, Some(0), "{right:?}");
    let scope = site.run(&[&["deadletters", "replay", "--all"][..], &with_token].concat());
    assert_eq!(scope.code, Some(1), "nothing to replay: {scope:?}");
    let scope = site.run(&[&["unmatched", "replay", "--all"][..], &with_token].concat());
    assert!(scope.code == Some(1) && scope.err.contains("403"), "{scope:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hides_a_quarantined_body_is_said_with_the_scopes_that_show_it() {
    let mut site = Site::new();
    let tokens: Vec<String> = ["admin,recordings", "read", "read,admin", "read,admin,recordings", "write,admin"]
        .into_iter()
        .map(|scopes| {
            let made = site.run(&["token", "new", "--name", scopes, "--scopes", scopes]);
            let config = std::fs::read_to_string(site.config()).unwrap();
            std::fs::write(site.config(), config + &made.err).unwrap();
            made.out.trim().to_owned()
        })
        .collect();
    let server = Server::start_with(site.command(&["serve"]).env("TEST_CLIENT_STATE", "another"));
    let graph = site.graph(&server);
    let item = graph.change(&mut site.seed).basic();
    assert_eq!(graph.send(graph.notifications(&[item], false).unwrap()).await.unwrap().status, 202);
    let run = |token: usize, arguments: &[&str]| {
        Said::from(site.command(arguments).env("REELHOOK_TOKEN", &tokens[token]).output().unwrap())
    };
    let show = |token: usize| run(token, &["quarantine", "show", "1"]);
    let without_read = show(0);
    assert!(without_read.code == Some(1) && without_read.err.contains("403"), "{without_read:?}");
    let (read, admin, all) = (show(1), show(2), show(3));
    assert!(read.out.is_empty() && read.err.contains("that needs a token with the scopes read and admin"), "{read:?}");
    assert!(admin.out.contains("(hidden)"), "{admin:?}");
    assert!(admin.err.contains("only a token with the scopes read, admin and recordings shows them"), "{admin:?}");
    assert!(all.out.contains(CLIENT_STATE) && !all.err.contains("hidden"), "{all:?}");
    let vouched = |token| run(token, &["quarantine", "replay", "1", "--vouch"]).code;
    assert_eq!((vouched(0), vouched(3), vouched(4)), (Some(1), Some(1), Some(0)));
}

/// A site whose server wants a token, and the file with that token.
fn with_a_token(site: &Site, scopes: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let made = site.run(&["token", "new", "--name", "ops", "--scopes", scopes]);
    let config = std::fs::read_to_string(site.config()).unwrap();
    std::fs::write(site.config(), config + &made.err).unwrap();
    let file = site.folder.path().join("token");
    std::fs::write(&file, &made.out).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_send_the_configs_token_to_the_configs_address_only() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    let file = with_a_token(&site, "read");
    let server = site.serve();
    let in_config = |source: &str| {
        let mut command = site.command(&["sinks", "list"]);
        Said::from(command.env("REELHOOK__ADMIN__COMMAND_TOKEN", source).output().unwrap())
    };
    let by_file = format!("{{ file = {file:?} }}");
    let right = in_config(&by_file);
    assert_eq!(
        (right.code, &*right.out),
        (Some(0), "hook  active  no deliveries waiting  no dead letters\n"),
        "{right:?}"
    );
    let without = site.run(&["sinks", "list"]);
    assert!(without.code == Some(1) && without.err.contains("admin.command_token"), "{without:?}");
    // A variable comes first, and another server gets no token of this config.
    let variables = [("REELHOOK__ADMIN__COMMAND_TOKEN", by_file.as_str()), ("REELHOOK_TOKEN", "rhk_wrong")];
    let wrong = Said::from(site.command(&["sinks", "list"]).envs(variables).output().unwrap());
    assert!(wrong.code == Some(1) && wrong.err.contains("it does not know the token"), "{wrong:?}");
    let mut elsewhere = site.command(&["sinks", "list", "--url", &server.admin_url("")]);
    let elsewhere = Said::from(elsewhere.env("REELHOOK__ADMIN__COMMAND_TOKEN", &by_file).output().unwrap());
    assert!(elsewhere.code == Some(1) && elsewhere.err.contains("it requires a token"), "{elsewhere:?}");
    // Who may not read the file cannot ask; the server does not care.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let open = in_config(&by_file);
    assert!(open.code == Some(1) && open.err.contains("admin.command_token: file "), "{open:?}");
    assert!(open.err.contains("chmod 600"), "{open:?}");
    let mut check = site.command(&["check"]);
    assert_eq!(check.env("REELHOOK__ADMIN__COMMAND_TOKEN", &by_file).output().unwrap().status.code(), Some(0));
    let text = in_config("rhk_in_the_config");
    assert_eq!(text.code, Some(2), "{text:?}");
    assert!(text.err.contains("a secret is never written in the config") && !text.err.contains("rhk_in"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_is_listed_paused_and_resumed() {
    let mut site = Site::new();
    let mut server = site.serve();
    let paused = site.run(&["sinks", "pause", "hook"]);
    let told = "sink hook is paused: its deliveries wait until `reelhook sinks resume hook`\n";
    assert_eq!((paused.code, &*paused.out), (Some(0), told), "{paused:?}");
    assert_eq!(site.post(&server, "a").await.status, 202);
    let list = site.run(&["sinks", "list"]);
    assert!(
        list.out.starts_with("hook  pausedByOperator  1 delivery waiting  no dead letters  the oldest created at 2"),
        "{list:?}"
    );
    assert_eq!((list.code, &*list.err), (Some(0), "1 sink\n"));
    let show = site.run(&["sinks", "show", "hook"]);
    assert!(show.out.starts_with("sink hook: pausedByOperator since 2"), "{show:?}");
    assert!(show.out.contains("\n1 delivery waiting, the oldest created at 2"), "{show:?}");
    assert!(show.out.ends_with("its deliveries wait until `reelhook sinks resume hook`\n"), "{show:?}");
    for action in ["show", "pause", "resume"] {
        let none = site.run(&["sinks", action, "hok"]);
        assert_eq!((none.code, &*none.out), (Some(1), ""), "{none:?}");
        assert!(none.err.contains("no sink hok; `sinks list` shows the sinks"), "{none:?}");
    }
    // The pause outlives the server, and ends without one.
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert!(site.arrived().is_empty());
    let resumed = site.run(&["sinks", "resume", "hook", "--offline"]);
    let told = "sink hook is active: its deliveries are attempted when the server starts\n";
    assert_eq!((resumed.code, &*resumed.out), (Some(0), told), "{resumed:?}");
    let _server = site.serve();
    site.wait_for(&["a"]);
    let resumed = site.run(&["sinks", "resume", "hook"]);
    assert_eq!((resumed.code, &*resumed.out), (Some(0), "sink hook is active: its deliveries are attempted now\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_lost_is_sent_again_by_command() {
    let mut site = Site::new();
    let mut server = site.serve();
    for context in ["a", "b"] {
        assert_eq!(site.post(&server, context).await.status, 202);
    }
    site.wait_for(&["a", "b"]);
    let since = ["deliveries", "resend", "--sink", "hook", "--since", "2h"];
    let dry = || site.run(&[&since[..], &["--dry-run"]].concat());
    wait_until("both are settled", || dry().out == "2 deliveries would be made again\n");
    assert!(site.arrived().values().all(|events| events.len() == 1), "to count sends nothing");
    let sent = site.run(&since);
    assert_eq!((sent.code, &*sent.out), (Some(0), "2 deliveries made again: the new ones are due now\n"), "{sent:?}");
    assert_eq!(sent.err, "making 2 deliveries again\n");
    wait_until("both arrived again", || site.arrived().values().all(|events| events.len() == 2));
    let again: Vec<_> = site.hook.requests().into_iter().skip(2).collect();
    let ids: Vec<String> = again.iter().map(|it| it.header("webhook-id").unwrap().to_owned()).collect();
    let event: serde_json::Value = serde_json::from_slice(&again[0].body).unwrap();
    let first = event["resendof"].as_str().unwrap();
    assert!(!ids.iter().any(|id| id == first), "the new delivery has an id of its own");

    let one = site.run(&["deliveries", "resend", first]);
    assert!(one.code == Some(0) && one.out.contains("is sent again now, as delivery "), "{one:?}");
    wait_until("one arrived a third time", || site.arrived().values().any(|events| events.len() == 3));
    let nothing = site.run(&["deliveries", "resend", "--since", "2h", "--type", "chatMessage.created"]);
    assert!(nothing.code == Some(1) && nothing.err.contains("nothing to resend"), "{nothing:?}");
    let wrong = site.run(&["deliveries", "resend", "--since", "yesterday"]);
    assert!(wrong.code == Some(1) && wrong.err.contains("expected how long ago"), "{wrong:?}");
    assert_eq!(site.run(&["deliveries", "resend", "--sink", "hook"]).code, Some(2), "since when is missing");
    let unknown = site.run(&["deliveries", "resend", "0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("no delivery 0199d3a0"), "{unknown:?}");

    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    let offline = site.run(&[&since[..], &["--offline"]].concat());
    assert!(offline.out.ends_with("the new ones are due when the server starts\n"), "{offline:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_chosen_by_reason_and_time_and_counted_by_command() {
    let mut site = Site::new();
    let (server, _dead) = with_dead_letters(&mut site).await;
    let of_reason = ["deadletters", "replay", "--reason", "answered 410", "--since", "2h"];
    let dry = site.run(&[&of_reason[..], &["--dry-run"]].concat());
    assert_eq!((dry.code, &*dry.out), (Some(0), "2 dead letters would be replayed\n"), "{dry:?}");
    let list = site.run(&["deadletters", "list", "--reason", "answered 500"]);
    assert_eq!((list.code, &*list.err), (Some(0), "no dead letters\n"), "{list:?}");
    let none = site.run(&["deadletters", "replay", "--reason", "answered 500"]);
    assert_eq!((none.code, &*none.err), (Some(1), "no dead letters: nothing to replay\n"), "{none:?}");
    site.hook.answer(OK);
    let replayed = site.run(&of_reason);
    assert_eq!((replayed.code, &*replayed.out), (Some(0), "2 dead letters are due again now\n"), "{replayed:?}");
    wait_until("both were sent again", || site.arrived().values().all(|events| events.len() == 2));

    let mut graph = site.graph(&server);
    graph.client_state = Some("wrong".into());
    for _ in 0..2 {
        let item = graph.change(&mut site.seed).basic();
        assert_eq!(graph.send(graph.notifications(&[item], false).unwrap()).await.unwrap().status, 202);
    }
    let of_reason = ["quarantine", "replay", "--reason", "client_state", "--since", "2h"];
    listed(&site, &["quarantine", "list", "--reason", "client_state", "--since", "2h"], 2);
    let dry = site.run(&[&of_reason[..], &["--dry-run"]].concat());
    assert_eq!((dry.code, &*dry.out), (Some(0), "2 entries would be verified again\n"), "{dry:?}");
    let asked = site.run(&of_reason);
    assert_eq!(
        (asked.code, &*asked.out),
        (Some(0), "the server verifies 2 entries again within seconds\n"),
        "{asked:?}"
    );
    let all = site.run(&["quarantine", "replay", "--all"]);
    assert_eq!(all.code, Some(0), "{all:?}");
    let none = site.run(&["quarantine", "replay", "--reason", "shape"]);
    assert_eq!((none.code, &*none.err), (Some(1), "no entries: nothing to verify again\n"), "{none:?}");
    assert_eq!(site.run(&["quarantine", "replay", "--all", "--vouch"]).code, Some(2), "nobody looked at all of them");
    let unknown = site.run(&["quarantine", "list", "--reason", "none"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("expected a reason of the quarantine"), "{unknown:?}");

    let none = site.run(&["unmatched", "replay", "--since", "2h", "--type", "recordOperation.completed", "--dry-run"]);
    assert_eq!((none.code, &*none.out), (Some(0), "0 of no events would match a route now\n"), "{none:?}");
    assert_eq!(site.run(&["unmatched", "list", "--since", "2h"]).err, "no unmatched events\n");
}

const UNAVAILABLE: &str =
    "HTTP/1.1 503 Service Unavailable\r\nretry-after: 3600\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn all_that_waits_is_attempted_now_by_command() {
    let mut site = Site::new();
    site.hook.answer(UNAVAILABLE);
    let server = site.serve();
    for n in 0..200 {
        assert_eq!(site.post(&server, &format!("call-{n}")).await.status, 202);
    }
    let waiting = listed(&site, &["deliveries", "list", "--limit", "1000"], 200);
    wait_until("the first attempt failed", || {
        site.run(&["deliveries", "list", "--limit", "1000"]).out.contains("  1 attempt  ")
    });
    let paused = site.run(&["deliveries", "list", "--state", "underWay", "--limit", "1000"]).out;
    assert!(paused.lines().count() > 100, "{paused}");
    assert!(paused.lines().all(|line| line.contains("no attempts  no attempt begins before 2")), "{paused}");
    site.hook.answer(OK);
    let all = site.run(&["sinks", "attempt", "hook"]);
    assert_eq!((all.code, &*all.out), (Some(0), "200 deliveries of hook are attempted now\n"), "{all:?}");
    listed(&site, &["deliveries", "list"], 0);
    let nothing = site.run(&["sinks", "attempt", "hook"]);
    assert_eq!((nothing.code, &*nothing.err), (Some(1), "no delivery waits for sink hook\n"), "{nothing:?}");
    let settled = site.run(&["deliveries", "attempt", &waiting[0]]);
    assert!(settled.code == Some(1) && settled.err.contains("found a delivery that was delivered"), "{settled:?}");
    let none = site.run(&["sinks", "attempt", "hok"]);
    assert!(none.code == Some(1) && none.err.contains("no sink hok; `sinks list` shows the sinks"), "{none:?}");
    let id = "0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f";
    let none = site.run(&["deliveries", "attempt", id]);
    assert!(none.code == Some(1) && none.err.contains("no delivery 0199d3a0"), "{none:?}");

    // An operator's pause stays, and that is said.
    assert_eq!(site.run(&["sinks", "pause", "hook"]).code, Some(0));
    assert_eq!(site.post(&server, "later").await.status, 202);
    let paused = site.run(&["sinks", "attempt", "hook"]);
    let told = "1 delivery of hook is due, but an operator paused the sink: nothing is attempted until `reelhook sinks resume hook`\n";
    assert_eq!((paused.code, &*paused.out), (Some(0), told), "{paused:?}");
    let one = listed(&site, &["deliveries", "list"], 1).remove(0);
    let paused = site.run(&["deliveries", "attempt", &one]);
    assert!(paused.code == Some(0) && paused.out.contains("is due, but an operator paused its sink"), "{paused:?}");
    assert_eq!(site.run(&["sinks", "resume", "hook"]).code, Some(0));
    site.wait_for(&["later"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_is_attempted_now_by_command_and_without_a_server_when_it_starts() {
    let mut site = Site::new();
    site.hook.answer(UNAVAILABLE);
    let mut server = site.serve();
    assert_eq!(site.post(&server, "a").await.status, 202);
    let waiting = listed(&site, &["deliveries", "list"], 1);
    wait_until("the first attempt failed", || site.run(&["deliveries", "list"]).out.contains("  1 attempt  "));
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    site.hook.answer(OK);
    let one = site.run(&["deliveries", "attempt", &waiting[0], "--offline"]);
    let told = format!("delivery {} is attempted when the server starts\n", waiting[0]);
    assert_eq!((one.code, one.out), (Some(0), told));
    let _server = site.serve();
    wait_until("it was sent again", || site.arrived().get("a").is_some_and(|events| events.len() == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_only_write_pauses_a_sink_without_seeing_it() {
    let site = Site::new();
    let file = with_a_token(&site, "write");
    let _server = site.serve();
    let with_token = ["--token-file", file.to_str().unwrap()];
    let paused = site.run(&[&["sinks", "pause", "hook"][..], &with_token].concat());
    assert_eq!(paused.code, Some(0), "{paused:?}");
    let list = site.run(&[&["sinks", "list"][..], &with_token].concat());
    assert!(list.code == Some(1) && list.err.contains("403"), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_deliveries_are_listed_by_what_is_known_of_them_and_an_event_is_shown() {
    let mut site = Site::new();
    let (mut server, dead) = with_dead_letters(&mut site).await;
    site.hook.answer(OK);
    assert_eq!(site.post(&server, "alive-1").await.status, 202);
    let delivered = listed(&site, &["deliveries", "list", "--state", "delivered"], 1).remove(0);
    let events = site.run(&["events", "list"]);
    assert_eq!((events.code, events.err.as_str()), (Some(0), "3 events\n"), "{events:?}");
    assert_eq!(events.out.matches("  hook dead\n").count(), 2, "{events:?}");
    assert!(events.out.lines().next().unwrap().ends_with("  hook delivered"), "newest first: {events:?}");
    let ids = ids(&events);
    let shouted = ids[1].to_uppercase().replace('-', "");
    for (filter, expected) in [
        (&["--text", "DEAD-"][..], &ids[1..]),
        (&["--text", &shouted], &ids[1..2]),
        (&["--text", &delivered], &ids[..1]),
        (&["--type", "recordOperation.completed", "--limit", "2"], &ids[..2]),
        (&["--resource", "recordOperation", "--matched", "true", "--since", "1h"], &ids[..]),
        (&["--matched", "false"], &[]),
        (&["--until", "1h"], &[]),
    ] {
        assert_eq!(listed(&site, &[&["events", "list"], filter].concat(), expected.len()), expected, "{filter:?}");
    }
    let shown = site.run(&["events", "show", &ids[0]]);
    assert!(shown.out.contains("alive-1") && shown.out.contains("to hook by route \"all\""), "{shown:?}");
    let missing = site.run(&["events", "show", "00000000-0000-0000-0000-000000000000"]);
    assert!(missing.code == Some(1) && missing.err.contains("`events list` shows"), "{missing:?}");

    let any = site.run(&["deliveries", "list", "--state", "any"]);
    assert_eq!(any.err, "3 deliveries\n", "{any:?}");
    assert_eq!(any.out.matches("  dead letter since ").count(), 2, "{any:?}");
    assert!(any.out.lines().next().unwrap().contains("  1 attempt  delivered "), "{any:?}");
    for (filter, expected) in [
        (&["--state", "dead"][..], &dead[..]),
        (&["--state", "dead", "--text", "dead-1"], &dead[1..]),
        (&["--state", "any", "--text", "410", "--sink", "hook", "--limit", "1"], &dead[..1]),
        (&["--state", "any", "--until", "1h"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(listed(&site, &[&["deliveries", "list"], filter].concat(), expected.len()), expected, "{filter:?}");
    }
    assert_eq!(site.run(&["deliveries", "list", "--state", "gone"]).code, Some(2));
    server.terminate();
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(listed(&site, &["events", "list", "--offline", "--text", "alive"], 1), ids[..1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_no_entries_is_refused_before_the_server_is_asked() {
    let site = Site::new();
    for list in ["events", "deliveries", "deadletters", "quarantine", "unmatched"] {
        let said = site.run(&[list, "list", "--limit", "0"]);
        assert!(said.code == Some(2) && said.err.contains("expected a whole number from 1 on"), "{list}: {said:?}");
    }
}
