//! `reelhook token`: makes a bearer token for the admin listener (`new`), explains why Graph's are refused (`explain`), and
//! prints the public half of the key that signs deliveries (`public-key`).
//!
//! **Invariants**
//! 1. The token is shown once and stored nowhere. The config gets only its SHA-256.

mod explain;

use std::io::Read;
use std::process::ExitCode;

use anyhow::anyhow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use super::print::{remark, say};

/// The prefix of each token, so that a scanner finds a leaked one.
const PREFIX: &str = "rhk_";
/// 256 bits cannot be guessed.
const N_BYTES: usize = 32;
/// More than any key has.
const MAX_KEY_BYTES: u64 = 4096;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook token new --name ops --scopes read,write
  TOKEN=$(reelhook token new --name ops --scopes read 2> lines.toml) && cat lines.toml >> my.toml
  reelhook token explain --config my.toml < token.txt
  reelhook token public-key < webhook-key.txt")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a token; its lines for the config go to standard error
    #[command(after_help = "\
Examples:
  reelhook token new --name ops --scopes read,write
  TOKEN=$(reelhook token new --name ops --scopes read 2> lines.toml) && cat lines.toml >> my.toml

Standard output has only the token. It is shown only now: store it as a secret, and give
it to a command as REELHOOK_TOKEN, or by the config's admin.command_token.
Standard error has the [[admin.tokens]] lines. Append them to the config as they are. The
server reads them at its start and at `reelhook reload`.

Scopes (none contains another):
  read         see everything, but not access tokens and not quarantined bodies
  write        announce, change and remove operations; replay; resend; attempt deliveries now;
               pause and resume sinks; reload the config
  recordings   with read: see the access tokens of recordings;
               with read and admin: see the secrets in quarantined bodies
  admin        with read: see quarantined bodies, without the secrets in them;
               with write: accept them without a token (--vouch)

Exit codes: 0 done, 2 wrong usage")]
    New {
        /// Who will use the token
        #[arg(long, value_parser = name)]
        name: String,
        /// The token's scopes, separated by commas
        #[arg(long, value_enum, value_delimiter = ',', required = true)]
        scopes: Vec<ScopeName>,
    },
    /// Say which checks a token of Graph passes and fails, and what to set
    Explain(explain::Args),
    /// Print the public key of a private key that signs deliveries
    #[command(after_help = "\
Examples:
  echo \"whsk_$(head -c 32 /dev/urandom | base64)\" > webhook-key.txt
  reelhook token public-key < webhook-key.txt

Standard input has the private key (whsk_..) that `secret` of an http sink names. The public
key (whpk_..) is no secret: give it to the receiver, which verifies the signatures v1a with it.

Exit codes: 0 done, 1 that is no private key, 2 wrong usage")]
    PublicKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum ScopeName {
    Read,
    Write,
    Recordings,
    Admin,
}

impl ScopeName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Recordings => "recordings",
            Self::Admin => "admin",
        }
    }
}

/// Makes or explains a token.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::New { name, scopes } => make(&name, scopes),
        Action::Explain(args) => explain::run(args).await,
        Action::PublicKey => public_key(),
    }
}

fn make(name: &str, mut scopes: Vec<ScopeName>) -> anyhow::Result<ExitCode> {
    scopes.sort_unstable();
    scopes.dedup();
    let mut bytes = [0; N_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_unspecified| anyhow!("no randomness"))?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    say!("{token}");
    remark!("{}", lines(name, &scopes, &token));
    Ok(ExitCode::SUCCESS)
}

fn public_key() -> anyhow::Result<ExitCode> {
    let private = std::io::read_to_string(std::io::stdin().take(MAX_KEY_BYTES))?;
    let private = SecretString::from(private.trim_end());
    say!("{}", crate::sinks::signature::public_key(&private).map_err(|why| anyhow!("standard input: {why}"))?);
    Ok(ExitCode::SUCCESS)
}

/// The config's lines for a token.
fn lines(name: &str, scopes: &[ScopeName], token: &str) -> String {
    let sha256 = hex::encode(Sha256::digest(token));
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    // TOML's own library writes the text and the list.
    let (name, scopes) = (toml::Value::from(name), toml::Value::from(scopes));
    format!("\n[[admin.tokens]]\nname = {name}\nsha256 = \"{sha256}\"\nscopes = {scopes}")
}

fn name(text: &str) -> Result<String, String> {
    let is_name = !text.trim().is_empty() && text.chars().count() <= 64 && !text.contains(char::is_control);
    if is_name { Ok(text.to_owned()) } else { Err("expected text of 1 to 64 characters".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Scope;

    #[test]
    fn the_lines_are_what_the_config_reads() {
        for (label, scopes) in
            [("ops", vec![ScopeName::Read]), ("a \"b\" \\c", vec![ScopeName::Write, ScopeName::Admin])]
        {
            let text = lines(label, &scopes, "rhk_x");
            let minimal = "[calls]\napp_ids = [\"x\"]\n[sinks.out]\nkind = \"stdout\"\n[[routes]]\nname = \"all\"\nsinks = [\"out\"]\n";
            let config = crate::config::parse(&format!("{minimal}{text}\n"), std::iter::empty());
            let config = config.unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}")).config;
            let token = &config.admin.tokens[0];
            assert_eq!(token.name, label);
            assert_eq!(token.sha256, <[u8; 32]>::from(Sha256::digest("rhk_x")));
            assert_eq!(token.scopes.len(), scopes.len());
            assert_eq!(token.scopes.contains(&Scope::Admin), scopes.contains(&ScopeName::Admin));
        }
    }
}
