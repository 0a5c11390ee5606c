//! The README, docs/operations.md and docs/graph.md are held to the code: what their tables list is what there is, and what they tell to
//! copy works.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reelhook::config::{self, TextMatch};
use reelhook::domain::{Dialect, OperationEvent};
use regex::Regex;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The section of the README under `heading`.
fn section(heading: &str) -> String {
    section_of("README.md", heading)
}

/// The section of a page under `heading`.
fn section_of(path: &str, heading: &str) -> String {
    let page = read(path);
    let start = page.find(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{path}: no section {heading:?}"));
    let rest = &page[start + 4..];
    rest[..rest.find("\n## ").unwrap_or(rest.len())].to_owned()
}

/// The words in `backticks` of each row's first cell, in the table of a section.
fn first_cells(section: &str) -> Vec<Vec<String>> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next().map(str::to_owned));
    let words = |cell: String| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    rows.map(words).filter(|words: &Vec<String>| !words.is_empty()).collect()
}

fn first_words(heading: &str) -> BTreeSet<String> {
    first_cells(&section(heading)).into_iter().flatten().collect()
}

/// The code blocks in `language`.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim_start) {
        match &mut block {
            Some(text) if line != "```" => {
                text.push_str(line);
                text.push('\n');
            }
            Some(_) => blocks.extend(block.take()),
            None if line == format!("```{language}") => block = Some(String::new()),
            None => {}
        }
    }
    blocks
}

#[test]
fn the_smallest_config_loads_without_a_mistake() {
    let blocks = blocks(&section("Connect your bot"), "toml");
    assert_eq!(blocks.len(), 1);
    let loaded = config::parse(&blocks[0], std::iter::empty()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!((loaded.config.sinks.len(), loaded.config.routes.len()), (1, 1));
}

#[test]
fn the_variable_that_it_shows_overrides_a_value() {
    let readme = read("README.md");
    let shown = readme.split('`').find(|code| code.starts_with(config::PREFIX)).expect("a variable");
    let (name, text) = shown.split_once('=').unwrap();
    let least = "[calls]\napp_ids = ['x']\n";
    let loaded = config::parse(least, std::iter::once((name.to_owned(), text.to_owned()))).unwrap();
    assert_eq!(loaded.config.server.listen.to_string(), text);
}

#[test]
fn every_condition_that_it_shows_is_one_and_none_is_missing() {
    let mut shown = BTreeSet::new();
    for condition in first_words("Routes").iter().filter(|code| code.starts_with('{')) {
        let text = format!(
            "[calls]\napp_ids = ['x']\n[sinks.a]\nkind = 'stdout'\n[[routes]]\nname = 'r'\nsinks = ['a']\n\
             client_context = {condition}\n"
        );
        let loaded = config::parse(&text, std::iter::empty()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        shown.insert(match loaded.config.routes[0].client_context.as_ref().expect("a condition") {
            TextMatch::Exact(_) => "exact",
            TextMatch::Prefix(_) => "prefix",
            TextMatch::Glob(_) => "glob",
            TextMatch::Regex(_) => "regex",
            TextMatch::Json { .. } => "json",
        });
    }
    assert_eq!(shown, BTreeSet::from(["exact", "prefix", "glob", "regex", "json"]));
}

#[test]
fn the_retry_schedule_that_it_tells_is_the_default() {
    let text = section("Sinks").replace('\n', " ");
    let waits = text.split_once("waits before the next attempts are ").and_then(|(_, rest)| rest.split_once('.'));
    assert!(text.contains("The first attempt is made at once."));
    assert!(text.contains("Each wait is up to 20 % longer or shorter, by chance."));
    let read = |delay: &str| {
        let delay: jiff::SignedDuration = delay.trim().parse().unwrap_or_else(|error| panic!("{delay:?}: {error}"));
        Duration::try_from(delay).unwrap()
    };
    let waits = waits.unwrap().0.replace(" and ", ", ");
    let delays: Vec<Duration> = ["0 s"].into_iter().chain(waits.split(", ")).map(read).collect();
    let defaults = config::parse("[calls]\napp_ids = ['x']\n", std::iter::empty()).unwrap().config.dispatch.defaults;
    assert_eq!((delays, 0.2), (defaults.retry, defaults.jitter));
}

#[test]
fn the_answers_that_it_lists_are_those_that_are_given() {
    const ANSWERS: [(&str, &str); 20] = [
        ("HttpResponse::Ok", "200"),
        ("HttpResponse::Accepted", "202"),
        ("HttpResponse::NoContent", "204"),
        ("HttpResponse::BadRequest", "400"),
        ("StatusCode::BAD_REQUEST", "400"),
        ("HttpResponse::Unauthorized", "401"),
        ("HttpResponse::Forbidden", "403"),
        ("HttpResponse::NotFound", "404"),
        ("StatusCode::NOT_FOUND", "404"),
        ("HttpResponse::MethodNotAllowed", "405"),
        ("StatusCode::METHOD_NOT_ALLOWED", "405"),
        ("StatusCode::REQUEST_TIMEOUT", "408"),
        ("HttpResponse::PayloadTooLarge", "413"),
        ("StatusCode::PAYLOAD_TOO_LARGE", "413"),
        ("HttpResponse::UnsupportedMediaType", "415"),
        ("StatusCode::UNSUPPORTED_MEDIA_TYPE", "415"),
        ("HttpResponse::TooManyRequests", "429"),
        ("StatusCode::TOO_MANY_REQUESTS", "429"),
        ("HttpResponse::ServiceUnavailable", "503"),
        ("StatusCode::SERVICE_UNAVAILABLE", "503"),
    ];
    let reply = read("src/http/reply.rs");
    let mut given = BTreeSet::new();
    for start in ["HttpResponse::", "StatusCode::"] {
        for (at, _) in reply.match_indices(start) {
            let name: String =
                reply[at + start.len()..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name == "build" {
                continue;
            }
            let known = ANSWERS.iter().find(|(answer, _)| *answer == format!("{start}{name}"));
            given.insert(known.unwrap_or_else(|| panic!("{start}{name} is not in this test's list")).1.to_owned());
        }
    }
    let mut listed = first_words("Answers that Graph gets");
    listed.retain(|word| word.parse::<u16>().is_ok());
    assert_eq!(listed, given);
}

#[test]
fn the_page_on_graph_lists_the_same_answers() {
    let statuses = |section: &str| {
        let words = first_cells(section).into_iter().flatten();
        words.filter(|word| word.parse::<u16>().is_ok()).collect::<BTreeSet<_>>()
    };
    let listed = statuses(&section_of("docs/graph.md", "Answers"));
    assert!(listed.len() > 5, "{listed:?}");
    assert_eq!(listed, statuses(&section("Answers that Graph gets")));
}

#[test]
fn the_dialects_that_the_page_on_graph_lists_are_those_that_are_read() {
    let mut listed = first_cells(&section_of("docs/graph.md", "Dialects")).concat();
    let mut read: Vec<&str> = Dialect::ALL.iter().map(|dialect| dialect.as_str()).collect();
    listed.sort();
    read.sort_unstable();
    assert_eq!(listed, read);
}

#[test]
fn the_page_on_graph_names_each_source_and_uses_it() {
    let page = read("docs/graph.md");
    let names = Regex::new(r"\[([a-z][a-z0-9-]*)\]").unwrap();
    let (text, sources) = page.split_once("\n## Sources\n").unwrap();
    // A link's text is followed by its address; the contents and the heads of links are no sources.
    let after = |end: usize| text[end..].chars().next();
    let is_name = |found: &regex::Match<'_>| !matches!(after(found.end()), Some('(')) && found.as_str() != "[name]";
    let used: BTreeSet<&str> = names.find_iter(text).filter(is_name).map(|found| found.as_str()).collect();
    assert!(used.len() > 15, "{used:?}");
    for line in [r"(?m)^\| (\[[a-z0-9-]+\]) \| ", r"(?m)^(\[[a-z0-9-]+\]): https://"] {
        let line = Regex::new(line).unwrap();
        let listed: BTreeSet<&str> = line.captures_iter(sources).map(|it| it.get(1).unwrap().as_str()).collect();
        assert_eq!(used, listed);
    }
}

#[test]
fn the_reports_that_the_pages_list_are_those_that_are_sent() {
    let own = OperationEvent::ALL.iter().filter(|event| event.is_own());
    let (kinds, words): (BTreeSet<&str>, BTreeSet<&str>) = own.map(|event| (event.kind(), event.word())).unzip();
    let kind_of = |line: &str| Some(line.strip_prefix("| `recordOperation.")?.split('`').next()?.to_owned());
    let readme: BTreeSet<String> = read("README.md").lines().filter_map(kind_of).collect();
    assert_eq!(readme, words.iter().map(|word| (*word).to_owned()).collect());
    assert_eq!(kinds.len(), words.len());
    let sinks = read("docs/sinks.md");
    for event in OperationEvent::ALL {
        let row = match event.is_own() {
            true => format!("\n| `{}` | reelhook | {} |\n", event.word(), event.meaning()),
            false => format!("`{}`", event.word()),
        };
        assert!(sinks.contains(&row), "docs/sinks.md: no row {row:?}");
    }
    let listed = sinks.lines().filter(|line| line.contains("` | reelhook | ")).count();
    assert_eq!(listed, words.len(), "docs/sinks.md lists what is never sent");
}

#[test]
fn the_commands_that_it_lists_are_those_that_there_are() {
    let help = Command::new(env!("CARGO_BIN_EXE_reelhook")).arg("-h").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, commands) = help.split_once("Commands:\n").expect("a list of commands");
    let names = commands.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
        // A longer description goes on in the next line, further to the right.
        line.strip_prefix("  ").filter(|line| !line.starts_with(' ')).and_then(|line| line.split(' ').next())
    });
    let there_are: BTreeSet<String> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert_eq!(first_words("Commands"), there_are);
}

#[test]
fn every_file_that_it_links_to_is_there() {
    let readme = read("README.md");
    let links: Vec<&str> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    let files: Vec<&&str> = links.iter().filter(|link| !link.contains("://") && !link.starts_with('#')).collect();
    assert!(files.len() >= 4, "{links:?}");
    for file in files {
        let file = file.split('#').next().unwrap_or_default();
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(file).exists(), "{file}");
    }
}

#[test]
fn what_the_image_copies_is_there() {
    let copied: Vec<String> = read("Dockerfile")
        .lines()
        .filter_map(|line| line.strip_prefix("COPY "))
        .filter(|line| !line.starts_with("--from"))
        .flat_map(|line| line.split(' ').rev().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(copied.contains(&"config/examples/container.toml".to_owned()), "{copied:?}");
    for path in copied {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).exists(), "{path}");
    }
}

#[test]
fn the_image_has_the_version_of_the_manifest_and_no_builder_needs_a_network_to_read_its_file() {
    let (manifest, image) = (read("Cargo.toml"), read("Dockerfile"));
    let version = manifest.split("\nversion = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    assert!(image.contains(&format!("\nARG VERSION={version}\n")), "{version}");
    let is_frontend = |line: &str| line.trim_start_matches('#').trim_start().starts_with("syntax");
    assert!(!image.lines().take_while(|line| line.starts_with('#')).any(is_frontend));
    for base in ["BUILD_IMAGE", "RUN_IMAGE"] {
        let tag = image.split(&format!("\nARG {base}=")).nth(1).and_then(|rest| rest.lines().next()).unwrap();
        assert!(
            image.contains(&format!("# {base}={tag}@sha256:").replace("# ", "#   --build-arg ")),
            "{tag} by digest"
        );
    }
}

#[test]
fn the_image_shows_cargo_every_file_that_the_manifest_names() {
    let (manifest, image) = (read("Cargo.toml"), read("Dockerfile"));
    let benches: Vec<&str> =
        manifest.split("[[bench]]\nname = \"").skip(1).filter_map(|it| it.split('"').next()).collect();
    assert!(!benches.is_empty());
    for name in benches {
        assert!(image.contains(&format!("benches/{name}.rs")), "{name}");
    }
}

#[test]
fn the_sections_of_the_config_that_it_lists_are_those_that_there_are() {
    let reference = read("config/reelhook.toml");
    let there_are: BTreeSet<String> = reference
        .lines()
        .map(|line| line.trim_start_matches('#'))
        .filter(|line| line.starts_with('[') && line.ends_with(']') && !line.contains(' '))
        .map(|line| line.trim_matches(['[', ']']).split('.').next().unwrap().to_owned())
        .collect();
    let words = first_words("Config");
    let listed = words.iter().map(|word| word.trim_matches(['[', ']']).split('.').next().unwrap().to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), there_are);
    for row in section("Config").lines().filter(|line| line.starts_with("| `[")) {
        let keys = row.split(" | ").nth(1).unwrap();
        for key in keys.split('`').skip(1).step_by(2) {
            let known = reference.contains(&format!("{key} = ")) || reference.contains(&format!(".{key}]]"));
            assert!(known, "{key}");
        }
    }
}

/// The words in `backticks`, without what follows a `{` or a space.
fn code_words(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    let words = prose.flat_map(|prose| prose.split('`').skip(1).step_by(2));
    words.filter_map(|code| code.split(['{', ' ']).next()).collect()
}

#[test]
fn every_metric_that_is_named_is_counted() {
    let files = ["answers", "arrivals", "connections", "contents", "health", "mod", "sinks"];
    let telemetry: String = files.map(|file| read(&format!("src/telemetry/{file}.rs"))).concat();
    let mut n_named = 0;
    for file in ["README.md", "docs/operations.md", "docs/sinks.md", "docs/graph.md"] {
        let text = read(file);
        for name in code_words(&text).into_iter().filter_map(|word| word.strip_prefix("reelhook_")) {
            let family = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name);
            assert!(telemetry.contains(&format!("\"{family}\"")), "{file}: reelhook_{name}");
            n_named += 1;
        }
    }
    assert!(n_named >= 8, "{n_named}");
}

#[test]
fn every_key_that_a_page_names_is_in_the_reference() {
    let reference = read("config/reelhook.toml");
    for (page, n_least) in [("docs/operations.md", 10), ("docs/sinks.md", 2), ("docs/graph.md", 5)] {
        let text = read(page);
        let mut n_named = 0;
        for word in code_words(&text) {
            let Some((section, key)) = word.split_once('.') else { continue };
            let header = [format!("[{section}]\n"), format!("#[{section}]\n")];
            let Some(start) = header.iter().find_map(|header| reference.find(header.as_str())) else { continue };
            let body = &reference[start..];
            let body = &body[..body.find("\n# ----").unwrap_or(body.len())];
            assert!(body.contains(&format!("\n{key} = ")) || body.contains(&format!("\n#{key} = ")), "{page}: {word}");
            n_named += 1;
        }
        assert!(n_named >= n_least, "{page}: {n_named}");
    }
}
