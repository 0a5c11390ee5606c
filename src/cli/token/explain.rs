//! `reelhook token explain`: says which checks a token of Graph passes and fails, and what to set.
//!
//! **Invariants**
//! 1. The token comes on standard input: as an argument, other users of the machine could see it. It is never printed.

use std::io::Read;
use std::process::ExitCode;

use anyhow::Context;

use crate::cli::print::{remark, say};
use crate::cli::{ConfigArg, load, text};
use crate::clock::Clock;
use crate::domain::Channel;
use crate::graph::{Check, Outcome};
use crate::operator::{Explained, TokenChannel};

/// The most bytes that are read: more than any token has.
const MAX_BYTES: u64 = 64 * 1024;
/// The most characters of a value that are shown.
const MAX_CHARS: usize = 300;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook token explain --config my.toml < token.txt
  wl-paste | reelhook token explain --config my.toml --channel calls

The token is the value of Graph's header Authorization, with or without \"Bearer\", or one of the
validationTokens of a notification. It is read from standard input and never printed. The
command reads the config and fetches the signing keys of the provider, as the server does:

  channel calls
    ok      format     3 parts, 1504 bytes
    ok      algorithm  RS256
    ok      key        kW9Xj..
    ok      signature
    ok      issuer     https://api.botframework.com
    FAILED  audience   found 5b2e34e5-.., expected 0efc74f7-..
            add what was found to calls.app_ids if it is the app id of your application
    ok      tenant     1fdd12d0-..
    ok      app id
    ok      expiry     2026-11-24T08:00:00Z to 2026-11-24T09:00:00Z
  refused on the channel calls: jwt_aud

Exit codes:
  0  a channel accepts the token
  1  no channel accepts it
  2  wrong usage or config")]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Check for this channel only. Default: each channel of the config
    #[arg(long, value_enum)]
    channel: Option<ChannelName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ChannelName {
    Calls,
    Subscriptions,
}

impl ChannelName {
    fn channel(self) -> Channel {
        match self {
            Self::Calls => Channel::Calls,
            Self::Subscriptions => Channel::Subscriptions,
        }
    }
}

/// Explains the token on standard input.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = match load::config(&args.config.config) {
        Ok(config) => config,
        Err(code) => return Ok(code),
    };
    let wanted = args.channel.map(ChannelName::channel);
    let channels: Vec<TokenChannel> =
        TokenChannel::of(&config).into_iter().filter(|it| wanted.is_none_or(|wanted| wanted == it.channel)).collect();
    if channels.is_empty() {
        let section = wanted.map_or("calls] or [subscriptions", Channel::as_str);
        anyhow::bail!("{}: found no section [{section}], which verifies tokens", args.config.config.display());
    }
    let mut given = Vec::new();
    std::io::stdin().lock().take(MAX_BYTES).read_to_end(&mut given).context("cannot read standard input")?;
    let token = alone(&given);
    if token.is_empty() {
        anyhow::bail!("found nothing on standard input, expected a token");
    }
    let mut is_accepted = false;
    for channel in &channels {
        let explained = channel.explain(token, &Clock::system()).await;
        tell(channel, &explained);
        is_accepted |= explained.inspection.verdict.is_ok();
    }
    Ok(if is_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The token without what people copy with it: the header's name, the scheme, quotation marks, spaces.
fn alone(given: &[u8]) -> &[u8] {
    let mut token = given.trim_ascii();
    for before in ["authorization:", "bearer "] {
        let (first, rest) = token.split_at_checked(before.len()).unwrap_or((&[], token));
        if first.eq_ignore_ascii_case(before.as_bytes()) {
            token = rest.trim_ascii();
        }
    }
    token.strip_prefix(b"\"").and_then(|token| token.strip_suffix(b"\"")).unwrap_or(token)
}

fn tell(channel: &TokenChannel, explained: &Explained) {
    let name = channel.channel.as_str();
    say!("channel {name}");
    for check in &explained.inspection.checks {
        let (word, aspect) = (word(check.outcome), check.aspect.word());
        say!("{}", format!("  {word:<7} {aspect:<10} {}", text::safe(&told(check), 3 * MAX_CHARS)).trim_end());
        if matches!(check.outcome, Outcome::Failed(_)) {
            say!("          {}", channel.advice(check.aspect));
        }
    }
    if let Some(why) = &explained.without_keys {
        remark!("could not fetch the signing keys: {}", text::safe(why, MAX_CHARS));
    }
    match explained.inspection.verdict {
        Ok(()) => say!("accepted on the channel {name}"),
        Err(reason) => say!("refused on the channel {name}: {}", reason.as_str()),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "ok",
        Outcome::Failed(_) => "FAILED",
        Outcome::Unknown => "unknown",
    }
}

fn told(check: &Check) -> String {
    let found = check.found.as_deref().map(|found| text::safe(found, MAX_CHARS));
    match check.outcome {
        Outcome::Passed => found.unwrap_or_default(),
        Outcome::Failed(_) => {
            format!("found {}, expected {}", found.as_deref().unwrap_or("nothing that can be read"), check.expected)
        }
        Outcome::Unknown => found.map_or_else(|| "not checked".into(), |found| format!("{found}, not checked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_what_people_copy() {
        for given in [
            "a.b.c",
            " a.b.c\n",
            "Bearer a.b.c",
            "authorization: bearer  a.b.c\r\n",
            "\"a.b.c\"",
            "Authorization:Bearer a.b.c",
        ] {
            assert_eq!(alone(given.as_bytes()), b"a.b.c", "{given:?}");
        }
        assert_eq!(alone(b" \n"), b"");
        assert_eq!(alone("é".as_bytes()), "é".as_bytes());
    }
}
