//! The commands that look, play and grade; and what holds for all of them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use super::reelhook;
use super::site::{Said, Site, free_address};
use crate::sinks::answering::Answering;

fn run(arguments: &[&str]) -> Said {
    Said::from(super::run(arguments))
}

#[test]
fn every_mistake_of_a_config_is_told_at_once_with_its_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("my.toml");
    let text = "[server]\nlisten = \"nowhere\"\nmax_boddy = 1\n[calls]\napp_ids = []\n[sinks.crm]\nkind = \"http\"\n\
                url = \"ftp://x\"\ntimeout = \"soon\"\nheaders = { Host = \"a\" }\n[sinks.log]\nkind = \"flie\"\n\
                [[routes]]\nname = \"r\"\nsinks = [\"crm\", \"carm\"]\n";
    std::fs::write(&config, text).unwrap();
    let file = config.to_str().unwrap();
    for command in ["check", "serve"] {
        let said = run(&[command, "--config", file]);
        assert_eq!(said.code, Some(2), "{said:?}");
        for told in [
            ":2: server.listen: found \"nowhere\"",
            ":3: server.max_boddy: found an unknown key",
            ":5: calls.app_ids: ",
            ":8: sinks.crm.url: found another scheme",
            ":9: sinks.crm.timeout: found \"soon\"",
            ":10: sinks.crm.headers.Host: found a header that reelhook sets itself",
            ":12: sinks.log.kind: found \"flie\", expected one of ",
            ":15: routes[0].sinks[1]: found \"carm\"",
        ] {
            assert!(said.err.contains(&format!("{file}{told}")), "{told:?} in\n{}", said.err);
        }
        assert!(said.err.ends_with("8 mistakes in the config\n"), "{}", said.err);
        assert!(said.out.is_empty());
    }
    for command in [&["deadletters", "list"][..], &["sinks", "list"], &["explain", "x"], &["unmatched", "list"]] {
        assert_eq!(run(&[command, &["--config", file]].concat()).code, Some(2), "{command:?}");
    }
}

#[test]
fn mistakes_of_sinks_keys_and_routes_are_told_when_the_rest_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("my.toml");
    let text = "[subscriptions]\napp_ids = [\"x\"]\nclient_states = [{ env = \"STATE\" }]\n\
                [[subscriptions.certificates]]\nid = \"c\"\nprivate_key = { env = \"KEY\" }\n\
                [sinks.crm]\nkind = \"http\"\nurl = \"https://x.example\"\nsecret = { env = \"NO_SUCH_VARIABLE\" }\n\
                [[routes]]\nname = \"r\"\nsinks = [\"crm\"]\n";
    std::fs::write(&config, text).unwrap();
    let mut command = reelhook();
    command.args(["serve", "--config"]).arg(&config).env("STATE", "0123456789abcdef").env("KEY", "canary");
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(2), "{said:?}");
    let file = config.display();
    assert!(said.err.contains(&format!("{file}:6: subscriptions.certificates[0].private_key: found no private key")));
    assert!(said.err.contains(&format!("{file}:10: sinks.crm.secret: ")), "{said:?}");
    assert!(!said.err.contains("canary"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_what_can_be_reached_and_what_not_and_sends_nothing() {
    let site = Site::new();
    let good = site.run(&["check", "--probe"]);
    assert_eq!(good.code, Some(0), "{good:?}");
    let told = "1 sink, 1 route: no mistakes\n  ok      store.path\n  ok      store.encryption_key\n  \
                ok      server.listen\n  ok      admin.listen\n  ok      sinks.hook\n  \
                ok      calls.openid_configuration\n  ok      subscriptions.openid_configuration\n";
    assert!(good.out.ends_with(told), "{good:?}");
    assert_eq!(site.hook.requests().len(), 0);

    let mut command = site.command(&["check", "--probe"]);
    command.env("REELHOOK__SINKS__HOOK__URL", "http://127.0.0.1:1/");
    command.env("REELHOOK__CALLS__OPENID_CONFIGURATION", "http://127.0.0.1:1/keys");
    let bad = Said::from(command.output().unwrap());
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(bad.out.contains("  FAILED  sinks.hook: could not connect"), "{bad:?}");
    assert!(bad.out.contains("  FAILED  calls.openid_configuration: "), "{bad:?}");
    assert!(bad.out.contains("  ok      subscriptions.openid_configuration\n"), "{bad:?}");
    assert_eq!(site.run(&["check"]).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_of_clouds_are_asked_directly_whatever_proxy_the_environment_names() {
    let (site, service, proxy) = (Site::new(), Answering::with(""), Answering::with(""));
    let endpoint = format!("endpoint = \"http://{}\"\n", service.address);
    let sinks = [
        ("object", "url = \"s3://bucket\"\n"),
        ("sqs", "queue_url = \"https://sqs.eu-north-1.amazonaws.com/1/a\"\n"),
        ("pubsub", "project = \"example\"\ntopic = \"events\"\n"),
    ];
    let sections = sinks.map(|(kind, keys)| format!("[sinks.{kind}]\nkind = \"{kind}\"\n{keys}{endpoint}"));
    let routes = "[[routes]]\nname = \"all\"\nsinks = [\"object\", \"sqs\", \"pubsub\"]\n";
    site.write(("", ""), &(sections.concat() + routes));
    let mut command = site.command(&["check", "--probe"]);
    let said = Said::from(command.env("HTTP_PROXY", format!("http://{}", proxy.address)).output().unwrap());
    let asked: Vec<String> = service.requests().into_iter().map(|it| it.head).collect();
    for path in ["PUT /bucket/", "POST / ", "GET /v1/projects/example/topics/events "] {
        assert!(asked.iter().any(|head| head.starts_with(path)), "{path}: {asked:?} {said:?}");
    }
    assert_eq!(proxy.n_connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthcheck_asks_the_server_that_the_config_names() {
    let site = Site::new();
    site.write_for_all("shutdown_delay = \"5s\"", "");
    let server = site.serve();
    let ask = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        Said::from(command.env("REELHOOK__ADMIN__LISTEN", server.admin.to_string()).output().unwrap())
    };
    for arguments in [&["healthcheck"][..], &["healthcheck", "--ready"]] {
        let said = ask(arguments);
        assert_eq!((said.code, &*said.err), (Some(0), ""), "{said:?}");
    }
    server.terminate();
    server.said("stopping: not ready any more");
    assert_eq!(ask(&["healthcheck"]).code, Some(0));
    let stopping = ask(&["healthcheck", "--ready"]);
    assert_eq!(stopping.code, Some(1), "{stopping:?}");
    assert!(stopping.err.contains("/readyz answered 503 Service Unavailable: not ready: stopping"), "{stopping:?}");
    let admin = server.admin;
    server.kill();
    let mut command = site.command(&["healthcheck"]);
    let gone = Said::from(command.env("REELHOOK__ADMIN__LISTEN", admin.to_string()).output().unwrap());
    assert_eq!(gone.code, Some(1), "{gone:?}");
    assert!(gone.err.contains("/livez did not answer: "), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthcheck_needs_only_the_address_and_no_mistake_makes_a_healthy_server_unhealthy() {
    let site = Site::new();
    let server = site.serve();
    let file = site.folder.path().join("broken.toml");
    let healthcheck = |more: &[&str]| {
        let mut command = reelhook();
        Said::from(command.arg("healthcheck").arg("--config").arg(&file).args(more).output().unwrap())
    };
    let admin = format!("[admin]\nlisten = \"{}\"\n", server.admin);
    for broken in [
        "[sevrer]\nlisten = 1\n",
        "[calls]\napp_ids = [\"x\n",
        "[calls]\napp_ids = []\n[sinks.crm]\nkind = \"http\"\nsecret = { file = \"/run/secrets/gone\" }\n",
    ] {
        for text in [format!("{admin}{broken}"), format!("{broken}{admin}")] {
            std::fs::write(&file, &text).unwrap();
            for more in [&[][..], &["--ready"]] {
                let said = healthcheck(more);
                assert_eq!((said.code, &*said.err), (Some(0), ""), "{text}: {said:?}");
            }
        }
    }
    std::fs::write(&file, format!("[admin]\nlisten = 1\n{admin}")).unwrap();
    let url = server.admin_url("/");
    assert_eq!(healthcheck(&["--url", &url]).code, Some(0));
    server.kill();
    let gone = healthcheck(&["--url", &url]);
    assert!(gone.code == Some(1) && gone.err.contains("/livez did not answer: "), "{gone:?}");
}

/// The arguments with which `simulate` and `conformance` play towards a server whose keys are served at `identity`.
fn towards<'a>(url: &'a str, identity: &'a str) -> Vec<&'a str> {
    vec!["--url", url, "--identity-listen", identity, "--client-state-env", "TEST_CLIENT_STATE"]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_friendly_day_and_a_strict_grader_find_nothing_wrong_with_the_server() {
    // An address that no other test listens on.
    let identity = std::net::TcpListener::bind("127.78.0.1:0").unwrap().local_addr().unwrap().to_string();
    let site = Site::new();
    let calls = format!("http://{identity}/v1/.well-known/OpenIdConfiguration");
    let changes = format!("http://{identity}/common/v2.0/.well-known/openid-configuration");
    let keys = site.folder.path().join("identity");
    let keys = keys.to_str().unwrap();
    let key = site.folder.path().join("simulator.pem");
    reelhook::simulator::Certificate::in_file("simulator", &key).unwrap();
    let delivered = site.folder.path().join("delivered.jsonl");
    let routes = format!(
        "[[subscriptions.certificates]]\nid = \"simulator\"\nprivate_key = {{ file = \"{}\" }}\n\
         [sinks.delivered]\nkind = \"file\"\npath = \"{}\"\n\
         [[routes]]\nname = \"all\"\nsinks = [\"hook\", \"delivered\"]\n",
        key.display(),
        delivered.display()
    );
    site.write(("", ""), &routes);
    let mut command = site.command(&["serve"]);
    command.env("REELHOOK__CALLS__OPENID_CONFIGURATION", calls);
    command.env("REELHOOK__SUBSCRIPTIONS__OPENID_CONFIGURATION", changes);
    let server = super::Server::start_with(&mut command);
    let url = server.url("");
    let common = [towards(&url, &identity), vec!["--identity-dir", keys, "--certificate-key", key.to_str().unwrap()]];
    let common = common.concat();

    let played = site.run(&[&["simulate"][..], &common].concat());
    assert_eq!(played.code, Some(0), "{played:?}");
    assert!(played.out.contains(" POSTs were answered as expected (seed "), "{played:?}");
    let observed = ["conformance", "--observe", delivered.to_str().unwrap()];
    let graded = site.run(&[&observed[..], &common].concat());
    assert_eq!(graded.code, Some(0), "{}", graded.out);
    assert!(graded.out.contains("\ngrade A: "), "{}", graded.out);
    // Not an advice either.
    assert!(!graded.out.contains("\nFAIL"), "{}", graded.out);
    let json = site.run(&[&observed[..], &["--json"], &common].concat());
    let grade: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!((json.code, grade["grade"].as_str()), (Some(0), Some("A")), "{grade}");
    let unseen = site.run(&[&["conformance"][..], &common].concat());
    assert_eq!(unseen.code, Some(0), "{}", unseen.out);
    assert!(unseen.out.contains("\ngrade C: no better than C without --observe, because"), "{}", unseen.out);
    // Nothing was lost, and what was asked for was not done.
    let uncrashed = site.run(&[&observed[..], &["--channel", "calls", "--restart-command", "false"], &common].concat());
    assert_eq!(uncrashed.code, Some(2), "{}", uncrashed.out);
    assert!(uncrashed.out.contains("\ngrade A: ") && uncrashed.out.contains("try it in a shell"), "{}", uncrashed.out);
    let load = site.run(&[&["simulate", "--count", "50", "--connections", "4", "--json"][..], &common].concat());
    assert_eq!(load.code, Some(0), "{load:?}");
}

/// Kills the server whose id is in `$1/pid`, and starts it again in the same surroundings: also a second time, if the
/// first one had not closed its address yet.
const RESTART: &str = "#!/bin/sh
kill -9 $(cat $1/pid)
for _ in $(seq 1000); do
  $2 healthcheck --ready 2> /dev/null && [ -e $1/started ] && exit 0
  if [ ! -e $1/started ] || [ ! -e /proc/$(cat $1/pid)/exe ]; then
    nohup $2 serve < /dev/null > $1/log 2>&1 &
    echo $! > $1/pid
    touch $1/started
  fi
done
exit 1
";

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_grader_kills_the_server_after_an_answer_and_finds_nothing_lost() {
    let site = Site::new();
    let (identity, public) = (free_address(), free_address());
    let folder = site.folder.path().to_str().unwrap().to_owned();
    let observer = format!("http://{}", free_address());
    let routes = format!(
        "[sinks.observer]\nkind = \"http\"\nurl = \"{observer}/\"\nallow_private = [\"127.0.0.0/8\"]\n\
         [[routes]]\nname = \"all\"\nsinks = [\"observer\"]\n"
    );
    site.write(("", ""), &routes);
    let surrounded = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.env("REELHOOK__SERVER__LISTEN", &public);
        let calls = format!("http://{identity}/v1/.well-known/OpenIdConfiguration");
        command.env("REELHOOK__CALLS__OPENID_CONFIGURATION", calls);
        command
    };
    let server = super::Server::start_with(&mut surrounded(&["serve"]));
    std::fs::write(format!("{folder}/pid"), server.id().to_string()).unwrap();
    std::fs::write(format!("{folder}/restart"), RESTART).unwrap();
    let restart = format!("sh {folder}/restart {folder} {}", env!("CARGO_BIN_EXE_reelhook"));
    let url = format!("http://{public}");
    let observed = ["conformance", "--channel", "calls", "--observe", &observer, "--restart-command", &restart];
    let graded = Said::from(surrounded(&[&observed[..], &towards(&url, &identity)].concat()).output().unwrap());
    let pid: i32 = std::fs::read_to_string(format!("{folder}/pid")).unwrap().trim().parse().unwrap();
    assert_ne!(pid.to_string(), server.id().to_string(), "it was started again");
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
    assert!(graded.out.contains("PASS  must    survives-a-crash\n"), "{}", graded.out);
    assert!(graded.out.contains("\ngrade A: ") && !graded.out.contains("survives a crash"), "{}", graded.out);
}

#[test]
fn a_simulator_without_a_receiver_says_so() {
    let said = run(&["simulate", "--url", "http://127.0.0.1:1", "--identity-listen", "127.0.0.1:0"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("hint: nobody listens at that address"), "{said:?}");
    let graded = ["conformance", "--url", "http://127.0.0.1:1", "--identity-listen", "127.0.0.1:0"];
    let said = run(&graded);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("nothing was checked"), "{said:?}");
    let said = run(&[&graded[..], &["--json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, &json["grade"], &json["conformant"]), (Some(5), &serde_json::Value::Null, &false.into()));
    assert!(json["reason"].as_str().unwrap().contains("cannot connect to 127.0.0.1:1"), "{json}");
}

#[test]
fn the_grader_refuses_a_url_with_a_path_and_says_where_paths_belong() {
    for url in ["http://127.0.0.1:1/graph/calls", "http://127.0.0.1:1?code=x"] {
        let said = run(&["conformance", "--url", url, "--identity-listen", "127.0.0.1:0"]);
        assert_eq!(said.code, Some(2), "{said:?}");
        let is_told = said.err.contains("expected none") && said.err.contains("--calls-path");
        assert!(is_told && said.out.is_empty(), "{said:?}");
    }
    let said = run(&["conformance", "--url", "http://127.0.0.1:1/", "--identity-listen", "127.0.0.1:0"]);
    assert_eq!(said.code, Some(5), "{said:?}");
}

#[test]
fn the_simulator_lists_its_scenarios_and_tells_every_mistake_of_a_script() {
    let said = run(&["simulate", "--list"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("hangup           the caller hangs up while the bot records"), "{}", said.out);
    assert!(said.out.lines().count() > 20, "{}", said.out);
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("my-call.toml");
    std::fs::write(&script, "[[steps]]\nsend = \"ring\"\n[[steps]]\nsend = \"hold\"\nafer = \"1s\"\n").unwrap();
    let file = script.to_str().unwrap();
    let said = run(&["simulate", "--script", file, "--identity-listen", "127.0.0.1:0"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let first = format!("{file}:2: steps[0].send: found \"ring\", expected one of \"incoming\", ");
    let second = format!("{file}:5: steps[1].afer: found an unknown key, expected one of: after, ");
    assert!(said.err.contains("the script has mistakes:") && said.out.is_empty(), "{said:?}");
    assert!(said.err.contains(&first) && said.err.contains(&second), "{said:?}");
    let said = run(&["simulate", "--script", "no-such.toml", "--identity-listen", "127.0.0.1:0"]);
    assert!(said.code == Some(2) && said.err.contains("no-such.toml: cannot read the script"), "{said:?}");
}

#[test]
fn the_demo_shows_notifications_and_deliveries_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let said = Said::from(reelhook().args(["demo", "--duration", "8s"]).env("TMPDIR", folder.path()).output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    let n_posts = said.out.lines().filter(|line| line.contains("  POST /graph/")).count();
    let n_deliveries = said.out.lines().filter(|line| line.contains("  -> ")).count();
    assert!(n_posts > 20 && n_deliveries > 20, "{}", said.out);
    assert!(
        said.out.contains(" POSTs, all answered as expected; ") && said.out.contains(" 0 still waiting."),
        "{}",
        said.out
    );
    let (first, _) = said.out.split_once('\n').unwrap();
    assert!(
        first.starts_with("reelhook demo: open the console at http://127.0.0.1:") && first.ends_with('/'),
        "{first}"
    );
    for shown in [
        "crm                    recordOperation.completed  support-2001  (sink named in the announcement)",
        "crm                    recordOperation.failed  support-1002",
        "recordOperation.overdue  support-2004",
        "recordOperation.lost  support-2003",
        "recordOperation.overdue  support-2002",
        "recordOperation.recovered  support-2002",
        "crm                    refuses recordOperation.completed  support-2005",
    ] {
        assert_eq!(said.out.matches(shown).count(), 1, "{shown}: {}", said.out);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

/// A demo with sinks of these kinds, of which those in `without_server` need none.
fn demo_with(kinds: &[&str], without_server: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    // A server that does not run as root must get through to its own folder.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    let arguments = ["demo", "--duration", "10s", "--sinks", &kinds.join(",")];
    let said = Said::from(reelhook().args(arguments).env("TMPDIR", folder.path()).output().unwrap());
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    for kind in kinds {
        let greeting = match without_server.contains(kind) {
            true => format!("  the sink {kind} writes to {}/reelhook-demo-", folder.path().display()),
            false => format!("  a {kind} server is at 127.0.0.1:"),
        };
        assert!(said.out.contains(&greeting), "{kind}: {}", said.out);
        let arrived: Vec<&str> = said.out.lines().filter(|line| line.contains(&format!("  {kind} has "))).collect();
        let completed = |line: &&str| line.contains("recordOperation.completed") && line.ends_with("support-1001");
        assert!(arrived.len() > 20 && arrived.iter().any(completed), "{kind}: {}", said.out);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_demo_starts_the_servers_of_sinks_and_shows_what_arrives_there() {
    demo_with(&["mqtt", "nats", "postgres", "rabbitmq", "redis"], &[]);
}

#[test]
fn a_demo_shows_what_arrives_at_servers_that_act_as_a_cloud_s() {
    let mut kinds = vec!["servicebus", "sqs"];
    if cfg!(feature = "kafka") {
        kinds.push("kafka");
    }
    // Google's package is not on every machine.
    if Path::new("/usr/lib/google-cloud-sdk/platform/pubsub-emulator").exists() {
        kinds.push("pubsub");
    }
    demo_with(&kinds, &[]);
}

#[test]
fn a_demo_shows_what_arrives_where_no_server_is_needed() {
    demo_with(&["exec", "file", "object"], &["exec", "file", "object"]);
}

#[test]
fn a_demo_with_a_kind_that_it_cannot_show_names_those_that_it_can() {
    let said = run(&["demo", "--sinks", "nats,http"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("--sinks: found \"http\", expected one of: exec, file, "), "{said:?}");
    if cfg!(not(feature = "kafka")) {
        let said = run(&["demo", "--sinks", "kafka"]);
        let why = "this build has no sink of kind \"kafka\", it was built without the feature \"kafka\"";
        assert!(said.err.contains(why), "{said:?}");
    }
}

#[test]
fn a_demo_whose_server_is_not_installed_says_how_it_is_installed() {
    for (kind, words) in [
        ("nats", "nats-server cannot be started; Debian: apt-get install nats-server"),
        ("sqs", "moto_server cannot be started; pip install 'moto[server]'"),
        ("exec", "tee cannot be started; Debian: apt-get install coreutils"),
    ] {
        let said = Said::from(reelhook().args(["demo", "--sinks", kind]).env("PATH", "/nowhere").output().unwrap());
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.err.contains(words), "{said:?}");
    }
}

#[test]
fn a_demo_that_nobody_watches_any_more_ends_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = reelhook();
    let said = command.arg("demo").env("TMPDIR", folder.path()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    let said = Said::from(said);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.err.contains("panicked"), "{said:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn every_command_has_examples() {
    for command in super::manual::commands() {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let said = run(&arguments);
        assert_eq!(said.code, Some(0), "{command}: {said:?}");
        assert!(said.out.matches(&*format!("  reelhook {command}")).count() >= 1, "{command}: {}", said.out);
    }
}

#[test]
fn wrong_usage_is_exit_code_2() {
    for arguments in [&["serve", "--no-such"][..], &["deadletters"], &["explain"], &["demo", "--duration", "soon"], &[]]
    {
        assert_eq!(run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_override_the_file_and_name_it() {
    let mut site = Site::new();
    // The config's path comes from REELHOOK_CONFIG in every test here; --config wins over it.
    let said = site.run(&["check", "--config", "/nonexistent/other.toml"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.starts_with("/nonexistent/other.toml: found "), "{said:?}");
    let address = std::net::TcpListener::bind("127.79.0.1:0").unwrap().local_addr().unwrap();
    let mut command = site.command(&["serve"]);
    let server = super::Server::start_with(command.env("REELHOOK__SERVER__LISTEN", address.to_string()));
    assert_eq!(server.public, address);
    assert_eq!(site.post(&server, "overridden").await.status, 202);
    let said = Said::from(site.command(&["check"]).env("REELHOOK__SERVER__LISTN", "x").output().unwrap());
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.starts_with("REELHOOK__SERVER__LISTN: server.listn: found an unknown key"), "{said:?}");
}
