//! `reelhook explain`: shows what happened to an operation.

use std::process::ExitCode;

use serde::Deserialize;

use super::answers::tell;
use super::print::{remark, say};
use super::server::{Needs, ServerArgs};
use super::session::Session;
use super::text;

/// The arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  reelhook explain 0fe0623f-d628-42ed-b4bd-8ac290072cc5   an operation's id
  reelhook explain support-7                              a client context
  reelhook explain 0199d3a0-5b7e-7c3a-8a60-0a1b2c3d4e5f   an event's id
  reelhook explain 57dab8b1-894c-409a-b240-bd8beae78896   a call's id: all its operations

The command asks the running server. If no server runs, add --offline.

Exit codes:
  0  found and printed
  1  not found; or the server refused, or could not be reached
  2  wrong usage or config
  3  the server took the request, but did not answer within 30 s")]
pub struct Args {
    /// An operation's id (upper or lower case, with or without dashes), a client context, a call's id,
    /// or an event's id
    subject: String,
    // Last, because its heading is that of all that follows.
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Deserialize)]
struct Stories {
    value: Vec<Story>,
}

#[derive(Deserialize)]
struct Story {
    story: Vec<String>,
}

/// Prints it.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let subject = args.subject;
    let command = async |server: &Session| {
        let stories: Stories = server.get(&["explain"], &[("of", &subject)]).await?;
        if stories.value.is_empty() {
            remark!(
                "operation {} is not known: it was neither announced nor reported here, or it was removed. \
                 `reelhook quarantine list` shows the refused notifications.",
                text::safe(&subject, 64)
            );
            return Ok(ExitCode::FAILURE);
        }
        for (n, story) in stories.value.iter().enumerate() {
            if n > 0 {
                say!("");
            }
            tell(&story.story);
        }
        Ok(ExitCode::SUCCESS)
    };
    args.server.ask(Needs::Reading, command).await
}
