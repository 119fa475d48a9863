//! A connection while it stands: what a subscriber waits for.

use super::held::Held;
use super::{Parted, Subscriber, errands};
use crate::engine::apart::Apart;
use crate::engine::app::App;
use crate::engine::catch_up::CatchUpTask;
use crate::engine::fetches;
use crate::engine::outbox::Errand;
use crate::engine::socket::Socket;
use crate::engine::worker::Phase;
use crate::ledger::ConnectionEnd;
use futures_util::StreamExt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Sleep;

/// What is waited for beside frames.
enum Other {
    Frame(ConnectionEnd),
    AbsenceOver,
    Errand(Errand),
    Phase,
    Timer,
}

impl Subscriber {
    /// Until the connection is left, and how; `None` when the run ends.
    pub(super) async fn hold_until_parted(&mut self, socket: &mut Socket, held: &mut Held) -> Option<Parted> {
        let mut timer = pin!(tokio::time::sleep(Duration::ZERO));
        let mut phase = self.phase.clone();
        loop {
            if let Some(parted) = self.continue_drain(held) {
                return Some(parted);
            }
            let due_us = held.due_us(&self.wishes, self.shard.load_start_us.get());
            let due_us = due_us.min(self.app.as_ref().map_or(u64::MAX, |app| app.due_us()));
            let due_us = due_us.min(self.wired.as_ref().map_or(u64::MAX, |wired| wired.due_us()));
            let due_us = if self.settles_us > self.shard.now_us() { due_us.min(self.settles_us) } else { due_us };
            timer.as_mut().reset(self.shard.shared.clock.instant(due_us));
            let turn = match self.only_reads(held) {
                true => self.read_on(socket, held, timer.as_mut(), &mut phase).await,
                // Boxed: it is most of what a subscriber's task would be, and a
                // plain one is here only until its subscription is confirmed.
                false => Box::pin(self.turn(socket, held, timer.as_mut(), &mut phase)).await,
            };
            if let Break(parted) = turn {
                return parted;
            }
        }
    }

    /// Whether frames of the native wire are all that comes, and none of them
    /// asks for more than to be noted.
    fn only_reads(&self, held: &Held) -> bool {
        let plain = self.app.is_none() && self.fetches.is_none() && self.wired.is_none();
        plain && held.armed && held.catch_up.is_none() && held.stopped_until_us.is_none()
    }

    /// Takes frames until something else happens. Nothing but the socket is asked
    /// at each of them.
    async fn read_on(
        &mut self,
        socket: &mut Socket,
        held: &mut Held,
        timer: Pin<&mut Sleep>,
        phase: &mut watch::Receiver<Phase>,
    ) -> ControlFlow<Option<Parted>> {
        let other = {
            let (absences, outbox) = (self.absences.clone(), self.outbox.clone());
            let others = pin!(async move {
                tokio::select! {
                    biased;
                    () = absences.one_over() => Other::AbsenceOver,
                    errand = errands::next(&outbox) => Other::Errand(errand),
                    _ = phase.changed() => Other::Phase,
                    () = timer => Other::Timer,
                }
            });
            let mut others = Apart::new(others);
            std::future::poll_fn(|task| {
                let ended = socket.poll_each(task, &mut |frame| match self.take_next(frame, 0, held) {
                    Ok(()) => Continue(()),
                    Err(end) => Break(end),
                });
                match ended {
                    Poll::Ready(end) => Poll::Ready(Other::Frame(end)),
                    Poll::Pending => others.poll(task),
                }
            })
            .await
        };
        let parted = match other {
            Other::Frame(end) => return Break(Some(self.parted(end, 0))),
            Other::Phase if self.is_over() => return Break(None),
            Other::Phase | Other::AbsenceOver => None,
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
        phase: &mut watch::Receiver<Phase>,
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
                _ = phase.changed() => return if self.is_over() { Break(None) } else { Continue(()) },
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
