//! The deliveries that a caller asks for, before they are rows.

use reelhook::domain::NewDelivery;
use reelhook::store::StoreError;

use super::ids::MAX_DELIVERIES;

/// Keeps the first delivery to each sink.
///
/// # Errors
/// There are more than an event can have.
pub fn checked(deliveries: Vec<NewDelivery>) -> Result<Vec<NewDelivery>, StoreError> {
    let mut checked: Vec<NewDelivery> = Vec::with_capacity(deliveries.len());
    for new in deliveries {
        if checked.iter().all(|earlier| earlier.sink != new.sink) {
            checked.push(new);
        }
    }
    if checked.len() as i64 > MAX_DELIVERIES {
        return Err(StoreError::Database(format!("found {} sinks for one event", checked.len())));
    }
    Ok(checked)
}
