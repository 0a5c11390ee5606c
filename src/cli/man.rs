//! `reelhook man`: the manual pages, made from the same texts as `--help`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::print::{self, say};

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook man | man -l -                          read the page of reelhook itself
  reelhook man --out /usr/local/share/man/man1     install all pages; then: man reelhook-serve

With --out, the command prints the path of each file that it wrote.

Exit codes: 0 done, 1 a file could not be written, 2 wrong usage")]
pub struct Args {
    /// Write a page for each command into this folder; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints one page, or writes all.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut command = super::command().disable_help_subcommand(true);
    command.build();
    match args.out {
        None => print::bytes(&page(&command)?),
        Some(folder) => {
            std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
            write_all(&command, &folder)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command, and those of the commands below it.
fn write_all(command: &Command, folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(Man::new(command.clone()).get_filename());
    std::fs::write(&path, page(command)?).with_context(|| format!("cannot write {}", path.display()))?;
    say!("{}", path.display());
    command.get_subcommands().try_for_each(|below| write_all(below, folder))
}

/// The page of a command. clap_mangen would put examples, notes and exit codes into one paragraph: they get sections.
fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let man = Man::new(command.clone()).manual("reelhook").source(concat!("reelhook ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    if let Some(text) = command.get_after_help() {
        after_help(&text.to_string()).to_writer(&mut page)?;
    }
    Ok(page)
}

/// The text below a command's help, as sections: its blocks are separated by empty lines.
fn after_help(text: &str) -> Roff {
    let mut roff = Roff::new();
    let mut in_notes = false;
    for block in text.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()) {
        let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
        if let Some(examples) = ["Examples:", "Example:"].contains(&first).then_some(rest) {
            roff.control("SH", ["EXAMPLES"]);
            as_it_is(&mut roff, examples);
        } else if first == "Exit codes:" {
            roff.control("SH", ["EXIT STATUS"]);
            as_it_is(&mut roff, rest);
        } else if let Some(codes) = block.strip_prefix("Exit codes: ") {
            roff.control("SH", ["EXIT STATUS"]).text([roman(codes.replace('\n', " "))]);
        } else {
            if !std::mem::replace(&mut in_notes, true) {
                roff.control("SH", ["NOTES"]);
            }
            as_it_is(&mut roff, block);
        }
    }
    roff
}

/// Lines that keep their ends and their columns.
fn as_it_is(roff: &mut Roff, text: &str) {
    roff.control("PP", []).control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}
