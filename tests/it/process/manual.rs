//! The manual pages and the completions: made of the commands' own help, for every command.

use std::fs;
use std::process::Command;

use super::reelhook;
use super::site::Said;

/// Every command, as it is typed; the first is "".
pub fn commands() -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    pages(&folder).into_iter().map(|(command, _page)| command).collect()
}

/// Every command and its manual page.
fn pages(folder: &tempfile::TempDir) -> Vec<(String, String)> {
    let out = folder.path().join("man/man1");
    let said = Said::from(reelhook().args(["man", "--out"]).arg(&out).output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    let pages = said.out.lines().map(|path| {
        let page = fs::read_to_string(path).unwrap();
        // The name of a page does not tell the dash within a command from the one between two; its synopsis does.
        let (_, synopsis) = page.split_once("\n.SH SYNOPSIS\n\\fBreelhook").unwrap_or_else(|| panic!("{page}"));
        let command = synopsis.split_once("\\fR").unwrap().0.replace("\\-", "-").trim().to_owned();
        (command, page)
    });
    let pages: Vec<_> = pages.collect();
    assert_eq!(fs::read_dir(&out).unwrap().count(), pages.len());
    pages
}

#[test]
fn every_command_has_a_page_with_its_examples_on_lines_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let pages = pages(&folder);
    assert!(pages.len() > 25, "{}", pages.len());
    for (command, page) in &pages {
        // The page of all commands says where to start instead.
        let (heading, example) = if command.is_empty() {
            (".SH NOTES", "  reelhook demo ".to_owned())
        } else {
            (".SH EXAMPLES", format!("  reelhook {command}"))
        };
        let (_, rest) = page.split_once(heading).unwrap_or_else(|| panic!("{command}: no {heading}\n{page}"));
        let lines = rest.split("\n.nf\n").nth(1).and_then(|rest| rest.split("\n.fi").next()).unwrap_or_default();
        let lines = lines.replace("\\-", "-");
        let is_shown = lines.lines().any(|line| line.contains(example.trim_start()));
        assert!(is_shown, "{command}: {example:?} in\n{lines}");
    }
    for command in ["", "serve", "check", "deadletters replay", "quarantine show", "token new"] {
        assert!(pages.iter().any(|(name, _)| name == command), "{command}");
    }
}

#[test]
fn the_page_on_standard_output_is_that_of_all_commands() {
    let said = Said::from(super::run(&["man"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.starts_with(".ie") && said.out.contains(".TH reelhook 1"), "{}", &said.out[..300]);
    assert!(said.out.contains(".SH \"EXIT STATUS\"") && said.out.contains("reelhook\\-serve(1)"), "{}", said.out);
}

#[test]
fn pages_that_cannot_be_written_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = Said::from(reelhook().args(["man", "--out"]).arg(file.join("man1")).output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("cannot create"), "{said:?}");
}

#[test]
fn the_completions_of_each_shell_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = Said::from(super::run(&["completions", shell]));
        assert_eq!(said.code, Some(0), "{said:?}");
        for command in ["deadletters", "healthcheck", "replay", "--config"] {
            let in_fish = command.trim_start_matches("--");
            assert!(said.out.contains(if shell == "fish" { in_fish } else { command }), "{shell}: {command}");
        }
    }
    assert_eq!(Said::from(super::run(&["completions", "cmd"])).code, Some(2));
}

#[test]
fn bash_takes_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("reelhook.bash");
    fs::write(&script, Said::from(super::run(&["completions", "bash"])).out).unwrap();
    let words =
        "COMP_WORDS=(reelhook dea); COMP_CWORD=1; _reelhook reelhook dea reelhook; printf %s \"${COMPREPLY[*]}\"";
    let bash = Command::new("bash").args(["-c", &format!("source \"$0\" && {words}")]).arg(&script).output().unwrap();
    let said = Said::from(bash);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "deadletters"), "{said:?}");
}
