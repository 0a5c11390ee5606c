//! A thread of the store that breaks: the server says so while it ends, with an exit code that a supervisor acts on.

use std::fs;

use super::site::{Said, Site};
use super::{Server, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_of_the_store_that_breaks_ends_the_process_and_livez_and_healthcheck_tell_of_it() {
    for thread in ["store-writer", "store-answers", "store-log"] {
        let mut site = Site::new();
        // It is still stopping, and can be asked, for a second.
        site.write_for_all("shutdown_delay = \"1s\"", "");
        let fault = site.folder.path().join("fault");
        let mut server = Server::start_with(site.command(&["serve"]).env("REELHOOK_FAULT", &fault));
        assert_eq!(site.post(&server, "before").await.status, 202);
        site.wait_for(&["before"]);
        assert_eq!(livez(&server).await, (200, "ok\n".to_owned()));
        fs::write(&fault, thread).unwrap();
        let graph = site.graph(&server);
        let completed = site.recording("unsure").completed();
        // Whether it is answered 202 or 503: it is not lost.
        let answered = graph.send(graph.calls(std::slice::from_ref(&completed)).unwrap()).await.map(|it| it.status);
        eventually("it says so", async || livez(&server).await.0 == 503).await;
        assert_eq!(livez(&server).await.1, format!("broken: {thread}; the server is stopping\n"));
        let address = server.admin.to_string();
        let health = site.command(&["healthcheck"]).env("REELHOOK__ADMIN__LISTEN", address).output().unwrap();
        let health = Said::from(health);
        assert_eq!(health.code, Some(1), "{health:?}");
        assert!(health.err.contains(&format!("broken: {thread}")), "{health:?}");
        assert_eq!(server.ended().code(), Some(1), "{thread}");
        // What was under way may have an error of its own.
        let errors: Vec<String> =
            server.log.iter().filter(|line| line.contains("a thread of the store failed")).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("\"ERROR\""), "{errors:?}");
        assert!(errors[0].contains(&format!("\"thread\":\"{thread}\"")), "{errors:?}");

        fs::remove_file(&fault).unwrap();
        let server = site.serve();
        if !matches!(answered, Ok(status) if status == 202) {
            let graph = site.graph(&server);
            assert_eq!(graph.send(graph.calls(&[completed]).unwrap()).await.unwrap().status, 202);
        }
        site.wait_for(&["unsure"]);
        server.kill();
    }
}

async fn livez(server: &Server) -> (u16, String) {
    let answer = reqwest::get(server.admin_url("/livez")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
