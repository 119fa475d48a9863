//! Bugs of changing messages: an edit that is lost, a deletion that does not
//! last.

use super::super::changes::{self, Change, Changed, What};
use super::super::database::{self, Database};
use super::super::rows::{self, Row};
use super::super::store;
use super::super::write::{Failure, Write};
use super::writes::FaultyWriter;
use super::{Defect, Instance};
use std::time::Duration;

/// How long a deleted message stays so: `delete-resurrected`.
const REST: Duration = Duration::from_millis(300);

impl FaultyWriter {
    /// Makes a change, or seems to.
    pub(crate) fn change(
        &mut self,
        database: &Database,
        change: &Change,
    ) -> database::Result<Result<Changed, Failure>> {
        let own = rows::find(database, change.channel.number, change.ts)?;
        let Some(row) = own.filter(|row| row.user == change.user.number) else {
            return changes::apply(database, change, true);
        };
        let lost = matches!(change.what, What::Edit(_)) && self.defects.due(Defect::EditLost);
        let changed = changes::apply(database, change, !lost)?;
        if lost {
            self.open.push(instance(Defect::EditLost, change, &row));
        }
        if matches!(change.what, What::Delete) && changed.is_ok() && self.defects.due(Defect::DeleteResurrected) {
            self.resurrect_later(change, instance(Defect::DeleteResurrected, change, &row));
        }
        Ok(changed)
    }

    fn resurrect_later(&mut self, change: &Change, instance: Instance) {
        let place = (change.channel.number, change.ts);
        self.resting.insert(place, instance);
        let writes = self.writes.clone();
        std::thread::spawn(move || {
            std::thread::sleep(REST);
            // A server that has ended takes nothing more.
            writes.upgrade().map(|writes| writes.blocking_send(Write::Resurrect { channel: place.0, ts: place.1 }))
        });
    }

    /// Brings a deleted message back.
    pub(crate) fn resurrect(&mut self, database: &Database, channel: i64, ts: u64) -> database::Result<()> {
        if store::restore_message(database, channel, ts)? {
            self.open.extend(self.resting.remove(&(channel, ts)));
        }
        Ok(())
    }
}

fn instance(defect: Defect, change: &Change, row: &Row) -> Instance {
    Instance {
        defect: defect.name(),
        client_msg_id: row.key.clone().map(Into::into),
        channel: change.channel.id.clone(),
        user: None,
        ts: Some(change.ts),
        limit: None,
    }
}
