//! Loads a file and the environment into a checked config, or into all its mistakes.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::{fmt, fs};

use super::environment::overlay;
use super::keys::Key;
use super::places::Places;
use super::remark::{Place, Remark};
use super::report::{Found, Report};
use super::section::Section;
use super::sections::{admin, channels, events, expectations, log, reload, routes, server, sinks, storage};
use super::tree::{self, Node, Value};

/// The checked config.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Graph-facing listener.
    pub server: server::Server,
    /// The operator's listener.
    pub admin: admin::Admin,
    /// The embedded store.
    pub store: storage::Store,
    /// The calling bot's callback channel; `None` if it is not configured (its path then answers 404).
    pub calls: Option<channels::Calls>,
    /// The subscription channel; `None` if it is not configured.
    pub subscriptions: Option<channels::Subscriptions>,
    /// Announced operations and their deadlines.
    pub expectations: expectations::Expectations,
    /// How events are named where they are sent.
    pub events: events::Events,
    /// The settings of every sink that does not set its own.
    pub dispatch: sinks::Dispatch,
    /// The sinks, by name.
    pub sinks: Vec<sinks::Sink>,
    /// The routes, in the order of the file.
    pub routes: Vec<routes::Route>,
    /// Logging.
    pub log: log::Log,
    /// When the config is loaded again.
    pub reload: reload::Reload,
}

/// A checked config, and the remarks for its operator.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// Settings that are valid but may not be intended.
    pub warnings: Vec<Remark>,
    /// Where each key is.
    pub places: Places,
    /// Every key that there may be, with its value and where that comes from. Those of the sinks' kinds are not there.
    pub keys: Vec<Key>,
}

/// Every mistake of a config, in the order of the file. Displayed one per line.
#[derive(Debug)]
pub struct Mistakes {
    /// The mistakes.
    pub list: Vec<Remark>,
    /// The readable part, if the file is TOML.
    pub readable: Option<Box<Readable>>,
}

/// The readable part of a config with mistakes. Parts that are only checked when they are built (sinks, routes,
/// certificates) can be checked at the same time. No server runs by it.
#[derive(Debug)]
pub struct Readable {
    /// The config, with harmless values instead of wrong ones.
    pub config: Config,
    /// Where each key is.
    pub places: Places,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.list.iter().map(Remark::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// Loads the config at `path`. `variables` is the environment (see [`super::variables`]): it overrides values (see
/// [`super::PREFIX`]) and holds the secrets that the config names by `{ env = ".." }`.
///
/// # Errors
/// All mistakes.
pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Loaded, Mistakes> {
    let file = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => read(&file, &text, variables.collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = "expected the config: name it with --config FILE, or in the variable REELHOOK_CONFIG";
            Err(only(&file, format!("found {error}, {text}")))
        }
        Err(error) => Err(only(&file, format!("found {error}, expected a config file in TOML that can be read"))),
    }
}

/// As [`load`], from text.
///
/// # Errors
/// All mistakes.
pub fn parse(text: &str, variables: impl Iterator<Item = (String, String)>) -> Result<Loaded, Mistakes> {
    read("config", text, variables.collect())
}

fn only(file: &str, text: String) -> Mistakes {
    let places = Places::new(file);
    Mistakes { list: vec![places.remark_at(Place::File, "", text)], readable: None }
}

fn read(file: &str, text: &str, variables: BTreeMap<String, String>) -> Result<Loaded, Mistakes> {
    let read = tree::parse(text).map(|mut root| {
        let wrong = overlay(&mut root, &variables);
        (root, wrong)
    });
    let report = Report::new(Places::new(file), variables.into_iter().collect());
    let read = match read {
        Ok((root, wrong)) => {
            for (place, text) in wrong {
                report.mistake_at(place, "", text);
            }
            Some(config(&report, root))
        }
        Err(errors) => {
            for (place, text) in errors {
                report.mistake_at(place, "", format!("is not TOML: {text}"));
            }
            None
        }
    };
    let Found { mistakes: list, warnings, places, keys, .. } = report.into_found();
    match read {
        Some(config) if list.is_empty() => Ok(Loaded { config, warnings, places, keys }),
        read => Err(Mistakes { list, readable: read.map(|config| Box::new(Readable { config, places })) }),
    }
}

/// Every key that a config may have, whatever it contains.
pub(super) fn describe() -> Found {
    let report = Report::describing();
    let empty = Node { place: Place::File, value: Value::Table(BTreeMap::new()) };
    let _ignored = config(&report, empty);
    report.into_found()
}

/// Reads the whole tree. If a mistake was noted, the config has a harmless value in its place.
fn config(report: &Report, root: Node) -> Config {
    let mut root = Section::root(report, root);
    let server = server::server(&mut root);
    let admin = admin::admin(&mut root, &server);
    let store = storage::store(&mut root);
    let calls = channels::calls(&mut root);
    let subscriptions = channels::subscriptions(&mut root);
    channels::check_paths(calls.as_ref(), subscriptions.as_ref(), &root);
    let expectations = expectations::expectations(&mut root);
    let events = events::events(&mut root);
    let dispatch = sinks::dispatch(&mut root);
    let sinks = sinks::sinks(&mut root, &dispatch);
    let routes = routes::routes(&mut root, &sinks);
    routes::warn(&routes, &sinks, &root);
    let log = log::log(&mut root);
    let reload = reload::reload(&mut root);
    Config { server, admin, store, calls, subscriptions, expectations, events, dispatch, sinks, routes, log, reload }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../../config/reelhook.toml");
    const SECRETS: [(&str, &str); 4] = [
        ("REELHOOK_STORE_URL", "postgres://reelhook@localhost/reelhook"),
        ("REELHOOK_STORE_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("REELHOOK_CLIENT_STATE", "state"),
        ("REELHOOK_CERTIFICATE_KEY", "pem"),
    ];
    /// The keys of config/reelhook.toml that have no default.
    const WITHOUT_DEFAULT: &str = r#"
        [calls]
        app_ids = ["00000000-0000-0000-0000-000000000000"]
        [sinks.archive]
        kind = "file"
        path = "data/events.jsonl"
        concurrency = 1
        [[routes]]
        name = "all"
        sinks = ["archive"]
    "#;

    fn secrets() -> impl Iterator<Item = (String, String)> {
        SECRETS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
    }

    /// The reference config, with every key in it set.
    fn reference_in_full() -> String {
        let shown =
            |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#', ':'])).map(str::to_owned);
        // Two names of one condition: a route has one of them.
        let other_name = "#events = [\"recordOperation.*\"]\n";
        let (before, after) = REFERENCE.split_once(other_name).unwrap();
        let lines = before.lines().chain(after.lines());
        lines.map(|line| shown(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_reference_holds_every_default() {
        let reference = parse(REFERENCE, std::iter::empty()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let defaults = parse(WITHOUT_DEFAULT, std::iter::empty()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(format!("{:#?}", reference.config), format!("{:#?}", defaults.config));
    }

    #[test]
    fn the_defaults_that_the_reference_shows_are_the_defaults() {
        let full = parse(&reference_in_full(), secrets()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let least = format!(
            "{WITHOUT_DEFAULT}\n[subscriptions]\napp_ids = ['00000000-0000-0000-0000-000000000000']\n\
             client_states = [{{ env = 'REELHOOK_CLIENT_STATE' }}]\n[[subscriptions.certificates]]\nid = 'cert-1'\n\
             thumbprint = '0123456789abcdef0123456789abcdef01234567'\n\
             private_key = {{ env = 'REELHOOK_CERTIFICATE_KEY' }}"
        );
        let least = parse(&least, secrets()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(format!("{:#?}", full.config.subscriptions), format!("{:#?}", least.config.subscriptions));
        assert_eq!(full.config.server.workers, 2);
        assert!(full.config.store.encryption_key.is_some());
    }

    #[test]
    fn the_reference_names_every_key() {
        let keys = describe().keys;
        assert!(keys.len() > 80, "{keys:?}");
        for path in keys.iter().map(|key| key.path.replace("sinks.*.", "dispatch.").replace("[]", "")) {
            if path.starts_with("sinks") {
                continue;
            }
            let key = path.rsplit('.').next().unwrap_or(&path);
            let words = [format!("\n{key} = "), format!("\n#{key} = "), format!("{{ {key} = "), format!(", {key} = ")];
            let sections = [format!("[{path}]\n"), format!("[[{path}]]\n")];
            assert!(words.iter().chain(&sections).any(|word| REFERENCE.contains(word)), "{path}");
        }
    }
}
