//! A connection while it stands: what a subscriber waits for.

use super::held::Held;
use super::reading::Other;
use super::{Parted, Subscriber, errands};
use crate::engine::app::App;
use crate::engine::catch_up::CatchUpTask;
use crate::engine::fetches;
use crate::engine::socket::Socket;
use crate::engine::worker::Phase;
use crate::ledger::ConnectionEnd;
use futures_util::StreamExt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::time::Sleep;

impl Subscriber {
    /// Holds a connection until it only needs to be read, or how it is left: `None`
    /// when the run ends.
    pub(super) async fn hold(&mut self, socket: &mut Socket, held: &mut Held) -> ControlFlow<Option<Parted>> {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            // The worker itself may learn of it later than its users.
            if let Phase::Load(start_us) = *self.phase.borrow() {
                self.shard.load_start_us.set(start_us);
            }
            if let Some(parted) = self.continue_drain(held) {
                return Break(Some(parted));
            }
            if self.only_reads(held) {
                return Continue(());
            }
            timer.as_mut().reset(self.shard.shared.clock.instant(self.due_us(held)));
            if let Break(parted) = Box::pin(self.turn(socket, held, timer.as_mut())).await {
                return Break(parted);
            }
        }
    }

    /// Whether frames of the native wire are all that comes, and none of them
    /// asks for more than to be noted.
    fn only_reads(&self, held: &Held) -> bool {
        let plain = self.app.is_none() && self.fetches.is_none() && self.wired.is_none();
        plain && held.armed && held.catch_up.is_none() && held.stopped_until_us.is_none()
    }

    /// When the timer is due.
    pub(super) fn due_us(&self, held: &Held) -> u64 {
        let due_us = held.due_us(&self.wishes, self.shard.load_start_us.get());
        let due_us = due_us.min(self.app.as_ref().map_or(u64::MAX, |app| app.due_us()));
        let due_us = due_us.min(self.wired.as_ref().map_or(u64::MAX, |wired| wired.due_us()));
        if self.settles_us > self.shard.now_us() { due_us.min(self.settles_us) } else { due_us }
    }

    /// Does what came while a connection was read.
    pub(super) async fn attend(
        &mut self,
        other: Other,
        socket: &mut Socket,
        held: &mut Held,
    ) -> ControlFlow<Option<Parted>> {
        let parted = match other {
            Other::Frame(end) => Some(self.parted(end, 0)),
            Other::Phase => {
                // Before it is looked at: a change after that is seen as one.
                held.phase.mark_unchanged();
                return if self.is_over() { Break(None) } else { Continue(()) };
            }
            Other::AbsenceOver => None,
            Other::Errand(errand) => Box::pin(self.run_errand(errand, socket, held)).await,
            Other::Timer => Box::pin(self.due(socket, held)).await,
        };
        parted.map_or(Continue(()), |parted| Break(Some(parted)))
    }

    /// Whatever comes next, until the timer must be set anew.
    async fn turn(
        &mut self,
        socket: &mut Socket,
        held: &mut Held,
        mut timer: Pin<&mut Sleep>,
    ) -> ControlFlow<Option<Parted>> {
        loop {
            let (healing, reading) = (held.catch_up.is_some(), held.stopped_until_us.is_none());
            tokio::select! {
                biased;
                frame = socket.next(), if reading => {
                    let (lane, _) = socket.last_lane();
                    if let Err(end) = self.take_next(frame.into(), lane, held) {
                        return Break(Some(self.parted(end, 0)));
                    }
                    if let Some(parted) = self.write_answers(socket).await {
                        return Break(Some(parted));
                    }
                    let delays = self.app.as_ref().is_some_and(|app| !app.is_idle());
                    if std::mem::take(&mut held.schedule_changed) || delays {
                        return Continue(());
                    }
                }
                reached = CatchUpTask::joined(&mut held.catch_up), if healing => {
                    self.caught_up(held, reached);
                    return Continue(());
                }
                () = fetches::one_over(&mut self.fetches) => {
                    if self.draining() {
                        return Continue(());
                    }
                }
                () = App::next_opened(&mut self.app) => {
                    return Break(Some(self.parted(ConnectionEnd::ChosenClose, 0)));
                }
                () = self.absences.one_over() => return Continue(()),
                errand = errands::next(&self.outbox), if held.armed => {
                    if let Some(parted) = self.run_errand(errand, socket, held).await {
                        return Break(Some(parted));
                    }
                }
                _ = held.phase.changed() => return if self.is_over() { Break(None) } else { Continue(()) },
                () = &mut timer => {
                    let parted = self.due(socket, held).await;
                    return parted.map_or(Continue(()), |parted| Break(Some(parted)));
                }
            }
        }
    }

    /// Whether the run has ended, or who leads it has.
    fn is_over(&self) -> bool {
        self.phase.has_changed().is_err() || matches!(*self.phase.borrow(), Phase::End)
    }
}
