//! Where what posthaste says of itself goes.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends the log to a writer: what `RUST_LOG` asks for (`debug`, `warn,posthaste=trace`),
/// or what is of a level or worse.
pub fn log_to<W>(writer: W, ansi: bool, otherwise: LevelFilter)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let asked = std::env::var("RUST_LOG").ok().and_then(|text| text.parse::<Targets>().ok());
    let filter = asked.unwrap_or_else(|| Targets::new().with_default(otherwise));
    // Unless it is told to, it heeds NO_COLOR.
    let layer = if ansi { layer() } else { layer().with_ansi(false) };
    let layer = layer.with_writer(writer);
    // Somebody else's subscriber serves as well.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}
