//! Loads a file and the environment into a checked config, or into all its mistakes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::Config;
use super::environment::overlay;
use super::mistakes::Mistakes;
use super::places::Places;
use super::remark::{Place, Remark};
use super::report::Report;
use super::section::Section;
use super::sections::{channels, expectations, listeners, reload, routes, sinks, storage};
use super::tree::{self, Node};

/// A checked config, and the remarks for its operator.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// Settings that are valid but may not be intended.
    pub warnings: Vec<Remark>,
    /// Where each key is.
    pub places: Places,
}

/// Loads the config at `path`. `variables` is the environment (see [`super::variables`]): it overrides values (see
/// [`super::PREFIX`]) and holds the secrets that the config names by `{ env = ".." }`.
///
/// # Errors
/// All mistakes.
pub fn load(path: &Path, variables: impl Iterator<Item = (String, String)>) -> Result<Loaded, Mistakes> {
    let file = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => read(&file, &text, variables.collect()),
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
    Mistakes { list: vec![places.remark_at(Place::File, "", text)], sinks: Vec::new(), places }
}

fn read(file: &str, text: &str, variables: BTreeMap<String, String>) -> Result<Loaded, Mistakes> {
    let report = Report::new(file, variables);
    let read = match tree::parse(text) {
        Ok(mut root) => {
            for (place, text) in overlay(&mut root, report.variables()) {
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
    let (list, warnings, places) = report.into_found();
    match read {
        Some(config) if list.is_empty() => Ok(Loaded { config, warnings, places }),
        read => Err(Mistakes { list, sinks: read.map(|config| config.sinks).unwrap_or_default(), places }),
    }
}

/// Reads the whole tree. If a mistake was noted, the config has a harmless value in its place.
fn config(report: &Report, root: Node) -> Config {
    let mut root = Section::root(report, root);
    let server = listeners::server(&mut root);
    let admin = listeners::admin(&mut root, &server);
    let store = storage::store(&mut root);
    let calls = channels::calls(&mut root);
    let subscriptions = channels::subscriptions(&mut root);
    channels::check_paths(calls.as_ref(), subscriptions.as_ref(), &root);
    let expectations = expectations::expectations(&mut root);
    let dispatch = sinks::dispatch(&mut root);
    let sinks = sinks::sinks(&mut root, &dispatch);
    let routes = routes::routes(&mut root, &sinks);
    routes::warn(&routes, &sinks, &root);
    let log = listeners::log(&mut root);
    let reload = reload::reload(&mut root);
    Config { server, admin, store, calls, subscriptions, expectations, dispatch, sinks, routes, log, reload }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: &str = include_str!("../../config/reelhook.toml");
    const SECRETS: [(&str, &str); 3] = [
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
        let shown = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#'])).map(str::to_owned);
        REFERENCE.lines().map(|line| shown(line).unwrap_or_else(|| line.to_owned())).collect::<Vec<_>>().join("\n")
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
        let report = Report::new("config", secrets().collect());
        let root = tree::parse(&reference_in_full()).unwrap();
        let _config = config(&report, root);
        let asked = report.asked();
        let (mistakes, ..) = report.into_found();
        assert_eq!(mistakes, []);
        assert!(asked.len() > 80, "{asked:?}");
        for path in asked.iter().filter(|path| !path.ends_with(']') && *path != "sinks") {
            let key = path.rsplit('.').next().unwrap_or(path);
            let words = [format!("\n{key} = "), format!("\n#{key} = "), format!("{{ {key} = "), format!(", {key} = ")];
            let sections = [format!("[{path}]\n"), format!("[[{path}]]\n")];
            assert!(words.iter().chain(&sections).any(|word| REFERENCE.contains(word)), "{path}");
        }
    }
}
