//! The demo's config, and sinks that print their deliveries.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::now;
use super::servers::Server;
use crate::app::BuiltSinks;
use crate::cli::print::say;
use crate::cli::text;
use crate::config::{self, Config, Loaded};
use crate::domain::{ClientContext, Delivery};
use crate::simulator::Provider;
use crate::sinks::{self, Built, DeliveryError, Sink};

pub const APP_ID: &str = "0efc74f7-41c3-47a4-8775-7259bfef4241";
pub const TENANT: &str = "1fdd12d0-4620-44ed-baec-459b611f84b2";
pub const CLIENT_STATE: &str = "the secret of the demo's subscriptions";
pub const CERTIFICATE: &str = "demo-certificate";
/// The case that the CRM refuses.
pub const REFUSED: &str = "support-2005";

/// How often the folder is removed until it is gone.
const REMOVALS: u32 = 20;
/// How long to wait before it is removed again.
const REMOVE_AGAIN: Duration = Duration::from_millis(25);

/// Prints each delivery on one line; refuses one of them.
struct Printer {
    n_delivered: Arc<AtomicU64>,
}

#[async_trait]
impl Sink for Printer {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let event = &delivery.event;
        let context = event.client_context.as_ref().map_or("", ClientContext::as_str);
        let shown = if context.is_empty() { String::new() } else { format!("  {}", text::safe(context, 48)) };
        let (sink, kind) = (delivery.sink.as_str(), text::safe(&event.kind, 60));
        if context == REFUSED && sink == "crm" {
            say!("{}  -> {sink:<22} refuses {kind}{shown}: it becomes a dead letter", now());
            return Err(DeliveryError::Reject {
                reason: "the simulated CRM refuses this case, and will refuse it again".into(),
            });
        }
        self.n_delivered.fetch_add(1, Ordering::Relaxed);
        let chosen_by = match delivery.route.is_of_announcement() {
            true => delivery.route.told().to_owned(),
            false => format!("(route {})", delivery.route),
        };
        say!("{}  -> {sink:<22} {kind}{shown}  {chosen_by}", now());
        Ok(())
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        Ok(Vec::new())
    }
}

/// A sink whose deliveries are counted.
struct Counted {
    sink: Arc<dyn Sink>,
    n_delivered: Arc<AtomicU64>,
}

#[async_trait]
impl Sink for Counted {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        sinks::result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let results = self.sink.deliver_batch(deliveries).await;
        let n_delivered = results.iter().filter(|result| result.is_ok()).count();
        self.n_delivered.fetch_add(n_delivered as u64, Ordering::Relaxed);
        results
    }

    fn batch_size(&self) -> usize {
        self.sink.batch_size()
    }

    fn is_all_or_nothing(&self) -> bool {
        self.sink.is_all_or_nothing()
    }

    fn most_at_a_time(&self) -> usize {
        self.sink.most_at_a_time()
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        self.sink.probe().await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        self.sink.close().await
    }
}

/// The sinks: one for each server, and printers for the others. A printer has the keys of the sink that it stands for, as
/// far as this build has its kind.
///
/// # Errors
/// The section of a server's sink has a mistake.
pub fn sinks(settings: &Config, servers: &[Server], n_delivered: &Arc<AtomicU64>) -> anyhow::Result<BuiltSinks> {
    let printer: Arc<dyn Sink> = Arc::new(Printer { n_delivered: Arc::clone(n_delivered) });
    let context = sinks::Context::of(settings);
    let sink_for = |sink: &config::Sink| {
        let built = sinks::build(sink, &context);
        if servers.iter().any(|server| server.kind == sink.name.as_str()) {
            let Built { sink: real, keys } =
                built.map_err(|wrong| anyhow::anyhow!("the sink {}: {wrong:?}", sink.name))?;
            let counted = Counted { sink: real, n_delivered: Arc::clone(n_delivered) };
            return Ok((sink.name.clone(), Built { sink: Arc::new(counted), keys }));
        }
        let keys = built.map(|built| built.keys).unwrap_or_default();
        Ok((sink.name.clone(), Built { sink: Arc::clone(&printer), keys }))
    };
    settings.sinks.iter().map(sink_for).collect()
}

/// A folder that is removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it. It holds keys, so only its owner can read it.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make() -> io::Result<Self> {
        let private = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("reelhook-demo-").permissions(private).tempdir()?;
        Ok(Self(folder.keep()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    /// If the demo ends at once, its threads may write there for a moment. Then the folder is removed again.
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            match std::fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => std::thread::sleep(REMOVE_AGAIN),
                _ => return,
            }
        }
    }
}

/// The demo's config, in its own folder. Its `lost_after` is short, so that nobody waits long for a lost recording.
///
/// # Errors
/// It has a mistake.
pub fn config(folder: &Path, provider: &Provider, servers: &[Server]) -> anyhow::Result<Loaded> {
    let folder = folder.display();
    let sections: String = servers.iter().map(Server::section).collect();
    let too: String = servers.iter().map(|server| format!(", \"{}\"", server.kind)).collect();
    let allow_exec = servers.iter().any(|server| server.kind == "exec");
    let (calls, subscriptions) = (provider.calls_configuration(), provider.subscriptions_configuration());
    let text = format!(
        r#"
[server]
listen = "127.0.0.1:0"
allow_exec = {allow_exec}
[admin]
listen = "127.0.0.1:0"
[store]
path = "{folder}/reelhook.db"
disk_reserve = "1MiB"
[expectations]
lost_after = "2s"
[calls]
app_ids = ["{APP_ID}"]
openid_configuration = "{calls}"
[subscriptions]
app_ids = ["{APP_ID}"]
openid_configuration = "{subscriptions}"
client_states = [{{ env = "REELHOOK_DEMO_CLIENT_STATE" }}]
[[subscriptions.certificates]]
id = "{CERTIFICATE}"
private_key = {{ file = "{folder}/key.pem" }}
[sinks.crm]
kind = "stdout"
[sinks.archive]
kind = "stdout"
{sections}[[routes]]
name = "support"
client_context = {{ prefix = "support-" }}
sinks = ["crm", "archive"{too}]
[[routes]]
name = "named"
client_context = {{ regex = "(?<team>sales|dialect)-.*" }}
sinks = ["archive"{too}]
[[routes]]
name = "rest"
resource_type = ["call", "participant", "playPromptOperation", "chatMessage", "subscription", "unknown"]
sinks = ["archive"{too}]
"#
    );
    let variables = [("REELHOOK_DEMO_CLIENT_STATE".to_owned(), CLIENT_STATE.to_owned())];
    match config::parse(&text, variables.into_iter()) {
        Ok(loaded) => Ok(loaded),
        Err(mistakes) => anyhow::bail!("the demo's own config has mistakes:\n{mistakes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_may_look_into_the_demos_folder() {
        let folder = Folder::make().unwrap();
        assert_eq!(folder.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
