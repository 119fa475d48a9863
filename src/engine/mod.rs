//! Everything that runs: workers, the pacer, virtual users, retries,
//! subscribers, catch-up, the drain.
//!
//! It writes facts into `ledger`; it must not know `judge`, and so cannot
//! excuse itself.
