//! What a subscriber does because the workload wishes it.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::socket::Socket;
use crate::ledger::ConnectionEnd;
use crate::plan::{Act, Wish};
use std::time::Duration;

impl Subscriber {
    /// Does what the workload wishes; how the connection is left, if it is.
    pub(super) fn fulfil(&mut self, wish: Wish, held: &mut Held, now_us: u64) -> Option<Parted> {
        let (length_us, parted) = match wish.act {
            Act::Disconnect { reset, away_us } => {
                let end = if reset { ConnectionEnd::ChosenReset } else { ConnectionEnd::ChosenClose };
                (away_us, Some(self.parted(end, away_us)))
            }
            Act::HandOff { for_us } => {
                let parted = self.parted(ConnectionEnd::HandedOff, 0);
                (for_us, Some(Parted { half_open_us: for_us, ..parted }))
            }
            Act::StopReading { for_us } => {
                held.stopped_until_us = Some(now_us + for_us);
                self.log.borrow_mut().disconnected(now_us, ConnectionEnd::StoppedReading);
                (for_us, None)
            }
        };
        if let Some(fault) = wish.fault {
            self.shard.touched(fault, now_us, now_us + length_us);
        }
        parted
    }

    pub(super) fn read_again(&mut self, socket: &Socket, held: &mut Held, now_us: u64) {
        socket.widen();
        held.stopped_until_us = None;
        if self.fetches.is_none() {
            self.log.borrow_mut().reads_again(now_us);
        }
        // What was not read is no sign of a dead socket.
        (held.last_frame_us, held.pinged_us) = (now_us, None);
        held.next_ping_us = held.next_ping_us.max(now_us);
    }
}

/// Holds a socket that nobody reads, and then resets it. The task ends with the
/// worker at the latest.
pub(super) fn leave_half_open(socket: Socket, for_us: u64) {
    tokio::task::spawn_local(async move {
        tokio::time::sleep(Duration::from_micros(for_us)).await;
        socket.reset();
    });
}
