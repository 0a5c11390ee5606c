//! What a check found, for people and as JSON.

use serde_json::{Value, json};

use crate::cli::print::{remark, say};
use crate::cli::text;
use crate::config::{Place, Remark};

/// The longest line that is printed.
const MAX_LINE: usize = 1000;

/// Everything that was found.
#[derive(Default)]
pub(super) struct Findings {
    /// The config's file, as it is shown.
    file: String,
    /// The mistakes, in the order of the file.
    pub mistakes: Vec<Finding>,
    /// Valid settings that may not be intended.
    pub warnings: Vec<Finding>,
    /// What could not be checked.
    pub notes: Vec<String>,
    /// The number of sinks and of routes, if there is no mistake.
    pub counts: Option<(usize, usize)>,
    /// What was tried.
    pub probes: Vec<Probe>,
}

/// A mistake or a warning.
pub(super) struct Finding {
    /// Where it is; `None`: not in the config.
    pub place: Option<Remark>,
    /// The key's path.
    pub key: String,
    /// What was found, what was expected.
    pub text: String,
}

/// Something that was tried.
pub(super) struct Probe {
    /// The key of the config that it is about.
    pub name: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// What is to be known although it did not fail.
    pub note: Option<String>,
}

impl From<&Remark> for Finding {
    fn from(remark: &Remark) -> Self {
        Self { place: Some(remark.clone()), key: remark.key.clone(), text: remark.text.clone() }
    }
}

impl Findings {
    /// Warnings about a file; the rest is found later.
    pub(super) fn new(file: String, warnings: Vec<Finding>) -> Self {
        Self { file, warnings, ..Self::default() }
    }

    /// Tells a person what is found in the config: mistakes and warnings on standard error, the result on standard
    /// output.
    pub(super) fn tell(&self) {
        for warning in &self.warnings {
            remark!("warning: {}", warning.line());
        }
        for note in &self.notes {
            remark!("note: {}", text::safe(note, MAX_LINE));
        }
        for mistake in &self.mistakes {
            remark!("{}", mistake.line());
        }
        if let Some((n_sinks, n_routes)) = self.counts {
            let (sinks, routes) = (text::counted(n_sinks, "sink"), text::counted(n_routes, "route"));
            say!("{}: {sinks}, {routes}: no mistakes", self.file);
        } else {
            remark!("{} in the config", text::counted(self.mistakes.len(), "mistake"));
        }
    }

    /// Tells a person that the warnings make the check fail.
    pub(super) fn tell_denied(&self) {
        if !self.warnings.is_empty() {
            remark!("{}, and --deny-warnings allows none", text::counted(self.warnings.len(), "warning"));
        }
    }

    /// Tells a program: one line of JSON on standard output.
    pub(super) fn tell_as_json(&self) {
        let all = |findings: &[Finding]| findings.iter().map(Finding::json).collect::<Vec<_>>();
        let probes = self.probes.iter().map(|it| json!({ "name": it.name, "failure": it.failure, "note": it.note }));
        let (sinks, routes) = self.counts.unzip();
        say!(
            "{}",
            json!({
                "config": self.file,
                "mistakes": all(&self.mistakes),
                "warnings": all(&self.warnings),
                "notes": self.notes,
                "sinks": sinks,
                "routes": routes,
                "probes": probes.collect::<Vec<_>>(),
            })
        );
    }
}

impl Finding {
    /// For a person: `my.toml:2: server.listen: found 17, expected ..`.
    fn line(&self) -> String {
        self.place.as_ref().map_or_else(|| text::safe(&self.text, MAX_LINE), ToString::to_string)
    }

    fn json(&self) -> Value {
        let origin = self.place.as_ref().map(|it| origin(&it.place, &it.file));
        json!({ "key": self.key, "text": self.text, "origin": origin })
    }
}

impl Probe {
    /// Tells a person.
    pub(super) fn tell(&self) {
        let name = text::safe(&self.name, 200);
        match (&self.failure, &self.note) {
            (Some(why), _) => say!("  FAILED  {name}: {}", text::safe(why, 500)),
            (None, Some(note)) => say!("  ok      {name} ({})", text::safe(note, 500)),
            (None, None) => say!("  ok      {name}"),
        }
    }
}

/// Where a value comes from, for programs.
pub(in crate::cli) fn origin(place: &Place, file: &str) -> Value {
    match place {
        Place::File => json!({ "kind": "file", "file": file }),
        Place::Line(line) => json!({ "kind": "file", "file": file, "line": line }),
        Place::Variable(name) => json!({ "kind": "variable", "name": name }),
    }
}
