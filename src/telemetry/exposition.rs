//! The two formats of `/metrics`: OpenMetrics 1.0 for those who ask for it, and the classic Prometheus text for all
//! others.
//!
//! **Invariants**
//! 1. Both have the same series with the same values. They differ in the comment lines only.

/// A format of `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    Classic,
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
}

impl Exposition {
    /// The format to answer with, by the media types that the client accepts, the preferred one first (without
    /// parameters, as `text/plain`).
    pub fn preferred<'a>(media_types: impl IntoIterator<Item = &'a str>) -> Self {
        let known = media_types.into_iter().find_map(|media_type| match media_type {
            "application/openmetrics-text" => Some(Self::OpenMetrics),
            "text/plain" | "text/*" | "*/*" => Some(Self::Classic),
            _ => None,
        });
        known.unwrap_or(Self::Classic)
    }

    /// The media type of the answer.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// OpenMetrics text in this format.
    pub fn of(self, open_metrics: String) -> String {
        match self {
            Self::Classic => classic(&open_metrics),
            Self::OpenMetrics => open_metrics,
        }
    }
}

/// The comments of classic text name a counter and an info as their samples do, with `_total` and `_info`. It has no unit
/// and no end.
fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(described) = line.strip_prefix("# HELP ") {
            help = described.split_once(' ').map(|(_, help)| help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|typed| typed.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            let help = help.take().unwrap_or_default();
            text.push_str(&format!("# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_that_which_the_client_prefers_and_classic_if_it_says_nothing() {
        let preferred = |accept: &str| Exposition::preferred(accept.split(", "));
        for (accept, expected) in [
            ("application/openmetrics-text, text/plain, */*", Exposition::OpenMetrics),
            ("application/json, application/openmetrics-text", Exposition::OpenMetrics),
            ("text/plain, application/openmetrics-text", Exposition::Classic),
            ("*/*", Exposition::Classic),
            ("text/*", Exposition::Classic),
            ("application/json", Exposition::Classic),
            ("", Exposition::Classic),
        ] {
            assert_eq!(preferred(accept), expected, "{accept}");
        }
    }

    #[test]
    fn classic_text_has_the_same_samples_under_the_comments_of_its_format() {
        let open = "# HELP a_seconds How long.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total{b=\"# EOF\"} 1\n\
                    # HELP c See.\n# TYPE c info\nc_info{d=\"e\"} 1\n# HELP f G.\n# TYPE f gauge\nf 2.5\n# EOF\n";
        let expected = "# HELP a_seconds_total How long.\n# TYPE a_seconds_total counter\na_seconds_total{b=\"# EOF\"} 1\n\
                        # HELP c_info See.\n# TYPE c_info gauge\nc_info{d=\"e\"} 1\n# HELP f G.\n# TYPE f gauge\nf 2.5\n";
        assert_eq!(Exposition::Classic.of(open.to_owned()), expected);
        assert_eq!(Exposition::OpenMetrics.of(open.to_owned()), open);
    }
}
