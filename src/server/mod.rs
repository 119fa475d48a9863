//! The reference server: Slack's wire over SQLite, with chosen defects.
//!
//! It must not know `plan`, `ledger` or `judge`: the product shares no
//! assumption with the thing that it tests.
