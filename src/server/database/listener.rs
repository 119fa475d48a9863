//! Hears that another server has written: PostgreSQL tells.

use super::super::follower::Following;
use super::PostgresAddress;
use super::Result;
use postgres::NoTls;
use postgres::fallible_iterator::FallibleIterator;
use std::time::Duration;

/// How long to wait for a notification until it is asked whether all is well.
const LOOK: Duration = Duration::from_millis(500);
/// How long to wait after a connection that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// Has the log read at each commit of any server of the store, until the
/// follower ends.
pub(in super::super) fn listen(address: &PostgresAddress, following: &Following) {
    while !following.has_ended() {
        if let Err(error) = hear(address, following) {
            tracing::error!("commits of other servers are not heard of: {error}");
            std::thread::sleep(PAUSE);
        }
    }
}

fn hear(address: &PostgresAddress, following: &Following) -> Result<()> {
    let mut client = address.config().connect(NoTls)?;
    client.batch_execute(&format!("LISTEN {}", address.channel()))?;
    // What was committed before it listened was told to nobody here.
    following.wake();
    while !following.has_ended() && !client.is_closed() {
        let mut notifications = client.notifications();
        if notifications.timeout_iter(LOOK).next()?.is_some() {
            // The log is read to its end, whoever else has written meanwhile.
            while notifications.iter().next()?.is_some() {}
            following.wake();
        }
    }
    Ok(())
}
