//! Looks whether objects can be created, without creating one.

use object_store::path::Path;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use super::Settings;
use super::failure;
use super::place::Service;
use super::store::Store;
use crate::sinks::{DeliveryError, folder, reason};

/// No object has this name.
const NAME: &str = ".reelhook-probe";

/// Looks at the folder; or asks the service to replace a version that no object has, and then to read that object. So the
/// service looks at the login, at its rights, and at the bucket, and refuses.
///
/// # Errors
/// Why a delivery would fail.
pub(super) async fn place(settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    if let Service::Folder(root) = &settings.place.service {
        let failed = |error| reason::retry_all(&format!("could not write to {}: {error}", root.display()));
        return folder::probe(root).map(|()| Vec::new()).map_err(failed);
    }
    let store = Store::open(settings)?;
    let name: Path = settings.place.prefix.parts().chain([NAME.into()]).collect();
    let mut remarks = replace_nothing(&store, &name).await?;
    // Some services check the condition first, and the bucket only then.
    match store.objects().get(&name).await {
        Err(error @ (Error::PermissionDenied { .. } | Error::Unauthenticated { .. })) => remarks.push(format!(
            "this login may not read objects, so it was not seen whether the bucket is there, and a repeat cannot be \
             compared with its object: {}",
            failure::told(&error)
        )),
        Err(error) if failure::is_without_bucket(&error) => return Err(failure::of(&error)),
        Ok(_) | Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(failure::of(&error)),
    }
    Ok(remarks)
}

async fn replace_nothing(store: &Store, name: &Path) -> Result<Vec<String>, DeliveryError> {
    // Google counts versions by a number, the others name them by a text.
    let version = UpdateVersion { e_tag: Some("\"0\"".into()), version: Some("1".into()) };
    match store.objects().put_opts(name, Vec::new().into(), PutOptions::from(PutMode::Update(version))).await {
        // The library tells "not there" as "another version", also where the bucket is what is not there.
        Err(error) if failure::is_without_bucket(&error) => Err(failure::of(&error)),
        Err(Error::Precondition { .. } | Error::NotModified { .. } | Error::AlreadyExists { .. }) => Ok(Vec::new()),
        Err(error) => Err(failure::of(&error)),
        Ok(_made) => {
            let is_left = store.objects().delete(name).await.is_err();
            let left =
                if is_left { format!(" The probe made {name}, and could not remove it.") } else { String::new() };
            Ok(vec![format!("the service does not heed conditions, so objects can be overwritten.{left}")])
        }
    }
}
