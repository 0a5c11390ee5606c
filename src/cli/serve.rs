//! `reelhook serve`: receives and delivers until it is stopped.

use std::convert::Infallible;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::load;
use crate::app::{App, Source};
use crate::clock::Clock;
use crate::config::LogFormat;
use crate::running::Reload;
use crate::telemetry;

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once. SIGHUP has the config loaded again.
pub async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let watched = path.to_owned();
    // Before the file is read: a change from here on is noticed.
    let source = Source::new(move || load::again(&watched)).in_file(path.to_owned());
    let (loaded, sinks) = match load::with_sinks(path) {
        Ok(checked) => checked,
        Err(code) => return Ok(code),
    };
    let log = &loaded.config.log;
    telemetry::log::start(&log.filter, log.format == LogFormat::Json).map_err(anyhow::Error::msg)?;
    keep_memory_private();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let hangup = signal(SignalKind::hangup())?;
    let app = App::start(loaded, sinks, Clock::system()).await?;
    app.reload_from(source);
    let told_to_stop = async || {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let reload = Arc::clone(&app.reload);
    tokio::select! {
        code = until_stopped(app, told_to_stop) => Ok(code),
        never = reload_on(hangup, &reload) => match never {},
    }
}

/// Has the config loaded again whenever SIGHUP comes. What became of it is in the log.
async fn reload_on(mut hangup: Signal, reload: &Reload) -> Infallible {
    loop {
        if hangup.recv().await.is_none() {
            // No signal can come any more.
            return std::future::pending().await;
        }
        let _outcome = reload.ask("SIGHUP").await;
    }
}

/// Serves until it is stopped or a task breaks. Then stops in order, or at once on a second signal.
async fn until_stopped(app: App, mut told_to_stop: impl AsyncFnMut()) -> ExitCode {
    let code = tokio::select! {
        () = told_to_stop() => ExitCode::SUCCESS,
        () = app.broken() => ExitCode::FAILURE,
    };
    tokio::select! {
        () = app.stop() => code,
        () = told_to_stop() => {
            tracing::warn!("second signal while stopping: ending at once; acknowledged notifications are durable");
            ExitCode::FAILURE
        }
    }
}

/// Switches off core dumps and reading of this process's memory by other processes of the same user, because it holds
/// tokens and keys.
fn keep_memory_private() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(%error, "could not switch core dumps off");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "could not make the process's memory private");
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::config::Loaded;
    use crate::domain::{Delivery, SinkName};
    use crate::sinks::{Built, DeliveryError, Sink};
    use crate::store::sqlite::SqliteStore;

    /// Panics in its dispatcher while no attempt is running.
    struct Broken;

    #[async_trait]
    impl Sink for Broken {
        fn most_at_a_time(&self) -> usize {
            panic!("on purpose")
        }

        async fn deliver(&self, _: &Delivery) -> Result<(), DeliveryError> {
            Ok(())
        }

        async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
            Ok(Vec::new())
        }
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn config(folder: &Path) -> Loaded {
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\n[admin]\nlisten = '127.0.0.1:0'\n[store]\npath = '{}/reelhook.db'\n\
             disk_reserve = '1MiB'\n[calls]\napp_ids = ['x']\nopenid_configuration = 'http://127.0.0.1:9/'\n\
             [sinks.crm]\nkind = 'stdout'\n[[routes]]\nname = 'all'\nsinks = ['crm']\n",
            folder.display()
        );
        crate::config::parse(&text, std::iter::empty()).unwrap()
    }

    #[tokio::test]
    async fn a_task_that_breaks_ends_the_process_in_order_with_an_error() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let log = Log::default();
        let writer = log.clone();
        let told = tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
        // With only one subscriber, `tracing` would use the interest of another test's thread for this one.
        let _beside = tracing::Dispatch::new(tracing_subscriber::registry());
        let _told = tracing::subscriber::set_default(told);
        let folder = tempfile::tempdir().unwrap();
        let loaded = config(folder.path());
        let settings = loaded.config.store.clone();
        let sinks = vec![(SinkName::new("crm"), Built { sink: Arc::new(Broken), keys: Vec::new() })];
        let app = App::start(loaded, sinks, Clock::system()).await.unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), until_stopped(app, std::future::pending));
        assert_eq!(ended.await.unwrap(), ExitCode::FAILURE);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let errors: Vec<&str> = log.lines().filter(|line| line.contains("\"ERROR\"")).collect();
        assert_eq!(errors.len(), 1, "{log}");
        assert!(errors[0].contains("\"task\":\"deliveries to crm\",\"panicked\":true"), "{log}");
        assert!(log.contains("\"message\":\"stopped\""), "{log}");
        assert!(SqliteStore::open(&settings, Clock::system()).is_ok(), "the store was closed and its lock given back");
    }
}
