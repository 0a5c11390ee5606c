//! Who asks the admin listener something long and hangs up: nothing is done for them any more.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpResponse, web};
use reelhook::clock::Clock;
use reelhook::connections::{self, Serving, Settings};
use reelhook::sources::Proxies;
use reelhook::telemetry::{Metrics, Rejections};
use tokio::sync::mpsc;

use super::raw;
use crate::recording_sink::PATIENCE;
use crate::test_app::start;

/// Says when a handler begins, and when it is let go.
struct Asked(mpsc::UnboundedSender<&'static str>);

impl Drop for Asked {
    fn drop(&mut self) {
        let _ = self.0.send("let go");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_of_who_hangs_up_is_let_go_where_half_closed_connections_are_not_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, mut told) = mpsc::unbounded_channel();
    let settings = Settings {
        workers: 1,
        max_connections: 9,
        max_strangers: 9,
        head_memory_bytes: 1 << 20,
        shutdown_grace: Duration::from_secs(1),
        answers_half_closed: false,
    };
    let metrics = Arc::new(Metrics::new());
    let serving = Serving {
        listener: "admin",
        path: "admin",
        max_head_bytes: 1 << 10,
        proxies: Proxies::default(),
        proxy_protocol: false,
        probes: &[],
        rejections: Arc::new(Rejections::new(Arc::clone(&metrics), Clock::system())),
        metrics,
    };
    let server = connections::serve(listener, settings, serving, move || {
        let tell = tell.clone();
        let endless = move || {
            let _ = tell.send("begun");
            let asked = Asked(tell.clone());
            async move {
                std::future::pending::<()>().await;
                drop(asked);
                HttpResponse::Ok().finish()
            }
        };
        App::new().route("/", web::get().to(endless))
    });
    let server = server.unwrap();
    let handle = server.handle();
    start(server);
    for _ in 0..3 {
        let stream = raw::write(address, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(tokio::time::timeout(PATIENCE, told.recv()).await.unwrap(), Some("begun"));
        drop(stream);
        assert_eq!(tokio::time::timeout(PATIENCE, told.recv()).await.expect("it goes on"), Some("let go"));
    }
    handle.stop(false).await;
}
