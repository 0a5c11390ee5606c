//! A receiver that does nothing: it reads the body and answers 202. The yardstick of the benchmark.

use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::web::{self, Bytes, PayloadConfig};
use actix_web::{App, HttpResponse, HttpServer};

use super::SimulatorError;

/// The largest body that it reads.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Listens on an address; returns the real one. It answers while the server is polled.
///
/// # Errors
/// The address cannot be listened on.
pub fn serve(listen: SocketAddr) -> Result<(SocketAddr, Server), SimulatorError> {
    let failed = |cause| SimulatorError::Listen { address: listen, cause };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let app = || {
        App::new().app_data(PayloadConfig::new(MAX_BODY_BYTES)).default_service(web::to(|body: Bytes| async move {
            drop(body);
            HttpResponse::Accepted().finish()
        }))
    };
    // Signals stay with whoever started the process.
    let server = HttpServer::new(app).disable_signals().listen(listener).map_err(failed)?.run();
    Ok((address, server))
}
