//! The delivery that a page or a button belongs to: found by the id in the address. A button leads back to its page.

use actix_web::HttpResponse;

use super::format::encoded;
use super::gate::Desk;
use super::live::page_of;
use super::page::lead_to;
use super::problem::Problem;
use crate::domain::DeliveryId;
use crate::operator::{DeliveryOfEvent, OperatorError};

/// A delivery with its event.
pub(super) struct PressedDelivery(DeliveryOfEvent);

impl PressedDelivery {
    /// Finds it.
    ///
    /// # Errors
    /// The text is no id, no delivery has it, or the store could not be read.
    pub(super) async fn find(desk: &Desk, id: &str) -> Result<Self, Problem> {
        let id: DeliveryId = id.parse().map_err(|_uuid| missing())?;
        desk.console.operator.delivery(id).await.map(Self).map_err(or_missing)
    }

    pub(super) fn into_inner(self) -> DeliveryOfEvent {
        self.0
    }

    pub(super) fn id(&self) -> DeliveryId {
        self.0.delivery.id
    }

    /// Leads to the page of the operation or of the event, or to the sink's where the event is gone; it says what was done.
    pub(super) fn lead_back(&self, done: &str) -> HttpResponse {
        let page = self.0.event.as_ref().map(page_of);
        let page = page.unwrap_or_else(|| format!("/sinks/{}", encoded(self.0.delivery.sink.as_str())));
        let and = if page.contains('?') { '&' } else { '?' };
        lead_to(format!("{page}{and}done={done}"))
    }
}

/// The problem with an action on a delivery.
pub(super) fn or_missing(error: OperatorError) -> Problem {
    match error {
        OperatorError::Missing => missing(),
        other => other.into(),
    }
}

fn missing() -> Problem {
    Problem::Missing("There is no delivery with this id: it was never made, or it was removed with its event.".into())
}
