//! Bugs of posting events: a failed one is given up, or comes again under
//! another name.

use super::super::apps::{Event, Identity};
use super::super::ids;
use super::{Defect, Defects, Instance};
use serde_json::Value;

impl Defects {
    /// Whether an event whose first POST failed is given up.
    pub(crate) fn gives_up(&self, app: &Identity, event: &Event) -> bool {
        self.shows(Defect::WebhookNoRetry, app, event)
    }

    /// Whether an event is posted again under a new `event_id`.
    pub(crate) fn renames(&self, app: &Identity, event: &Event) -> bool {
        self.shows(Defect::WebhookNewEventId, app, event)
    }

    fn shows(&self, defect: Defect, app: &Identity, event: &Event) -> bool {
        let due = self.due(defect);
        if due && let Ok(frame) = serde_json::from_str::<Value>(&event.frame) {
            let message = frame.get("item").unwrap_or(&frame);
            let field = |fields: &Value, name| fields.get(name).and_then(Value::as_str).map(str::to_owned);
            self.note(&Instance {
                defect: defect.name(),
                client_msg_id: field(&frame, "client_msg_id").map(Into::into),
                channel: field(message, "channel").unwrap_or_default().into(),
                user: Some(app.bot.clone()),
                ts: field(message, "ts").and_then(|ts| ids::parse_ts(&ts)),
                limit: None,
            });
        }
        due
    }
}
