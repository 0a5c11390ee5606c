//! `reelhook completions`: prints a completion script for a shell.

use std::process::ExitCode;

use clap_complete::Shell;

use super::print;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook completions bash > /etc/bash_completion.d/reelhook
  reelhook completions zsh > ~/.zfunc/_reelhook                      ~/.zfunc must be in fpath
  reelhook completions fish > ~/.config/fish/completions/reelhook.fish
  source <(reelhook completions bash)                                for this shell only

Make them again after an upgrade.

Exit codes: 0 printed, 2 wrong usage")]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints them.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "reelhook", &mut script);
    print::bytes(&script);
    Ok(ExitCode::SUCCESS)
}
