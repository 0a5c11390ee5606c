//! Certificates of an authority of the tests' own, made by `openssl`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use reelhook::sinks::Sink;

use crate::sinks::samples::{build, delivery, retried};

/// The name in the certificate of a server. It is not the name of its host.
pub const SERVER_NAME: &str = "broker.test";

/// A folder with an authority, and certificates by it for two servers and a client.
pub struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Makes them.
    pub fn make() -> Self {
        let certificates = Self { folder: tempfile::tempdir().unwrap() };
        let folder = certificates.folder.path();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
        openssl(folder, &format!("req -x509 {key} -subj /CN=authority -keyout authority.key -out authority.pem"));
        for (name, host) in [("server", SERVER_NAME), ("local", "localhost"), ("client", "reelhook")] {
            openssl(
                folder,
                &format!(
                    "req -x509 {key} -subj /CN={host} -addext subjectAltName=DNS:{host} -addext basicConstraints=CA:FALSE \
                     -CA authority.pem -CAkey authority.key -keyout {name}.key -out {name}.pem"
                ),
            );
            fs::set_permissions(folder.join(format!("{name}.key")), fs::Permissions::from_mode(0o600)).unwrap();
        }
        certificates
    }

    /// The path of a file: `authority.pem`, `server.pem`, `server.key`, `local.pem`, `local.key`, `client.pem`, `client.key`.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// The table `tls` of a sink.
    pub fn table(&self) -> String {
        format!(
            "tls = {{ ca = {:?}, certificate = {:?}, key = {{ file = {:?} }}, server_name = '{SERVER_NAME}' }}\n",
            self.path("authority.pem"),
            self.path("client.pem"),
            self.path("client.key")
        )
    }

    /// A sink whose server wants a certificate: it delivers only with the authority, the name and the certificate in its config.
    /// Tries it without each of them, and returns the sink that has them all. `untold`: what is told without the certificate.
    pub async fn tried(&self, kind: &str, keys: &str, untold: &str) -> Arc<dyn Sink> {
        let ca = self.path("authority.pem");
        for (tls, words) in [
            (String::new(), "unknownissuer"),
            (format!("tls = {{ ca = {ca:?} }}"), "not valid for name"),
            (format!("tls = {{ ca = {ca:?}, server_name = '{SERVER_NAME}' }}"), untold),
        ] {
            let sink = build(kind, &format!("{keys}{tls}")).unwrap();
            let (reason, pauses, _) = retried(sink.deliver(&delivery(1)).await);
            assert!(pauses && reason.to_lowercase().contains(words), "{tls}: {reason}");
        }
        build(kind, &format!("{keys}{}", self.table())).unwrap()
    }
}

/// Runs `openssl` in a folder.
pub fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let command = command.current_dir(folder).args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("openssl, which scripts/test installs").success(), "openssl {arguments}");
}
