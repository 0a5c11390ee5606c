//! Lifecycle events of subscriptions: items about the subscription itself, without a resource
//! (<https://learn.microsoft.com/graph/change-notifications-lifecycle-events>).

use super::dialects::Dialects;
use super::payload::Object;
use super::secrets;
use crate::domain::{Content, Reason};

/// The resource type under which routes match lifecycle events.
pub(super) const TYPE: &str = "subscription";

/// The event of an item; `None` if it is not a lifecycle item. Unknown events stay as they are.
///
/// # Errors
/// [`Reason::Shape`] if it is not text.
pub(super) fn event(item: &Object<'_>, dialects: &mut Dialects) -> Result<Option<String>, Reason> {
    let text = item.text("lifecycleEvent", dialects)?;
    Ok(text.map(|text| dialects.lifecycle_event(&text)))
}

/// The item as JSON text without its `clientState`, which is a secret.
pub(super) fn content(item: &Object<'_>) -> Content {
    let json = item.written(|key| !key.eq_ignore_ascii_case("clientState"));
    Content::Lifecycle(secrets::clean("", &json).text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_kept_without_the_secret() {
        let secrets = r#""client\u0053tate":"secret","ClientState":"secret""#;
        let item = format!(r#"{{"lifecycleEvent":"Missed",{secrets},"organizationId":"t","sequence":null}}"#);
        let object = Object::read(&item).unwrap();
        assert_eq!(event(&object, &mut Dialects::default()), Ok(Some("missed".into())));
        let Content::Lifecycle(text) = content(&object) else { panic!("no lifecycle event") };
        assert_eq!(text, r#"{"lifecycleEvent":"Missed","organizationId":"t","sequence":null}"#);
    }

    #[test]
    fn an_event_that_is_not_known_is_kept() {
        let object = Object::read(r#"{"lifecycleEvent":"newInTheFuture"}"#).unwrap();
        assert_eq!(event(&object, &mut Dialects::default()), Ok(Some("newInTheFuture".into())));
        assert_eq!(event(&Object::read("{}").unwrap(), &mut Dialects::default()), Ok(None));
    }
}
