//! Values as text, for the terminal and the console.

pub mod untrusted_text;

use std::time::Duration;

use jiff::Timestamp;

/// An instant, to the second.
pub fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A duration in its largest unit and the next smaller one: `1 h 2 min`. A smaller unit of 0 is left out.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (large, small) = match seconds {
        0 => return format!("{} ms", duration.as_millis()),
        1..60 => ((seconds, "s"), (0, "")),
        60..3600 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3600..86400 => ((seconds / 3600, "h"), (seconds % 3600 / 60, "min")),
        _ => ((seconds / 86400, "d"), (seconds % 86400 / 3600, "h")),
    };
    let small = if small.0 == 0 { String::new() } else { format!(" {} {}", small.0, small.1) };
    format!("{} {}{small}", large.0, large.1)
}

/// The advice about deliveries that wait for a sink that is not in the config; `n` is their number as text.
pub fn sink_is_gone(sink: &str, n_open: u64, n: &str) -> String {
    let waiting = counted(n_open, n, "delivery");
    let (wait, deliveries, them, dead_letters) = match n_open {
        1 => ("waits", "the delivery", "it", "a dead letter"),
        _ => ("wait", "the deliveries", "them", "dead letters"),
    };
    format!(
        "{waiting} {wait} for sink {sink:?}, which is not in the config. Add the sink again, or move {deliveries} to another \
         sink (reelhook deliveries move --from {sink} --to SINK), or turn {them} into {dead_letters} (reelhook \
         deliveries drop --sink {sink})"
    )
}

/// That an operator's pause waits for a sink that is not in the config.
pub fn pause_of_gone_sink(sink: &str, since: Timestamp) -> String {
    format!(
        "An operator paused sink {sink:?} at {}. The sink is not in the config. If you add it again, it is paused, until \
         you resume it (reelhook sinks resume {sink}). You can resume it now, too",
        instant(since)
    )
}

/// `no dead letters`, `1 dead letter`, `2 dead letters`; `number` is `n` as text.
pub fn counted(n: u64, number: &str, what: &str) -> String {
    let many = what.strip_suffix('y').map_or_else(|| format!("{what}s"), |stem| format!("{stem}ies"));
    match n {
        0 => format!("no {many}"),
        1 => format!("1 {what}"),
        _ => format!("{number} {many}"),
    }
}
