//! What a check needs of the user: all of it is named at once.

use super::Setting;
use super::check::{Check, Need};
use super::checks;
use crate::simulator::Graph;

fn is_met(need: Need, graph: &Graph, setting: &Setting) -> bool {
    match need {
        Need::Observer => setting.observer.is_some(),
        Need::Certificate => graph.certificate.is_some(),
        Need::ClientState => graph.client_state.is_some(),
    }
}

/// Everything that these checks need, and those that they come after.
pub(super) fn of(checks: impl IntoIterator<Item = &'static Check>) -> Vec<Need> {
    let mut needs = Vec::new();
    for check in checks {
        needs.extend(check.needs);
        needs.extend(check.judge.needs_deliveries().then_some(Need::Observer));
        needs.extend(of(checks::named(check.after)));
    }
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// What of this the run has not, in words.
pub(super) fn missing(needs: &[Need], graph: &Graph, setting: &Setting) -> Option<String> {
    let missing = needs.iter().filter(|need| !is_met(**need, graph, setting));
    let missing: Vec<_> = missing.map(|need| need.as_str()).collect();
    let (last, others) = missing.split_last()?;
    Some(if others.is_empty() { format!("needs {last}") } else { format!("needs {} and {last}", others.join(", ")) })
}
